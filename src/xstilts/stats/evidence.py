"""Evidence of measured series for or against a statement about them.

A number is compared by Student's t over replicates, as in `estimates`. All p values are twice a tail, with
the degrees of freedom of the replicates alone: if replicates share examples, the 95 % interval of `estimates` is
narrower, and may exclude a number whose p is above .05.

A statement about n parts holds if at least k of them hold. If k is n, the largest p counts (intersection-union: Berger
1982, Technometrics 24), else the partial conjunction (Benjamini and Heller 2008, Biometrics 64): n - k + 1 times the
k-th smallest p.
"""

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
        supports, contradicts: p of the contrary, and p of the statement, both two-sided; 1 with one replicate.
        confidence: probability of the statement if every value of the number was equally likely beforehand; of several
            parts, that of the least certain one among those needed. None with one replicate.
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

    def judge(self, series: Series, options: Replication) -> Evidence:
        at = tails(series, self.than, options)
        low = tails(series, self.than - self.margin, options)
        high = tails(series, self.than + self.margin, options)
        inside, outside, within = max(low[0], high[1]), min(high[0], low[1]), max(0.0, 1 - low[0] - high[1])
        supports, contradicts, confidence = {
            "above": (at[0], high[1], 1 - at[0]),
            "below": (at[1], low[0], 1 - at[1]),
            "within": (inside, outside, within),
            "differs": (outside, inside, 1 - within),
        }[self.direction]
        known = spread(series, options).freedom > 0
        return Evidence(min(1.0, 2 * supports), min(1.0, 2 * contradicts), confidence if known else None)


def tails(series: Series, number: float, options: Replication) -> tuple[float, float]:
    """One-sided p of "at most `number`" and of "at least `number`"; 1 and 1 if nothing is known of the variation."""
    found = spread(series, options)
    if found.freedom < 1 or not found.error or not np.isfinite(found.centre):
        return 1.0, 1.0
    distance = (found.centre - number) / found.error
    from scipy import special  # only to judge: every experiment file imports this module

    return float(special.stdtr(found.freedom, -distance)), float(special.stdtr(found.freedom, distance))


def weigh(parts: Sequence[Series], bound: Bound, at_least: int, options: Replication) -> Evidence:
    """The evidence for "at least `at_least` of the parts fulfil `bound`"."""
    judged = [bound.judge(part, options) for part in parts]
    confidence = sorted((one.confidence for one in judged if one.confidence is not None), reverse=True)
    return Evidence(
        partial_conjunction([one.supports for one in judged], at_least),
        partial_conjunction([one.contradicts for one in judged], len(parts) - at_least + 1),
        confidence[at_least - 1] if len(confidence) == len(parts) else None,
    )


def partial_conjunction(p_values: Sequence[float], at_least: int) -> float:
    """p of "fewer than `at_least` of the statements hold", from the p of each one's contrary."""
    assert 1 <= at_least <= len(p_values)
    return min(1.0, sorted(p_values)[at_least - 1] * (len(p_values) - at_least + 1))
