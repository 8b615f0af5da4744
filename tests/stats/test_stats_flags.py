"""Flags: what was not learned and what collapsed is named and counted."""

from __future__ import annotations

from synthetic_scores import score

from xstilts.stats.flags import all_flags, collapsed, learned, not_learned, own_scores
from xstilts.stats.table import Run, ScoreTable


def intermediate(value: float, seed: int = 1, task: str = "nli", recipe: str = "[nli]", language: str = "en"):
    return score(task, language, seed, ("small", recipe), value, role="intermediate")


def test_a_task_is_learned_from_fifteen_points_above_the_constant_answer():
    assert learned(48.3, 33.3)
    assert not learned(48.2, 33.3)


def test_an_intermediate_task_near_chance_is_flagged_with_its_seeds():
    table = ScoreTable.of(
        [intermediate(40, 1), intermediate(70, 2), intermediate(34, 3), intermediate(10, 1, language="de")]
    )
    (flag,) = not_learned(table)
    assert (flag.kind, flag.run, flag.seeds, flag.measured) == ("not learned", Run("small", "[nli]"), (1, 3), 3)
    assert flag.text == "nli not learned (2 of 3 seeds)"


def test_the_source_language_alone_judges_where_it_was_measured():
    assert not_learned(ScoreTable.of([intermediate(70), intermediate(10, language="de")])) == []
    (own,) = own_scores(ScoreTable.of([intermediate(70), intermediate(10, language="de")])).values()
    assert [(one.value, one.languages) for one in own] == [(70, ("en",))]


def test_a_seed_of_two_metrics_is_counted_once():
    both = [
        intermediate(10, task="squad"),
        score("squad", "en", 1, ("small", "[nli]"), 20, metric="f1", role="intermediate"),
    ]
    assert [flag.text for flag in not_learned(ScoreTable.of(both))] == ["squad not learned"]
    (own,) = own_scores(ScoreTable.of(both)).values()
    assert [(one.seed, one.value) for one in own] == [(1, 15.0)]


def test_a_task_without_the_source_language_is_judged_on_the_mean_over_its_languages():
    rows = [intermediate(value, seed, "ner", language=code) for seed, pair in ((1, (30, 80)), (2, (30, 60)))
            for code, value in zip(("ha", "sw"), pair)]  # fmt: skip
    (flag,) = not_learned(ScoreTable.of(rows))
    assert flag.text == "ner not learned (1 of 2 seeds)"
    assert flag.seeds == (2,)
    (own,) = own_scores(ScoreTable.of(rows)).values()
    assert [(one.seed, one.value, one.languages) for one in own] == [(1, 55, ("ha", "sw")), (2, 45, ("ha", "sw"))]


def test_a_learned_intermediate_task_is_not_flagged():
    assert not_learned(ScoreTable.of([intermediate(80)])) == []


def test_every_task_of_a_sequence_is_judged():
    rows = [intermediate(35, task="squad", recipe="[squad, nli]"), intermediate(80, task="nli", recipe="[squad, nli]")]
    (flag,) = not_learned(ScoreTable.of(rows))
    assert flag.text == "squad not learned"


def target(recipe: str, seed: int, value: float, language: str = "en", backbone: str = "small"):
    return score("xnli", language, seed, (backbone, recipe), value)


def test_a_run_at_the_constant_answer_beside_learning_siblings_collapsed():
    rows = [target("[]", seed, 70) for seed in (1, 2, 3)] + [target("[qa]", 1, 33.4), target("[qa]", 2, 72)]
    rows += [target("[qa]", 1, 60, "de")]
    (flag,) = collapsed(ScoreTable.of(rows))
    assert (flag.run.recipe, flag.seeds, flag.text) == ("[qa]", (1,), "xnli collapsed (1 of 2 seeds)")


def test_a_target_that_nobody_learns_has_no_collapsed_run():
    assert collapsed(ScoreTable.of([target("[]", seed, 33.4) for seed in (1, 2, 3)])) == []


def test_siblings_are_the_other_runs_and_their_median_counts():
    def flagged(own: float, *siblings: float) -> bool:
        rows = [score("xnli", "en", seed, ("small", "[]"), value, majority=30.0) for seed, value in enumerate(siblings)]
        rows.append(score("xnli", "en", 0, ("small", "[qa]"), own, majority=30.0))
        return [flag.run.recipe for flag in collapsed(ScoreTable.of(rows))] == ["[qa]"]

    assert flagged(32.0, 45.0)
    assert not flagged(32.1, 45.0)
    assert not flagged(32.0, 44.9)
    assert flagged(30.0, 46.0, 46.0, 33.0)


def test_a_run_without_source_language_scores_is_judged_on_the_others():
    rows = [target("[]", seed, 60, "de") for seed in (1, 2)] + [target("[qa]", 1, 30, "de")]
    assert [flag.run.recipe for flag in collapsed(ScoreTable.of(rows))] == ["[qa]"]


def test_a_run_whose_signature_says_that_it_collapsed_needs_no_siblings():
    rows = [target("[]", 1, 70), score("xnli", "en", 2, ("small", "[]"), 50.0, signature="xnli | run=collapsed | v")]
    (flag,) = collapsed(ScoreTable.of(rows))
    assert flag.text == "xnli collapsed (1 of 2 seeds)"


def test_runs_of_other_seeds_are_told():
    rows = [target("[]", 1, 70), score("xnli", "en", 2, ("small", "[]"), 72.0, signature="xnli | restarts=2 | v")]
    (flag,) = all_flags(ScoreTable.of(rows))
    assert (flag.kind, flag.seeds, flag.text) == ("restarted", (2,), "xnli restarted (1 of 2 seeds)")


def test_controls_are_not_judged_and_one_run_alone_has_no_siblings():
    rows = [target("[]", seed, 70) for seed in (1, 2)] + [target("[]", 1, 33, backbone="random")]
    rows += [target("[]", 2, 90, backbone="random")]
    assert collapsed(ScoreTable.of(rows), controls=["random"]) == []
    assert [flag.run.backbone for flag in all_flags(ScoreTable.of(rows))] == ["random"]
    assert collapsed(ScoreTable.of([target("[]", 1, 20)])) == []
