"""Measure what a forward pass keeps for its backward pass: the table in `docs/planning.md`, and `KEPT` of the planner.

    python -m benchmarks.activations

Each architecture runs with random weights, two and four layers of its published width, in fp32 and in bf16 autocast on
a CPU, without dropout; the bytes that autograd saves are added up. The difference is that of two layers.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig

from benchmarks.tables import write_section
from xstilts.backbones.backbone import Backbone, autocast
from xstilts.backbones.families import CHECKPOINTS
from xstilts.backbones.load import auto_class
from xstilts.backbones.packing import Packed, pack
from xstilts.planning.costing import KEPT, layer_bytes
from xstilts.planning.counts import counts_of

SHOWN = (
    "xlm-r-base",
    "xlm-r-large",
    "mmbert-base",
    "eurobert-210m",
    "qwen3-0.6b",
    "mt5-base",
    "mdeberta-v3-base",
    "rembert",
)
SEGMENTS, SEGMENT, VOCABULARY = 4, 128, 300
QUIET = ("hidden_dropout_prob", "attention_probs_dropout_prob", "dropout_rate", "attention_dropout", "mlp_dropout")


def kept_bytes(made: Backbone, packed: Packed, precision: str) -> int:
    """Bytes of all storages that autograd keeps of one forward pass, parameters aside."""
    own = {p.untyped_storage().data_ptr() for p in made.model.parameters()}
    kept: dict[int, Any] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    with autocast(precision, "cpu"), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        made(packed)
    return sum(storage.nbytes() for storage in kept.values())


def per_layer(shape: dict[str, Any], precision: str) -> float:
    """Bytes a token and layer."""
    bytes_of = {}
    for layers in (2, 4):
        own = {name: value for name, value in shape.items() if name not in ("model_type", "layer_types")}
        own |= {"vocab_size": VOCABULARY, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
        depth = "num_layers" if "num_layers" in own else "num_hidden_layers"
        config = AutoConfig.for_model(shape["model_type"], **own | {depth: layers} | dict.fromkeys(QUIET, 0.0))
        made = Backbone(auto_class(config, "head").from_config(config), None, None).train()
        rows = [np.full(SEGMENT, 7)] * SEGMENTS
        if made.route == "padded":  # with padding, or the library leaves out the mask that real batches need
            rows[-1] = rows[-1][:-1]
        bytes_of[layers] = kept_bytes(made, pack(rows), precision)
        weights = sum(p.numel() for p in made.model.parameters())
        bytes_of[layers] -= 0 if precision == "fp32" else 2 * weights  # autocast's copies of weights
    return (bytes_of[4] - bytes_of[2]) / 2 / (SEGMENTS * SEGMENT)


def lines() -> Iterator[str]:
    yield "| checkpoint | parameters | N | fp32 | of the closed form | bf16 | of the closed form |"
    yield "|---|---|---|---|---|---|---|"
    for name in SHOWN:
        known = CHECKPOINTS.get(name)
        shape = {**known.shape, "model_type": known.model_type}
        counts = counts_of(shape)
        cells = [f"{counts.total / 1e6:.1f} M", f"{counts.linear / 1e6:.1f} M"]
        for precision in ("fp32", "bf16"):
            bf16 = precision == "bf16"
            real = per_layer(shape, precision)
            closed = layer_bytes(counts, bf16) / KEPT.get(known.model_type, (1.0, 1.0))[bf16] - 2 * counts.hidden
            cells += [f"{real / counts.hidden:.1f}", f"{real / closed:.2f}"]
        padded = f" (padded, {SEGMENT} tokens)" if counts.route == "padded" else ""
        yield f"| {name}{padded} | {' | '.join(cells)} |"
        sys.stdout.write(f"{name}: {', '.join(cells)}\n")


if __name__ == "__main__":
    write_section(Path("docs/planning.md"), "activations", "\n".join(lines()), "activations")
