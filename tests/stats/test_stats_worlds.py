"""Seeds that share a world: clustered bootstrap, joint tests and evidence, against scipy and least squares."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from xstilts.stats.bootstrap import draws, estimate
from xstilts.stats.evidence import Bound, partial_conjunction, tails, weigh
from xstilts.stats.interaction import joint, permuted_within, repeated_measures, slope_weights, weighted
from xstilts.stats.series import Resampling, Series

WORLDS = {seed: (seed - 1) % 3 + 1 for seed in range(1, 16)}
PLAIN = Resampling(resamples=4000)
CLUSTERED = Resampling(resamples=4000, worlds=WORLDS)


def series(points, draws=None, shared=False) -> Series:
    points = np.asarray(points, dtype=np.float64)
    seeds = tuple(range(1, len(points) + 1))
    return Series(seeds, ("aa",), points, draws, shared, 100, tuple(f"model {seed}" for seed in seeds))


def noisy(rng: np.random.Generator, truth: float, world: float, seed: float) -> Series:
    between = dict(zip((1, 2, 3), rng.normal(0, world, 3)))
    return series([truth + between[WORLDS[s]] + rng.normal(0, seed) for s in sorted(WORLDS)])


def test_seeds_of_a_world_are_no_independent_evidence():
    one = noisy(np.random.default_rng(0), 5.0, 4.0, 0.5)
    plain, clustered = estimate(one, PLAIN), estimate(one, CLUSTERED)
    means = [one.points[[s % 3 == w for s in range(15)]].mean() for w in range(3)]
    theirs = stats.ttest_1samp(means, 0).confidence_interval(0.95)
    assert clustered.per_world == pytest.approx(means)
    assert (clustered.t_low, clustered.t_high) == pytest.approx((theirs.low, theirs.high))
    assert clustered.high - clustered.low > 1.5 * (plain.high - plain.low)
    assert clustered.value == pytest.approx(plain.value)
    assert (clustered.levels, plain.levels) == ("worlds and seeds", "seeds")


def test_drawing_worlds_then_seeds_has_the_variance_of_theory():
    one = noisy(np.random.default_rng(1), 0.0, 3.0, 2.0)
    groups = [one.points[w::3] for w in range(3)]
    expected = np.var([g.mean() for g in groups]) / 3 + np.mean([g.var() / 5 for g in groups]) / 3
    assert draws(one, Resampling(resamples=40_000, worlds=WORLDS)).var() == pytest.approx(expected, rel=0.04)


def test_worlds_of_unequal_size_weigh_the_same():
    options = Resampling(resamples=2000, worlds={1: 1, 2: 1, 3: 1, 4: 2})
    found = estimate(series([0.0, 0.0, 0.0, 8.0]), options)
    assert found.value == 4.0
    assert set(np.unique(draws(series([0.0, 0.0, 0.0, 8.0]), options))) == {0.0, 4.0, 8.0}
    pair = Resampling(resamples=4000, worlds={1: 1, 2: 1, 3: 1, 4: 2, 5: 2})
    assert draws(series([0.0, 0.0, 0.0, 0.0, 8.0]), pair).mean() == pytest.approx(2.0, abs=0.15)


@pytest.mark.parametrize("worlds", [{1: 1, 2: 2, 3: 3}, {1: 1, 2: 1, 3: 1}, {}])
def test_a_world_for_each_seed_or_one_for_all_changes_no_bit(worlds):
    rng = np.random.default_rng(2)
    for shared in (False, True):
        one = series(rng.normal(size=3), rng.normal(size=(3, 500)).astype(np.float32), shared)
        options = Resampling(resamples=500)
        assert estimate(one, options) == estimate(one, Resampling(resamples=500, worlds=worlds))


@pytest.mark.parametrize("worlds", [WORLDS, {}])
def test_a_world_or_a_seed_drawn_twice_gets_examples_of_its_own(worlds):
    one = series(np.zeros(15), np.random.default_rng(3).normal(0, 1, (15, 6000)).astype(np.float32))
    free = draws(one, Resampling(resamples=6000, worlds=worlds)).var()
    tied = draws(series(one.points, one.draws, True), Resampling(resamples=6000, worlds=worlds)).var()
    assert free == pytest.approx(1 / 15, rel=0.1)
    assert tied > 1.2 * free


def test_one_sample_tails_and_intervals_agree_with_scipy():
    values = np.random.default_rng(4).normal(1.0, 2.0, 12)
    one = series(values)
    theirs = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=20_000, rng=np.random.default_rng(0)
    ).confidence_interval
    mine = estimate(one, Resampling(resamples=20_000))
    assert (mine.low, mine.high) == pytest.approx((theirs.low, theirs.high), abs=0.06)
    t = stats.ttest_1samp(values, 0.3, alternative="greater").pvalue
    above, below = tails(one, 0.3, PLAIN)
    assert above == pytest.approx(max(t, (draws(one, PLAIN) <= 0.3).mean()), abs=1e-3)
    assert below == pytest.approx(max(1 - t, (draws(one, PLAIN) >= 0.3).mean()), abs=1e-3)
    assert Bound("above", 0.3).p_values(one, PLAIN) == pytest.approx((2 * above, min(1.0, 2 * below)))
    for shift in (1.0, -1.0):
        moved = series(values - values.mean() + shift)
        found, there = estimate(moved, PLAIN), draws(moved, PLAIN)
        assert found.p == pytest.approx(2 * min((there <= 0).mean(), (there >= 0).mean()), abs=1e-3)
        assert 0.02 < found.p < 0.5


def test_equivalence_is_two_one_sided_tests():
    values = np.random.default_rng(5).normal(0.2, 0.5, 30)
    bound = Bound("within", 0.0, 1.0)
    supports, contradicts = bound.p_values(series(values), PLAIN)
    one_sided = [
        stats.ttest_1samp(values, -1.0, alternative="greater").pvalue,
        stats.ttest_1samp(values, 1.0, alternative="less").pvalue,
    ]
    assert supports == pytest.approx(2 * max(*one_sided, 1 / 4001), abs=1e-3)
    assert supports < 0.05 < contradicts
    far_supports, far_contradicts = bound.p_values(series(values + 3), PLAIN)
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
    supports, contradicts = bound.p_values(series(values - values.mean() + shift), PLAIN)
    assert {"for": supports < 0.05 < contradicts, "against": contradicts < 0.05 < supports, "open": True}[word]
    if word == "open":
        assert min(supports, contradicts) > 0.05
    assert bound.holds(np.array([shift]))[0] == (word == "for") or word != "for"


def test_statements_of_several_parts():
    rng = np.random.default_rng(7)
    good, bad = series(rng.normal(3, 1, 20)), series(rng.normal(-3, 1, 20))
    every = weigh([good, good, bad], Bound("above"), 3, PLAIN)
    two = weigh([good, good, bad], Bound("above"), 2, PLAIN)
    assert every.contradicts < 0.05 < every.supports
    assert two.supports < 0.05 < two.contradicts
    assert (every.confidence, two.confidence) == (0.0, 1.0)
    assert partial_conjunction([0.01, 0.02, 0.4], 2) == pytest.approx(0.04)
    assert partial_conjunction([0.01, 0.02, 0.4], 3) == pytest.approx(0.4)
    assert partial_conjunction([0.01, 0.02, 0.4], 1) == pytest.approx(0.03)


def test_one_seed_supports_nothing():
    one = series([5.0], np.full((1, 4000), 5.0, dtype=np.float32))
    assert Bound("above").p_values(one, PLAIN) == (1.0, 1.0)


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
    quick = Resampling(resamples=500)
    alarms = [permuted_within(rng.normal(0, 1, (6, 3)), quick) < 0.05 for _ in range(200)]
    assert np.mean(alarms) <= 0.09
    assert permuted_within(np.array([0, 1, 2]) + rng.normal(0, 0.2, (6, 3)), quick) < 0.01
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
    half = 1.96 * fitted.bse[-1]
    assert 0.5 < (mine.high - mine.low) / (2 * half) < 2.5


def test_a_slope_is_scipys_regression_of_values_and_of_their_draws():
    x, rng = np.array([5.0, 6.0, 7.5]), np.random.default_rng(11)
    columns = [series(rng.normal(value, 1, 4), rng.normal(value, 1, (4, 2)), value > 7) for value in x]
    found = weighted(columns, slope_weights(list(x)))
    assert found.points == pytest.approx([stats.linregress(x, [c.points[s] for c in columns]).slope for s in range(4)])
    theirs = [[stats.linregress(x, [c.draws[s, b] for c in columns]).slope for b in range(2)] for s in range(4)]
    assert found.draws == pytest.approx(np.array(theirs), rel=1e-5)
    assert found.shared, "one of the columns shares its examples among seeds"
    assert weighted([columns[0], series(np.zeros(4))], [1.0, -1.0]).draws is None


def test_the_same_models_at_every_seed_are_no_evidence_for_others():
    """What is not trained has one score for all seeds: examples vary, and nothing else is known."""
    rng = np.random.default_rng(6)
    one = series(np.full(3, 4.0), np.repeat(rng.normal(4, 0.5, (1, 500)).astype(np.float32), 3, axis=0), True)
    same = replace(one, models=("encoder",) * 3)
    options = Resampling(resamples=500)
    found = estimate(same, options)
    assert (found.levels, found.t_low, found.per_world) == ("examples", None, ())
    assert found.low is not None
    assert found.low > 0
    assert not found.clear
    assert tails(same, 0.0, options) == (1.0, 1.0)
    assert joint([same, replace(same, points=same.points + 1)], options).p is None
    mixed = same.minus(series(np.array([1.0, 2.0, 3.0]), one.draws, True))
    assert estimate(mixed, options).t_low is not None, "one side varies with the seed"


def test_equal_values_that_are_the_bound_itself_neither_pass_it_nor_fall_short():
    """Of seeds that do not vary Student's t says nothing but where they lie."""
    same = series(np.full(4, 2.0), np.random.default_rng(12).normal(2, 0.1, (4, 4000)).astype(np.float32))
    assert tails(same, 2.0, PLAIN) == (1.0, 1.0)
    above, below = tails(same, 1.0, PLAIN)
    assert above < 0.001 < below


def test_what_is_no_number_is_no_evidence():
    assert tails(series(np.array([1.0, np.nan, 2.0])), 0.0, PLAIN) == (1.0, 1.0)
