"""The packed batch: one row of token ids without padding.

Shape suffixes: T tokens of the whole pack, S segments, L longest segment, H hidden size.

A segment is one input sequence with its special tokens (a sentence, a pair, one choice of a question, one window of a
passage). Segments lie one after the other, longest first, so that segments of equal length are neighbours and the
attention of each such run is one call. Nobody above may rely on that order: collators read `starts`.
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


@dataclass(frozen=True)
class Packed:
    """A packed batch.

    Attributes:
        ids_T: token ids, int64.
        lengths: tokens of each segment, in the order in which they lie in the pack (longest first).
        types_T: token type ids (0 first text, 1 second text), int64; only some architectures read them.
        starts_S: for the i-th segment *as given to `pack`*, the position of its first token in the pack.
        seed: of dropout in the step that the pack is a part of; None where it is part of no plan.
        keys_S: what each segment is in that step, int32, in the order in which they lie in the pack.
    """

    ids_T: Tensor
    lengths: tuple[int, ...]
    types_T: Tensor
    starts_S: Tensor
    seed: int | None = None
    keys_S: Tensor | None = None

    @cached_property
    def cu_seqlens(self) -> Tensor:
        """Cumulative segment offsets, int32 [S + 1], on the device of the ids."""
        offsets = np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int32)
        return torch.from_numpy(offsets).to(self.ids_T.device)

    @cached_property
    def positions_T(self) -> Tensor:
        """Position of each token inside its segment, from 0."""
        return torch.from_numpy(np.concatenate([np.arange(n) for n in self.lengths])).to(self.ids_T.device)

    @cached_property
    def segment_T(self) -> Tensor:
        """Index of the segment (in pack order) to which each token belongs."""
        return torch.from_numpy(np.repeat(np.arange(len(self.lengths)), self.lengths)).to(self.ids_T.device)

    @cached_property
    def identity_T(self) -> Tensor:
        """What each token is in its step, int32, however the step is cut into packs (`dropout.py`)."""
        assert self.keys_S is not None, "a pack of no plan"
        return identities(self.keys_S[self.segment_T], self.positions_T)

    def planned(self, seed: int, rows: np.ndarray, parts: np.ndarray) -> Packed:
        """The same pack, told for each segment (as given to `pack`) its row in the step, and its number in the row."""
        keys = np.empty(len(rows), dtype=np.int32)
        keys[self.segment_T[self.starts_S].numpy()] = segment_keys(rows, parts)
        return replace(self, seed=seed, keys_S=torch.from_numpy(keys))

    @cached_property
    def ends_S(self) -> Tensor:
        """The position of each segment's last token, segments as given to `pack`."""
        lengths = torch.tensor(self.lengths, device=self.ids_T.device)
        return self.starts_S + lengths[self.segment_T[self.starts_S]] - 1

    def segments(self) -> list[np.ndarray]:
        """The tokens of each segment, segments as given to `pack`."""
        ids, ends = self.ids_T.cpu().numpy(), self.ends_S.tolist()
        return [ids[begin : end + 1] for begin, end in zip(self.starts_S.tolist(), ends, strict=True)]

    def place_S(self, token: Token) -> Tensor:
        """The position of each segment's first or last token, segments as given to `pack`."""
        return self.starts_S if token == "first" else self.ends_S

    def to(self, device: torch.device | str) -> Packed:
        """The same pack on another device."""
        keys_S = None if self.keys_S is None else self.keys_S.to(device)
        move = self.ids_T.to(device), self.types_T.to(device), self.starts_S.to(device)
        return Packed(move[0], self.lengths, move[1], move[2], self.seed, keys_S)


def pack(segments: Sequence[np.ndarray], type_splits: Sequence[int] | None = None) -> Packed:
    """Lay segments into one row, longest first (ties keep their order).

    Args:
        segments: integer arrays of token ids, each of at least one token.
        type_splits: for each segment the position from which token type ids are 1; None for all 0.
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
        position_T = np.arange(len(ids)) - np.repeat(begin, ordered)
        types = (position_T >= split_T).astype(np.int64)
    return Packed(
        torch.from_numpy(ids), tuple(int(n) for n in ordered), torch.from_numpy(types), torch.from_numpy(starts)
    )


def micro_batches(lengths: np.ndarray, budget: int, ranks: int = 1) -> list[np.ndarray]:
    """Positions of a batch's rows in groups of at most `budget` tokens, longest first; one row at the least.

    For several ranks a multiple of their number of about equally large groups, unless there are fewer rows.
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
