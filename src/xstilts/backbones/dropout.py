"""Dropout as a pure function: whether a value is kept depends on (seed of the step, site, token, column) alone.

torch draws masks one after the other from one generator, so they depend on how a step is cut into micro-batches and
spread over devices. Here a mask is an integer hash of what the value is: the *site* is a place in the model, and the
*identity* of a token is its place in the planned batch (`Packed.identity_T`). All arithmetic is int32 with wrap-around,
the same on every device and with any number of threads. Nothing is drawn and nothing is counted inside a layer, so
activation recomputation gives the same masks.
Shape suffixes: R rows, C columns, B sequences, L longest, T tokens of a pack.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

_GOLDEN = 0x9E3779B9  # 2^32 over the golden ratio: multiples of it are spread evenly
_FIRST, _SECOND = 0x85EBCA6B, 0xC2B2AE35  # of the finaliser of MurmurHash3 (Appleby, public domain)


def signed(value: int) -> int:
    """The int32 of the same 32 bits."""
    return (value + 2**31) % 2**32 - 2**31


def mix(values: Tensor) -> Tensor:
    """The finaliser of MurmurHash3 on int32: a bijection in which every bit depends on every other."""
    values = values ^ ((values >> 16) & 0xFFFF)  # torch shifts int32 arithmetically
    values = values * signed(_FIRST)
    values = values ^ ((values >> 13) & 0x7FFFF)
    values = values * signed(_SECOND)
    return values ^ ((values >> 16) & 0xFFFF)


def mix_number(value: int) -> int:
    """The same of one number, unsigned."""
    value %= 2**32
    value = (value ^ (value >> 16)) * _FIRST % 2**32
    value = (value ^ (value >> 13)) * _SECOND % 2**32
    return value ^ (value >> 16)


def identities(segments: Tensor, positions: Tensor) -> Tensor:
    """The identity of each token, int32, from its segment's key and its position inside the segment."""
    return mix(segments + positions.int() * signed(_GOLDEN))


