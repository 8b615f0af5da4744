"""Runs to be read with care: intermediate tasks that were not learned, and runs that collapsed.

They are flagged and counted, never dropped: a mean over the runs that went well is not the mean of the recipe.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import Literal

from xstilts.stats.table import Run, ScoreTable

LEARNED_MARGIN = 15.0
COLLAPSE_MARGIN = 2.0


@dataclass(frozen=True)
class Flag:
    """One flagged run; `seeds` of the `measured` seeds are concerned."""

    kind: Literal["not learned", "collapsed"]
    run: Run
    task: str
    seeds: tuple[int, ...]
    measured: int

    @property
    def text(self) -> str:
        """What a table prints beside the recipe."""
        part = "" if len(self.seeds) == self.measured else f" ({len(self.seeds)} of {self.measured} seeds)"
        return f"{self.task} {self.kind}{part}"


def learned(value: float, majority: float) -> bool:
    """Whether a score says that a task was learned: at least 15 points above the best constant answer."""
    return value >= majority + LEARNED_MARGIN


def not_learned(table: ScoreTable, source: str = "en") -> list[Flag]:
    """Recipes with an intermediate task that was not learned, judged on its own score in the source language."""
    rows = table.where(role="intermediate", main=True, language=source)
    flags = []
    for (backbone, recipe, task), part in rows.groups("backbone", "recipe", "task").items():
        seeds = tuple(sorted({s.seed for s in part.scores if not learned(s.value, s.majority)}))
        if seeds:
            measured = len(part.distinct("seed"))
            flags.append(Flag("not learned", Run(backbone, recipe), task, seeds, measured))
    return flags


def collapsed(table: ScoreTable, source: str = "en", controls: Iterable[str] = ()) -> list[Flag]:
    """Runs within 2 points of the best constant answer (or below) on a target that their siblings learn.

    Judged on the source language, in which the target was trained, or where that was not measured on the mean of all;
    siblings are the runs of the same backbone on that target, of any recipe and seed, and they learn it when their
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
        recipes = dict.fromkeys(recipe for recipe, _ in margins)
        flags.extend(_collapsed(Run(backbone, recipe), task, margins) for recipe in recipes)
    return [flag for flag in flags if flag.seeds]


def _collapsed(run: Run, task: str, margins: dict[tuple[str, int], float]) -> Flag:
    seeds = []
    for (recipe, seed), margin in margins.items():
        siblings = [other for key, other in margins.items() if key != (recipe, seed)]
        if recipe == run.recipe and siblings and margin <= COLLAPSE_MARGIN and median(siblings) >= LEARNED_MARGIN:
            seeds.append(seed)
    return Flag("collapsed", run, task, tuple(sorted(seeds)), sum(recipe == run.recipe for recipe, _ in margins))


def all_flags(table: ScoreTable, source: str = "en", controls: Sequence[str] = ()) -> list[Flag]:
    """Every flag of a table, in table order."""
    return [*not_learned(table, source), *collapsed(table, source, controls)]
