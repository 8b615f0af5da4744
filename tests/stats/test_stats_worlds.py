"""Seeds that share a world, joint tests and evidence, against scipy and least squares."""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np
import pytest
from scipy import stats

from xstilts.stats.estimates import estimate
from xstilts.stats.evidence import Bound, partial_conjunction, tails, weigh
from xstilts.stats.interaction import joint, permuted_within, repeated_measures, slope_weights
from xstilts.stats.series import Replication, Series, combine, spread, weighted

WORLDS = {seed: (seed - 1) % 3 + 1 for seed in range(1, 16)}
PLAIN = Replication()
CLUSTERED = Replication(worlds=WORLDS)


def series(points, shared: float | None = None) -> Series:
    """`shared`: variance that examples of all seeds add, in squared points."""
    points = np.asarray(points, dtype=np.float64)
    seeds = tuple(range(1, len(points) + 1))
    noise = None if shared is None else tuple({"all": np.array([np.sqrt(shared)])} for _ in seeds)
    return Series(seeds, ("aa",), points, noise, 100, tuple(f"model {seed}" for seed in seeds))


def noisy(rng: np.random.Generator, truth: float, world: float, seed: float) -> Series:
    between = dict(zip((1, 2, 3), rng.normal(0, world, 3)))
    return series([truth + between[WORLDS[s]] + rng.normal(0, seed) for s in sorted(WORLDS)])


def test_seeds_of_a_world_are_no_independent_evidence():
    one = noisy(np.random.default_rng(0), 5.0, 4.0, 0.5)
    plain, clustered = estimate(one, PLAIN), estimate(one, CLUSTERED)
    means = [one.points[[s % 3 == w for s in range(15)]].mean() for w in range(3)]
    theirs = stats.ttest_1samp(means, 0).confidence_interval(0.95)
    assert clustered.per_world == pytest.approx(means)
    assert (clustered.low, clustered.high) == pytest.approx((theirs.low, theirs.high))
    assert clustered.high - clustered.low > 1.5 * (plain.high - plain.low)
    assert clustered.value == pytest.approx(plain.value)
    assert (clustered.over, clustered.units, plain.over, plain.units) == ("worlds", 3, "seeds", 15)


def test_worlds_of_unequal_size_weigh_the_same():
    found = estimate(series([0.0, 0.0, 0.0, 8.0]), Replication(worlds={1: 1, 2: 1, 3: 1, 4: 2}))
    assert (found.value, found.units, found.few) == (4.0, 2, True)


@pytest.mark.parametrize("worlds", [{1: 1, 2: 2, 3: 3}, {1: 1, 2: 1, 3: 1}, {}])
def test_a_world_for_each_seed_or_one_for_all_changes_nothing(worlds):
    one = series(np.random.default_rng(2).normal(size=3), 0.5)
    assert estimate(one) == estimate(one, Replication(worlds=worlds))


def test_examples_of_a_world_are_no_shared_ones_between_worlds():
    noise = tuple({f"world {WORLDS[seed]}": np.array([3.0])} for seed in sorted(WORLDS))
    one = replace(series(np.random.default_rng(3).normal(size=15)), noise=noise)
    assert spread(one, CLUSTERED).shared == pytest.approx(0.0, abs=1e-9)
    assert spread(one, PLAIN).shared == pytest.approx(9 * 4 / 14)


def test_one_sample_tails_and_intervals_agree_with_scipy():
    values = np.random.default_rng(4).normal(1.0, 2.0, 12)
    one = series(values)
    theirs = stats.ttest_1samp(values, 0.3, alternative="greater")
    above, below = tails(one, 0.3, PLAIN)
    assert (above, below) == pytest.approx((theirs.pvalue, 1 - theirs.pvalue))
    judged = Bound("above", 0.3).judge(one, PLAIN)
    assert (judged.supports, judged.contradicts) == pytest.approx((2 * above, min(1.0, 2 * below)))
    assert judged.confidence == pytest.approx(1 - above)
    assert Bound("below", 0.3).judge(one, PLAIN).confidence == pytest.approx(above)
    inside = Bound("within", 0.3, 1.0).judge(one, PLAIN).confidence
    t = stats.t(11, values.mean(), values.std(ddof=1) / np.sqrt(12))
    assert inside == pytest.approx(t.cdf(1.3) - t.cdf(-0.7))
    assert Bound("differs", 0.3, 1.0).judge(one, PLAIN).confidence == pytest.approx(1 - inside)
    assert tails(series(values, 4.0), 0.3, PLAIN)[0] > above, "examples that all seeds share add their variance"


