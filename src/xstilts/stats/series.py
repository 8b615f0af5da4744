"""Scores and differences as one value per seed, each with its resamples over test examples.

Here examples are drawn; seeds, and the worlds they share, are drawn over these values in `bootstrap`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from xstilts.core.errors import XstiltsError
from xstilts.core.seeds import generator
from xstilts.stats.table import Examples, Floats, Measured, Run, ScoreTable, ratio

CHUNK = 1 << 18


@dataclass(frozen=True)
class Resampling:
    """How often to resample, the level of intervals, the seed of the random numbers, and what seeds have in common.

    Attributes:
        worlds: seed -> the constructed world it was run on, where several seeds share one; empty on real data.
    """

    resamples: int = 10_000
    level: float = 0.95
    seed: int = 0
    worlds: Mapping[int, int] = field(default_factory=dict)

    def blocks(self, series: Series) -> list[NDArray[np.int64]]:
        """Positions of the seeds by world; by what was measured at them where no world has two, or all are of one.

        What is not trained is the same models at every seed: that is one block.
        """
        names = [self.worlds.get(seed, model) for seed, model in zip(series.seeds, series.models, strict=True)]
        names = list(series.models) if len(set(names)) == 1 else names
        return [np.array([i for i, name in enumerate(names) if name == one]) for one in dict.fromkeys(names)]

    def by_world(self, series: Series) -> bool:
        """Whether blocks are worlds with several seeds."""
        count = len({self.worlds.get(seed) for seed in series.seeds})
        return 1 < count < len(series.seeds) and all(seed in self.worlds for seed in series.seeds)


@dataclass(frozen=True, eq=False)
class Series:
    """A value per seed, and its resamples over examples.

    Attributes:
        points: [S] the measured value at each seed.
        draws: [S, B] the value under each resample of the examples; None without example values.
        shared: whether seeds share test examples (then resample b is the same draw for all of them).
        models: what was measured at each seed; equal where it is the same models.
    """

    seeds: tuple[int, ...]
    languages: tuple[str, ...]
    points: Floats
    draws: NDArray[np.float32] | None
    shared: bool
    examples: int
    models: tuple[str, ...]

    def minus(self, other: Series) -> Series:
        """The paired difference; both must have the same seeds."""
        assert self.seeds == other.seeds
        draws = None if self.draws is None or other.draws is None else self.draws - other.draws
        return replace(self, points=self.points - other.points, draws=draws, models=models_of([self, other]))


@dataclass(frozen=True, eq=False)
class Place:
    """One run in one language at one seed; several main values (exact match and F1) are averaged, as XTREME does."""

    point: float
    draws: NDArray[np.float32] | None
    group: str
    metrics: frozenset[str]
    examples: int
    stages: frozenset[str]


@dataclass(frozen=True, eq=False)
class Replicates:
    """All runs of one task under the same resamples of its examples."""

    task: str
    places: Mapping[tuple[Run, str, int], Place]

    def series(self, runs: Sequence[Run], languages: Sequence[str]) -> list[Series]:
        """The mean over languages of each run, over the seeds and languages that all of `runs` have.

        Raises:
            XstiltsError: no such run, no seed or language in common, other metrics or other examples.
        """
        seeds, common = self._overlap(runs, languages)
        made = []
        for run in runs:
            rows = [[self.places[run, language, seed] for language in common] for seed in seeds]
            self._comparable(runs[0], run, seeds, common)
            points = np.array([[place.point for place in row] for row in rows]).mean(axis=1)
            known = all(place.draws is not None for row in rows for place in row)
            draws = np.stack([_mean(place.draws for place in row) for row in rows]) if known else None
            groups = [{place.group for place in row} for row in rows]
            shared = any(a & b for i, a in enumerate(groups) for b in groups[:i])
            total = sum(place.examples for place in rows[0])
            models = tuple(_model(row, seed) for row, seed in zip(rows, seeds, strict=True))
            made.append(Series(seeds, common, points, draws, shared, total, models))
        return made

    def _overlap(self, runs: Sequence[Run], languages: Sequence[str]) -> tuple[tuple[int, ...], tuple[str, ...]]:
        wanted = set(languages)
        have = {run: {(s, lang) for r, lang, s in self.places if r == run and lang in wanted} for run in runs}
        for run, pairs in have.items():
            if not pairs:
                raise XstiltsError(f"{self.task}: no scores of recipe {run.recipe} with {run.backbone}")
        seeds = tuple(sorted(set.intersection(*({s for s, _ in pairs} for pairs in have.values()))))
        if not seeds:
            raise XstiltsError(f"{self.task}: {' and '.join(run.recipe for run in runs)} have no seed in common")
        common = tuple(
            lang for lang in languages if all((seed, lang) in pairs for pairs in have.values() for seed in seeds)
        )
        if not common:
            raise XstiltsError(f"{self.task}: no language was measured at every seed of {_names(runs)}")
        return seeds, common

    def _comparable(self, one: Run, two: Run, seeds: Sequence[int], languages: Sequence[str]) -> None:
        for seed in seeds:
            for language in languages:
                a, b = self.places[one, language, seed], self.places[two, language, seed]
                if a.metrics != b.metrics or (a.group and b.group and a.group != b.group):
                    what = "examples" if a.metrics == b.metrics else "metrics"
                    raise XstiltsError(
                        f"{self.task} ({language}, seed {seed}): {_names([one, two])} were measured with different "
                        f"{what}; run them with the same data and version"
                    )


def _model(row: Sequence[Place], seed: int) -> str:
    """The stages behind one run's scores at a seed; the seed itself where they are not known."""
    stages = sorted(set().union(*(place.stages for place in row)))
    return " ".join(stages) if all(stages) and stages else f"seed {seed}"


