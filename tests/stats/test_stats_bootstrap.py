"""The bootstrap: right on average, paired, quick, and clear when something cannot be compared."""

from __future__ import annotations

import time

import numpy as np
import pytest
from synthetic_scores import Design, build, score

from xstilts.core.errors import XstiltsError
from xstilts.stats.bootstrap import Estimate, Resampling, bootstrap_gain, bootstrap_score, combine, estimate, resample
from xstilts.stats.table import Examples, Run, ScoreTable

BASE, TUNED = Run("small", "[]"), Run("small", "[nli]")
QUICK = Resampling(resamples=1000)


def gains(design: Design, rounds: int) -> list[Estimate]:
    tables = (build(design, np.random.default_rng(round_)) for round_ in range(rounds))
    return [bootstrap_gain(t, "topics", (TUNED, BASE), design.languages, QUICK) for t in tables]


def covered(estimates: list[Estimate], truth: float) -> float:
    return float(np.mean([e.low <= truth <= e.high for e in estimates]))  # type: ignore[operator]


@pytest.mark.parametrize("truth", [0.0, 5.0])
@pytest.mark.parametrize("own_examples", [True, False])
def test_intervals_cover_a_known_gain_at_least_at_the_nominal_rate_when_examples_are_the_noise(truth, own_examples):
    estimates = gains(Design({"[]": 0.0, "[nli]": truth}, n=100, own_examples=own_examples), 80)
    assert covered(estimates, truth) >= 0.90
    assert abs(np.mean([e.value for e in estimates]) - truth) < 0.5
    assert all(e.levels == "seeds and examples" for e in estimates)


def test_with_three_noisy_seeds_the_percentile_interval_undercovers_and_the_t_interval_does_not():
    estimates = gains(Design({"[]": 0.0, "[nli]": 5.0}, n=200, seed_noise=4.0), 100)
    assert 0.60 <= covered(estimates, 5.0) <= 0.93
    assert np.mean([e.t_low <= 5.0 <= e.t_high for e in estimates]) >= 0.90


def test_with_ten_noisy_seeds_the_interval_covers_near_the_nominal_rate():
    estimates = gains(Design({"[]": 0.0, "[nli]": 5.0}, n=100, seed_noise=3.0, seeds=tuple(range(10))), 60)
    assert covered(estimates, 5.0) >= 0.87


def test_no_gain_is_seldom_called_clear_and_a_big_one_nearly_always():
    nothing = gains(Design({"[]": 0.0, "[nli]": 0.0}, n=100, seed_noise=1.0), 80)
    much = gains(Design({"[]": 0.0, "[nli]": 20.0}, n=100, seed_noise=1.0), 40)
    assert np.mean([e.clear for e in nothing]) <= 0.06
    assert np.mean([e.clear for e in much]) >= 0.9
    assert all(e.p is not None and e.p < 0.01 for e in much)


def test_the_interval_agrees_with_scipy_where_there_is_one_seed_and_one_language():
    from scipy import stats

    table = build(Design({"[]": 0.0, "[nli]": 5.0}, languages=("aa",), seeds=(1,), n=300), np.random.default_rng(5))
    mine = bootstrap_gain(table, "topics", (TUNED, BASE), ["aa"])
    tuned, base = (table.where(recipe=recipe).rows[0].examples for recipe in ("[nli]", "[]"))
    assert tuned is not None
    assert base is not None
    difference = 100 * (tuned.numerator - base.numerator)
    theirs = stats.bootstrap((difference,), np.mean, method="percentile", rng=np.random.default_rng(0))
    assert mine.low == pytest.approx(theirs.confidence_interval.low, abs=0.5)
    assert mine.high == pytest.approx(theirs.confidence_interval.high, abs=0.5)
    assert mine.levels == "examples"
    assert mine.t_low is None


def test_the_t_interval_agrees_with_scipy():
    from scipy import stats

    found = gains(Design({"[]": 0.0, "[nli]": 5.0}, seeds=(1, 2, 3, 4)), 1)[0]
    theirs = stats.ttest_1samp(found.per_seed, 0).confidence_interval(0.95)
    assert (found.t_low, found.t_high) == pytest.approx((theirs.low, theirs.high))


def test_a_difference_of_a_run_with_itself_is_exactly_nothing():
    table = build(Design({"[]": 0.0}), np.random.default_rng(0))
    found = bootstrap_gain(table, "topics", (BASE, BASE), ["aa", "bb"], QUICK)
    assert (found.value, found.low, found.high, found.p, found.clear) == (0.0, 0.0, 0.0, 1.0, False)


