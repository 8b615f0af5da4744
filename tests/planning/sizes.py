"""Small models of real architectures, as the planner is asked about them, and what they really do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from backbones.tiny_models import BY_NAME, library_model
from xstilts.backbones.backbone import Backbone
from xstilts.backbones.packing import Packed, pack

QUIET = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
SMALL = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 160}
WIDE = {"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 512}
LONG = {"max_position_embeddings": 1200}
T5_SMALL = {"d_model": 64, "d_ff": 160, "d_kv": 16, "num_layers": 3, "dropout_rate": 0.0}
T5_WIDE = {"d_model": 128, "d_ff": 512, "d_kv": 32, "num_layers": 4, "dropout_rate": 0.0}


def fields(model_type: str, wide: bool = False) -> dict[str, Any]:
    """Changes to the toy architecture of that name; no dropout, whose masks a CPU keeps as numbers."""
    if model_type in ("mt5", "t5"):
        return dict(T5_WIDE if wide else T5_SMALL)
    grouped = "num_key_value_heads" in BY_NAME[model_type].fields
    size = WIDE if wide else SMALL
    return {**size, **LONG, **QUIET, **({"head_dim": size["hidden_size"] // 4} if grouped else {})}


def shape(model_type: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    return {"model_type": model_type, **BY_NAME[model_type].fields, **changes}


def backbone(model_type: str, changes: Mapping[str, Any], backend: Any = "segments") -> Backbone:
    """The same with random weights, in training; on the padded route attention is the library's default."""
    model = library_model(BY_NAME[model_type], **changes)
    made = Backbone(model, None, None, backend)
    if made.route == "padded":
        model.set_attn_implementation(type(model)._from_config(model.config).config._attn_implementation)
    return made.train()


def even_pack(segments: int, length: int) -> Packed:
    return pack([np.full(length, 7)] * segments)


def total_lengths(lengths: Sequence[int]) -> tuple[int, float]:
    """Tokens, and keys a token attends to on average."""
    return sum(lengths), sum(n * n for n in lengths) / sum(lengths)
