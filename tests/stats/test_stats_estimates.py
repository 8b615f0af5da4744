"""Estimates: intervals that cover, paired, exact, and clear when something cannot be compared."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from synthetic_scores import Design, build, score

from xstilts.core.errors import XstiltsError
from xstilts.stats.estimates import Estimate, estimate, family, holm
from xstilts.stats.replicates import influences, replicates
from xstilts.stats.series import Replication, Series, combine, spread
from xstilts.stats.table import Examples, Run, ScoreTable

BASE, TUNED = Run("small", "[]"), Run("small", "[nli]")
OPTIONS = Replication()


def gain_series(table: ScoreTable, languages, pair=(TUNED, BASE), task="topics") -> Series:
    run, baseline = replicates(table, task).series(pair, languages)
    return run.minus(baseline)


def own(table: ScoreTable, task: str, run: Run, languages) -> Estimate:
    return estimate(*replicates(table, task).series([run], languages))


def gain(table: ScoreTable, languages, pair=(TUNED, BASE)) -> Estimate:
    return estimate(gain_series(table, languages, pair))


def gains(design: Design, rounds: int) -> list[Estimate]:
    tables = (build(design, np.random.default_rng(round_)) for round_ in range(rounds))
    return [family([gain_series(t, design.languages)], ["topics"])[0] for t in tables]


def covered(estimates: list[Estimate], truth: float) -> float:
    return float(np.mean([e.low <= truth <= e.high for e in estimates]))  # type: ignore[operator]


@pytest.mark.parametrize("truth", [0.0, 5.0])
@pytest.mark.parametrize("own_examples", [True, False])
@pytest.mark.parametrize("seeds, noise", [(3, 0.0), (3, 4.0), (10, 3.0)])
def test_intervals_cover_a_known_gain_at_the_nominal_rate(truth, own_examples, seeds, noise):
    design = Design(
        {"[]": 0.0, "[nli]": truth}, n=100, own_examples=own_examples, seeds=tuple(range(seeds)), seed_noise=noise
    )
    estimates = gains(design, 100)
    assert 0.90 <= covered(estimates, truth) <= 1.0  # the percentile bootstrap had 0.78 with three noisy seeds
    assert abs(np.mean([e.value for e in estimates]) - truth) < 1.5


def test_no_gain_is_seldom_called_clear_and_a_big_one_nearly_always():
    nothing = gains(Design({"[]": 0.0, "[nli]": 0.0}, n=100, seed_noise=1.0), 80)
    much = gains(Design({"[]": 0.0, "[nli]": 20.0}, n=400, seed_noise=1.0), 40)
    assert np.mean([e.clear for e in nothing]) <= 0.07
    assert np.mean([e.clear for e in much]) >= 0.9


@pytest.mark.parametrize("seeds", [1, 2])
def test_one_or_two_seeds_are_too_few_to_say_however_large_the_gain(seeds):
    (found,) = gains(Design({"[]": 0.0, "[nli]": 39.0}, n=400, seeds=tuple(range(seeds))), 1)
    assert (found.few, found.p_table, found.clear) == (True, None, False)
    assert found.low is not None
    assert (found.over == "examples") == (seeds == 1)


def test_the_variance_over_examples_is_that_of_the_bootstrap():
    rng = np.random.default_rng(5)
    below = rng.integers(1, 9, 300)
    examples = Examples.of(map(str, range(300)), rng.binomial(below, 0.6), below)
    resampled = stats.bootstrap(
        (examples.numerator, examples.denominator),
        lambda a, b, axis: 100 * a.sum(axis=axis) / b.sum(axis=axis),
        paired=True,
        rng=np.random.default_rng(0),
    )
    moved = influences(examples)
    assert moved.sum() == pytest.approx(0.0, abs=1e-9)
    assert np.sqrt(moved @ moved) == pytest.approx(resampled.standard_error, rel=0.03)


def test_the_interval_and_p_are_scipys_where_seeds_have_examples_of_their_own():
    (found,) = gains(Design({"[]": 0.0, "[nli]": 5.0}, seeds=(1, 2, 3, 4)), 1)
    theirs = stats.ttest_1samp(found.per_seed, 0)
    interval = theirs.confidence_interval(0.95)
    assert (found.low, found.high, found.p) == pytest.approx((interval.low, interval.high, theirs.pvalue))
    assert found.p_table == found.p


def test_examples_that_all_seeds_share_add_their_covariance():
    """By hand: gains of two seeds on the same four examples, of which one is answered differently."""
    rows = []
    for seed, right in ((1, [1, 1, 1, 0]), (2, [1, 1, 0, 0]), (3, [1, 1, 1, 1])):
        for run, values in ((TUNED, right), (BASE, [0, 1, 0, 0])):
            examples = Examples.of("abcd", values, np.ones(4))
            rows.append((score("topics", "aa", seed, run, examples.value), examples))
    series = gain_series(ScoreTable.of(rows), ["aa"])
    points = np.array([50.0, 25.0, 75.0])
    each = 25 * (np.array([[1, 0, 1, 0], [1, 0, 0, 0], [1, 0, 1, 1]]) - points[:, None] / 100) * np.sqrt(4 / 3)
    covariance = np.mean([each[a] @ each[b] for a, b in ((0, 1), (0, 2), (1, 2))])
    found = spread(series, OPTIONS)
    assert series.points == pytest.approx(points)
    assert found.shared == pytest.approx(covariance)
    assert found.variance == pytest.approx(625.0)
    assert found.error == pytest.approx(np.sqrt(625 / 3 + covariance))
    assert estimate(series).over == "seeds and examples"


def test_seeds_that_happen_to_agree_are_not_certain():
    """Three equal gains on few examples had the interval [+1.0, +1.0] and counted as clear."""
    rows = []
    for seed in (1, 2, 3):
        for run, right in ((TUNED, 7), (BASE, 6)):
            examples = Examples.of([f"{seed}-{i}" for i in range(10)], np.arange(10) < right, np.ones(10))
            rows.append((score("topics", "aa", seed, run, examples.value), examples))
    (found,) = family([gain_series(ScoreTable.of(rows), ["aa"])], ["topics"])
    assert found.value == pytest.approx(10.0)
    assert found.low < 0 < found.high  # type: ignore[operator]
    assert not found.clear


def test_a_difference_of_a_run_with_itself_is_exactly_nothing():
    table = build(Design({"[]": 0.0}), np.random.default_rng(0))
    found = gain(table, ["aa", "bb"], (BASE, BASE))
    assert (found.value, found.low, found.high, found.p, found.clear) == (0.0, 0.0, 0.0, 1.0, False)


def test_what_languages_share_is_not_taken_for_independent_evidence():
    one = build(Design({"[]": 0.0, "[nli]": 5.0}, languages=("aa",), seeds=(1,)), np.random.default_rng(1))
    copies = [(row.score, row.examples) for row in one.rows]
    copies += [(score("topics", "bb", 1, row.run, row.score.value), row.examples) for row in one.rows]
    narrow = gain(one, ["aa"])
    wide = gain(ScoreTable.of(copies), ["aa", "bb"])
    assert (wide.low, wide.high) == pytest.approx((narrow.low, narrow.high))


def test_the_same_seed_gives_the_same_interval_whatever_else_the_table_holds():
    design = Design({"[]": 0.0, "[nli]": 5.0, "[qa]": 2.0})
    table = build(design, np.random.default_rng(0))
    alone = table.where(recipe=("[]", "[nli]"))
    found = [gain(t, design.languages) for t in (table, alone, table)]
    assert found[0] == found[1] == found[2]


def test_only_seeds_and_languages_of_both_sides_are_compared():
    table = build(Design({"[]": 0.0, "[nli]": 5.0}), np.random.default_rng(0))
    rows = [r for r in table.rows if not (r.run == TUNED and (r.score.seed == 3 or r.score.language == "bb"))]
    found = gain(ScoreTable(tuple(rows)), ["aa", "bb"])
    assert found.seeds == (1, 2)
    assert found.languages == ("aa",)


def test_one_model_at_all_seeds_is_known_by_its_stage():
    """What is not trained is evaluated once: scores of one stage under several seeds are one measurement."""
    rows = [score("topics", "aa", seed, BASE, 50.0, stage="evaluate-1") for seed in (1, 2, 3)]
    same = own(ScoreTable.of(rows), "topics", BASE, ["aa"])
    assert (same.over, same.units, same.low, same.seeds) == ("nothing", 1, None, (1, 2, 3))
    rows += [score("topics", "aa", seed, TUNED, 50.0, stage=f"evaluate-{seed}") for seed in (1, 2, 3)]
    assert gain(ScoreTable.of(rows), ["aa"]).over == "seeds"


def test_a_language_that_one_seed_lacks_is_left_out_at_all():
    table = build(Design({"[]": 0.0, "[nli]": 5.0}), np.random.default_rng(0))
    rows = [r for r in table.rows if not (r.run == BASE and r.score.seed == 2 and r.score.language == "aa")]
    found = gain(ScoreTable(tuple(rows)), ["aa", "bb"])
    assert (found.seeds, found.languages) == ((1, 2, 3), ("bb",))


@pytest.mark.parametrize("own_examples", [True, False])
def test_seeds_share_examples_where_their_ids_are_equal(own_examples):
    design = Design({"[]": 0.0}, tasks=("topics", "tags"), own_examples=own_examples, n=100)
    same = ScoreTable.of(
        (row.score, row.examples and Examples.of(row.examples.ids, np.arange(100) % 2, np.ones(100)))
        for row in build(design, np.random.default_rng(0)).rows
    )
    one, other = (replicates(same, task).series([BASE], ["aa", "bb"])[0] for task in design.tasks)
    assert one.examples == 200
    assert (spread(one, OPTIONS).shared > 10) == (not own_examples)
    both = spread(combine([one, other], OPTIONS), OPTIONS)
    assert both.shared == pytest.approx(spread(one, OPTIONS).shared / 2), "tasks share nothing whatever their ids"


def test_without_example_values_or_variation_nothing_is_tested():
    rows = [
        score("topics", "aa", seed, run, 50.0 + seed + (run == TUNED)) for seed in (1, 2, 3) for run in (BASE, TUNED)
    ]
    (found,) = family([gain_series(ScoreTable.of(rows), ["aa"])], ["topics"])
    assert (found.value, found.p, found.over, found.clear) == (1.0, 1.0, "seeds", False)
    single = own(ScoreTable.of(rows[:1]), "topics", BASE, ["aa"])
    assert (single.value, single.low, single.p, single.over, single.clear) == (51.0, None, None, "nothing", False)


def test_exact_match_and_f1_enter_as_their_mean():
    ids, ones = ["a", "b"], np.ones(2)
    rows = [
        (score("qa", "aa", 1, BASE, 50.0, metric="exact_match"), Examples.of(ids, [1, 0], ones)),
        (score("qa", "aa", 1, BASE, 75.0, metric="f1"), Examples.of(ids, [1, 0.5], ones)),
    ]
    found = own(ScoreTable.of(rows), "qa", BASE, ["aa"])
    assert (found.value, (found.low + found.high) / 2) == (62.5, pytest.approx(62.5))
    assert found.high - found.low == pytest.approx(2 * 1.96 * 37.5, rel=1e-3)  # two examples of 25 and 100


def test_a_ratio_of_sums_is_not_a_mean_of_ratios():
    examples = Examples.of(["a", "b"], [9, 0], [10, 1])
    assert examples.value == pytest.approx(100 * 9 / 11)
    assert influences(examples) == pytest.approx(100 * np.array([9 - 90 / 11, -9 / 11]) / 11 * np.sqrt(2))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"recipe": "[absent]"}, r"topics: no scores of recipe \[absent\] with small"),
        ({"languages": ["zz"]}, "no scores of recipe"),
    ],
)
def test_what_was_not_measured_is_named(change, message):
    table = build(Design({"[]": 0.0, "[nli]": 5.0}), np.random.default_rng(0))
    run = Run("small", change.get("recipe", "[nli]"))
    with pytest.raises(XstiltsError, match=message):
        gain(table, change.get("languages", ["aa"]), (run, BASE))


def test_sides_that_share_no_seed_language_metric_or_examples_are_refused():
    def table(**other: object) -> ScoreTable:
        seed, language = other.pop("seed", 1), other.pop("language", "aa")
        ids = other.pop("ids", ["a", "b"])
        one = (score("topics", "aa", 1, BASE, 50.0), Examples.of(["a", "b"], [1, 0], [1, 1]))
        two = (score("topics", language, seed, TUNED, 50.0, **other), Examples.of(ids, [1, 0], [1, 1]))  # type: ignore[arg-type]
        return ScoreTable.of([one, two])

    cases = {
        "no seed in common": {"seed": 2},
        "no language was measured with every seed": {"language": "bb"},
        "different metrics": {"metric": "f1"},
        "different examples": {"ids": ["a", "c"]},
    }
    for message, other in cases.items():
        with pytest.raises(XstiltsError, match=message):
            gain(table(**other), ["aa", "bb"])


def test_a_score_that_is_no_number_is_refused():
    """A mean with it was `nan` in every table."""
    with pytest.raises(XstiltsError, match=r"the score of topics \(aa, seed 1, recipe \[\]\) is nan, not a number"):
        ScoreTable.of([score("topics", "aa", 1, BASE, float("nan"))])


def test_holm_agrees_with_statsmodels():
    multitest = pytest.importorskip("statsmodels.stats.multitest", reason="statsmodels is a test-only reference")
    rng = np.random.default_rng(5)
    for size in (1, 2, 7, 40):
        p = rng.random(size) ** 3
        assert holm(p) == pytest.approx(multitest.multipletests(p, method="holm")[1])
    assert holm([]) == []
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
