"""How strongly measured series speak for a statement about them, and against it.

Two tails are taken of every comparison with a number, that of the bootstrap and that of Student's t over seeds (over
worlds, where several seeds share one), and the larger counts: with few seeds the bootstrap alone is too sure of itself.
All p values are twice a tail, so that p < .05 says that both 95 % intervals exclude the number.

A statement of several parts holds when at least so many of them hold. For all of them the largest p counts
(intersection-union: Berger 1982, Technometrics 24), for fewer the partial conjunction (Benjamini and Heller 2008,
Biometrics 64): the p that so many parts reach at least, times the number of parts that could be that one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from xstilts.stats.bootstrap import block_means, draws
from xstilts.stats.series import Resampling, Series

Direction = Literal["above", "below", "within", "differs"]


@dataclass(frozen=True)
class Evidence:
    """For and against a statement.

    Attributes:
        supports, contradicts: p of the contrary, and p of the statement; 1 where there is one seed.
        confidence: share of resamples in which the statement holds; None where nothing could be resampled.
    """

    supports: float
    contradicts: float
    confidence: float | None


@dataclass(frozen=True)
class Bound:
    """A statement about one number: `above` or `below` `than`; `within` `margin` of it; `differs` by more than that.

    For `above` and `below` the margin is the least effect that matters: one shown to be smaller contradicts.
    """

    direction: Direction
    than: float = 0.0
    margin: float = 0.0

    def holds(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether it holds for each value."""
        tests: dict[Direction, Callable[[], NDArray[np.bool_]]] = {
            "above": lambda: values > self.than,
            "below": lambda: values < self.than,
            "within": lambda: np.abs(values - self.than) <= self.margin,
            "differs": lambda: np.abs(values - self.than) > self.margin,
        }
        return tests[self.direction]()

    def p_values(self, series: Series, options: Resampling) -> tuple[float, float]:
        """(p of the contrary, p of the statement), two-sided."""

        def up(number: float) -> float:
            return tails(series, number, options)[0]

        def down(number: float) -> float:
            return tails(series, number, options)[1]

        low, high = self.than - self.margin, self.than + self.margin
        inside, outside = max(up(low), down(high)), min(up(high), down(low))
        found = {
            "above": (up(self.than), down(high)),
            "below": (down(self.than), up(low)),
            "within": (inside, outside),
            "differs": (outside, inside),
        }[self.direction]
        return min(1.0, 2 * found[0]), min(1.0, 2 * found[1])


def tails(series: Series, number: float, options: Resampling) -> tuple[float, float]:
    """(p of "at most `number`", p of "at least `number`"), one-sided; 1 and 1 where one seed says nothing of others."""
    centres = block_means(series, options)
    count = len(centres)
    if count < 2:
        return 1.0, 1.0
    values = draws(series, options)
    if not (np.isfinite(values).all() and np.isfinite(centres).all()):
        return 1.0, 1.0
    low, high = (float((side.sum() + 1) / (len(values) + 1)) for side in (values <= number, values >= number))
    distance, error = float(centres.mean()) - number, float(centres.std(ddof=1)) / np.sqrt(count)
    if error == 0:
        t_low, t_high = (1.0 if distance <= 0 else 0.0), (1.0 if distance >= 0 else 0.0)
    else:
        t_low, t_high = (float(stats.t.sf(sign * distance / error, count - 1)) for sign in (1, -1))
    return max(low, t_low), max(high, t_high)


def weigh(parts: Sequence[Series], bound: Bound, at_least: int, options: Resampling) -> Evidence:
    """The evidence for "at least `at_least` of the parts fulfil `bound`"; parts have the same seeds."""
    supports, contradicts = zip(*(bound.p_values(part, options) for part in parts))
    contrary = len(parts) - at_least + 1
    known = all(part.draws is not None or len(part.seeds) > 1 for part in parts)
    held = np.stack([bound.holds(draws(part, options)) for part in parts]) if known else None
    return Evidence(
        partial_conjunction(supports, at_least),
        partial_conjunction(contradicts, contrary),
        None if held is None else float((held.sum(axis=0) >= at_least).mean()),
    )


def partial_conjunction(p_values: Sequence[float], at_least: int) -> float:
    """p of "fewer than `at_least` of the statements hold", from the p of each one's contrary."""
    assert 1 <= at_least <= len(p_values)
    return min(1.0, sorted(p_values)[at_least - 1] * (len(p_values) - at_least + 1))
