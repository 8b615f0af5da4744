"""Dropout as a pure function of (seed of the step, site, token, column).

torch draws all masks from one generator, so they depend on how a step is split into micro-batches and devices. Here a
mask is an integer hash. The *site* numbers a place in the model, the *identity* of a token its place in the planned
batch (`Packed.identity_T`). The arithmetic is int32 with wrap-around, the same on every device and with any number of
threads. Layers keep no state, so activation recomputation gives the same masks.
Shape suffixes: R rows, C columns, B sequences, L longest, T tokens of a pack.
"""

import zlib
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

_GOLDEN = 0x9E3779B9  # 2^32 over the golden ratio: its multiples are spread evenly
_FIRST, _SECOND = 0x85EBCA6B, 0xC2B2AE35  # the finaliser of MurmurHash3 (Appleby, public domain)


def signed(value: int) -> int:
    """The int32 with the same 32 bits."""
    return (value + 2**31) % 2**32 - 2**31


def mix(values: Tensor) -> Tensor:
    """The finaliser of MurmurHash3 on int32: a bijection in which every bit depends on every other bit."""
    values = values ^ ((values >> 16) & 0xFFFF)  # torch shifts int32 arithmetically
    values = values * signed(_FIRST)
    values = values ^ ((values >> 13) & 0x7FFFF)
    values = values * signed(_SECOND)
    return values ^ ((values >> 16) & 0xFFFF)


def mix_number(value: int) -> int:
    """`mix` of one number, unsigned."""
    value %= 2**32
    value = (value ^ (value >> 16)) * _FIRST % 2**32
    value = (value ^ (value >> 13)) * _SECOND % 2**32
    return value ^ (value >> 16)


def identities(segments: Tensor, positions: Tensor) -> Tensor:
    """The identity of each token, int32, from the key of its segment and its position."""
    return mix(segments + positions.int() * signed(_GOLDEN))


def segment_keys(rows: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """One int32 per segment, from its row in the planned batch and its number in that row."""
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


def _least(p: float) -> int:
    """The smallest int32 that dropout keeps."""
    return min(round(p * 2**32) - 2**31, 2**31 - 1)


class _Drop(torch.autograd.Function):
    """`scale` * x for `bits` of at least `least`, else 0. On a CPU `bits` are overwritten."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bits: Tensor, least: int, scale: float) -> Tensor:
        ctx.scale = scale
        # Numbers are faster than booleans on a CPU.
        keep = bits.ge_(least).to(x.dtype) if x.device.type == "cpu" else bits >= least
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


class HashDropout:
    """The masks of the current micro-batch of one model.

    Attributes:
        seed: of the step; None outside a planned step, where dropout is torch's.
        identity_BL: identities of the tokens in the model's input: [1, T] packed, else padded.
        identity_T: the same in pack order, for heads.
        batch: number of the micro-batch.
        frame: site of the running module, and number of functional dropouts in it (`controlled.py`).
        attention: whether packed attention has dropout.
    """

    def __init__(self) -> None:
        self.seed: int | None = None
        self.identity_BL = self.identity_T = torch.zeros(1, 1, dtype=torch.int32)
        self.batch = 0
        self.frame: list[int] | None = None
        self.attention = False

    def begin(self, seed: int | None, identity_BL: Tensor | None = None, identity_T: Tensor | None = None) -> None:
        self.seed, self.batch = seed, self.batch + 1
        if identity_BL is not None:
            self.identity_BL = identity_BL
            self.identity_T = identity_BL[0] if identity_T is None else identity_T

    def drop(self, x: Tensor, p: float, site: int, rows: Tensor | None = None, columns: Tensor | None = None) -> Tensor:
        """Dropout with probability `p` on the last dimension of `x`.

        `rows` are identities along the other dimensions (default: the model's tokens), `columns` hashes of the columns
        (`columns_of`), unless these are 0, 1, 2 ...
        """
        if p >= 1:
            return x * 0.0
        rows = self._rows(x.shape) if rows is None else rows
        columns = columns_of(x.shape[-1], x.device) if columns is None else columns
        bits = self._bits(rows, columns, site).view(x.shape)
        dropped: Tensor = _Drop.apply(x, bits, _least(p), 1 / (1 - p))  # type: ignore[no-untyped-call]
        return dropped

    def dropped(self, rows: Tensor, columns: Tensor, site: int, p: float) -> Tensor:
        """1 for each value that `drop` sets to 0, else 0; int32, [R, C]."""
        return self._bits(rows, columns, site).lt_(_least(p))

    def _bits(self, rows: Tensor, columns: Tensor, site: int) -> Tensor:
        """Random int32 of a site, [R, C]: an odd number per row times one per column, modulo 2^32.

        This is one pass over the values; mixing the bits of each value takes five. Two rows, or two columns, correlate
        by more than 1 % only if small multiples of their numbers are equal: one pair in a million, another at each step
        and site.
        """
        assert self.seed is not None, "dropout outside of a planned step"
        salt = mix_number(self.seed ^ mix_number(site))
        columns = (columns ^ signed(mix_number(salt))) | 1
        return ((rows.reshape(-1) ^ signed(salt)) | 1)[:, None] * columns

    def _rows(self, shape: torch.Size) -> Tensor:
        """Identities for states [B, L, C] or scores [B, heads, L, C] (or [B heads, L, C]) of the model's tokens.

        Other shapes belong to tables, such as embeddings of relative positions.
        """
        sequences, longest = self.identity_BL.shape
        outer = prod(shape[:-2])
        if len(shape) > 2 and shape[-2] == longest and outer % sequences == 0:
            heads = outer // sequences
            return self.identity_BL if len(shape) == 3 and heads == 1 else heads_of(self.identity_BL, heads)
        return mix(torch.arange(prod(shape[:-1]), dtype=torch.int32, device=self.identity_BL.device))


class Dropout(nn.Module):
    """Dropout by hash in planned steps, else torch's.

    Attributes:
        site: its number, from its path in the model.
        shared: whether a forward pass may call it several times, each call as another site. Not in layers, where
            activation recomputation would count too.
        hashed: set by `controlled.control_dropout`.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.site, self.shared = 0, False
        self.hashed: HashDropout | None = None
        self._calls = (0, 0)

    def forward(self, x: Tensor, place: Tensor | slice | None = None, p: float | None = None) -> Tensor:
        """`place`: for heads, the places of the rows of `x` in the pack; `p`: the probability; default: its own."""
        p = self.p if p is None else p
        if not self.training or p == 0:
            return x
        hashed = self.hashed
        if hashed is None or hashed.seed is None:
            return F.dropout(x, p)
        if place is not None:
            return hashed.drop(x, p, self.site, hashed.identity_T[place])
        batch, calls = self._calls
        calls = calls + 1 if self.shared and batch == hashed.batch else 0
        self._calls = hashed.batch, calls
        return hashed.drop(x, p, self.site + calls)


def site_of(path: str) -> int:
    """The number of a place in the model, from its path."""
    return zlib.crc32(path.encode())
