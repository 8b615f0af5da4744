"""Means over targets: of each target's own mean over its own seeds, with an interval that is right for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from synthetic_scores import Design, build

from xstilts.stats.estimates import Estimate, estimate
from xstilts.stats.replicates import replicates
from xstilts.stats.series import Replication, Series, combine, spread
from xstilts.stats.table import Run, ScoreTable

OPTIONS = Replication()


def gain_series(table: ScoreTable, languages, task) -> Series:
    run, baseline = replicates(table, task).series([Run("small", "[nli]"), Run("small", "[]")], languages)
    return run.minus(baseline)


def covered(estimates: list[Estimate], truth: float) -> float:
    return float(np.mean([e.low <= truth <= e.high for e in estimates]))  # type: ignore[operator]


def uneven(rng: np.random.Generator, seeds=((1, 2, 3, 4), (1, 2)), common: float = 0.0) -> list[Series]:
    """Targets measured at other seeds, which they share in part."""
    runs = {seed: rng.normal(0, common) for seed in range(1, 9)}
    return [
        Series(at, ("aa",), np.array([runs[s] + rng.normal(0, 2) for s in at]), None, 1, tuple(map(str, at)))
        for at in seeds
    ]


def test_the_mean_over_targets_is_the_mean_of_their_own_means():
    """Gains of −0.5 over three seeds and −0.3 at one were averaged at that one seed alone, and gave −0.1."""
    costly = Series((1,), ("aa",), np.array([-0.3]), None, 1, ("a",))
    cheap = Series((1, 2, 3), ("aa",), np.array([0.1, -0.7, -0.9]), None, 1, ("a", "b", "c"))
    found = estimate(combine([cheap, costly], OPTIONS))
    assert found.value == pytest.approx(-0.4)
    assert (found.low, found.p, found.few, found.per_seed) == (None, None, True, ())
    same = combine([cheap, replace(cheap, points=cheap.points - 1)], OPTIONS)
    assert same.points == pytest.approx(cheap.points - 0.5)


@pytest.mark.parametrize("common", [0.0, 3.0])
def test_the_interval_of_a_mean_over_targets_with_other_seeds_covers(common):
    for seeds in (((1, 2, 3, 4, 5), (1, 2, 3)), ((1, 2, 3), (4, 5, 6)), ((1, 2, 3, 4), (1, 2))):
        rng = np.random.default_rng(3)
        found = [estimate(combine(uneven(rng, seeds, common), OPTIONS)) for _ in range(400)]
        assert covered(found, 0.0) >= 0.93
        sampled = np.var([one.value for one in found])
        spreads = [spread(combine(uneven(rng, seeds, common), OPTIONS), OPTIONS).error ** 2 for _ in range(400)]
        assert np.mean(spreads) == pytest.approx(sampled, rel=0.25)


def test_the_mean_over_targets_with_other_seeds_weighs_worlds_alike():
    options = Replication(worlds={1: 1, 2: 2, 3: 3, 4: 1})
    one = Series((1, 2, 3, 4), ("aa",), np.array([0.0, 4.0, 8.0, 4.0]), None, 1, tuple("abcd"))
    two = Series((1, 2, 3), ("aa",), np.array([1.0, 2.0, 6.0]), None, 1, tuple("abc"))
    found = combine([one, two], options)
    assert estimate(found, options).value == pytest.approx((np.mean([2, 4, 8]) + 3) / 2)
    whole = estimate(found, options)
    assert (whole.units, whole.over, whole.per_seed, len(whole.per_world)) == (3, "worlds", (), 3)


def test_combined_influences_are_those_of_the_combined_value():
    table = build(Design({"[]": 0.0, "[nli]": 5.0}, tasks=("topics", "tags")), np.random.default_rng(0))
    late = ScoreTable(tuple(r for r in table.rows if (r.score.task, r.score.seed) != ("tags", 1)))
    parts = [gain_series(late, ["aa", "bb"], task) for task in ("topics", "tags")]
    mean = combine(parts, OPTIONS)
    each = [sum(float(v @ v) for noise in one.noise for v in noise.values()) / len(one.seeds) ** 2 for one in parts]
    whole = sum(float(v @ v) for noise in mean.noise for v in noise.values()) / len(mean.seeds) ** 2
    assert whole == pytest.approx(sum(each) / 4)
    bare = [parts[0], replace(parts[1], noise=None)]
    assert combine(bare, OPTIONS).noise is None
