"""The packed batch: one row of token ids without padding; and micro-batches.

A segment is an input sequence with its special tokens: a sentence, a pair, a choice of a question, a window of a
passage. Segments are sorted, longest first, so that attention runs over neighbours of equal length in one call.
`starts_S` has the places of segments in the order of `pack`'s arguments.
Shape suffixes: T tokens of the pack, S segments, L longest segment, H hidden size.
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
        types_T: token type ids (0 first text, 1 second text), int64.
        starts_S: place of the first token of each segment, in the order of `pack`'s arguments.
        seed: of dropout in the training step; None outside training.
        keys_S: identifies each segment in that step, int32, in pack order.
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
        """Position of each token in its segment, from 0."""
        return torch.from_numpy(np.concatenate([np.arange(n) for n in self.lengths])).to(self.ids_T.device)

    @cached_property
    def segment_T(self) -> Tensor:
        """Index, in pack order, of the segment of each token."""
        return torch.from_numpy(np.repeat(np.arange(len(self.lengths)), self.lengths)).to(self.ids_T.device)

    @cached_property
    def identity_T(self) -> Tensor:
        """The identity of each token in its step, int32, however the step is split into packs (`dropout.py`)."""
        assert self.keys_S is not None, "`planned` comes first"
        return identities(self.keys_S[self.segment_T], self.positions_T)

    @cached_property
    def ends_S(self) -> Tensor:
        """Place of each segment's last token, in the order of `pack`'s arguments."""
        lengths = torch.tensor(self.lengths, device=self.ids_T.device)
        return self.starts_S + lengths[self.segment_T[self.starts_S]] - 1

    def summary_S(self, token: Token) -> Tensor:
        """Place of each segment's first or last token, in the order of `pack`'s arguments."""
        return self.starts_S if token == "first" else self.ends_S

    def segments(self) -> list[np.ndarray]:
        """Token ids of each segment, in the order of `pack`'s arguments."""
        ids, ends = self.ids_T.cpu().numpy(), self.ends_S.tolist()
        return [ids[begin : end + 1] for begin, end in zip(self.starts_S.tolist(), ends, strict=True)]

    def pad(self, values_T: Tensor, fill: int = 0) -> Tensor:
        """One value per token as a padded grid, [S, L, ...], segments in pack order."""
        grid = values_T.new_full((len(self.lengths), self.lengths[0], *values_T.shape[1:]), fill)
        grid[self.segment_T, self.positions_T] = values_T
        return grid

    def planned(self, seed: int, rows: np.ndarray, parts: np.ndarray) -> Packed:
        """The same pack as part of a training step; `rows`, `parts`: each segment's row and its number in that row."""
        keys = np.empty(len(rows), dtype=np.int32)
        keys[self.segment_T[self.starts_S].numpy()] = segment_keys(rows, parts)
        return replace(self, seed=seed, keys_S=torch.from_numpy(keys))

    def to(self, device: torch.device | str) -> Packed:
        ids_T, types_T, starts_S = (each.to(device) for each in (self.ids_T, self.types_T, self.starts_S))
        keys_S = None if self.keys_S is None else self.keys_S.to(device)
        return Packed(ids_T, self.lengths, types_T, starts_S, self.seed, keys_S)


def pack(segments: Sequence[np.ndarray], type_splits: Sequence[int] | None = None) -> Packed:
    """Put segments into one row, longest first (ties keep their order).

    `type_splits`: for each segment the position from which token type ids are 1; None: all are 0.
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

    With several ranks the groups have about equal size, and their number is a multiple of `ranks`, if there are enough
    rows.
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
    """Half the tokens of the largest micro-batch, after the device ran out of memory; frees cached memory.

    `lengths`: tokens of the rows that are still to be computed. Raises `OutOfMemory` if that micro-batch is one row.
    """
    torch.cuda.empty_cache()
    largest = max(micro_batches(lengths, budget, ranks), key=lambda rows: int(lengths[rows].sum()))
    tokens = int(lengths[largest].sum())
    if len(largest) == 1:
        problem = f"{device} is out of memory at {place} with {tokens} tokens, which cannot be divided"
        raise OutOfMemory(f"{problem}: {REMEDIES}")
    return tokens // 2
