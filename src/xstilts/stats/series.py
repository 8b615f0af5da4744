"""Scores and differences as one value per seed, with the influence of each test example.

A value is a ratio of sums over examples. To first order each example moves it by a known amount, its *influence*. The
sum of squared influences is the variance from drawing other examples, and the sum of products over the same examples is
the covariance of two values. Means, differences and slopes of values have the same means, differences and slopes of
influences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xstilts.stats.table import Floats

Noise = Mapping[str, Floats]
"""Set of examples -> [n] influences, in points."""
MANY = 1e6
"""Degrees of freedom at which Student's t is the normal distribution."""
ROUNDING = 1e-12
"""Squared points below which values are equal."""


@dataclass(frozen=True)
class Replication:
    """The definition of a replicate, and the level of intervals.

    `worlds` maps a seed to the constructed world it was run on, where several seeds share one; empty on real data.
    """

    level: float = 0.95
    worlds: Mapping[int, int] = field(default_factory=dict)

    def blocks(self, series: Series) -> list[NDArray[np.int64]]:
        """Positions of the seeds by world, or by model if every world has one seed or all seeds have one world.

        Without training, the model is the same with every seed: that is one block.
        """
        names = [self.worlds.get(seed, model) for seed, model in zip(series.seeds, series.models, strict=True)]
        names = list(series.models) if len(set(names)) == 1 else names
        return [np.array([i for i, name in enumerate(names) if name == one]) for one in dict.fromkeys(names)]

    def by_world(self, series: Series) -> bool:
        """Whether blocks are worlds with several seeds."""
        count = len({self.worlds.get(seed) for seed in series.seeds})
        return 1 < count < len(series.seeds) and all(seed in self.worlds for seed in series.seeds)


PLAIN = Replication()


@dataclass(frozen=True, eq=False)
class Series:
    """A value per seed.

    Attributes:
        points: [S] the measured value with each seed.
        noise: the influences of the examples on each of them; None without example values.
        models: what was measured with each seed; equal for the same models.
        freedom: degrees of freedom of means over targets with different seeds, those of the target with the fewest;
            else they follow from the replicates.
        pooled: degrees of freedom of all these targets, each by its share of the variance.
        worlds: whether each value is the mean of a world's seeds, under its first seed.
    """

    seeds: tuple[int, ...]
    languages: tuple[str, ...]
    points: Floats
    noise: tuple[Noise, ...] | None
    examples: int
    models: tuple[str, ...]
    freedom: int | None = None
    pooled: float | None = None
    worlds: bool = False

    def minus(self, other: Series) -> Series:
        """The paired difference; both must have the same seeds."""
        return weighted([self, other], [1.0, -1.0])


def weighted(columns: Sequence[Series], weights: Sequence[float]) -> Series:
    """The sum of series with the same seeds, each times its weight: a mean, a difference, a slope."""
    assert len({one.seeds for one in columns}) == 1
    known = [one.noise for one in columns if one.noise is not None]
    return replace(
        columns[0],
        points=np.asarray(sum(weight * one.points for weight, one in zip(weights, columns))),
        noise=tuple(added(at, weights) for at in zip(*known)) if len(known) == len(columns) else None,
        languages=tuple(dict.fromkeys(code for one in columns for code in one.languages)),
        examples=max(one.examples for one in columns),
        models=models_of(columns),
        freedom=min((one.freedom for one in columns if one.freedom is not None), default=None),
        pooled=min((one.pooled for one in columns if one.pooled is not None), default=None),
    )


def added(parts: Sequence[Noise], weights: Sequence[float]) -> Noise:
    """The influences of a weighted sum."""
    total: dict[str, Floats] = {}
    for part, weight in zip(parts, weights, strict=True):
        for group, values in part.items():
            total[group] = total[group] + weight * values if group in total else weight * values
    return total


def power(noise: Noise) -> float:
    """The variance from drawing other examples, in squared points."""
    return float(sum(values @ values for values in noise.values()))


class Spread(NamedTuple):
    """Mean of a series with its variance and degrees of freedom.

    Attributes:
        units: replicates: worlds if seeds share one, else seeds; one if all seeds have the same model.
        variance: of one replicate about the mean of all; with one replicate, of the examples alone.
        shared: variance of the mean that more replicates would not reduce: from examples that all of them share.
        freedom: degrees of freedom of `variance`; where targets have different seeds, at least so many.
        pooled: of `variance` there; 0 elsewhere.
    """

    centre: float
    units: int
    variance: float | None
    shared: float
    freedom: int
    pooled: float = 0.0

    @property
    def error(self) -> float | None:
        """Standard error of the centre; None if unknown."""
        return None if self.variance is None else float(np.sqrt(self.variance / self.units + self.shared))

    @property
    def effective(self) -> float:
        """Degrees of freedom of `error`, for intervals: the more of it comes from examples, the more there are.

        Satterthwaite's (1946, Biometrics Bulletin 2) would take the square of the factor. With few replicates these are
        too many where the factor is small, for it is itself known from the replicates alone.
        """
        freedom = self.pooled or self.freedom
        if not self.variance:  # equal replicates: all of the error comes from the examples
            return MANY if self.shared else freedom
        return min(MANY, freedom * (1 + self.shared * self.units / self.variance))


