"""Estimates with their intervals, and the one rule that calls a difference clear.

The model of a score: recipe + run + run x language + examples. A run's deviation (its initialisation, its order of
data) is shared by all of its languages. Replicates are seeds, or worlds if several seeds share a constructed one.
A difference is taken seed by seed, which pairs what is common to both runs (test examples, the world) and assumes
nothing else of equal seeds. Its interval is Student's t over replicates; if replicates share test examples, the
variance from these alone is added, and with it degrees of freedom (`Spread.effective`). Corrected p values do without
the latter, which would be too optimistic far out in the tails.

A difference in a table is **clear** if its own 95 % interval excludes zero *and* its p, corrected for all differences
of the table, is below .05; with fewer than three replicates none is clear. For the corrected p

- variances are shrunk towards the usual variance of the table, more so if they are alike (Smyth 2004, Statistical
  Applications in Genetics and Molecular Biology 3(1)). Differences from one baseline share its deviations, so that R of
  them count as 4R / (R + 3) independent ones;
- over recipes and targets the correction is Holm's (1979, Scandinavian Journal of Statistics 6);
- by language, a difference is the mean over languages of its row plus a deviation from it. The errors of all rows and
  of all deviations are bounded together (Bonferroni: four fifths of the risk for rows, one fifth for deviations), since
  a run's deviation strikes all languages at once and is known from few replicates only.

`python -m benchmarks.coverage` measures how often a table without effects has a mark, and how often effects have one.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from xstilts.stats.series import PLAIN, ROUNDING, Replication, Series, Spread, spread, units_of, weighted
from xstilts.stats.table import Floats

LEVEL = 0.05
FEWEST = 3
"""Replicates below which nothing is called clear."""
FOR_ROWS = 0.8
"""Share of the risk that rows take in a table by language."""


@dataclass(frozen=True)
class Estimate:
    """A value with its uncertainty, in points.

    Attributes:
        low, high: interval; with one replicate over examples alone, and None if nothing is known.
        p: two-sided p of "no difference", of this number alone; None with one replicate.
        p_table: the same, corrected for all differences of its table; None outside of one, or with too few replicates.
        per_seed: the value with each of `seeds`; empty for a mean over targets with different seeds.
        over: what the interval is over: `seeds`, `worlds`, `examples`, `nothing`, or two of them.
        units: the replicates: worlds, seeds, or 1 if all seeds have the same model.
        examples: test examples of one seed, over all languages.
        per_world: mean over seeds of each world, if several seeds share a world.
    """

    value: float
    low: float | None
    high: float | None
    p: float | None
    seeds: tuple[int, ...]
    per_seed: tuple[float, ...]
    languages: tuple[str, ...]
    examples: int
    over: str
    units: int
    per_world: tuple[float, ...] = ()
    p_table: float | None = None

    @property
    def clear(self) -> bool:
        if self.p_table is None or self.low is None or self.high is None:
            return False
        return self.p_table < LEVEL and (self.low > 0 or self.high < 0)

    @property
    def few(self) -> bool:
        """Whether there are too few replicates to call anything clear."""
        return self.units < FEWEST

    @property
    def same_models(self) -> bool:
        """Whether several seeds have the same, untrained models, so that there is no spread over seeds."""
        return self.units == 1 and len(self.per_seed) > 1


def estimate(series: Series, options: Replication = PLAIN) -> Estimate:
    """Value, interval and p of a series: a score, or a difference of two."""
    return _estimate(series, spread(series, options), options)


def _estimate(series: Series, found: Spread, options: Replication) -> Estimate:
    error, several = found.error, found.units > 1
    low = high = p = None
    if error is not None and (found.freedom > 0 or not several):
        tail = (1 - options.level) / 2
        half = -error * float(special.stdtrit(found.effective, tail) if several else special.ndtri(tail))
        low, high = found.centre - half, found.centre + half
        p = two_sided(found, found.effective) if several else None
    by_world = series.worlds or options.by_world(series)
    over = "nothing" if found.variance is None else "examples"
    if several:
        over = ("worlds" if by_world else "seeds") + " and examples" * (found.shared > ROUNDING)
    return Estimate(
        value=found.centre,
        low=low,
        high=high,
        p=p,
        seeds=series.seeds,
        per_seed=tuple(map(float, series.points)) if series.freedom is None and not series.worlds else (),
        languages=series.languages,
        examples=series.examples,
        over=over,
        units=found.units if series.freedom is None else series.freedom + 1,
        per_world=tuple(map(float, units_of(series, options)[0])) if by_world else (),
    )


def two_sided(found: Spread, freedom: float) -> float:
    """Student's p of "the centre is zero"; 1 if nothing varies, since the variation is then unknown."""
    if not found.error or freedom <= 0 or not np.isfinite(found.centre):
        return 1.0
    return float(2 * special.stdtr(freedom, -abs(found.centre) / found.error))


def strict_p(series: Series, options: Replication) -> float:
    """The p of a series for corrections over several: with the degrees of freedom of its replicates alone."""
    found = spread(series, options)
    return two_sided(found, found.freedom)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p values, in the order given."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, stepped)
    return [float(x) for x in adjusted]


def family(cells: Sequence[Series], groups: Sequence[Hashable], options: Replication = PLAIN) -> list[Estimate]:
    """The differences of one table. `groups`: what each cell is a difference from; its deviations are shared."""
    found = [spread(one, options) for one in cells]
    known = [i for i, one in enumerate(found) if _enough(one)]
    variance, freedom = moderated([found[i] for i in known], [groups[i] for i in known])
    p = [two_sided(found[i]._replace(variance=v), f) for i, v, f in zip(known, variance, freedom)]
    adjusted = dict(zip(known, holm(p)))
    return [
        replace(_estimate(one, at, options), p_table=adjusted.get(i)) for i, (one, at) in enumerate(zip(cells, found))
    ]


