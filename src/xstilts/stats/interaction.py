"""Does a gain differ among backbones? Contrasts of several series that share their seeds.

The interaction of two backbones is a difference of differences: (gain in one) - (gain in the other), which is the
coefficient of backbone x recipe in a linear model with a level for each seed. Among more than two there are two joint
tests. The F test of repeated measures is over blocks: worlds if several seeds share one, else seeds. It generalises to
other blocks and assumes that the differences between any two backbones vary alike. The permutation test exchanges the
backbones' gains within each seed (Friedman 1937's scheme on the values themselves): it does not assume that, and
generalises to other seeds in these worlds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import factorial

import numpy as np
from scipy import special

from xstilts.core.seeds import generator
from xstilts.stats.series import PLAIN, Replication, Series, models_of, spread, units_of
from xstilts.stats.table import Floats

PERMUTATIONS = 10_000


@dataclass(frozen=True)
class Joint:
    """Tests of "all columns have one mean".

    Attributes:
        f, p_f: F over blocks with `degrees` of freedom, and its p; None with fewer than two blocks.
        p_permutation: within seeds; None with one seed.
    """

    f: float | None
    degrees: tuple[int, int]
    p_f: float | None
    p_permutation: float | None

    @property
    def p(self) -> float | None:
        """The larger p of the two; None if either is unknown."""
        return None if self.p_f is None or self.p_permutation is None else max(self.p_f, self.p_permutation)


def joint(columns: Sequence[Series], options: Replication = PLAIN) -> Joint:
    """Both joint tests of two or more series with the same seeds."""
    columns = [replace(one, models=models_of(columns)) for one in columns]
    means = np.stack([units_of(one, options)[0] for one in columns], axis=1)
    # Variance of a difference from examples that all replicates share, half of it for each column.
    shared = [spread(one.minus(two), options).shared / 2 for one, two in combinations(columns, 2)]
    f, degrees, p_f = repeated_measures(means, float(np.mean(shared)))
    values = np.stack([one.points for one in columns], axis=1)
    return Joint(f, degrees, p_f, permuted_within(values) if len(means) > 1 else None)


def repeated_measures(values: Floats, shared: float = 0.0) -> tuple[float | None, tuple[int, int], float | None]:
    """F, its degrees of freedom and p for `values` [blocks, columns]; no F with one block.

    `shared` is the variance of a column's mean that more blocks would not reduce.
    """
    n, k = values.shape
    degrees = (k - 1, (k - 1) * (n - 1))
    if n < 2:
        return None, degrees, None
    columns, rows, middle = values.mean(axis=0), values.mean(axis=1), values.mean()
    between = n * float(((columns - middle) ** 2).sum()) / degrees[0]
    rest = float(((values - rows[:, None] - columns + middle) ** 2).sum()) / degrees[1] + n * shared
    if rest <= 0:
        return (np.inf, degrees, 0.0) if between > 0 else (0.0, degrees, 1.0)
    return between / rest, degrees, float(special.fdtrc(*degrees, between / rest))


def permuted_within(values: Floats, permutations: int = PERMUTATIONS) -> float:
    """p of the spread of column means when `values` [seeds, columns] are shuffled within each seed.

    Flips of two columns are enumerated if they are fewer than the permutations.
    """
    n, k = values.shape
    observed = values.mean(axis=0).var()
    if k == 2 and factorial(k) ** n <= permutations:
        flips = np.arange(2**n)[:, None] >> np.arange(n) & 1
        one = np.where(flips == 0, values[:, 0], values[:, 1]).mean(axis=1)
        spread = ((2 * one - values.sum(axis=1).mean()) / 2) ** 2
        return float((spread >= observed - 1e-12).mean())
    order = generator(0, "interaction").random((permutations, n, k)).argsort(axis=2)
    spread = np.take_along_axis(np.broadcast_to(values, order.shape), order, axis=2).mean(axis=1).var(axis=1)
    return float(((spread >= observed - 1e-12).sum() + 1) / (permutations + 1))


def slope_weights(x: Sequence[float]) -> list[float]:
    """Weights that give the least-squares slope of values at `x`."""
    centred = np.asarray(x, dtype=np.float64) - np.mean(x)
    return [float(one) for one in centred / (centred**2).sum()]