def test_equivalence_is_two_one_sided_tests():
    values = np.random.default_rng(5).normal(0.2, 0.5, 30)
    bound = Bound("within", 0.0, 1.0)
    supports, contradicts, _ = astuple(bound.judge(series(values), PLAIN))
    one_sided = [
        stats.ttest_1samp(values, -1.0, alternative="greater").pvalue,
        stats.ttest_1samp(values, 1.0, alternative="less").pvalue,
    ]
    assert supports == pytest.approx(2 * max(one_sided))
    assert supports < 0.05 < contradicts
    far_supports, far_contradicts, _ = astuple(bound.judge(series(values + 3), PLAIN))
    assert far_contradicts < 0.05 < far_supports


@pytest.mark.parametrize(
    "bound, shift, word",
    [
        (Bound("above"), 2.0, "for"),
        (Bound("above"), -2.0, "against"),
        (Bound("above"), 0.0, "open"),
        (Bound("above", 0.0, 1.5), 0.0, "against"),
        (Bound("below"), -2.0, "for"),
        (Bound("below", 0.0, 1.5), 0.0, "against"),
        (Bound("differs", 0.0, 1.0), -3.0, "for"),
        (Bound("differs", 0.0, 1.5), 0.0, "against"),
        (Bound("within", 8.2, 1.5), 8.2, "for"),
    ],
)
def test_a_bound_is_supported_contradicted_or_neither(bound, shift, word):
    values = np.random.default_rng(6).normal(0, 1, 20)
    supports, contradicts, confidence = astuple(bound.judge(series(values - values.mean() + shift), PLAIN))
    assert {"for": supports < 0.05 < contradicts, "against": contradicts < 0.05 < supports, "open": True}[word]
    if word == "open":
        assert min(supports, contradicts) > 0.05
    else:
        assert (confidence > 0.9) == (word == "for")


def test_statements_of_several_parts():
    rng = np.random.default_rng(7)
    good, bad = series(rng.normal(3, 1, 20)), series(rng.normal(-3, 1, 20))
    every = weigh([good, good, bad], Bound("above"), 3, PLAIN)
    two = weigh([good, good, bad], Bound("above"), 2, PLAIN)
    assert every.contradicts < 0.05 < every.supports
    assert two.supports < 0.05 < two.contradicts
    assert (every.confidence, two.confidence) == pytest.approx((0.0, 1.0), abs=1e-6)
    assert partial_conjunction([0.01, 0.02, 0.4], 2) == pytest.approx(0.04)
    assert partial_conjunction([0.01, 0.02, 0.4], 3) == pytest.approx(0.4)
    assert partial_conjunction([0.01, 0.02, 0.4], 1) == pytest.approx(0.03)


def test_one_seed_supports_nothing():
    one = series([5.0], 1.0)
    assert astuple(Bound("above").judge(one, PLAIN)) == (1.0, 1.0, None)


def test_the_joint_test_of_two_is_the_paired_t_test_and_scipys_permutation_test():
    rng = np.random.default_rng(8)
    one, two = rng.normal(0, 1, 9), rng.normal(0.7, 1, 9)
    found = joint([series(one), series(two)], PLAIN)
    theirs = stats.ttest_rel(one, two)
    assert (found.f, found.p_f) == pytest.approx((theirs.statistic**2, theirs.pvalue))
    exchanged = stats.permutation_test(
        (one, two), lambda a, b, axis: np.mean(a - b, axis=axis), permutation_type="samples", vectorized=True
    )
    assert found.p_permutation == pytest.approx(exchanged.pvalue)
    assert found.p == max(found.p_f, found.p_permutation)


def test_the_joint_test_of_several_is_least_squares_and_rarely_wrong():
    rng = np.random.default_rng(9)
    values = rng.normal(0, 1, (8, 4)) + rng.normal(0, 2, (8, 1))
    f, degrees, p = repeated_measures(values)
    full = np.column_stack([np.kron(np.eye(8), np.ones((4, 1))), np.tile(np.eye(4)[:, 1:], (8, 1))])
    rest = [float(np.linalg.lstsq(x, values.ravel(), rcond=None)[1].sum()) for x in (full[:, :8], full)]
    assert degrees == (3, 21)
    assert f == pytest.approx((rest[0] - rest[1]) / 3 / (rest[1] / 21))
    alarms = [permuted_within(rng.normal(0, 1, (6, 3)), 500) < 0.05 for _ in range(200)]
    assert np.mean(alarms) <= 0.09
    assert permuted_within(np.array([0, 1, 2]) + rng.normal(0, 0.2, (6, 3)), 500) < 0.01
    assert p > 0.001


def cells(rng: np.random.Generator) -> tuple[dict[tuple[int, int], np.ndarray], Series]:
    """Scores [15] of backbone x recipe, and the contrast of their gains."""
    found = {(b, r): rng.normal(50 + 3 * r + 2 * b * r, 1, 15) for b in (0, 1) for r in (0, 1)}
    gains = [series(found[b, 1] - found[b, 0]) for b in (0, 1)]
    return found, gains[1].minus(gains[0])


