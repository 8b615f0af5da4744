"""CANINE: characters instead of pieces. It has no fast tokenizer, so no task can be encoded for it yet."""

from __future__ import annotations

from xstilts.backbones.family import Family

FAMILY = Family(
    "canine",
    ("canine",),
    packed=False,
    why_padded="characters are down-sampled in blocks that cross the borders of segments",
)
