"""Paired permutation test, Holm's correction, and a paired effect size.

The permutation test exchanges the two systems' values example by example (approximate randomisation: Noreen 1989,
*Computer-Intensive Methods for Testing Hypotheses*; Yeh 2000, COLING), which for accuracies is flipping the sign of
each example's difference. It speaks of *these* trained models on other examples and knows nothing of other seeds: read
it beside the bootstrap interval, which does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xstilts.core.errors import XstiltsError
from xstilts.core.seeds import generator
from xstilts.stats.series import Resampling
from xstilts.stats.table import Examples, Floats, Run, ScoreTable, ratio

CHUNK = 1 << 18
Pair = tuple[Examples, Examples]


def paired_permutation(pairs: Sequence[Pair], resamples: int = 10_000, seed: int = 0) -> float:
    """Two-sided p of "the two systems are exchangeable", for the mean difference over `pairs`.

    Args:
        pairs: (system, baseline) on the same examples, one per seed; pairs over the same ids are exchanged together.
        resamples: random exchanges; all 2^n of them are enumerated instead where they are fewer.

    Raises:
        XstiltsError: no pair, or two sides with different examples.
    """
    if not pairs:
        raise XstiltsError("a paired test needs at least one pair of systems")
    for one, two in pairs:
        if one.group != two.group:
            raise XstiltsError(
                f"a paired test needs the same examples on both sides, found {len(one.ids)} and {len(two.ids)}"
            )
    return _p_values([list(pairs)], resamples, seed)[0]


def _p_values(comparisons: Sequence[Sequence[Pair]], resamples: int, seed: int) -> list[float]:
    """One p per comparison; exchanges are drawn once per set of examples and serve all comparisons."""
    groups: dict[str, list[tuple[int, Pair]]] = {}
    for number, pairs in enumerate(comparisons):
        for pair in pairs:
            groups.setdefault(pair[0].group, []).append((number, pair))
    exact = len(groups) == 1 and 2 ** min(64, len(comparisons[0][0][0].ids)) <= resamples
    observed = np.zeros(len(comparisons))
    size = 2 ** len(comparisons[0][0][0].ids) if exact else resamples
    permuted = np.zeros((size, len(comparisons)))
    for group, members in groups.items():
        numbers = [number for number, _ in members]
        np.add.at(observed, numbers, [one.value - two.value for _, (one, two) in members])
        values = _Exchanged.of([pair for _, pair in members])
        start = 0
        for flips in _flips(values.n, size, exact, generator(seed, "permutation", group)):
            np.add.at(permuted[start : start + len(flips)].T, numbers, values.differences(flips).T)
            start += len(flips)
    # 1e-9 points: permutations that tie with the observed difference must count as ties despite rounding
    extreme = (np.abs(permuted) >= np.abs(observed) - 1e-9).sum(axis=0)
    return [float(x) for x in (extreme / size if exact else (extreme + 1) / (size + 1))]


@dataclass(frozen=True, eq=False)
class _Exchanged:
    """Sums of k pairs of systems over n examples, for exchanging some of the examples."""

    n: int
    totals: Floats  # [4, k]: numerators of system and baseline, denominators of system and baseline
    above: Floats  # [n, k] baseline's numerator - system's
    below: Floats | None  # [n, k] the same of denominators; None where they never differ

    @classmethod
    def of(cls, pairs: Sequence[Pair]) -> _Exchanged:
        sides = [
            [getattr(pair[side], part) for pair in pairs] for part in ("numerator", "denominator") for side in (0, 1)
        ]
        a, b, c, d = (np.stack(columns, axis=1) for columns in sides)
        below = d - c
        return cls(len(a), np.stack([x.sum(axis=0) for x in (a, b, c, d)]), b - a, below if below.any() else None)

    def differences(self, flips: Floats) -> Floats:
        """[P, k] system - baseline after the exchanges `flips` [P, n] of 0 and 1."""
        above = flips @ self.above
        below = 0.0 if self.below is None else flips @ self.below
        one = ratio(self.totals[0] + above, np.broadcast_to(self.totals[2] + below, above.shape))
        two = ratio(self.totals[1] - above, np.broadcast_to(self.totals[3] - below, above.shape))
        return one - two


def _flips(n: int, size: int, exact: bool, rng: np.random.Generator) -> Iterator[Floats]:
    rows = max(1, CHUNK // n)
    for start in range(0, size, rows):
        count = min(rows, size - start)
        if exact:
            yield (np.arange(start, start + count)[:, None] >> np.arange(n) & 1).astype(np.float64)
        else:
            yield np.unpackbits(rng.integers(0, 256, (count, -(-n // 8)), np.uint8), axis=1, count=n).astype(np.float64)


def permutation_tests(
    table: ScoreTable, task: str, pairs: Sequence[tuple[Run, Run]], options: Resampling | None = None
) -> dict[tuple[Run, Run, str], float]:
    """p for each (run, baseline, language), over the seeds and metrics both have; no entry where nothing pairs up."""
    options = options or Resampling()
    examples: dict[tuple[Run, str], dict[tuple[int, str], Examples]] = {}
    for row in table.targets().rows:
        if row.score.task == task and row.examples is not None and len(row.examples.ids):
            known = examples.setdefault((row.run, row.score.language), {})
            known[row.score.seed, row.score.metric] = row.examples
    comparisons: dict[tuple[Run, Run, str], list[Pair]] = {}
    for run, baseline in pairs:
        for (owner, language), mine in examples.items():
            theirs = examples.get((baseline, language), {}) if owner == run else {}
            both = [(mine[at], theirs[at]) for at in sorted(mine.keys() & theirs.keys())]
            if both and all(one.group == two.group for one, two in both):
                comparisons[run, baseline, language] = both
    if not comparisons:
        return {}
    return dict(zip(comparisons, _p_values(list(comparisons.values()), options.resamples, options.seed)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979, Scandinavian Journal of Statistics 6) step-down adjusted p values, in the order given."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, stepped)
    return [float(x) for x in adjusted]


def paired_effect(differences: Sequence[float] | NDArray[np.float64]) -> float | None:
    """Cohen's d of paired values (d_z): mean difference over its standard deviation (Cohen 1988, section 2.3.5).

    None with fewer than two differences or where they do not vary.
    """
    values = np.asarray(differences, dtype=np.float64)
    if len(values) < 2 or not values.std(ddof=1) > 0:
        return None
    return float(values.mean() / values.std(ddof=1))
