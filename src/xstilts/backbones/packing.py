"""The packed batch: one row of token ids without padding, and how a batch is split into micro-batches.

Shape suffixes: T tokens of the whole pack, S segments, L longest segment, H hidden size.

A segment is one input sequence with its special tokens: a sentence, a pair, one choice of a question, one window of a
passage. Segments are sorted longest first, so that attention can run over neighbours of equal length in one call.
Callers must not rely on that order: `starts_S` says where each segment begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from xstilts.backbones.dropout import identities, segment_keys
from xstilts.backbones.names import Token
from xstilts.core.errors import OutOfMemory

REMEDIES = (
    "try --recompute, more --devices with --shard, `lora`, a shorter `max_length`, a smaller model or a larger device; "
    "`xstilts plan` says what fits"
)


@dataclass(frozen=True)
class Packed:
    """A packed batch.

    Attributes:
        ids_T: token ids, int64.
        lengths: tokens of each segment in pack order (longest first).
        types_T: token type ids (0 first text, 1 second text), int64; some architectures read them.
        starts_S: position of the first token of each segment, segments as given to `pack`.
        seed: of dropout in the training step; None outside training.
        keys_S: identifies each segment within that step, int32, in pack order.
    """

    ids_T: Tensor
    lengths: tuple[int, ...]
    types_T: Tensor
    starts_S: Tensor
    seed: int | None = None
    keys_S: Tensor | None = None

    @cached_property
    def cu_seqlens(self) -> Tensor:
        """Cumulative segment offsets, int32 [S + 1]."""
        offsets = np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int32)
        return torch.from_numpy(offsets).to(self.ids_T.device)

    @cached_property
    def positions_T(self) -> Tensor:
        """Position of each token inside its segment, from 0."""
        return torch.from_numpy(np.concatenate([np.arange(n) for n in self.lengths])).to(self.ids_T.device)

    @cached_property
    def segment_T(self) -> Tensor:
        """Index, in pack order, of the segment of each token."""
        return torch.from_numpy(np.repeat(np.arange(len(self.lengths)), self.lengths)).to(self.ids_T.device)

    @cached_property
    def identity_T(self) -> Tensor:
        """What identifies each token within its step, int32, however the step is split into packs (`dropout.py`)."""
        assert self.keys_S is not None, "`planned` comes first"
        return identities(self.keys_S[self.segment_T], self.positions_T)

    @cached_property
    def ends_S(self) -> Tensor:
        """Position of each segment's last token, segments as given to `pack`."""
        lengths = torch.tensor(self.lengths, device=self.ids_T.device)
        return self.starts_S + lengths[self.segment_T[self.starts_S]] - 1

    def summary_S(self, token: Token) -> Tensor:
        """Position of each segment's first or last token, segments as given to `pack`."""
        return self.starts_S if token == "first" else self.ends_S

    def segments(self) -> list[np.ndarray]:
        """Token ids of each segment, segments as given to `pack`."""
        ids, ends = self.ids_T.cpu().numpy(), self.ends_S.tolist()
        return [ids[begin : end + 1] for begin, end in zip(self.starts_S.tolist(), ends, strict=True)]

    def pad(self, values_T: Tensor, fill: int = 0) -> Tensor:
        """One value per token as a padded grid, [S, L, ...], segments in pack order."""
        grid = values_T.new_full((len(self.lengths), self.lengths[0], *values_T.shape[1:]), fill)
        grid[self.segment_T, self.positions_T] = values_T
        return grid

    def planned(self, seed: int, rows: np.ndarray, parts: np.ndarray) -> Packed:
        """The same pack as part of a training step.

        `rows`: row of each segment (as given to `pack`) in the step; `parts`: its number within that row.
        """
        keys = np.empty(len(rows), dtype=np.int32)
        keys[self.segment_T[self.starts_S].numpy()] = segment_keys(rows, parts)
        return replace(self, seed=seed, keys_S=torch.from_numpy(keys))

    def to(self, device: torch.device | str) -> Packed:
        """The same pack on another device."""
        ids_T, types_T, starts_S = (each.to(device) for each in (self.ids_T, self.types_T, self.starts_S))
        keys_S = None if self.keys_S is None else self.keys_S.to(device)
        return Packed(ids_T, self.lengths, types_T, starts_S, self.seed, keys_S)


def pack(segments: Sequence[np.ndarray], type_splits: Sequence[int] | None = None) -> Packed:
    """Lay segments into one row, longest first (ties keep their order).

    Args:
        segments: integer arrays of token ids, each of at least one token.
        type_splits: for each segment the position from which token type ids are 1; None: all are 0.
    """
    lengths = np.fromiter((len(segment) for segment in segments), dtype=np.int64, count=len(segments))
    assert len(lengths) > 0, "an empty pack"
    assert lengths.min() > 0, "an empty segment"
    order = np.argsort(-lengths, kind="stable")
    ordered = lengths[order]
    begin = np.concatenate([[0], np.cumsum(ordered)[:-1]])
    starts = np.empty_like(begin)
    starts[order] = begin
    ids = np.concatenate([segments[i] for i in order]).astype(np.int64, copy=False)
    types = np.zeros_like(ids)
    if type_splits is not None:
        split_T = np.repeat(np.asarray(type_splits, dtype=np.int64)[order], ordered)
        types = (np.arange(len(ids)) - np.repeat(begin, ordered) >= split_T).astype(np.int64)
    return Packed(torch.from_numpy(ids), tuple(ordered.tolist()), torch.from_numpy(types), torch.from_numpy(starts))


def micro_batches(lengths: np.ndarray, budget: int, ranks: int = 1) -> list[np.ndarray]:
    """Positions of a batch's rows in groups of at most `budget` tokens (but at least one row), longest first.

    With several ranks the number of groups, of about equal size, is a multiple of `ranks` unless there are fewer rows.
    """
    order = np.argsort(-lengths, kind="stable")
    if ranks > 1:
        wanted = min(len(order), ranks * -(-int(lengths.sum()) // (budget * ranks)))
        ends = np.cumsum(lengths[order])
        cuts = np.searchsorted(ends, ends[-1] * np.arange(1, wanted) / wanted)
        return [group for group in np.split(order, np.unique(cuts)) if len(group)]
    groups: list[list[int]] = []
    used = budget + 1
    for position in order:
        if used + lengths[position] > budget:
            groups.append([])
            used = 0
        groups[-1].append(int(position))
        used += int(lengths[position])
    return [np.asarray(group) for group in groups]


def halved_budget(lengths: np.ndarray, budget: int, device: str, place: str, ranks: int = 1) -> int:
    """A budget of half the largest micro-batch's tokens, after the device ran out of memory; frees cached memory.

    Args:
        lengths: tokens of the rows still to be computed.

    Raises:
        OutOfMemory: that micro-batch is a single row.
    """
    torch.cuda.empty_cache()
    largest = max(micro_batches(lengths, budget, ranks), key=lambda rows: int(lengths[rows].sum()))
    tokens = int(lengths[largest].sum())
    if len(largest) == 1:
        text = f"{tokens} tokens, which cannot be divided"
        raise OutOfMemory(f"{device} is out of memory at {place} with {text}: {REMEDIES}")
    return tokens // 2
