"""Splits attention over a pack into calls: neighbouring segments of similar length form a run.

Shape suffixes: P places in all padded blocks, in the order [segment, head, token]; T tokens of the pack; D head size.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from xstilts.backbones.dropout import HashDropout, heads_of
from xstilts.backbones.names import Backend

CALL_COST = 4_096
"""Padded query-key pairs that cost as much as one more attention call on a CPU (64 segments of 8 tokens)."""


@dataclass(frozen=True)
class SegmentRun:
    """Neighbouring segments of one attention call, longest first."""

    begin: int
    lengths: tuple[int, ...]

    @property
    def longest(self) -> int:
        return self.lengths[0]

    @property
    def even(self) -> bool:
        return self.lengths[0] == self.lengths[-1]

    @property
    def end(self) -> int:
        return self.begin + sum(self.lengths)


class BlockPlaces(NamedTuple):
    """Where the states of a pack, one row per token and head, are when each run is a padded block.

    Attributes:
        into_P: row of each place; any row for padding.
        back: place of each row, [T heads].
        padding: places without a token.
    """

    into_P: Tensor
    back: Tensor
    padding: Tensor

    def gather(self, states_THD: Tensor) -> Tensor:
        return states_THD.reshape(-1, states_THD.shape[-1]).index_select(0, self.into_P)

    def scatter(self, states_PD: Tensor, heads: int) -> Tensor:
        return states_PD.index_select(0, self.back).view(-1, heads, states_PD.shape[-1])


@dataclass(frozen=True)
class PackLayout:
    """The segments of a pack and the attention calls over them; built once per batch, for all layers.

    `causal`: None leaves the choice to the layers. `hashed`: for attention dropout by hash.
    """

    lengths: tuple[int, ...]
    device: torch.device
    backend: Backend = "segments"
    cu_seqlens: Tensor | None = None
    causal: bool | None = None
    hashed: HashDropout | None = None
    _masks: dict[tuple[int, bool, int | None], Tensor] = field(default_factory=dict)
    _queries: dict[tuple[int, int], Tensor] = field(default_factory=dict)
    _places: dict[int, BlockPlaces] = field(default_factory=dict)

    @cached_property
    def runs(self) -> tuple[SegmentRun, ...]:
        assert list(self.lengths) == sorted(self.lengths, reverse=True), "segments must be sorted, longest first"
        cost = CALL_COST if self.device.type == "cpu" else 4 * CALL_COST
        runs: list[SegmentRun] = []
        begin = spent = 0
        current: list[int] = []
        for length in self.lengths:
            waste = (current[0] ** 2 - length**2) if current else 0
            if waste and spent + waste > cost:
                runs.append(SegmentRun(begin, tuple(current)))
                begin += sum(current)
                current, spent, waste = [], 0, 0
            current.append(length)
            spent += waste
        runs.append(SegmentRun(begin, tuple(current)))
        return tuple(runs)

    @cached_property
    def gathers(self) -> dict[int, tuple[Tensor, Tensor]]:
        """`begin` of each uneven run -> rows that fill its padded block, and the places of tokens in the block."""
        tables = {}
        for run in self.runs:
            if not run.even:
                row, real = (torch.from_numpy(each.ravel()).to(self.device) for each in _block(run, run.begin))
                tables[run.begin] = row, real.nonzero().squeeze(1)
        return tables

    def mask(self, run: SegmentRun, causal: bool, window: int | None) -> Tensor | None:
        """Boolean mask, True = may attend: [n, 1, L, L], [1, 1, L, L], [n, 1, 1, L], or None if all may."""
        key = (run.begin, causal, window)
        banded = causal or (window is not None and window < run.longest)
        if run.even and not banded:
            return None
        if key not in self._masks:
            position = torch.arange(run.longest, device=self.device)
            allowed = torch.ones(1, 1, 1, run.longest, dtype=torch.bool, device=self.device)
            if banded:
                allowed = band(position, position, causal, window)[None, None]
            if not run.even:
                length = torch.tensor(run.lengths, device=self.device)
                allowed = allowed & (position[None, :] < length[:, None])[:, None, None, :]
                # A padded query of a window may have no key left: it sees itself, and its state is not used.
                if banded:
                    allowed = allowed | torch.eye(run.longest, dtype=torch.bool, device=self.device)
            self._masks[key] = allowed
        return self._masks[key]

    def places(self, heads: int) -> BlockPlaces:
        if heads not in self._places:
            into, real = [], []
            for run in self.runs:
                row, token = _block(run)
                into.append((row[:, None] * heads + np.arange(heads)[:, None]).ravel())
                real.append(np.repeat(token[:, None], heads, axis=1).ravel())
            row_P, real_P = np.concatenate(into), np.concatenate(real)
            back = np.empty(sum(self.lengths) * heads, dtype=np.int64)
            back[row_P[real_P]] = np.flatnonzero(real_P)
            self._places[heads] = BlockPlaces(*map(torch.from_numpy, (row_P, back, np.flatnonzero(~real_P))))
        return self._places[heads]

    def queries(self, run: SegmentRun, heads: int) -> Tensor:
        """Identities of a run's queries, [n, heads, L] (`HashDropout.drop`)."""
        assert self.hashed is not None
        if (run.begin, heads) not in self._queries:
            identity = self.hashed.identity_T[run.begin : run.end]
            if not run.even:
                identity = identity[self.gathers[run.begin][0]]
            self._queries[run.begin, heads] = heads_of(identity.view(len(run.lengths), run.longest), heads)
        return self._queries[run.begin, heads]


def _block(run: SegmentRun, origin: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """For each place of a padded block, [n, L]: its row in the pack, minus `origin`, and whether it is a token."""
    column, length = np.arange(run.longest), np.array(run.lengths)[:, None]
    real = column < length
    return run.begin - origin + np.cumsum(length)[:, None] - length + np.where(real, column, 0), real


def band(query: Tensor, key: Tensor, causal: bool, window: int | None) -> Tensor:
    """Boolean [Q, K]: which keys a query may see by their positions."""
    distance = query[:, None] - key[None, :]
    allowed = distance >= 0 if causal else torch.ones_like(distance, dtype=torch.bool)
    if window is not None:
        allowed = allowed & (distance < window) & (distance > -window)
    return allowed