def models_of(parts: Sequence[Series], seeds: Sequence[int] | None = None) -> tuple[str, ...]:
    """What was measured at each seed where a number is made of several series."""
    wanted = parts[0].seeds if seeds is None else seeds
    return tuple(" and ".join(dict.fromkeys(one.models[one.seeds.index(seed)] for one in parts)) for seed in wanted)


def _names(runs: Sequence[Run]) -> str:
    return " and ".join(f"{run.recipe} with {run.backbone}" for run in dict.fromkeys(runs))


def _mean(arrays: Iterable[NDArray[np.float32] | None]) -> NDArray[np.float32]:
    known = [array for array in arrays if array is not None]
    return np.asarray(np.mean(known, axis=0), dtype=np.float32)


def resample(table: ScoreTable, task: str, options: Resampling | None = None) -> Replicates:
    """Resample the examples of one target task, for all runs, languages and seeds at once."""
    options = options or Resampling()
    rows = [row for row in table.targets().rows if row.score.task == task]
    groups: dict[str, list[tuple[int, Examples]]] = {}
    for number, row in enumerate(rows):
        if row.examples is not None and len(row.examples.ids):
            groups.setdefault(row.examples.group, []).append((number, row.examples))
    draws: dict[int, NDArray[np.float32]] = {}
    for group, members in groups.items():
        rng = generator(options.seed, "bootstrap", task, group)
        numbers, examples = zip(*members)
        draws.update(zip(numbers, _resampled(examples, rng, options.resamples)))
    places: dict[tuple[Run, str, int], list[tuple[Measured, NDArray[np.float32] | None]]] = {}
    for number, row in enumerate(rows):
        key = (row.run, row.score.language, row.score.seed)
        places.setdefault(key, []).append((row, draws.get(number)))
    return Replicates(task, {key: _place(parts) for key, parts in places.items()})


def _place(parts: Sequence[tuple[Measured, NDArray[np.float32] | None]]) -> Place:
    known = all(draws is not None for _, draws in parts)
    return Place(
        point=float(np.mean([row.score.value for row, _ in parts])),
        draws=_mean(draws for _, draws in parts) if known else None,
        group="+".join(sorted({row.examples.group for row, _ in parts if row.examples is not None})),
        metrics=frozenset(row.score.metric for row, _ in parts),
        examples=max(row.score.n for row, _ in parts),
        stages=frozenset(row.score.stage for row, _ in parts),
    )


def _resampled(examples: Sequence[Examples], rng: np.random.Generator, resamples: int) -> NDArray[np.float32]:
    """[k, B] values of k scores over the same n examples, under B draws of n examples with replacement."""
    above = np.stack([one.numerator for one in examples], axis=1)
    below, column = np.unique(np.stack([one.denominator for one in examples], axis=1), axis=1, return_inverse=True)
    n, values = len(above), np.empty((len(examples), resamples), dtype=np.float32)
    rows = max(1, CHUNK // n)
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        picks = rng.integers(0, n, size=(size, n), dtype=np.int32) + (np.arange(size, dtype=np.int32) * n)[:, None]
        counts = np.bincount(picks.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)
        values[:, start : start + size] = ratio(counts @ above, (counts @ below)[:, column.ravel()]).T
    return values


def combine(parts: Sequence[Series]) -> Series:
    """The mean over tasks, over the seeds that all of them have. Raises `XstiltsError` when there is none."""
    seeds = tuple(seed for seed in parts[0].seeds if all(seed in part.seeds for part in parts))
    if not seeds:
        raise XstiltsError("the targets have no seed in common: no mean over targets")
    index = [[part.seeds.index(seed) for seed in seeds] for part in parts]
    known = [part.draws[rows] for part, rows in zip(parts, index) if part.draws is not None]
    return Series(
        seeds=seeds,
        languages=tuple(dict.fromkeys(language for part in parts for language in part.languages)),
        points=np.asarray(np.mean([part.points[rows] for part, rows in zip(parts, index)], axis=0)),
        draws=np.asarray(np.mean(known, axis=0)) if len(known) == len(parts) else None,
        shared=any(part.shared for part in parts),
        examples=sum(part.examples for part in parts),
        models=models_of(parts, seeds),
    )
