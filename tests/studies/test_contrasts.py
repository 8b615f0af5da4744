"""Contrasts against the same numbers taken from the table by hand: which runs, languages, targets and seeds enter."""

from __future__ import annotations

from statistics import mean

import numpy as np
import pytest
from study_samples import SEEDS, scores

from xstilts.core.errors import XstiltsError
from xstilts.stats.series import Replication
from xstilts.stats.table import ScoreTable
from xstilts.studies.spec import Contrast
from xstilts.studies.verdicts import Scores

BACKBONES, RECIPES, TARGETS = ("small", "large", "huge"), ("[]", "[nli]", "[qa]"), ("topics", "pairs")
TABLE = scores(BACKBONES, n=150)
QUICK = Replication()
LANGUAGES = {(target, "zero-shot"): ("aa", "bb") for target in TARGETS} | {
    (target, "all"): ("en", "aa", "bb") for target in TARGETS
}


def measured_on(table: ScoreTable, options: Replication = QUICK) -> Scores:
    return Scores(table, LANGUAGES, BACKBONES, RECIPES, TARGETS, options, {"words": ("topics",)})


KNOWN = measured_on(TABLE)


def points(**contrast: object) -> list[list[float]]:
    return [[float(one) for one in part.series.points] for part in KNOWN.measure(Contrast(**contrast)).parts]


def by_hand(backbone: str, recipe: str, seed: int, **more: object) -> float:
    wanted = {"language": ("aa", "bb"), "task": TARGETS, "role": "target", **more}
    return mean(s.value for s in TABLE.where(backbone=backbone, recipe=recipe, seed=seed, **wanted).scores)


def gain(backbone: str, recipe: str, seed: int, against: str = "[]", **more: object) -> float:
    return by_hand(backbone, recipe, seed, **more) - by_hand(backbone, against, seed, **more)


def test_a_gain_is_over_the_baseline_in_the_mean_over_backbones_recipes_and_zero_shot_languages() -> None:
    assert points(recipe="[nli]", backbones="small") == [pytest.approx([gain("small", "[nli]", s) for s in SEEDS])]
    both = [mean(gain(b, r, s) for b in ("small", "large") for r in ("[nli]", "[qa]")) for s in SEEDS]
    assert points(recipe=("[nli]", "[qa]"), backbones=("small", "large")) == [pytest.approx(both)]
    everywhere = [gain("small", "[nli]", s, language=("en", "aa", "bb")) for s in SEEDS]
    assert points(recipe="[nli]", backbones="small", scope="all") == [pytest.approx(everywhere)]
    others = [gain("small", "[nli]", s, against="[qa]") for s in SEEDS]
    assert points(recipe="[nli]", against="[qa]", backbones="small") == [pytest.approx(others)]


def test_each_target_backbone_or_recipe_is_a_part() -> None:
    targets = [[gain("small", "[nli]", s, task=target) for s in SEEDS] for target in TARGETS]
    assert points(recipe="[nli]", backbones="small", each="target") == [pytest.approx(one) for one in targets]
    recipes = [[gain("small", recipe, s) for s in SEEDS] for recipe in ("[nli]", "[qa]")]
    assert points(recipe=("[nli]", "[qa]"), backbones="small", each="recipe") == [pytest.approx(one) for one in recipes]


def test_a_difference_is_between_backbones_with_the_same_recipe_or_with_others() -> None:
    same = [by_hand("small", "[nli]", s) - by_hand("large", "[nli]", s) for s in SEEDS]
    other = [by_hand("small", "[nli]", s) - by_hand("large", "[qa]", s) for s in SEEDS]
    asked = {"kind": "difference", "recipe": "[nli]", "backbones": "small", "other": "large"}
    assert points(**asked) == [pytest.approx(same)]
    assert points(**asked, against="[qa]") == [pytest.approx(other)]


def test_an_interaction_of_several_takes_the_mean_of_what_it_is_compared_with() -> None:
    found = KNOWN.measure(Contrast(kind="interaction", recipe="[nli]", against=("[]", "[qa]")))
    gains = {
        b: [by_hand(b, "[nli]", s) - mean(by_hand(b, r, s) for r in ("[]", "[qa]")) for s in SEEDS] for b in BACKBONES
    }
    ends = np.array(gains["small"]) - np.array(gains["huge"])
    assert found.parts[0].label == "small - huge"
    assert found.parts[0].series.points == pytest.approx(ends)


