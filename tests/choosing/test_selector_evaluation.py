"""`tools/selector_evaluation.py`: known orders, intervals, the experiment of one seed, and a finished grid."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from choosing.computing import Computing, chosen_for, experiment
from stages.tiny_experiment import tiny_experiment
from xstilts.choosing.halving import BASELINE
from xstilts.core.errors import StoreError
from xstilts.core.files import write_jsonl
from xstilts.core.scores import Score
from xstilts.expand import Expansion
from xstilts.graph.stage import graph
from xstilts.graph.store import Store

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(TOOLS))
    import selector_evaluation

    return selector_evaluation


def test_regret_and_correlation_of_known_orders(tool: ModuleType) -> None:
    gains = {"a": 3.0, "b": 1.0, "c": -1.0, "d": -2.0}
    right = {"[]": 0.5, "a": 3.0, "b": 2.0, "c": 0.0, "d": -1.0}
    wrong = {"[]": 9.0, "a": -3.0, "b": -1.0, "c": 1.0, "d": 2.0}
    ratings = {"full run": right, "halving": wrong, "tokens": dict.fromkeys(gains, 1.0), "short run": {"a": 1.0}}
    unit = tool.Unit("t", 1, gains, ratings, 0.3)
    assert unit.measures("full run") == {"rho": 1.0, "regret@1": 0.0, "with []": 0.0}
    assert unit.measures("halving") == {"rho": pytest.approx(-1.0), "regret@1": 5.0, "with []": 3.0}
    assert unit.measures("tokens")["rho"] == 0.0
    assert unit.measures("random") == {"rho": 0.0, "regret@1": pytest.approx(2.75), "with []": pytest.approx(2.8)}
    assert unit.measures("short run") == {}, "it does not rate every candidate"


def test_the_baseline_is_selected_if_nothing_is_rated_above_it(tool: ModuleType) -> None:
    worse = {"a": -1.0, "b": -2.0}
    ratings = {"full run": {BASELINE: 3.0, "a": 3.0, "b": 1.0}, "short run": {BASELINE: -1.5, **worse}}
    unit = tool.Unit("t", 1, worse, ratings, 0.3)
    assert unit.measures("full run")["with []"] == 0.0
    assert unit.measures("short run")["with []"] == 1.0
    assert unit.measures("random")["with []"] == pytest.approx(1.0)


def test_one_candidate_can_only_be_compared_with_the_baseline(tool: ModuleType) -> None:
    unit = tool.Unit("t", 1, {"a": 2.0}, {"full run": {BASELINE: 50.0, "a": 49.0}}, 0.3)
    assert unit.measures("full run") == {"with []": 2.0}
    assert unit.measures("random") == {"with []": 1.0}
    assert unit.measures("tokens") == {}


def test_targets_and_seeds_are_both_drawn(tool: ModuleType) -> None:
    four = [tool.Unit(target, seed, {}, {}, 0.3) for target in "xy" for seed in (1, 2)]
    for values in ((0.0, 0.0, 4.0, 4.0), (0.0, 4.0, 0.0, 4.0)):
        assert tool.interval(list(zip(four, values, strict=True))) == "2.00 [0.00, 4.00]"


def test_the_interval_has_the_width_of_the_standard_error(tool: ModuleType) -> None:
    """Forty values of 0 and 1, half of each: the standard error of their mean is .079."""
    many = [(tool.Unit("x", seed, {}, {}, 0.3), float(seed % 2)) for seed in range(40)]
    value, low, high = tool.interval(many).replace("[", "").replace(",", "").replace("]", "").split()
    assert (float(value), float(low), float(high)) == pytest.approx((0.5, 0.345, 0.655), abs=0.03)


def test_a_seed_is_taken_with_its_world_and_judges_every_target_that_has_it(tool: ModuleType) -> None:
    targets = [{"task": "micro_topic", "seeds": 2}]
    asked = tiny_experiment(seeds=[5, 6, 7], worlds=[1, 2], targets=targets, train={"steps": 2})
    parts = [tool.of_seed(asked, number, seed) for number, seed in enumerate(asked.seeds)]
    assert [(part.seeds, part.worlds) for part in parts] == [((5,), (1,)), ((6,), (2,)), ((7,), (1,))]
    assert all(part.targets[0].seeds is None for part in parts)


def test_gains_are_over_languages_that_are_zero_shot_and_chose_nothing(tool: ModuleType, tmp_path: Path) -> None:
    def scored(recipe: str, **values: float) -> SimpleNamespace:
        one: dict[str, Any] = {"split": "test", "metric": "accuracy", "n": 10, "majority": 0.0, "seed": 1}
        rows = [Score("x", code, value=v, recipe=recipe, backbone="b", **one).row() for code, v in values.items()]
        rows.append({**rows[-1], "language": "qab", "value": 99.0, "chosen_on": True})
        rows.append({**rows[-1], "variant": "layer=0 raw", "value": 1.0, "main": False, "chosen_on": False})
        write_jsonl(tmp_path / recipe / "scores.jsonl", rows)
        return SimpleNamespace(role="target", recipe=recipe, stage=recipe)

    cells = [
        scored(BASELINE, en=80.0, qad=9.0, qaa=40.0, qac=50.0),
        scored("[a]", en=10.0, qad=1.0, qaa=43.0, qac=51.0),
    ]
    store = SimpleNamespace(existing=lambda stage: tmp_path / stage)
    asked = experiment(targets=[{"task": "micro_topic", "train_languages": ["qad"]}])
    runs = SimpleNamespace(expansion=SimpleNamespace(cells=cells), store=store)
    assert tool.gains_of(asked, runs) == {"[a]": 2.0}


def test_selectors_are_evaluated_on_a_finished_grid(tool: ModuleType, tiny_world: Path, tmp_path: Path) -> None:
    asked, compute = experiment(), Computing(tmp_path / "store")
    with pytest.raises(StoreError, match=r"is not finished in .*: `xstilts run` computes it"):
        tool.evaluate(asked, [tiny_world], Store(tmp_path / "empty"), compute, 1.0)
    compute(Expansion(asked, tiny_world).stages())
    (topic,) = tool.evaluate(asked, [tiny_world], compute.store, compute, 1.0)
    assert topic.ratings.keys() == {"halving", "short run", "full run", "tokens"}
    assert 0 < topic.cost <= 1
    chosen = chosen_for("micro_topic", tiny_world, compute)
    assert topic.ratings["halving"] == {row.recipe: -rank for rank, row in enumerate(chosen.rows)}
    tokens = {}
    for stage in graph(Expansion(asked, tiny_world).stages()):
        if stage.kind == "train" and (name := stage.config["components"][0]["task"]) != "micro_topic":
            offsets = compute.store.directory(stage.inputs["data0"]) / "all" / "tokens.offsets.npy"
            tokens[f"[{name}]"] = int(np.load(offsets)[-1])
    assert topic.ratings["tokens"] == tokens
    text = tool.page("tiny", [topic], 1.0, "python tools/selector_evaluation.py")
    assert "1 units: micro_topic; up to 1 seeds." in text
    rows = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]
    assert rows[2:] == ["halving", "short run", "full run", "tokens", "random"]
