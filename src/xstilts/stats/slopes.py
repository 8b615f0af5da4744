"""Do gains change with a feature of the languages, such as their distance from English? Slopes with their intervals.

Languages and seeds are both random effects: a language has a deviation that is the same for all seeds, and a run one
that its languages share. The variance of a slope is that over languages + that over seeds - that of the deviations by
language and run, which both contain (Cameron, Gelbach and Miller 2011, Journal of Business & Economic Statistics 29).
Degrees of freedom are those of the two, each weighted by its share of the variance.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import special

from xstilts.stats.estimates import Estimate, estimate, holm
from xstilts.stats.interaction import slope_weights
from xstilts.stats.series import PLAIN, Replication, Series, units_of, weighted

FEWEST = 5
"""Fewest languages for a slope."""


def slopes(
    rows: Sequence[tuple[Sequence[float], Sequence[Series]]], options: Replication = PLAIN
) -> list[Estimate | None]:
    """The least-squares slope of each row, p corrected over all (Holm); None with too few languages or replicates.

    A row has the feature of each language, and the values of each, all over the same seeds.
    """
    found = [_slope(x, languages, options) for x, languages in rows]
    known = [at for at, one in enumerate(found) if one is not None]
    adjusted = dict(zip(known, holm([one.p_table or 0.0 for one in found if one is not None])))
    return [None if one is None else replace(one, p_table=adjusted[at]) for at, one in enumerate(found)]


def _slope(x: Sequence[float], languages: Sequence[Series], options: Replication) -> Estimate | None:
    """The slope, with a p for corrections: its fewer degrees of freedom are conservative in the tails."""
    if len(languages) < FEWEST or len(set(x)) < 2:
        return None
    weights, centred = np.array(slope_weights(x)), np.asarray(x) - np.mean(x)
    found = estimate(weighted(languages, list(weights)), options)
    if found.few:
        return None
    values = np.stack([units_of(one, options)[0] for one in languages], axis=1)  # [replicate, language]
    own, middle, (count, width) = values @ weights, values.mean(axis=0), values.shape
    rest = middle - middle.mean() - found.value * centred
    apart = values - values.mean(axis=1, keepdims=True) - own[:, None] * centred - rest
    scale = float(weights @ weights) / (width - 2)
    by_language = scale * float(rest @ rest)
    by_seed = max(0.0, float(own.var(ddof=1)) / count - scale * float((apart**2).sum()) / (count - 1) / count)
    error = float(np.sqrt(by_language + by_seed))
    if not error:
        return replace(found, p_table=1.0)
    freedom = error**2 / (by_language / (width - 2) + by_seed / (count - 1))
    half = -float(special.stdtrit(freedom, (1 - options.level) / 2)) * error
    p, safe = (2 * special.stdtr(df, -abs(found.value) / error) for df in (freedom, min(freedom, 2 * (count - 1))))
    low, high = found.value - half, found.value + half
    return replace(found, low=low, high=high, p=float(p), p_table=float(safe), over="languages and seeds")
