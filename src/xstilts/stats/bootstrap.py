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

Seeds that share a constructed world share its language, its encoder and its test examples: they are no independent
evidence for other worlds. Then worlds are drawn first, seeds within them second, examples last, and the t interval is
over the worlds' means (the two-stage bootstrap of clustered data: Davison and Hinkley 1997, section 3.8). Simulated
coverage with three worlds of five seeds that vary as much as worlds do (`python -m benchmarks.coverage`, 2,000 rounds):
bootstrap over seeds alone 65 %, over worlds 82 %, t over worlds 94 %, and 5 % of null differences are called clear;
where worlds do not vary 92, 96, 95 and 2 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from xstilts.core.seeds import generator
from xstilts.stats.series import Resampling, Series, combine, resample
from xstilts.stats.table import Floats, Run, ScoreTable

__all__ = [
    "Estimate",
    "Resampling",
    "Series",
    "block_means",
    "bootstrap_gain",
    "bootstrap_score",
    "combine",
    "draws",
    "estimate",
    "resample",
]


@dataclass(frozen=True)
class Estimate:
    """A value with what is known about its uncertainty, in points.

    Attributes:
        low, high: percentile bootstrap interval; None where there is one seed and no example values.
        t_low, t_high: Student t interval over seeds; None with one seed, or one model at all of them.
        p: two-sided bootstrap p of "no difference": twice the smaller share of resamples on one side of 0.
        per_seed: the value at each of `seeds`.
        levels: what was resampled: `seeds and examples`, `worlds, seeds and examples`, `seeds`, `examples`, `nothing`.
        examples: test examples of one seed, over all languages.
        per_world: where several seeds share a world, the mean over seeds at each; the t interval is then over these.
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
    per_world: tuple[float, ...] = ()

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """Those there are, under `bootstrap` and `t`."""
        pairs = {"bootstrap": (self.low, self.high), "t": (self.t_low, self.t_high)}
        return {name: (low, high) for name, (low, high) in pairs.items() if low is not None and high is not None}

    @property
    def clear(self) -> bool:
        """Whether both intervals exclude 0: never with one seed, or with models that no seed changes."""
        known = self.intervals.values()
        return len(known) == 2 and (all(low > 0 for low, _ in known) or all(high < 0 for _, high in known))


def estimate(series: Series, options: Resampling | None = None) -> Estimate:
    """Value, intervals and p of a series: a score, or a difference of two."""
    options = options or Resampling()
    low = high = p = t_low = t_high = None
    centres = block_means(series, options)
    count = len(centres)
    levels = _levels(series, count, options)
    if levels != "nothing":
        values = draws(series, options)
        tail = (1 - options.level) / 2
        low, high = (float(x) for x in np.quantile(values, [tail, 1 - tail]))
        below, above = int((values <= 0).sum()), int((values >= 0).sum())
        p = min(1.0, 2 * (min(below, above) + 1) / (len(values) + 1))
    if count > 1:
        half = stats.t.ppf((1 + options.level) / 2, count - 1) * centres.std(ddof=1) / np.sqrt(count)
        t_low, t_high = float(centres.mean() - half), float(centres.mean() + half)
    return Estimate(
        value=float(centres.mean()),
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
        per_world=tuple(map(float, centres)) if options.by_world(series) else (),
    )


def _levels(series: Series, blocks: int, options: Resampling) -> str:
    drawn = ["worlds", "seeds"] if options.by_world(series) else ["seeds"] if blocks > 1 else []
    drawn += ["examples"] if series.draws is not None else []
    return " and ".join([*([", ".join(drawn[:-1])] if drawn[:-1] else []), *drawn[-1:]]) or "nothing"


def block_means(series: Series, options: Resampling) -> Floats:
    """[W] means over the seeds of each block; [S] the points themselves where no block has two seeds."""
    blocks = options.blocks(series)
    if len(blocks) == len(series.seeds):
        return series.points
    return np.array([series.points[block].mean() for block in blocks])


def draws(series: Series, options: Resampling) -> Floats:
    """[B] values under resampling. Series of the same seeds are resampled alike: joint statements can be counted.

    A seed drawn twice gets two draws of its own examples unless seeds share examples.
    """
    count, size = len(series.seeds), options.resamples
    blocks = options.blocks(series)
    if len(blocks) < count:
        return _over_blocks(series, blocks, options)
    picks = generator(options.seed, "seeds").integers(0, count, size=(size, count))
    if series.draws is None:
        return np.asarray(series.points[picks].mean(axis=1))
    rows = np.arange(size)[:, None]
    if not series.shared:
        rows = (rows + np.arange(count) * (size // max(count, 1))) % size
    return np.asarray(series.draws[picks, rows].mean(axis=1), dtype=np.float64)


def _over_blocks(series: Series, blocks: Sequence[NDArray[np.int64]], options: Resampling) -> Floats:
    """Worlds are drawn, then as many seeds of each as it has; the value is the mean over worlds of the seeds' means."""
    size, count, most = options.resamples, len(blocks), max(map(len, blocks))
    sizes = np.array([len(block) for block in blocks])
    members = np.stack([np.resize(block, most) for block in blocks])
    rng = generator(options.seed, "worlds")
    worlds = rng.integers(0, count, size=(size, count))
    inner = (rng.random((size, count, most)) * sizes[worlds][:, :, None]).astype(np.int64)
    picks = members[worlds[:, :, None], inner]
    if series.draws is None:
        values = series.points[picks]
    else:
        rows = np.arange(size)[:, None, None]
        if not series.shared:
            slots = np.arange(count * most).reshape(count, most)
            rows = (rows + slots * (size // (count * most))) % size
        values = series.draws[picks, rows].astype(np.float64)
    kept = np.arange(most) < sizes[worlds][:, :, None]
    means = np.where(kept, values, 0.0).sum(axis=2) / sizes[worlds]
    return np.asarray(means.mean(axis=1))


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
