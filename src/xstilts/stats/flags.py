"""Runs to be read with care: tasks not learned, runs that collapsed, failed or began again, and oracles.

They are flagged and counted, never dropped: a mean over the runs that went well is not the mean of the recipe.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import Literal, NamedTuple

from xstilts.core.scores import Score
from xstilts.stats.table import Run, ScoreTable

LEARNED_MARGIN = 15.0
COLLAPSE_MARGIN = 2.0


@dataclass(frozen=True)
class Flag:
    """One flagged run; `seeds` of the `measured` seeds are concerned."""

    kind: Literal["not learned", "collapsed", "restarted", "failed", "oracle"]
    run: Run
    task: str
    seeds: tuple[int, ...]
    measured: int

    @property
    def text(self) -> str:
        """What a table prints beside the recipe."""
        part = "" if len(self.seeds) == self.measured else f" ({len(self.seeds)} of {self.measured} seeds)"
        kind = "chosen on its languages (oracle)" if self.kind == "oracle" else self.kind
        return f"{self.task} {kind}{part}"


def learned(value: float, majority: float) -> bool:
    """Whether a score says that a task was learned: at least 15 points above the best constant answer."""
    return value >= majority + LEARNED_MARGIN


class Own(NamedTuple):
    """An intermediate task's own score at one seed, 0-100: the mean over `languages`."""

    seed: int
    value: float
    majority: float
    languages: tuple[str, ...]


def own_scores(table: ScoreTable, source: str = "en") -> dict[tuple[str, str, str], list[Own]]:
    """Own scores by (backbone, recipe, task): in the source language, or if it has none over those it is trained in.

    One for each seed and main metric.
    """
    found = {}
    for key, part in table.where(role="intermediate", main=True).groups("backbone", "recipe", "task").items():
        kept = part.where(language=source) if source in part.distinct("language") else part
        backbone, recipe, task = key
        found[backbone, recipe, task] = [_own(seed, one) for (seed, _), one in kept.groups("seed", "metric").items()]
    return found


def _own(seed: int, part: ScoreTable) -> Own:
    values, majorities = ([getattr(s, name) for s in part.scores] for name in ("value", "majority"))
    return Own(seed, mean(values), mean(majorities), tuple(part.distinct("language")))


def not_learned(table: ScoreTable, source: str = "en") -> list[Flag]:
    """Recipes with an intermediate task that was not learned, judged on its own score."""
    flags = []
    for (backbone, recipe, task), own in own_scores(table, source).items():
        seeds = tuple(sorted({one.seed for one in own if not learned(one.value, one.majority)}))
        if seeds:
            flags.append(Flag("not learned", Run(backbone, recipe), task, seeds, len({one.seed for one in own})))
    return flags


def collapsed(table: ScoreTable, source: str = "en", controls: Iterable[str] = ()) -> list[Flag]:
    """Runs within 2 points of the best constant answer (or below) on a target that their siblings learn.

    So are those that ended no better than it on validation, whatever their siblings do (`stages.accidents`). Judged on
    the source language, in which the target was trained, or where that was not measured on the mean of all; siblings
    are the runs of the same backbone on that target, of any recipe and seed, and they learn it when their median is at
    least 15 points above the constant answer. Controls are expected to be poor and are not judged.
    """
    flags: list[Flag] = []
    for (backbone, task), part in table.targets().groups("backbone", "task").items():
        if backbone in set(controls):
            continue
        margins: dict[tuple[str, int], float] = {}
        for key, run in part.groups("recipe", "seed").items():
            own = [s for s in run.scores if s.language == source] or run.scores
            margins[key] = mean(s.value - s.majority for s in own)
        recipes = dict.fromkeys(recipe for recipe, _ in margins)
        told = {(score.recipe, score.seed) for score in part.scores if score.collapsed}
        flags.extend(_collapsed(Run(backbone, recipe), task, margins, told) for recipe in recipes)
    return [flag for flag in flags if flag.seeds]


def _collapsed(run: Run, task: str, margins: dict[tuple[str, int], float], told: Container[tuple[str, int]]) -> Flag:
    seeds = []
    for (recipe, seed), margin in margins.items():
        siblings = [other for key, other in margins.items() if key != (recipe, seed)]
        unlike = bool(siblings) and margin <= COLLAPSE_MARGIN and median(siblings) >= LEARNED_MARGIN
        if recipe == run.recipe and (unlike or (recipe, seed) in told):
            seeds.append(seed)
    return Flag("collapsed", run, task, tuple(sorted(seeds)), sum(recipe == run.recipe for recipe, _ in margins))


def oracles(table: ScoreTable) -> list[Flag]:
    """Runs whose weights were chosen on labels of the target's own languages: their scores are no zero-shot results."""
    return _told(table, "oracle", lambda score: score.oracle)


def restarted(table: ScoreTable) -> list[Flag]:
    """Runs of other seeds, in the place of ones that diverged or collapsed on the way to the target."""
    return _told(table, "restarted", lambda score: score.restarted)


def _told(table: ScoreTable, kind: Literal["oracle", "restarted"], says: Callable[[Score], bool]) -> list[Flag]:
    flags = []
    for (backbone, recipe, task), part in table.targets().groups("backbone", "recipe", "task").items():
        if seeds := tuple(sorted({score.seed for score in part.scores if says(score)})):
            flags.append(Flag(kind, Run(backbone, recipe), task, seeds, len(part.distinct("seed"))))
    return flags


def all_flags(table: ScoreTable, source: str = "en", controls: Sequence[str] = ()) -> list[Flag]:
    """Every flag of a table, in table order."""
    own = [*not_learned(table, source), *collapsed(table, source, controls)]
    return [*own, *restarted(table), *oracles(table)]
