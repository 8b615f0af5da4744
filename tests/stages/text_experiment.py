"""Experiments whose tiny backbones write their answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages.tiny_experiment import BACKBONE, tiny_experiment
from xstilts.expand import Expansion

TARGETS = ("micro_topic", "micro_choice", "micro_tagging", "micro_qa", "micro_retrieval")
SIZES = {
    "qwen3": {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 8,
        "intermediate_size": 24,
    },
    "mt5": {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2},
}


def expansion(kind: str, data: Path, **changes: Any) -> Expansion:
    backbone = {**BACKBONE, "architecture": kind, "config": SIZES[kind], "output": "text"}
    targets = [{"task": name, "languages": ["en", "qaa"], "limit": 6} for name in TARGETS]
    return Expansion(tiny_experiment(backbones=[backbone], targets=targets, **changes), data)
