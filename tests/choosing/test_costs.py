"""What stages cost, in tokens through the model and in seconds; what a rung says of its candidates."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from xstilts.choosing.costs import Ledger
from xstilts.choosing.halving import BASELINE, Chooser, Rung
from xstilts.core.scores import Score
from xstilts.graph.stage import Stage
from xstilts.stats.table import ScoreTable

DATA = Stage("prepare", 1, {"of": "data"})


def stage(kind: str, **config: Any) -> Stage:
    return Stage(kind, 1, config, {"data": DATA})


@pytest.fixture(autouse=True)
def hundred_instances(monkeypatch: pytest.MonkeyPatch) -> None:
    known = SimpleNamespace(instances=100, tokens=7.0, total=700.0)
    monkeypatch.setattr("xstilts.choosing.costs.amount", lambda data, store: known)


def ledger(*starts: Stage, records: tuple[Any, ...] = ()) -> Ledger:
    return Ledger(SimpleNamespace(), SimpleNamespace(stages=lambda: records), starts)  # type: ignore[arg-type]


def test_profiles_read_some_instances_and_gradients_count_three_times() -> None:
    assert ledger().cost([stage("profile", measure="text", examples=64)]) == 64 * 7
    assert ledger().cost([stage("profile", measure="labels", examples=512)]) == 100 * 7
    assert ledger().cost([stage("profile", measure="fisher", examples=64)]) == 3 * 64 * 7


def test_predictions_read_all_and_preparing_and_scoring_are_free() -> None:
    predicted = stage("predict")
    assert ledger().cost([predicted]) == 700
    assert ledger().cost([DATA, Stage("evaluate", 1, {}, {"predictions": predicted})]) == 700
    assert ledger(predicted).cost([predicted]) == 0


def test_seconds_are_of_costly_stages_that_are_not_free() -> None:
    start, asked = stage("profile", measure="text", examples=1), stage("predict")
    records = tuple(SimpleNamespace(key=one.key, seconds=10.0**n) for n, one in enumerate((start, asked, DATA)))
    assert ledger(start, records=records).seconds([start, asked]) == 10.0


def rung(baseline: float, share: float = 0.125, **candidates: float) -> Rung:
    shared: dict[str, Any] = {"split": "validation", "metric": "accuracy", "n": 10, "majority": 30.0, "seed": 1}
    values = {BASELINE: baseline, **{f"[{name}]": value for name, value in candidates.items()}}
    rows = [Score("x", "en", value=v, recipe=name, backbone="b", **shared) for name, v in values.items()]
    return Rung(share, values, 1.0, 1.0, ScoreTable.of(rows))


def test_a_candidate_is_held_against_the_baseline_of_its_longest_run() -> None:
    judged = SimpleNamespace(runs=SimpleNamespace(judge=SimpleNamespace(name="x"), spec=SimpleNamespace(name="b")))
    rungs = [rung(40.0, a=50.0, b=45.0), rung(60.0, 0.25, a=62.0)]
    rows = Chooser._rows(judged, {name: {} for name in (BASELINE, "[a]", "[b]")}, rungs)  # type: ignore[arg-type]
    assert [(row.recipe, row.share, row.gain and row.gain.value) for row in rows] == [
        ("[a]", 0.25, 2.0),
        (BASELINE, 0.25, None),
        ("[b]", 0.125, 5.0),
    ]


def test_a_rung_has_learned_where_its_baseline_did() -> None:
    assert rung(45.0, a=30.0).learned
    assert not rung(44.0, a=90.0).learned
    assert Rung(0.125, {}, 1.0, 1.0, ScoreTable.of([])).learned, "a target that is not trained"