def units_of(series: Series, options: Replication) -> tuple[Floats, tuple[Noise, ...] | None]:
    """The mean over seeds of each replicate, and the influences on it."""
    blocks = options.blocks(series)
    if len(blocks) == len(series.seeds):
        return series.points, series.noise
    points = np.array([series.points[block].mean() for block in blocks])
    if series.noise is None:
        return points, None
    return points, tuple(added([series.noise[i] for i in block], [1 / len(block)] * len(block)) for block in blocks)


def spread(series: Series, options: Replication) -> Spread:
    """Mean over replicates, with its variance.

    Replicates that share examples vary less about their mean than about the truth, by the covariance from the shared
    examples; this is added. If all replicates are equal, which happens with few examples, the variance is that of the
    examples.
    """
    points, noise = units_of(series, options)
    count, centre = len(points), float(points.mean())
    own = None if noise is None else float(np.mean([power(one) for one in noise]))
    if count == 1:
        return Spread(centre, 1, own, 0.0, 0)
    common = 0.0
    if noise is not None and own is not None:
        mean = power(added(noise, [1 / count] * count))
        common = max(0.0, (count * mean - own) / (count - 1))
    variance = float(points.var(ddof=1))
    if variance < ROUNDING:
        variance = max(0.0, (own or 0.0) - common)
    freedom = count - 1 if series.freedom is None else series.freedom
    return Spread(centre, count, variance, common, freedom, series.pooled or 0.0)


def models_of(parts: Sequence[Series]) -> tuple[str, ...]:
    """The models behind each seed of a number made of several series."""
    return tuple(" and ".join(dict.fromkeys(names)) for names in zip(*(one.models for one in parts), strict=True))


def combine(parts: Sequence[Series], options: Replication) -> Series:
    """The mean over tasks of each task's own mean over its seeds.

    If tasks have different seeds, shared seeds stay paired: there is a point for every seed, scaled so that their mean
    and its variance are right. Degrees of freedom are those of the task with the fewest seeds, and for intervals those
    of all tasks, each by its share of the variance.
    """
    if len({part.seeds for part in parts}) > 1 and any(options.by_world(part) for part in parts):
        parts = [_by_world(part, options) for part in parts]
    if len({part.seeds for part in parts}) == 1:
        mean = weighted(parts, [1 / len(parts)] * len(parts))
        return replace(mean, examples=sum(part.examples for part in parts))
    seeds = tuple(sorted({seed for part in parts for seed in part.seeds}))
    size, points = len(seeds), np.full(len(seeds), np.mean([part.points.mean() for part in parts]))
    shares: list[list[tuple[Noise, float]]] = [[] for _ in seeds]
    for part in parts:
        count = len(part.seeds)
        at = [seeds.index(seed) for seed in part.seeds]
        share = size / (len(parts) * count)
        # Residuals about a mean of `count` are too small by (count - 1) / count, and those of `size` points likewise.
        grown = np.sqrt((size - 1) / size * count / (count - 1)) if count > 1 else 0.0
        points[at] += share * grown * (part.points - part.points.mean())
        for place, noise in zip(at, part.noise or ()):
            shares[place].append((noise, share))
    known = all(part.noise is not None for part in parts)
    pooled: float | None = None
    if all(len(part.seeds) > 1 for part in parts):
        own = [(float(part.points.var(ddof=1)) / len(part.seeds), len(part.seeds) - 1) for part in parts]
        if total := sum(share for share, _ in own):
            pooled = total / sum(share / freedom for share, freedom in own)
    models = [dict.fromkeys(p.models[p.seeds.index(seed)] for p in parts if seed in p.seeds) for seed in seeds]
    return Series(
        seeds=seeds,
        languages=tuple(dict.fromkeys(language for part in parts for language in part.languages)),
        points=points,
        noise=tuple(added(*zip(*one)) for one in shares) if known else None,
        examples=sum(part.examples for part in parts),
        models=tuple(" and ".join(names) for names in models),
        freedom=min(len(part.seeds) for part in parts) - 1,
        pooled=pooled,
        worlds=any(part.worlds for part in parts),
    )


def _by_world(part: Series, options: Replication) -> Series:
    """A point for each world, under its first seed."""
    points, noise = units_of(part, options)
    first = {world: min(s for s, w in options.worlds.items() if w == world) for world in options.worlds.values()}
    seeds = tuple(dict.fromkeys(first[options.worlds[seed]] for seed in part.seeds))
    order = np.argsort(seeds)
    sorted_noise = None if noise is None else tuple(noise[i] for i in order)
    names = tuple(f"world {options.worlds[seeds[i]]}" for i in order)
    at = tuple(seeds[i] for i in order)
    return Series(at, part.languages, points[order], sorted_noise, part.examples, names, worlds=True)
