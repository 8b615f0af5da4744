"""Where the segments of a pack lie, and which of them attention takes together."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from xstilts.backbones.dropout import Draws, heads_of
from xstilts.backbones.names import Backend
from xstilts.backbones.runs import Places

# One more attention call on a CPU costs about as much as this many masked query-key pairs (64 segments of 8 tokens);
# joining two runs pays while the padding it adds stays below. Elsewhere a call costs more.
CALL_COST = 4_096


@dataclass(frozen=True)
class Run:
    """Neighbouring segments served by one attention call; `lengths` are not increasing."""

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

    @property
    def padded(self) -> int:
        """Query-key pairs of the padded call."""
        return len(self.lengths) * self.longest**2


@dataclass(frozen=True)
class Layout:
    """Where segments lie, and how attention is computed over them; built once per batch, shared by all layers.

    `causal` overrules what the layers say of themselves; None leaves it to them. `draws`: for dropout by hash.
    """

    lengths: tuple[int, ...]
    device: torch.device
    backend: Backend = "segments"
    cu_seqlens: Tensor | None = None
    causal: bool | None = None
    draws: Draws | None = None
    _masks: dict[tuple[int, bool, int | None], Tensor] = field(default_factory=dict)
    _queries: dict[tuple[int, int], Tensor] = field(default_factory=dict)
    _places: dict[int, Places] = field(default_factory=dict)

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """Segments joined greedily into runs while padding costs less than another call."""
        assert list(self.lengths) == sorted(self.lengths, reverse=True), "segments must lie longest first"
        cost = CALL_COST if self.device.type == "cpu" else 4 * CALL_COST
        runs: list[Run] = []
        begin = spent = 0
        current: list[int] = []
        for length in self.lengths:
            waste = (current[0] ** 2 - length**2) if current else 0
            if waste and spent + waste > cost:
                runs.append(Run(begin, tuple(current)))
                begin += sum(current)
                current, spent, waste = [], 0, 0
            current.append(length)
            spent += waste
        runs.append(Run(begin, tuple(current)))
        return tuple(runs)

    @cached_property
    def gathers(self) -> dict[int, tuple[Tensor, Tensor]]:
        """For each uneven run: rows that fill its padded block, and the rows of that block that are real tokens."""
        tables = {}
        for run in self.runs:
            if run.even:
                continue
            length = torch.tensor(run.lengths)
            offset = torch.cat([torch.zeros(1, dtype=torch.long), length.cumsum(0)[:-1]])
            column = torch.arange(run.longest)
            real = column[None, :] < length[:, None]
            rows = torch.where(real, offset[:, None] + column[None, :], offset[:, None])
            tables[run.begin] = (rows.flatten().to(self.device), real.flatten().nonzero().squeeze(1).to(self.device))
        return tables

    def mask(self, run: Run, causal: bool, window: int | None) -> Tensor | None:
        """Boolean mask, True = may attend: [n, 1, L, L], [1, 1, L, L], [n, 1, 1, L], or None where all may."""
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
                # A padded query of a window may have no key left; it sees itself, and its state is dropped.
                if banded:
                    allowed = allowed | torch.eye(run.longest, dtype=torch.bool, device=self.device)
            self._masks[key] = allowed
        return self._masks[key]

    def places(self, heads: int) -> Places:
        """Where each token and head lies when runs are blocks."""
        if heads not in self._places:
            into, real = [], []
            for run in self.runs:
                column, length = np.arange(run.longest), np.array(run.lengths)[:, None]
                row = run.begin + np.cumsum(length)[:, None] - length + np.where(column < length, column, 0)
                into.append((row[:, None] * heads + np.arange(heads)[:, None]).ravel())
                real.append(np.repeat((column < length)[:, None], heads, axis=1).ravel())
            row_P, real_P = np.concatenate(into), np.concatenate(real)
            back = np.empty(sum(self.lengths) * heads, dtype=np.int64)
            back[row_P[real_P]] = np.flatnonzero(real_P)
            self._places[heads] = Places(*map(torch.from_numpy, (row_P, back, np.flatnonzero(~real_P))))
        return self._places[heads]

    def bias(self, run: Run, causal: bool, window: int | None, dtype: torch.dtype) -> Tensor | None:
        """The same as what is added to scores, 0 or -inf."""
        mask = self.mask(run, causal, window)
        return None if mask is None else torch.zeros_like(mask, dtype=dtype).masked_fill_(~mask, -torch.inf)

    def queries(self, run: Run, heads: int) -> Tensor:
        """Identities of a run's queries, [n, heads, L] (`Draws.drop`)."""
        assert self.draws is not None
        if (run.begin, heads) not in self._queries:
            identity = self.draws.identity_T[run.begin : run.end]
            if not run.even:
                identity = identity[self.gathers[run.begin][0]]
            self._queries[run.begin, heads] = heads_of(identity.view(len(run.lengths), run.longest), heads)
        return self._queries[run.begin, heads]


def band(query: Tensor, key: Tensor, causal: bool, window: int | None) -> Tensor:
    """Boolean [Q, K]: which keys a query may see by position alone."""
    distance = query[:, None] - key[None, :]
    allowed = distance >= 0 if causal else torch.ones_like(distance, dtype=torch.bool)
    if window is not None:
        allowed = allowed & (distance < window) & (distance > -window)
    return allowed