def test_what_languages_share_is_not_taken_for_independent_evidence():
    one = build(Design({"[]": 0.0, "[nli]": 5.0}, languages=("aa",), seeds=(1,)), np.random.default_rng(1))
    copies = [(row.score, row.examples) for row in one.rows]
    copies += [(score("topics", "bb", 1, row.run, row.score.value), row.examples) for row in one.rows]
    narrow = bootstrap_gain(one, "topics", (TUNED, BASE), ["aa"], QUICK)
    wide = bootstrap_gain(ScoreTable.of(copies), "topics", (TUNED, BASE), ["aa", "bb"], QUICK)
    assert (wide.low, wide.high) == pytest.approx((narrow.low, narrow.high))


def test_the_same_seed_gives_the_same_interval_whatever_else_the_table_holds():
    design = Design({"[]": 0.0, "[nli]": 5.0, "[qa]": 2.0})
    table = build(design, np.random.default_rng(0))
    alone = table.where(recipe=("[]", "[nli]"))
    found = [bootstrap_gain(t, "topics", (TUNED, BASE), design.languages, QUICK) for t in (table, alone, table)]
    assert found[0] == found[1] == found[2]


def test_only_seeds_and_languages_of_both_sides_are_compared():
    table = build(Design({"[]": 0.0, "[nli]": 5.0}), np.random.default_rng(0))
    rows = [r for r in table.rows if not (r.run == TUNED and (r.score.seed == 3 or r.score.language == "bb"))]
    found = bootstrap_gain(ScoreTable(tuple(rows)), "topics", (TUNED, BASE), ["aa", "bb"], QUICK)
    assert found.seeds == (1, 2)
    assert found.languages == ("aa",)


def test_one_model_at_all_seeds_is_known_by_its_stage():
    """What is not trained is evaluated once: scores of one stage under several seeds are one measurement."""
    rows = [score("topics", "aa", seed, BASE, 50.0, stage="evaluate-1") for seed in (1, 2, 3)]
    same = bootstrap_score(ScoreTable.of(rows), "topics", BASE, ["aa"], QUICK)
    assert (same.levels, same.t_low, same.seeds) == ("nothing", None, (1, 2, 3))
    rows += [score("topics", "aa", seed, TUNED, 50.0, stage=f"evaluate-{seed}") for seed in (1, 2, 3)]
    assert bootstrap_gain(ScoreTable.of(rows), "topics", (TUNED, BASE), ["aa"], QUICK).levels == "seeds"


def test_a_language_that_one_seed_lacks_is_left_out_at_all():
    table = build(Design({"[]": 0.0, "[nli]": 5.0}), np.random.default_rng(0))
    rows = [r for r in table.rows if not (r.run == BASE and r.score.seed == 2 and r.score.language == "aa")]
    found = bootstrap_gain(ScoreTable(tuple(rows)), "topics", (TUNED, BASE), ["aa", "bb"], QUICK)
    assert (found.seeds, found.languages) == ((1, 2, 3), ("bb",))


@pytest.mark.parametrize("own_examples", [True, False])
def test_seeds_share_examples_where_their_ids_are_equal_and_else_are_drawn_apart(own_examples):
    design = Design({"[]": 0.0}, tasks=("topics", "tags"), own_examples=own_examples, n=100)
    table = build(design, np.random.default_rng(0))
    one, other = (resample(table, task, QUICK).series([BASE], ["aa", "bb"])[0] for task in design.tasks)
    assert (one.shared, one.examples) == (not own_examples, 200)
    same = ScoreTable.of(
        (row.score, row.examples and Examples.of(row.examples.ids, np.arange(100) % 2, np.ones(100)))
        for row in table.rows
    )
    one, other = (resample(same, task, QUICK).series([BASE], ["aa", "bb"])[0] for task in design.tasks)
    assert (abs(np.corrcoef(one.draws[0], one.draws[1])[0, 1]) < 0.2) == own_examples
    assert abs(np.corrcoef(one.draws[0], other.draws[0])[0, 1]) < 0.2, "tasks are drawn apart whatever their ids"


def test_without_example_values_seeds_alone_are_resampled():
    rows = [
        score("topics", "aa", seed, run, 50.0 + seed + (run == TUNED)) for seed in (1, 2, 3) for run in (BASE, TUNED)
    ]
    found = bootstrap_gain(ScoreTable.of(rows), "topics", (TUNED, BASE), ["aa"], QUICK)
    assert (found.value, found.low, found.high, found.levels) == (1.0, 1.0, 1.0, "seeds")
    single = bootstrap_score(ScoreTable.of(rows[:1]), "topics", BASE, ["aa"], QUICK)
    assert (single.value, single.low, single.p, single.levels, single.clear) == (51.0, None, None, "nothing", False)