def design() -> np.ndarray:
    """Columns: a level for each seed, backbone, recipe, backbone x recipe."""
    rows = [[*np.eye(15)[s], b, r, b * r] for b in (0, 1) for r in (0, 1) for s in range(15)]
    return np.array(rows, dtype=np.float64)


def test_means_over_targets_with_other_seeds_of_the_same_worlds_are_tested_jointly():
    rng = np.random.default_rng(11)
    columns = []
    for truth in (0.0, 0.5, 9.0):
        long, short = noisy(rng, truth, 1.0, 0.5), noisy(rng, truth, 1.0, 0.5)
        short = replace(short, seeds=short.seeds[:6], points=short.points[:6], models=short.models[:6])
        means = [
            [part.points[[WORLDS[s] == w for s in part.seeds]].mean() for w in (1, 2, 3)] for part in (long, short)
        ]
        columns.append(combine([long, short], CLUSTERED))
        assert columns[-1].points == pytest.approx(np.mean(means, axis=0))
    found = joint(columns, CLUSTERED)
    f, degrees, p = repeated_measures(np.stack([one.points for one in columns], axis=1))
    assert (found.f, found.degrees, found.p_f) == (pytest.approx(f), degrees, pytest.approx(p))
    assert degrees == (2, 4)


def test_the_interaction_is_the_coefficient_of_least_squares():
    found, contrast = cells(np.random.default_rng(10))
    y = np.concatenate([found[b, r] for b in (0, 1) for r in (0, 1)])
    coefficients = np.linalg.lstsq(design(), y, rcond=None)[0]
    assert estimate(contrast, CLUSTERED).value == pytest.approx(coefficients[-1])


def test_the_interaction_and_its_clustered_interval_agree_with_statsmodels():
    api = pytest.importorskip("statsmodels.api", reason="statsmodels is a test-only reference")
    found, contrast = cells(np.random.default_rng(10))
    y = np.concatenate([found[b, r] for b in (0, 1) for r in (0, 1)])
    worlds = np.array([WORLDS[s] for _ in range(4) for s in sorted(WORLDS)])
    fitted = api.OLS(y, design()).fit(cov_type="cluster", cov_kwds={"groups": worlds, "use_correction": False})
    mine = estimate(contrast, CLUSTERED)
    assert mine.value == pytest.approx(fitted.params[-1])
    few = stats.t.ppf(0.975, 2) * fitted.bse[-1] * np.sqrt(3 / 2)  # statsmodels: normal, over 3 clusters and not 2
    assert (mine.high - mine.low) / 2 == pytest.approx(few, rel=1e-6)


def test_a_slope_is_scipys_regression_of_values_and_influences():
    x, rng = np.array([5.0, 6.0, 7.5]), np.random.default_rng(11)
    columns = [series(rng.normal(value, 1, 4), value) for value in x]
    found = weighted(columns, slope_weights(list(x)))
    assert found.points == pytest.approx([stats.linregress(x, [c.points[s] for c in columns]).slope for s in range(4)])
    assert found.noise[0]["all"] == pytest.approx([stats.linregress(x, np.sqrt(x)).slope])
    assert weighted([columns[0], series(np.zeros(4))], [1.0, -1.0]).noise is None


def test_the_joint_test_counts_examples_that_all_seeds_share():
    """Three columns on the same examples, whose means differ by what these examples are: F alone took it for a fact."""
    rng = np.random.default_rng(1)
    alone = [series(rng.normal(shift, 0.5, 6)) for shift in (0.0, 0.0, 3.0)]
    tied = [replace(one, noise=({str(i): np.array([2.0])},) * 6) for i, one in enumerate(alone)]
    assert joint(alone).p_f < 0.001
    assert joint(tied).p_f > 0.05


def test_the_same_models_at_every_seed_are_no_evidence_for_others():
    """What is not trained has one score for all seeds: examples vary, and nothing else is known."""
    one = series(np.full(3, 4.0), 0.25)
    same = replace(one, models=("encoder",) * 3)
    found = estimate(same)
    assert (found.over, found.units, found.per_world, found.p) == ("examples", 1, (), None)
    assert (found.low, found.high) == pytest.approx((4 - 0.98, 4 + 0.98), abs=1e-3)
    assert not found.clear
    assert tails(same, 0.0, PLAIN) == (1.0, 1.0)
    assert joint([same, replace(same, points=same.points + 1)]).p is None
    mixed = same.minus(series(np.array([1.0, 2.0, 3.0]), 0.25))
    assert estimate(mixed).units == 3, "one side varies with the seed"


def test_equal_values_without_examples_say_nothing():
    same = series(np.full(4, 2.0))
    assert tails(same, 2.0, PLAIN) == tails(same, 1.0, PLAIN) == (1.0, 1.0)


def test_what_is_no_number_is_no_evidence():
    assert tails(series(np.array([1.0, np.nan, 2.0])), 0.0, PLAIN) == (1.0, 1.0)
