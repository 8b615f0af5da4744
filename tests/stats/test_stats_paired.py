"""Permutation test, Holm's correction and effect size against scipy and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_scores import Design, build

from xstilts.core.errors import XstiltsError
from xstilts.stats.bootstrap import Resampling
from xstilts.stats.table import Examples, Run
from xstilts.stats.tests import holm, paired_effect, paired_permutation, permutation_tests


def pair(one, two, below=None):
    ids = [str(i) for i in range(len(one))]
    below = below if below is not None else (np.ones(len(one)), np.ones(len(one)))
    return Examples.of(ids, one, below[0]), Examples.of(ids, two, below[1])


def test_few_examples_are_enumerated_and_agree_with_scipy_exactly():
    from scipy import stats

    rng = np.random.default_rng(0)
    one, two = rng.random(11), rng.random(11) - 0.2
    theirs = stats.permutation_test(
        (one, two), lambda a, b, axis: np.mean(a - b, axis=axis), permutation_type="samples", vectorized=True
    )
    assert paired_permutation([pair(one, two)]) == pytest.approx(theirs.pvalue)


def test_many_examples_agree_with_scipy_up_to_sampling():
    from scipy import stats

    rng = np.random.default_rng(1)
    one, two = (rng.random(300) < 0.65).astype(float), (rng.random(300) < 0.58).astype(float)
    theirs = stats.permutation_test(
        (one, two),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=9999,
        rng=np.random.default_rng(0),
    )
    assert paired_permutation([pair(one, two)]) == pytest.approx(theirs.pvalue, abs=0.02)


def test_a_ratio_of_sums_is_recomputed_after_each_exchange():
    below = (np.array([4.0, 2.0, 3.0]), np.array([2.0, 2.0, 5.0]))
    one, two = pair([3.0, 2.0, 1.0], [1.0, 0.0, 2.0], below)
    observed = abs(one.value - two.value)
    extreme = 0
    for code in range(8):
        flip = np.array([code >> i & 1 for i in range(3)], bool)
        a, b = np.where(flip, two.numerator, one.numerator), np.where(flip, one.numerator, two.numerator)
        c, d = np.where(flip, two.denominator, one.denominator), np.where(flip, one.denominator, two.denominator)
        extreme += abs(100 * a.sum() / c.sum() - 100 * b.sum() / d.sum()) >= observed - 1e-9
    assert paired_permutation([(one, two)]) == extreme / 8


def test_equal_systems_have_p_one_and_different_ones_a_small_p():
    rng = np.random.default_rng(2)
    same = (rng.random(200) < 0.5).astype(float)
    assert paired_permutation([pair(same, same)]) == 1.0
    assert paired_permutation([pair(np.ones(200), same)]) == pytest.approx(1 / 10_001), "never 0: what was seen is one"


def test_sets_of_examples_are_exchanged_apart():
    """Three examples at each of two seeds: 2 of 64 exchanges are as far apart, of 8 common ones it would be 2."""
    one, two = np.ones(3), np.zeros(3)
    seeds = [
        tuple(Examples.of([f"{seed}-{i}" for i in range(3)], values, np.ones(3)) for values in (one, two))
        for seed in (1, 2)
    ]
    assert paired_permutation(seeds) == pytest.approx(2 / 64, abs=0.01)


def test_p_values_are_uniform_when_nothing_differs():
    rng = np.random.default_rng(3)
    values = [paired_permutation([pair(rng.random(60), rng.random(60))], 500) for _ in range(150)]
    assert np.mean(np.array(values) < 0.1) == pytest.approx(0.1, abs=0.07)
    assert np.mean(values) == pytest.approx(0.5, abs=0.08)


def test_a_whole_table_is_tested_at_once_with_the_same_result_as_one_by_one():
    design = Design({"[]": 0.0, "[nli]": 6.0, "[qa]": 0.0})
    table = build(design, np.random.default_rng(4))
    base, options = Run("small", "[]"), Resampling(resamples=2000)
    pairs = [(Run("small", recipe), base) for recipe in ("[nli]", "[qa]")]
    found = permutation_tests(table, "topics", pairs, options)
    assert len(found) == 2 * 3
    one = {
        recipe: [row.examples for row in table.where(recipe=recipe, language="aa").rows] for recipe in ("[]", "[nli]")
    }
    single = paired_permutation(list(zip(one["[nli]"], one["[]"])), 2000)  # type: ignore[arg-type]
    assert found[Run("small", "[nli]"), base, "aa"] == single
    assert permutation_tests(table, "absent", pairs, options) == {}


def test_sides_of_different_examples_are_refused():
    one, two = Examples.of(["a"], [1], [1]), Examples.of(["b"], [1], [1])
    with pytest.raises(XstiltsError, match="the same examples on both sides"):
        paired_permutation([(one, two)])
    with pytest.raises(XstiltsError, match="at least one pair"):
        paired_permutation([])


def test_holm_agrees_with_statsmodels():
    multitest = pytest.importorskip("statsmodels.stats.multitest", reason="statsmodels is a test-only reference")
    rng = np.random.default_rng(5)
    for size in (1, 2, 7, 40):
        p = rng.random(size) ** 3
        assert holm(p) == pytest.approx(multitest.multipletests(p, method="holm")[1])
    assert holm([]) == []


def test_holm_of_a_worked_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_the_paired_effect_is_the_t_statistic_over_the_root_of_n():
    from scipy import stats

    values = np.random.default_rng(6).normal(1, 2, 50)
    assert paired_effect(values) == pytest.approx(stats.ttest_1samp(values, 0).statistic / np.sqrt(50))
    assert paired_effect([1.0]) is None
    assert paired_effect([2.0, 2.0]) is None