def _enough(found: Spread) -> bool:
    return found.freedom >= FEWEST - 1 and bool(np.isfinite(found.centre)) and found.variance is not None


def moderated(found: Sequence[Spread], groups: Sequence[Hashable], share: float = 1.0) -> tuple[Floats, Floats]:
    """Variances shrunk towards each other, with their degrees of freedom, of which a `share` is independent.

    Smyth (2004): variances come from a scaled inverse chi-square distribution whose degrees of freedom and scale are
    estimated from the mean and the variance of their logarithms. Means over targets are the group `""`; they are less
    noisy than targets, and are moderated by themselves.
    """
    variance = np.array([one.variance for one in found], dtype=np.float64)
    freedom = np.array([one.freedom for one in found], dtype=np.float64)
    sizes = [groups.count(group) for group in groups]
    worth = share * freedom * np.array([4 / (size + 3) for size in sizes])
    apart = np.array([group == "" for group in groups], dtype=bool)
    for part in (apart, ~apart):
        if part.sum() < 2:
            continue
        pooled = float((variance[part] * freedom[part]).sum() / freedom[part].sum())
        if pooled <= 0:
            continue
        own, half, most = freedom[part], freedom[part] / 2, float(worth[part].sum())
        logs = np.log(np.maximum(variance[part], 1e-5 * pooled)) - special.digamma(half) + np.log(half)
        excess = float(logs.var(ddof=1) - special.polygamma(1, half).mean())
        prior, scale = np.inf, pooled
        if excess > 0:
            x = 0.5 + 1 / excess  # the inverse of trigamma, by Newton's method on 1 / trigamma, which is nearly linear
            for _ in range(50):
                trigamma = float(special.polygamma(1, x))
                x += trigamma * (1 - trigamma / excess) / float(special.polygamma(2, x))
            prior = 2 * x
            scale = float(np.exp(logs.mean() + special.digamma(prior / 2) - np.log(prior / 2)))
        prior = min(prior, max(0.0, most - float(own.min())))  # no more than the independent ones together
        variance[part] = (prior * scale + own * variance[part]) / (prior + own)
        freedom[part] = np.minimum(prior + own, max(most, own.min()))
    return variance, freedom


def language_family(rows: Sequence[Sequence[Series]], options: Replication = PLAIN) -> list[list[Estimate]]:
    """The differences by language that one table shows; each row is one run against the same baseline.

    Languages of a row that were measured with fewer seeds than its others are not marked.
    """
    made = [[estimate(one, options) for one in row] for row in rows]
    kept = [_same_seeds(row) for row in rows]
    whole = [(at, weighted([rows[at][i] for i in k], [1 / len(k)] * len(k))) for at, k in enumerate(kept) if k]
    spreads = [spread(one, options) for _, one in whole]
    known = [(at, one, found) for (at, one), found in zip(whole, spreads) if _enough(found)]
    if not known:
        return made
    middle = _errors([found for *_, found in known], [""] * len(known))
    parts = [(number, at, i) for number, (at, *_) in enumerate(known) for i in kept[at]]
    # A language's deviation from the mean of its row has its own influences, which are the larger ones.
    cells = [(rows[at][i], known[n][1]) for n, at, i in parts]
    apart = [spread(replace(one, points=one.points - mean.points), options) for one, mean in cells]
    single = all(len(kept[at]) == 1 for at, *_ in known)
    fewest = min(len(kept[at]) for at, *_ in known)
    codes = [one.languages for one, _ in cells]
    aside = (np.zeros(len(parts)), np.ones(len(parts))) if single else _errors(apart, codes, 1 - 1 / max(2, fewest))
    numbers = [number for number, *_ in parts]
    p = _bounded(
        np.array([abs(made[at][i].value) for _, at, i in parts]),
        (middle[0][numbers], middle[1][numbers]),
        aside,
        (1.0 if single else FOR_ROWS, len(known)),
    )
    for (_, at, i), value in zip(parts, p):
        made[at][i] = replace(made[at][i], p_table=float(value))
    return made


def _same_seeds(row: Sequence[Series]) -> list[int]:
    """Positions of the languages with the most frequent set of seeds."""
    usual = Counter(one.seeds for one in row).most_common(1)
    return [i for i, one in enumerate(row) if one.seeds == usual[0][0]]


def _errors(found: Sequence[Spread], groups: Sequence[Hashable], share: float = 1.0) -> tuple[Floats, Floats]:
    variance, freedom = moderated(found, groups, share)
    units, shared = (np.array([getattr(one, name) for one in found]) for name in ("units", "shared"))
    return np.sqrt(variance / units + shared), freedom


def _bounded(
    values: Floats, rows: tuple[Floats, Floats], cells: tuple[Floats, Floats], risk: tuple[float, int]
) -> Floats:
    """The least p at which the errors of rows and cells together do not reach the values, by bisection of log p."""
    share, count = risk
    low, high = np.full(len(values), -16.0), np.zeros(len(values))
    for _ in range(40):
        p = 10 ** ((low + high) / 2)
        reach = -rows[0] * special.stdtrit(rows[1], p * share / (2 * count))
        if share < 1:
            reach = reach - cells[0] * special.stdtrit(cells[1], p * (1 - share) / (2 * len(values)))
        low, high = np.where(reach > values, (low + high) / 2, low), np.where(reach > values, high, (low + high) / 2)
    return np.asarray(np.where(values > 0, 10**high, 1.0))
