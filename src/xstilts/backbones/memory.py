"""What is done when a device's memory does not suffice: fewer tokens are computed at a time."""

from __future__ import annotations

import numpy as np
import torch

from xstilts.backbones.packing import micro_batches
from xstilts.core.errors import OutOfMemory

REMEDIES = (
    "try --recompute, more --devices with --shard, `lora`, a shorter `max_length`, a smaller model or a larger device; "
    "`xstilts plan` says what fits"
)


def halved(lengths: np.ndarray, tokens: int, device: str, place: str, ranks: int = 1) -> int:
    """Half the tokens of the largest micro-batch that `tokens` at a time allow; memory that is kept is given back.

    Args:
        lengths: tokens of the rows that are to be computed, none of which can be divided.

    Raises:
        OutOfMemory: that micro-batch has one row.
    """
    torch.cuda.empty_cache()
    largest = max(micro_batches(lengths, tokens, ranks), key=lambda rows: int(lengths[rows].sum()))
    if len(largest) == 1:
        text = f"{int(lengths[largest].sum())} tokens, which cannot be divided"
        raise OutOfMemory(f"{device} is out of memory at {place} with {text}: {REMEDIES}")
    return int(lengths[largest].sum()) // 2
