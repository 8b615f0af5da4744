"""Hierarchical paired bootstrap of scores and gains over seeds and test examples.

Resampled are seeds (with replacement) and, within them, test examples (with replacement); languages and tasks are
fixed, since the question is about *these* languages. Both sides of a gain see the same seeds and the same examples.
Languages or seeds whose sets of example ids are equal (translated test sets; one test set for all seeds) have their
examples drawn together, so that what they have in common is not mistaken for independent evidence; where each seed has
examples of its own, each draw of a seed resamples them anew. The first is the "pigeonhole" bootstrap of crossed factors
(Owen 2007, The Annals of Applied Statistics 1(2), 386-411), which is conservative; the second the usual nested one.

The interval is the percentile interval. With three seeds the seed level is poorly resolved: three values resampled give
hardly more than their range, and the range of three values covers the true centre in 75 % of cases only (simulated with
noise over seeds alone: 78 % coverage for three seeds, 93 % for ten). So a Student t interval over the seeds' values
stands beside it, and a difference counts as clear only when both exclude zero (5 % false alarms in that simulation).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from xstilts.core.errors import XstiltsError
from xstilts.core.seeds import generator
from xstilts.stats.table import Examples, Floats, Measured, Run, ScoreTable, ratio

CHUNK = 1 << 18


@dataclass(frozen=True)
class Resampling:
    """How often to resample, the level of intervals, and the seed of the random numbers."""

    resamples: int = 10_000
    level: float = 0.95
    seed: int = 0


@dataclass(frozen=True)
class Estimate:
    """A value with what is known about its uncertainty, in points.

    Attributes:
        low, high: percentile bootstrap interval; None where there is one seed and no example values.
        t_low, t_high: Student t interval over seeds; None with one seed.
        p: two-sided bootstrap p of "no difference": twice the smaller share of resamples on one side of 0.
        per_seed: the value at each of `seeds`.
        levels: what was resampled: `seeds and examples`, `seeds`, `examples` or `nothing`.
        examples: test examples of one seed, over all languages.
    """

    value: float
    low: float | None
    high: float | None
    t_low: float | None
    t_high: float | None
    p: float | None
    seeds: tuple[int, ...]
    per_seed: tuple[float, ...]
    languages: tuple[str, ...]
    examples: int
    levels: str

    @property
    def clear(self) -> bool:
        """Whether every interval there is excludes 0, and there is one."""
        pairs = [(self.low, self.high), (self.t_low, self.t_high)]
        known = [(low, high) for low, high in pairs if low is not None and high is not None]
        return bool(known) and (all(low > 0 for low, _ in known) or all(high < 0 for _, high in known))


@dataclass(frozen=True, eq=False)
class Series:
    """A value per seed, and its resamples over examples.

    Attributes:
        points: [S] the measured value at each seed.
        draws: [S, B] the value under each resample of the examples; None without example values.
        shared: whether seeds share test examples (then resample b is the same draw for all of them).
    """

    seeds: tuple[int, ...]
    languages: tuple[str, ...]
    points: Floats
    draws: NDArray[np.float32] | None
    shared: bool
    examples: int

    def minus(self, other: Series) -> Series:
        """The paired difference; both must have the same seeds."""
        assert self.seeds == other.seeds
        draws = None if self.draws is None or other.draws is None else self.draws - other.draws
        return replace(self, points=self.points - other.points, draws=draws)


@dataclass(frozen=True, eq=False)
class Place:
    """One run in one language at one seed; several main values (exact match and F1) are averaged, as XTREME does."""

    point: float
    draws: NDArray[np.float32] | None
    group: str
    metrics: frozenset[str]
    examples: int


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
            made.append(Series(seeds, common, points, draws, shared, total))
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
    )


def estimate(series: Series, options: Resampling | None = None) -> Estimate:
    """Value, intervals and p of a series: a score, or a difference of two."""
    options = options or Resampling()
    count = len(series.seeds)
    levels = {
        (True, True): "seeds and examples",
        (True, False): "seeds",
        (False, True): "examples",
        (False, False): "nothing",
    }[count > 1, series.draws is not None]
    low = high = p = t_low = t_high = None
    if levels != "nothing":
        values = _over_seeds(series, options)
        tail = (1 - options.level) / 2
        low, high = (float(x) for x in np.quantile(values, [tail, 1 - tail]))
        below, above = int((values <= 0).sum()), int((values >= 0).sum())
        p = min(1.0, 2 * (min(below, above) + 1) / (len(values) + 1))
    if count > 1:
        half = stats.t.ppf((1 + options.level) / 2, count - 1) * series.points.std(ddof=1) / np.sqrt(count)
        t_low, t_high = float(series.points.mean() - half), float(series.points.mean() + half)
    return Estimate(
        value=float(series.points.mean()),
        low=low,
        high=high,
        t_low=t_low,
        t_high=t_high,
        p=p,
        seeds=series.seeds,
        per_seed=tuple(map(float, series.points)),
        languages=series.languages,
        examples=series.examples,
        levels=levels,
    )


def _over_seeds(series: Series, options: Resampling) -> Floats:
    """[B] values with seeds drawn anew; a seed drawn twice gets two draws of its own examples unless all share them."""
    count, size = len(series.seeds), options.resamples
    picks = generator(options.seed, "seeds").integers(0, count, size=(size, count))
    if series.draws is None:
        return np.asarray(series.points[picks].mean(axis=1))
    rows = np.arange(size)[:, None]
    if not series.shared:
        rows = (rows + np.arange(count) * (size // max(count, 1))) % size
    return np.asarray(series.draws[picks, rows].mean(axis=1), dtype=np.float64)


def bootstrap_score(
    table: ScoreTable, task: str, run: Run, languages: Sequence[str], options: Resampling | None = None
) -> Estimate:
    """The mean over `languages` of one run, with its interval. Raises `XstiltsError` when it was not measured."""
    (series,) = resample(table, task, options).series([run], languages)
    return estimate(series, options)


def bootstrap_gain(
    table: ScoreTable, task: str, pair: tuple[Run, Run], languages: Sequence[str], options: Resampling | None = None
) -> Estimate:
    """Run minus baseline, `pair` being the two, paired by seed, language and example id.

    Raises:
        XstiltsError: either was not measured, or they have no seed or language in common, or other examples.
    """
    run, baseline = resample(table, task, options).series(pair, languages)
    return estimate(run.minus(baseline), options)
