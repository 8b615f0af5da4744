"""What choosing is worth: means, intervals and slopes of units that are known, and the experiment of one seed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stages.tiny_experiment import tiny_experiment
from xstilts.choosing.halving import BASELINE
from xstilts.choosing.worth import FULL, RANDOM, Unit, _interval, _of_seed, _slope, _truth
from xstilts.core.files import write_jsonl
from xstilts.core.scores import Score


def units(*shape: tuple[str, int]) -> list[Unit]:
    return [Unit(target, seed, {"a": 1.0, "b": 0.0}, {}, 0.3) for target, seed in shape]


def test_targets_and_seeds_are_both_drawn() -> None:
    four = units(("x", 1), ("x", 2), ("y", 1), ("y", 2))
    of_targets = _interval(list(zip(four, (0.0, 0.0, 4.0, 4.0), strict=True)))
    of_seeds = _interval(list(zip(four, (0.0, 4.0, 0.0, 4.0), strict=True)))
    for found in (of_targets, of_seeds):
        assert (found.value, found.low, found.high) == (2.0, 0.0, 4.0)


def test_the_interval_holds_ninety_five_in_a_hundred_draws() -> None:
    """Forty values of 0 and 1, half of each, have a mean whose deviation is .079."""
    many = units(*(("x", seed) for seed in range(40)))
    found = _interval(list(zip(many, [float(seed % 2) for seed in range(40)], strict=True)))
    assert (found.low, found.high) == pytest.approx((0.5 - 0.155, 0.5 + 0.155), abs=0.03)


def test_the_slope_goes_through_the_origin_and_is_of_gains_on_gains() -> None:
    english = {BASELINE: 50.0, "a": 51.0, "b": 52.0, "c": 54.0}
    one = Unit("x", 1, {"a": 3.0, "b": 1.0, "c": 2.0}, {FULL: english}, 0.3)
    found = _slope([one, *units(("y", 1))])
    assert found is not None
    assert found.value == pytest.approx((1 * 3 + 2 * 1 + 4 * 2) / (1 + 4 + 16))
    assert _slope(units(("y", 1))) is None
    assert _slope([Unit("x", 1, {"a": 3.0}, {FULL: {BASELINE: 50.0, "a": 50.0}}, 0.3)]) is None


def test_a_seed_is_taken_with_its_world_and_judges_every_target_that_has_it() -> None:
    targets = [{"task": "micro_topic", "seeds": 2}]
    asked = tiny_experiment(seeds=[5, 6, 7], worlds=[1, 2], targets=targets, train={"steps": 2})
    parts = [_of_seed(asked, number, seed) for number, seed in enumerate(asked.seeds)]
    assert [(part.seeds, part.worlds) for part in parts] == [((5,), (1,)), ((6,), (2,)), ((7,), (1,))]
    assert all(part.targets[0].seeds is None for part in parts)


def test_the_baseline_is_taken_where_nothing_is_rated_above_it() -> None:
    worse = {"a": -1.0, "b": -2.0}
    one = Unit("t", 1, worse, {FULL: {BASELINE: 3.0, "a": 3.0, "b": 1.0}, "short run": {BASELINE: 0.0, **worse}}, 0.3)
    assert one.measures(FULL)["with []"] == 0.0
    assert one.measures("short run")["with []"] == 0.0
    assert one.measures(RANDOM)["with []"] == pytest.approx(1.0)


def test_true_gains_are_over_languages_that_are_zero_shot_and_chose_nothing(tmp_path: Path) -> None:
    def scored(recipe: str, **values: float) -> SimpleNamespace:
        one: dict[str, Any] = {"split": "test", "metric": "accuracy", "n": 10, "majority": 0.0, "seed": 1}
        rows = [Score("x", code, value=v, recipe=recipe, backbone="b", **one).row() for code, v in values.items()]
        rows.append({**rows[-1], "language": "qab", "value": 99.0, "chosen_on": True})
        rows.append({**rows[-1], "variant": "layer=0 raw", "value": 1.0, "main": False, "chosen_on": False})
        write_jsonl(tmp_path / recipe / "scores.jsonl", rows)
        return SimpleNamespace(role="target", recipe=recipe, stage=recipe)

    cells = [scored(BASELINE, en=80.0, qaa=40.0, qac=50.0), scored("[a]", en=10.0, qaa=43.0, qac=51.0)]
    runs = SimpleNamespace(expansion=SimpleNamespace(cells=cells), zero_shot=lambda code: code != "en")
    grid = SimpleNamespace(has=lambda _: True, existing=lambda stage: tmp_path / stage)
    assert _truth(SimpleNamespace(runs=runs), grid) == {"[a]": 2.0}  # type: ignore[arg-type]