def test_what_is_named_twice_or_by_its_group_too_enters_once() -> None:
    once = points(recipe="[nli]", backbones="small")
    assert points(recipe="[nli]", backbones=("small", "small")) == once
    assert points(recipe=("[nli]", "[nli]"), against=("[]", "[]"), backbones="small") == once
    assert points(recipe="[nli]", backbones="small", targets=("words", "topics", "pairs")) == once


def test_a_correlation_is_over_runs_within_a_seed() -> None:
    runs = [(b, r) for b in BACKBONES for r in RECIPES]
    for scope, codes in (("zero-shot", ("aa", "bb")), ("all", ("en", "aa", "bb"))):
        sides = {
            task: {s: [by_hand(b, r, s, task=task, language=codes) for b, r in runs] for s in SEEDS} for task in TARGETS
        }
        expected = [np.corrcoef(sides["topics"][s], sides["pairs"][s])[0, 1] for s in SEEDS]
        found = points(kind="correlation", targets="words", versus="pairs", scope=scope)
        assert found == [pytest.approx(expected)]


def test_sides_of_a_correlation_may_be_groups() -> None:
    asked = {"kind": "correlation", "targets": "pairs"}
    assert points(**asked, versus="words") == points(**asked, versus="topics")


def test_a_trend_is_about_the_backbones_that_have_a_size() -> None:
    more = Scores(TABLE, LANGUAGES, (*BACKBONES, "other"), RECIPES, TARGETS, QUICK)
    found = more.measure(Contrast(kind="trend", recipe="[nli]", parameters={"small": 1e6, "large": 1e7, "huge": 1e9}))
    assert [run.backbone for run in found.subjects] == list(BACKBONES)
    slopes = [np.polyfit([6, 7, 9], [gain(b, "[nli]", s) for b in BACKBONES], 1)[0] for s in SEEDS]
    assert found.parts[0].series.points == pytest.approx(slopes)


def test_the_sides_of_a_correlation_are_compared_at_the_seeds_of_both() -> None:
    later = ScoreTable(tuple(row for row in TABLE.rows if not (row.score.task == "pairs" and row.score.seed == 1)))
    asked = Contrast(kind="correlation", targets="topics", versus="pairs")
    (found,) = measured_on(later).measure(asked).parts
    assert found.series.seeds == SEEDS[1:]
    assert found.series.points == pytest.approx(KNOWN.measure(asked).parts[0].series.points[1:])


def test_a_correlation_counts_the_examples_of_a_side_once_and_says_nothing_of_others() -> None:
    one = KNOWN.measure(Contrast(kind="correlation", targets="topics", versus="pairs")).parts[0].series
    both = KNOWN.measure(Contrast(kind="correlation", targets=TARGETS, versus="pairs")).parts[0].series
    assert (one.examples, both.examples) == (2 * 150, 2 * 2 * 150)
    assert one.noise is both.noise is None


FEWER = ScoreTable(tuple(row for row in TABLE.rows if not (row.score.task == "pairs" and row.score.seed == 1)))


def test_parts_are_measured_at_the_seeds_of_their_target() -> None:
    """One target with fewer seeds made the whole claim undecided."""
    parts = measured_on(FEWER).measure(Contrast(recipe="[nli]", each="target")).parts
    assert [part.series.seeds for part in parts] == [SEEDS, SEEDS[1:]]


def test_a_mean_over_targets_is_the_mean_of_their_own_means() -> None:
    asked = {"recipe": "[nli]", "backbones": "small"}
    (mean_,) = measured_on(FEWER).measure(Contrast(**asked)).parts
    each = measured_on(FEWER).measure(Contrast(**asked, each="target")).parts
    assert mean_.series.points.mean() == pytest.approx(mean(float(part.series.points.mean()) for part in each))


def test_what_needs_values_by_seed_refuses_targets_with_other_seeds() -> None:
    known = measured_on(FEWER)
    for asked in (
        Contrast(kind="correlation", targets=TARGETS, versus="pairs"),
        Contrast(kind="interaction", recipe="[nli]"),
    ):
        with pytest.raises(XstiltsError, match="measured at the same seeds"):
            known.measure(asked)
