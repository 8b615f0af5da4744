"""Random draws that are the same in every version of Python and NumPy, one small generator per purpose.

They use only the raw stream of PCG64, which NumPy guarantees (NEP 19); its distributions may change. Numbers are
drawn in blocks, which is ten times faster than one at a time.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

import numpy as np

from xstilts.core.seeds import derive_seed

T = TypeVar("T")
_BLOCK = 1024


class WeightedTable(Generic[T]):
    """Items with weights."""

    __slots__ = ("cumulative", "items")

    def __init__(self, items: Sequence[T], weights: Sequence[float]) -> None:
        assert items, "a table needs at least one item"
        self.items = tuple(items)
        self.cumulative = tuple(accumulate(weights))


def _stream(seed: int) -> Iterator[float]:
    """Uniform numbers in [0, 1): the upper 53 bits of each raw word."""
    source = np.random.PCG64(seed)
    while True:
        yield from ((source.random_raw(_BLOCK) >> np.uint64(11)) * 2.0**-53).tolist()


class Dice:
    """The draws of one purpose; equal (seed, purpose) give equal draws."""

    __slots__ = ("random",)

    def __init__(self, seed: int, *purpose: str | int) -> None:
        self.random = _stream(derive_seed(seed, "microworld", *purpose)).__next__

    def chance(self, probability: float) -> bool:
        return self.random() < probability

    def between(self, low: int, high: int) -> int:
        """An integer from `low` to `high`, both included."""
        return low + int(self.random() * (high - low + 1))

    def pick(self, items: Sequence[T]) -> T:
        return items[int(self.random() * len(items))]

    def draw(self, table: WeightedTable[T]) -> T:
        cumulative = table.cumulative
        return table.items[min(bisect(cumulative, self.random() * cumulative[-1]), len(cumulative) - 1)]

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """`count` different positions of `items` in random order; all of them when there are fewer."""
        pool = list(items)
        count = min(count, len(pool))
        for i in range(count):
            j = i + int(self.random() * (len(pool) - i))
            pool[i], pool[j] = pool[j], pool[i]
        return pool[:count]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        return self.sample(items, len(items))
