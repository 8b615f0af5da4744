"""The scores of one task as series: by run, with the seeds and languages that runs have in common."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import NamedTuple

import numpy as np

from xstilts.core.errors import XstiltsError
from xstilts.stats.series import Noise, Series, added
from xstilts.stats.table import Examples, Floats, Measured, Run, ScoreTable


class ScorePlace(NamedTuple):
    """One run in one language with one seed; several main values (exact match and F1) are averaged, as in XTREME."""

    point: float
    noise: Noise | None
    group: str
    source: str
    metrics: frozenset[str]
    examples: int
    stages: frozenset[str]


@dataclass(frozen=True, eq=False)
class Replicates:
    """All runs of one task, by run, language and seed."""

    task: str
    places: Mapping[tuple[Run, str, int], ScorePlace]

    @cached_property
    def _measured(self) -> Mapping[Run, set[tuple[int, str]]]:
        """Seeds and languages of each run."""
        found: dict[Run, set[tuple[int, str]]] = {}
        for run, language, seed in self.places:
            found.setdefault(run, set()).add((seed, language))
        return found

    def series(self, runs: Sequence[Run], languages: Sequence[str]) -> list[Series]:
        """The mean over languages of each run, with the seeds and languages that all of `runs` have.

        Raises `XstiltsError` if there is no such run, nothing in common, or runs have different metrics or examples.
        """
        have = {run: {pair for pair in self._measured.get(run, ()) if pair[1] in languages} for run in runs}
        if absent := [run for run, pairs in have.items() if not pairs]:
            raise XstiltsError(f"{self.task}: no scores of recipe {absent[0].recipe} with {absent[0].backbone}")
        seeds = tuple(sorted(set.intersection(*({seed for seed, _ in pairs} for pairs in have.values()))))
        if not seeds:
            raise XstiltsError(f"{self.task}: {' and '.join(run.recipe for run in runs)} have no seed in common")
        shared = set.intersection(*have.values())
        common = tuple(code for code in languages if all((seed, code) in shared for seed in seeds))
        if not common:
            raise XstiltsError(f"{self.task}: no language was measured with every seed of {_names(runs)}")
        made = []
        for run in runs:
            rows = [[self.places[run, language, seed] for language in common] for seed in seeds]
            for seed, language in product(seeds, common):
                a, b = self.places[runs[0], language, seed], self.places[run, language, seed]
                others = any(x and y and x != y for x, y in ((a.group, b.group), (a.source, b.source)))
                if a.metrics != b.metrics or others:
                    what = "examples" if a.metrics == b.metrics else "metrics"
                    raise XstiltsError(
                        f"{self.task} ({language}, seed {seed}): {_names([runs[0], run])} were measured with different "
                        f"{what}; run them with the same data and version"
                    )
            points = np.array([[place.point for place in row] for row in rows]).mean(axis=1)
            noise = [_mean(place.noise for place in row) for row in rows]
            total = sum(place.examples for place in rows[0])
            stages = [sorted(set().union(*(place.stages for place in row))) for row in rows]
            models = tuple(" ".join(s) if s and all(s) else f"seed {seed}" for s, seed in zip(stages, seeds))
            known = tuple(one for one in noise if one is not None)
            made.append(Series(seeds, common, points, known if len(known) == len(seeds) else None, total, models))
        return made


def _names(runs: Sequence[Run]) -> str:
    return " and ".join(f"{run.recipe} with {run.backbone}" for run in dict.fromkeys(runs))


def _mean(parts: Iterable[Noise | None]) -> Noise | None:
    given = list(parts)
    known = [part for part in given if part is not None]
    return added(known, [1 / len(known)] * len(known)) if len(known) == len(given) else None


def replicates(table: ScoreTable, task: str) -> Replicates:
    """All runs, languages and seeds of one target task."""
    places: dict[tuple[Run, str, int], list[Measured]] = {}
    for row in table.targets().rows:
        if row.score.task == task:
            places.setdefault((row.run, row.score.language, row.score.seed), []).append(row)
    return Replicates(task, {key: _place(task, rows) for key, rows in places.items()})


def _place(task: str, rows: Sequence[Measured]) -> ScorePlace:
    kept = [row.examples if row.examples is not None and len(row.examples.ids) else None for row in rows]
    return ScorePlace(
        point=float(np.mean([row.score.value for row in rows])),
        noise=_mean(None if one is None else {f"{task} {one.group}": influences(one)} for one in kept),
        group="+".join(sorted({one.group for one in kept if one is not None})),
        source="+".join(sorted({row.source for row in rows} - {""})),
        metrics=frozenset(row.score.metric for row in rows),
        examples=max(row.score.n for row in rows),
        stages=frozenset(row.score.stage for row in rows),
    )


def influences(examples: Examples) -> Floats:
    """[n] by how much each example moves 100 * sum(numerator) / sum(denominator), in points."""
    n, below = len(examples.ids), examples.denominator.sum()
    if n < 2 or below == 0:
        return np.zeros(n)
    moved = (100 * examples.numerator - examples.value * examples.denominator) / below
    return np.asarray(moved * np.sqrt(n / (n - 1)))