def test_exact_match_and_f1_enter_as_their_mean():
    ids, ones = ["a", "b"], np.ones(2)
    rows = [
        (score("qa", "aa", 1, BASE, 50.0, metric="exact_match"), Examples.of(ids, [1, 0], ones)),
        (score("qa", "aa", 1, BASE, 75.0, metric="f1"), Examples.of(ids, [1, 0.5], ones)),
    ]
    found = bootstrap_score(ScoreTable.of(rows), "qa", BASE, ["aa"], QUICK)
    assert (found.value, found.low, found.high) == (62.5, 25.0, 100.0)


def test_a_ratio_of_sums_is_resampled_as_one_not_as_a_mean_of_ratios():
    examples = Examples.of(["a", "b"], [9, 0], [10, 1])
    rows = [(score("tags", "aa", 1, BASE, examples.value), examples)]
    found = bootstrap_score(ScoreTable.of(rows), "tags", BASE, ["aa"], QUICK)
    assert found.value == pytest.approx(100 * 9 / 11)
    assert (found.low, found.high) == (0.0, 90.0)


def test_the_mean_over_targets_takes_the_same_seeds_in_all():
    design = Design({"[]": 0.0, "[nli]": 5.0}, tasks=("topics", "tags"), seed_noise=2.0)
    table = build(design, np.random.default_rng(0))
    parts = []
    for task in design.tasks:
        tuned, base = resample(table, task, QUICK).series([TUNED, BASE], design.languages)
        parts.append(tuned.minus(base))
    found = estimate(combine(parts), QUICK)
    assert found.value == pytest.approx(np.mean([part.points.mean() for part in parts]))
    assert found.low < found.value < found.high  # type: ignore[operator]


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
        bootstrap_gain(table, "topics", (run, BASE), change.get("languages", ["aa"]), QUICK)


def test_sides_that_share_no_seed_language_metric_or_examples_are_refused():
    def table(**other: object) -> ScoreTable:
        seed, language = other.pop("seed", 1), other.pop("language", "aa")
        ids = other.pop("ids", ["a", "b"])
        one = (score("topics", "aa", 1, BASE, 50.0), Examples.of(["a", "b"], [1, 0], [1, 1]))
        two = (score("topics", language, seed, TUNED, 50.0, **other), Examples.of(ids, [1, 0], [1, 1]))  # type: ignore[arg-type]
        return ScoreTable.of([one, two])

    cases = {
        "no seed in common": {"seed": 2},
        "no language was measured at every seed": {"language": "bb"},
        "different metrics": {"metric": "f1"},
        "different examples": {"ids": ["a", "c"]},
    }
    for message, other in cases.items():
        with pytest.raises(XstiltsError, match=message):
            bootstrap_gain(table(**other), "topics", (TUNED, BASE), ["aa", "bb"], QUICK)


def test_a_mean_over_targets_takes_of_each_the_seeds_of_all_and_has_draws_where_all_have():
    design = Design({"[]": 0.0}, tasks=("topics", "tags"), seed_noise=3.0)
    table = build(design, np.random.default_rng(0))
    late = [r if r.score.task == "topics" else r._replace(examples=None) for r in table.rows]
    late = [r for r in late if (r.score.task, r.score.seed) != ("tags", 1)]
    one, two = (resample(ScoreTable(tuple(late)), task, QUICK).series([BASE], ["aa"])[0] for task in design.tasks)
    found = combine([one, two])
    assert found.seeds == (2, 3)
    assert found.points == pytest.approx((one.points[1:] + two.points) / 2)
    assert found.draws is None


def test_targets_without_a_common_seed_have_no_mean():
    rows = [score("a", "aa", 1, BASE, 50.0), score("b", "aa", 2, BASE, 50.0)]
    table = ScoreTable.of(rows)
    parts = [resample(table, task, QUICK).series([BASE], ["aa"])[0] for task in "ab"]
    with pytest.raises(XstiltsError, match="no seed in common"):
        combine(parts)


def test_ten_thousand_resamples_of_a_whole_table_take_seconds():
    design = Design(
        {f"[{i}]": i for i in range(6)}, tasks=tuple("abcde"), languages=("en", "u", "v", "w", "x", "y"), n=400
    )
    table = build(design, np.random.default_rng(0))
    start = time.process_time()
    for task in design.tasks:
        replicates = resample(table, task)
        for recipe in design.gains:
            run, base = replicates.series([Run("small", recipe), Run("small", "[0]")], design.languages)
            estimate(run.minus(base))
    assert time.process_time() - start < 5
