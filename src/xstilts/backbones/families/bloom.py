"""BLOOM: decoders for 46 languages, with positions as biases on attention (ALiBi)."""

from __future__ import annotations

from xstilts.backbones.family import Checkpoint, Family

BLOOM = "BigScience Workshop 2022, BLOOM: A 176B-Parameter Open-Access Multilingual Language Model, arXiv 2211.05100"


def _checkpoint(size: str, revision: str | None, parameters: int, shape: tuple[int, int, int]) -> Checkpoint:
    hidden, layers, heads = shape
    fields = {
        "vocab_size": 250_880,
        "hidden_size": hidden,
        "n_layer": layers,
        "n_head": heads,
        "pad_token_id": 3,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    name = f"bloom-{size}"
    return Checkpoint(
        name, f"bigscience/{name}", revision, parameters, "BigScience BLOOM RAIL 1.0", BLOOM, "bloom", fields
    )


FAMILY = Family(
    "bloom",
    ("bloom",),
    kind="decoder",
    packed=False,
    why_padded="position biases are built from the padding mask",
    checkpoints=(
        _checkpoint("560m", "ac2ae5fab2ce3f9f40dc79b5ca9f637430d24971", 559_214_592, (1024, 24, 16)),
        _checkpoint("3b", "52bc5b43010b4844513826b8be3f78c7344c37d7", 3_002_557_440, (2560, 30, 32)),
        _checkpoint("7b1", "850ba1758a7744fedae78caadc152625133b1677", 7_069_016_064, (4096, 30, 32)),
    ),
)
