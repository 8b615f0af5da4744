"""The contenders: ways to train that are compared, as values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch

from xstilts.backbones.backbone import bf16_is_slow
from xstilts.backbones.names import Backend, Route


@dataclass(frozen=True)
class Contender:
    """One way to train.

    Attributes:
        grouped: batches of similar lengths: `group_by_length` of the Trainer, `bucket` of ours.
        route, backend: ours alone.
    """

    library: Literal["Trainer", "xstilts"]
    precision: Literal["fp32", "bf16"]
    grouped: bool = False
    route: Route = "packed"
    backend: Backend = "segments"

    @property
    def name(self) -> str:
        if self.library == "Trainer":
            return f"Trainer {self.precision}{' group_by_length' if self.grouped else ''}"
        backend = "" if self.backend == "segments" else f" {self.backend}"
        return f"xstilts {self.precision} {self.route}{backend}{' buckets' if self.grouped else ''}"


TRAINER = Contender("Trainer", "fp32")
TRAINER_BF16 = Contender("Trainer", "bf16")
TRAINER_BEST = Contender("Trainer", "bf16", grouped=True)
PACKED_FP32 = Contender("xstilts", "fp32")
PACKED = Contender("xstilts", "bf16")
PACKED_BUCKETS = Contender("xstilts", "bf16", grouped=True)
PADDED = Contender("xstilts", "bf16", route="padded")
PADDED_BUCKETS = Contender("xstilts", "bf16", grouped=True, route="padded")
VARLEN = Contender("xstilts", "bf16", backend="varlen")
VARLEN_BUCKETS = Contender("xstilts", "bf16", grouped=True, backend="varlen")
BLOCK_MASK = Contender("xstilts", "bf16", backend="block_mask")

# Neighbours are what is compared first of all, so that they run one after the other.
ON_EVERY_DEVICE = (
    TRAINER,
    PACKED_FP32,
    TRAINER_BF16,
    PACKED,
    PADDED,
    TRAINER_BEST,
    PACKED_BUCKETS,
    PADDED_BUCKETS,
)
ON_VARLEN = (VARLEN, VARLEN_BUCKETS)


def in_fp32(contender: Contender) -> Contender:
    """The same in fp32."""
    return replace(contender, precision="fp32")


def contenders(device: str) -> tuple[Contender, ...]:
    """All contenders of a device, in the order in which they run; in fp32 alone on a CPU that emulates bf16."""
    if bf16_is_slow(device):
        return tuple(dict.fromkeys(map(in_fp32, ON_EVERY_DEVICE)))
    if device != "cuda":
        return ON_EVERY_DEVICE
    return (*ON_EVERY_DEVICE, BLOCK_MASK, *(ON_VARLEN if _varlen_works() else ()))


def _varlen_works() -> bool:
    """Whether this torch and this GPU have `varlen_attn`."""
    states = torch.ones(4, 1, 64, device="cuda", dtype=torch.bfloat16)
    offsets = torch.tensor([0, 3, 4], device="cuda", dtype=torch.int32)
    try:
        from torch.nn.attention.varlen import varlen_attn

        varlen_attn(states, states, states, offsets, offsets, 3, 3)
    except (ImportError, RuntimeError):
        return False
    return True
