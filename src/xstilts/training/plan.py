"""The batch plan: which examples each optimizer step sees, as a pure function of (lengths, mixture, seed, step).

There is no loader and no loader state: to resume is to ask for step k. Each source is an endless stream of its
instances, one permutation after the other. Batches are cut from the stream across epoch borders, so that all are full.
A corpus of several languages is one stream per language, and the language of each place is drawn beforehand.

Packing needs no sorting by length, so the order is fully random. `bucket` sorts within blocks of that many batches: it
pays on the padded route and where attention over unequal segments is slow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple, Self

import numpy as np

from xstilts.core.seeds import generator

Array = np.ndarray


class Step(NamedTuple):
    """The data of one optimizer step: rows of one source."""

    source: int
    rows: Array


@dataclass(frozen=True)
class Source:
    """One task of a mixture.

    Attributes:
        name: part of the seeds, so that a task's order does not depend on its place in the mixture.
        lengths: tokens of each instance.
        groups: the rows of each language; one group for most tasks.
        shares: probability of each group.
    """

    name: str
    lengths: Array
    groups: tuple[Array, ...]
    shares: tuple[float, ...]

    @classmethod
    def single(cls, name: str, lengths: Array) -> Self:
        return cls(name, lengths, (np.arange(len(lengths)),), (1.0,))


@dataclass(frozen=True)
class Plan:
    """Batches of `batch_size` instances; `probabilities`: of each source; `annealed`: those of the last step."""

    sources: tuple[Source, ...]
    probabilities: tuple[float, ...]
    batch_size: int
    steps: int
    seed: int
    bucket: int = 0
    annealed: tuple[float, ...] | None = None

    def __hash__(self) -> int:
        return id(self)

    @cached_property
    def sequence(self) -> Array:
        """The source of each step, [steps]."""
        if len(self.sources) == 1:
            return np.zeros(self.steps, dtype=np.int64)
        drawn = generator(self.seed, "tasks").random(self.steps)
        if self.annealed is None:
            sources = np.searchsorted(np.cumsum(self.probabilities), drawn, side="right")
        else:
            done = np.linspace(0, 1, self.steps)[:, None]
            shares = (1 - done) * np.asarray(self.probabilities) + done * np.asarray(self.annealed)
            sources = (np.cumsum(shares, axis=1) <= drawn[:, None]).sum(axis=1)
        return np.minimum(sources, len(self.sources) - 1)

    @cached_property
    def _ordinals(self) -> Array:
        """For each step, the number of earlier steps with the same source, [steps]."""
        return _earlier(self.sequence)

    def __getitem__(self, step: int) -> Step:
        """The rows of optimizer step `step`, from 0."""
        source, ordinal = int(self.sequence[step]), int(self._ordinals[step])
        if self.bucket <= 1:
            return Step(source, self._stream(source, ordinal * self.batch_size, (ordinal + 1) * self.batch_size))
        block, place = divmod(ordinal, self.bucket)
        return Step(source, self._block(source, block)[place])

    @lru_cache(maxsize=8)  # noqa: B019 - a plan lives as long as its run
    def _block(self, source: int, block: int) -> Array:
        """[bucket, batch_size] rows of similar length per batch, the batches in random order."""
        size = self.bucket * self.batch_size
        rows = self._stream(source, block * size, (block + 1) * size)
        rows = rows[np.argsort(self.sources[source].lengths[rows], kind="stable")]
        order = generator(self.seed, self.sources[source].name, "bucket", block).permutation(self.bucket)
        return np.asarray(rows.reshape(self.bucket, self.batch_size)[order])

    def _stream(self, source: int, begin: int, end: int) -> Array:
        """Rows at places [begin, end) of the source's stream."""
        groups = self.sources[source].groups
        if len(groups) == 1:
            return self._of_group(source, 0, np.arange(begin, end))
        rows = np.empty(end - begin, dtype=np.int64)
        languages, ordinals = self._places(source)
        for group in range(len(groups)):
            own = languages[begin:end] == group
            rows[own] = self._of_group(source, group, ordinals[begin:end][own])
        return rows

    @lru_cache(maxsize=8)  # noqa: B019
    def _places(self, source: int) -> tuple[Array, Array]:
        """For each place of a stream of several groups: its group, and how many earlier places had the same one."""
        places = int((self.sequence == source).sum() + max(self.bucket, 1)) * self.batch_size
        spec = self.sources[source]
        drawn = generator(self.seed, spec.name, "groups").random(places)
        groups = np.minimum(np.searchsorted(np.cumsum(spec.shares), drawn, side="right"), len(spec.groups) - 1)
        return groups.astype(np.int16), _earlier(groups)

    def _of_group(self, source: int, group: int, places: Array) -> Array:
        """Rows at the given ordinals of one group: the n-th permutation serves places n * size to (n + 1) * size."""
        members = self.sources[source].groups[group]
        epochs, inside = np.divmod(places, len(members))
        rows = np.empty(len(places), dtype=np.int64)
        for epoch in np.unique(epochs):
            own = epochs == epoch
            rows[own] = members[self._permutation(source, group, int(epoch))[inside[own]]]
        return rows

    @lru_cache(maxsize=64)  # noqa: B019
    def _permutation(self, source: int, group: int, epoch: int) -> Array:
        size = len(self.sources[source].groups[group])
        return generator(self.seed, self.sources[source].name, "order", group, epoch).permutation(size)


def _earlier(values: Array) -> Array:
    """For each place, the number of earlier places with the same value."""
    ordinals = np.zeros(len(values), dtype=np.int64)
    for value in np.unique(values):
        own = values == value
        ordinals[own] = np.arange(own.sum())
    return ordinals


def steps_of(sizes: Sequence[int], batch_size: int, epochs: float, cap: int) -> int:
    """Optimizer steps of a phase given in epochs: epochs x capped size / batch, rounded up, summed over tasks."""
    return sum(int(np.ceil(min(size, cap) * epochs / batch_size)) for size in sizes)