def segment_keys(rows: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """One int32 for each segment, from its row in the planned batch and its number within that row."""
    numbers = (int(row) * _GOLDEN + mix_number(int(part) + 1) for row, part in zip(rows, parts, strict=True))
    return np.fromiter((signed(mix_number(number)) for number in numbers), dtype=np.int32, count=len(rows))


def heads_of(identity_BL: Tensor, heads: int) -> Tensor:
    """Identities of the queries of each attention head, [B, heads, L]."""
    numbers = torch.arange(heads, dtype=torch.int32, device=identity_BL.device) * signed(_GOLDEN)
    return mix(identity_BL[:, None, :] ^ numbers[:, None])


@lru_cache(maxsize=64)
def columns_of(count: int, device: torch.device) -> Tensor:
    """Hashes of the columns 0, 1, 2 ..., [C]."""
    return mix(torch.arange(count, dtype=torch.int32, device=device) + signed(_GOLDEN))


def products(rows_R: Tensor, columns_C: Tensor, salt: int) -> Tensor:
    """Random int32, [R, C], from hashes of rows and of columns; `salt`: of step and site.

    An odd number for each row times one for each column, modulo 2^32: one pass, where mixing the bits of each value
    takes five. Two rows, or two columns, depend on each other only where small multiples of their numbers are equal:
    one pair of a million correlates by more than 1 %, and another one at the next step and site.
    """
    return ((rows_R ^ signed(salt)) | 1)[:, None] * ((columns_C ^ signed(mix_number(salt))) | 1)


def least(p: float) -> int:
    """The smallest int32 that dropout of probability `p` keeps."""
    return min(round(p * 2**32) - 2**31, 2**31 - 1)


class _Drop(torch.autograd.Function):
    """x over the share that is kept, where `bits` are at least `smallest`, else 0. On a CPU `bits` are used up."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bits: Tensor, smallest: int, scale: float) -> Tensor:
        ctx.scale = scale
        # Numbers are faster than booleans there.
        keep = bits.ge_(smallest).to(x.dtype) if x.device.type == "cpu" else bits >= smallest
        ctx.save_for_backward(keep)
        return _times(x, keep, scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        return _times(gradients[0], ctx.saved_tensors[0], ctx.scale), None, None, None


def _times(x: Tensor, keep: Tensor, scale: float) -> Tensor:
    if keep.dtype == torch.bool:
        dropped: Tensor = torch.ops.aten.native_dropout_backward(x, keep, scale)
        return dropped
    return torch.addcmul(x.new_zeros(()), x, keep, value=scale)


class Draws:
    """What the dropouts of one model know of the micro-batch that it computes.

    Attributes:
        seed: of the step; None where the batch is of no plan, and dropout is torch's.
        identity_BL: identities of the tokens in the form in which the model computes them: [1, T] packed, else padded.
        identity_T: the same of the pack, for heads.
        turn: number of the batch.
        frame: site of the module that computes, and calls of functional dropout in it (`controlled.py`).
        attention: whether a packed attention was asked for dropout.
    """

    def __init__(self) -> None:
        self.seed: int | None = None
        self.identity_BL = self.identity_T = torch.zeros(1, 1, dtype=torch.int32)
        self.turn = 0
        self.frame: list[int] | None = None
        self.attention = False

    def begin(self, seed: int | None, identity_BL: Tensor | None = None, identity_T: Tensor | None = None) -> None:
        """Turn to the next batch."""
        self.seed, self.turn = seed, self.turn + 1
        if identity_BL is not None:
            self.identity_BL = identity_BL
            self.identity_T = identity_BL[0] if identity_T is None else identity_T

    def drop(self, x: Tensor, p: float, site: int, rows: Tensor | None = None, columns: Tensor | None = None) -> Tensor:
        """Dropout of probability `p` on the last dimension of `x`.

        Args:
            rows: identities of what lies along the other dimensions; none: the model's tokens.
            columns: hashes of the columns (`columns_of`), where these are not 0, 1, 2 ...
        """
        if p >= 1:
            return x * 0.0
        rows = self._rows(x.shape) if rows is None else rows
        columns = columns_of(x.shape[-1], x.device) if columns is None else columns
        bits = self.bits(rows, columns, site).view(x.shape)
        dropped: Tensor = _Drop.apply(x, bits, least(p), 1 / (1 - p))  # type: ignore[no-untyped-call]
        return dropped

    def bits(self, rows: Tensor, columns: Tensor, site: int) -> Tensor:
        """Random int32 of a site, [R, C]; what is below `least(p)` is dropped."""
        assert self.seed is not None, "dropout outside of a plan"
        return products(rows.reshape(-1), columns, mix_number(self.seed ^ mix_number(site)))

    def dropped(self, rows: Tensor, columns: Tensor, site: int, p: float) -> Tensor:
        """What `drop` takes: 1, else 0, int32, [R, C]."""
        return self.bits(rows, columns, site).lt_(least(p))

    def _rows(self, shape: torch.Size) -> Tensor:
        """Identities for states [B, L, C] or for scores [B, heads, L, C] (or [B heads, L, C]) of the model's tokens.

        Anything else is a table that belongs to no token, such as embeddings of relative positions.
        """
        sequences, longest = self.identity_BL.shape
        outer = prod(shape[:-2])
        if len(shape) > 2 and shape[-2] == longest and outer % sequences == 0:
            heads = outer // sequences
            of_states = len(shape) == 3 and heads == 1
            return self.identity_BL if of_states else heads_of(self.identity_BL, heads)
        return mix(torch.arange(prod(shape[:-1]), dtype=torch.int32, device=self.identity_BL.device))


class Dropout(nn.Module):
    """Dropout by hash. Until it is told of `Draws`, and in batches of no plan, it is torch's.

    Attributes:
        site: its number, of its path in the model.
        shared: whether one forward pass of the model may call it several times, each time as another site; inside
            layers that would count what activation recomputation calls again.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.site, self.shared = 0, False
        self.draws: Draws | None = None
        self._calls = (0, 0)

    def forward(self, x: Tensor, place: Tensor | slice | None = None, p: float | None = None) -> Tensor:
        """Args:
        place: for heads: which tokens of the pack the rows of `x` are.
        p: the probability, if not its own.
        """
        p = self.p if p is None else p
        if not self.training or p == 0:
            return x
        draws = self.draws
        if draws is None or draws.seed is None:
            return F.dropout(x, p)
        if place is not None:
            return draws.drop(x, p, self.site, draws.identity_T[place])
        turn, calls = self._calls
        calls = calls + 1 if self.shared and turn == draws.turn else 0
        self._calls = draws.turn, calls
        return draws.drop(x, p, self.site + calls)

    def extra_repr(self) -> str:
        return f"p={self.p}"


def site_of(path: str) -> int:
    """The number of a place in the model, which is the same whatever else the model holds."""
    return zlib.crc32(path.encode())
