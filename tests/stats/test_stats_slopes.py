"""Slopes over languages and seeds, and degrees of freedom of intervals, against scipy and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from xstilts.stats.estimates import estimate
from xstilts.stats.series import MANY, Series, Spread
from xstilts.stats.slopes import slopes

X = [0.05, 0.1, 0.2, 0.25, 0.3, 0.4]


def languages(values: np.ndarray) -> list[Series]:
    """Series of `values` [seed, language], without examples."""
    seeds = tuple(range(1, len(values) + 1))
    return [Series(seeds, (str(at),), column, None, 1, tuple(map(str, seeds))) for at, column in enumerate(values.T)]


def test_seeds_that_agree_leave_the_interval_of_least_squares_over_languages():
    api = pytest.importorskip("statsmodels.api", reason="statsmodels is a test-only reference")
    gains = np.random.default_rng(0).normal(0, 3, len(X))
    (found,) = slopes([(X, languages(np.tile(gains, (3, 1))))])
    fitted = api.OLS(gains, api.add_constant(np.array(X))).fit()
    assert (found.value, found.p) == pytest.approx((fitted.params[1], fitted.pvalues[1]))
    assert (found.low, found.high) == pytest.approx(tuple(fitted.conf_int()[1]))
    assert found.value == pytest.approx(stats.linregress(X, gains).slope)


def test_languages_on_a_line_leave_the_t_test_of_the_seeds_slopes():
    tilts = np.array([-1.0, -4.0, -2.5, -3.0])
    (found,) = slopes([(X, languages(tilts[:, None] * np.array(X)))])
    test = stats.ttest_1samp(tilts, 0)
    interval = test.confidence_interval()
    assert (found.value, found.p) == pytest.approx((tilts.mean(), test.pvalue))
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_slopes_are_corrected_together_and_too_few_languages_or_seeds_have_none():
    rng = np.random.default_rng(1)
    steep = languages(rng.normal(0, 1, (3, len(X))) + 60 * np.array(X))
    (alone,), (two, other) = slopes([(X, steep)]), slopes([(X, steep), (X, languages(rng.normal(0, 1, (3, len(X)))))])
    assert alone.clear
    assert alone.p <= alone.p_table < two.p_table < other.p_table
    assert not other.clear
    assert slopes([(X[:4], steep[:4]), (X, languages(np.ones((2, len(X))))), ([1.0] * len(X), steep)]) == [None] * 3


def test_what_is_known_from_examples_adds_degrees_of_freedom():
    seeds_alone, half, examples_alone = (Spread(0.0, 3, v, s, 2) for v, s in ((3.0, 0.0), (3.0, 1.0), (1e-9, 1.0)))
    assert (seeds_alone.effective, half.effective) == pytest.approx((2, 4))
    assert examples_alone.effective == MANY
    assert Spread(0.0, 3, 0.0, 1.0, 2).effective == MANY, "equal seeds: the interval does not jump"


@pytest.mark.parametrize("own", [1.0, 0.1])
def test_intervals_cover_where_seeds_share_their_examples(own):
    """Of Student's t with two degrees of freedom on the sum of both variances, 98.9 % and 100 % did."""
    rng, inside = np.random.default_rng(2), 0
    for _ in range(2000):
        common = rng.normal(0, 1, 100)
        noise = tuple({"all": (common - common.mean()) / np.sqrt(99)} for _ in range(3))
        points = 10 * common.mean() + rng.normal(0, own, 3)
        found = estimate(Series((1, 2, 3), ("aa",), points, noise, 100, ("a", "b", "c")))
        inside += found.low <= 0 <= found.high
    assert 0.93 <= inside / 2000 <= 0.97
