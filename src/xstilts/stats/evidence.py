"""How strongly measured series speak for a statement about them, and against it.

A number is compared by Student's t over replicates, as in `estimates`. All p values are twice a tail, so that p < .05
says that the 95 % interval excludes the number.

A statement of several parts holds when at least so many of them hold. For all of them the largest p counts
(intersection-union: Berger 1982, Technometrics 24), for fewer the partial conjunction (Benjamini and Heller 2008,
Biometrics 64): the p that so many parts reach at least, times the number of parts that could be that one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from xstilts.stats.series import Replication, Series, spread

Direction = Literal["above", "below", "within", "differs"]


@dataclass(frozen=True)
class Evidence:
    """For and against a statement.

    Attributes:
        supports, contradicts: p of the contrary, and p of the statement; 1 where there is one replicate.
        confidence: the probability that the t distribution behind the verdict gives the statement; of several parts,
            that of the least certain one among those needed. None where there is one replicate.
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

    def confidence(self, series: Series, options: Replication) -> float:
        """The probability of the statement, were every value of the number as likely beforehand."""
        low, high = self.than - self.margin, self.than + self.margin
        inside = max(0.0, 1 - tails(series, low, options)[0] - tails(series, high, options)[1])
        return {
            "above": 1 - tails(series, self.than, options)[0],
            "below": 1 - tails(series, self.than, options)[1],
            "within": inside,
            "differs": 1 - inside,
        }[self.direction]

    def p_values(self, series: Series, options: Replication) -> tuple[float, float]:
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


def tails(series: Series, number: float, options: Replication) -> tuple[float, float]:
    """(p of "at most `number`", p of "at least `number`"), one-sided; 1 and 1 where others are unknown."""
    found = spread(series, options)
    if found.freedom < 1 or not found.error or not np.isfinite(found.centre):
        return 1.0, 1.0
    distance = (found.centre - number) / found.error
    from scipy import special  # of a judgement alone: every experiment file is read with this module

    return float(special.stdtr(found.freedom, -distance)), float(special.stdtr(found.freedom, distance))


def weigh(parts: Sequence[Series], bound: Bound, at_least: int, options: Replication) -> Evidence:
    """The evidence for "at least `at_least` of the parts fulfil `bound`"."""
    supports, contradicts = zip(*(bound.p_values(part, options) for part in parts))
    contrary = len(parts) - at_least + 1
    known = all(spread(part, options).freedom > 0 for part in parts)
    confidence = sorted((bound.confidence(part, options) for part in parts), reverse=True)
    return Evidence(
        partial_conjunction(supports, at_least),
        partial_conjunction(contradicts, contrary),
        confidence[at_least - 1] if known else None,
    )


def partial_conjunction(p_values: Sequence[float], at_least: int) -> float:
    """p of "fewer than `at_least` of the statements hold", from the p of each one's contrary."""
    assert 1 <= at_least <= len(p_values)
    return min(1.0, sorted(p_values)[at_least - 1] * (len(p_values) - at_least + 1))
