"""Runs to read with care: tasks not learned, runs that collapsed, failed or restarted, and oracles.

They are flagged and counted, never dropped: the mean over successful runs is not the mean of the recipe.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import Literal, NamedTuple

from xstilts.stats.table import Run, ScoreTable

LEARNED_MARGIN = 15.0
COLLAPSE_MARGIN = 2.0
Kind = Literal["not learned", "collapsed", "restarted", "failed", "oracle"]


@dataclass(frozen=True)
class Flag:
    """One flagged run: `seeds` of the number of `measured` seeds."""

    kind: Kind
    run: Run
    task: str
    seeds: tuple[int, ...]
    measured: int

    @property
    def text(self) -> str:
        part = "" if len(self.seeds) == self.measured else f" ({len(self.seeds)} of {self.measured} seeds)"
        kind = "chosen on its languages (oracle)" if self.kind == "oracle" else self.kind
        return f"{self.task} {kind}{part}"


def learned(value: float, majority: float) -> bool:
    """Whether a task was learned: its score is at least 15 points above the majority baseline."""
    return value >= majority + LEARNED_MARGIN


class Own(NamedTuple):
    """An intermediate task's own score at one seed, 0-100: the mean over `languages`."""

    seed: int
    value: float
    majority: float
    languages: tuple[str, ...]


def own_scores(table: ScoreTable, source: str = "en") -> dict[tuple[str, str, str], list[Own]]:
    """Own scores by (backbone, recipe, task), one for each seed and main metric.

    They are in the source language, or over the languages of the training data if these are others.
    """
    found: dict[tuple[str, str, str], list[Own]] = {}
    groups = table.where(role="intermediate", main=True).groups("backbone", "recipe", "task")
    for (backbone, recipe, task), part in groups.items():
        kept = part.where(language=source) if source in part.distinct("language") else part
        for (seed,), one in kept.groups("seed").items():
            value, majority = mean(s.value for s in one.scores), mean(s.majority for s in one.scores)
            own = Own(seed, value, majority, tuple(one.distinct("language")))
            found.setdefault((backbone, recipe, task), []).append(own)
    return found


def not_learned(table: ScoreTable, source: str = "en") -> list[Flag]:
    """Recipes with an intermediate task that was not learned, by its own score."""
    flags = []
    for (backbone, recipe, task), own in own_scores(table, source).items():
        seeds = {one.seed for one in own if not learned(one.value, one.majority)}
        flags.append(_flag("not learned", Run(backbone, recipe), task, seeds, len({one.seed for one in own})))
    return [flag for flag in flags if flag.seeds]


def collapsed(table: ScoreTable, source: str = "en", controls: Iterable[str] = ()) -> list[Flag]:
    """Runs within 2 points of the majority baseline (or below) on a target that their siblings learn.

    Runs that ended no better than that on validation data (`stages.accidents`) are flagged too, with any siblings. The
    score is that of the source language, in which the target was trained, or the mean over all languages if it was not
    measured. Siblings are the runs of the same backbone on that target, of any recipe and seed; they learn it if their
    median is at least 15 points above the constant answer. Controls are expected to be poor and are not judged.
    """
    flags: list[Flag] = []
    for (backbone, task), part in table.targets().groups("backbone", "task").items():
        if backbone in set(controls):
            continue
        margins: dict[tuple[str, int], float] = {}
        for key, run in part.groups("recipe", "seed").items():
            own = [s for s in run.scores if s.language == source] or run.scores
            margins[key] = mean(s.value - s.majority for s in own)
        fell = {(score.recipe, score.seed) for score in part.scores if score.collapsed}
        for key, margin in margins.items():  # a run at the constant answer, and the median of its siblings well above
            siblings = [other for one, other in margins.items() if one != key]
            if siblings and margin <= COLLAPSE_MARGIN and median(siblings) >= LEARNED_MARGIN:
                fell.add(key)
        for recipe in dict.fromkeys(recipe for recipe, _ in margins):
            seeds, measured = {s for r, s in fell if r == recipe}, sum(r == recipe for r, _ in margins)
            flags.append(_flag("collapsed", Run(backbone, recipe), task, seeds, measured))
    return [flag for flag in flags if flag.seeds]


def told(table: ScoreTable, kind: Literal["restarted", "oracle"]) -> list[Flag]:
    """Runs whose scores say so.

    restarted   with another seed, in place of a run that diverged or collapsed
    oracle      weights chosen on labels of the target's own languages: the scores are not zero-shot
    """
    flags = []
    for (backbone, recipe, task), part in table.targets().groups("backbone", "recipe", "task").items():
        seeds = {score.seed for score in part.scores if getattr(score, kind)}
        flags.append(_flag(kind, Run(backbone, recipe), task, seeds, len(part.distinct("seed"))))
    return [flag for flag in flags if flag.seeds]


def _flag(kind: Kind, run: Run, task: str, seeds: Iterable[int], measured: int) -> Flag:
    return Flag(kind, run, task, tuple(sorted(seeds)), measured)


def all_flags(table: ScoreTable, source: str = "en", controls: Sequence[str] = ()) -> list[Flag]:
    """Every flag of a table, in table order."""
    own = [*not_learned(table, source), *collapsed(table, source, controls)]
    return [*own, *told(table, "restarted"), *told(table, "oracle")]
