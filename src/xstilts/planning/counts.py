"""What a model is made of, counted on torch's meta device, where tensors have shapes and no numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from textwrap import shorten
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig

from xstilts.backbones.adapters import adapters_of, add_adapter, layer_stack, train_only
from xstilts.backbones.backbone import Backbone
from xstilts.backbones.load import NOT_FIELDS, auto_class
from xstilts.backbones.names import LoRA, Route
from xstilts.backbones.pretrained import REFUSALS, from_config
from xstilts.core.errors import BackboneError


@dataclass(frozen=True)
class Tuning:
    """How a model is trained, as far as it costs.

    Attributes:
        rank: of low-rank adapters; 0: none, all weights are trained.
        targets: names of adapted layers; none: every linear one.
        quantized: frozen weights in 4 bits.
        held: nothing is trained, and weights are held as if under adapters.
        frozen_layers: lowest layers that are not trained; `frozen_embeddings`: nor the embeddings.
    """

    rank: int = 0
    targets: tuple[str, ...] = ()
    quantized: bool = False
    held: bool = False
    frozen_layers: int = 0
    frozen_embeddings: bool = False


@dataclass(frozen=True)
class Counts:
    """A model as the formulas need it.

    Attributes:
        total: all parameters, the library's unused pooler included.
        linear: weights of linear layers that every token passes, biases not counted.
        trained: parameters that are trained; `adapters`: those of them in low-rank adapters.
        trained_linear: weights of linear layers (adapters not counted) that are trained.
        embeddings: input embeddings, V x E; `vocabulary`: V.
        largest_layer: parameters of the largest transformer layer.
        layers: L; `hidden`: H; `heads`; `width`: A, heads x head size; `feed_forward`: F.
        relative: vectors of positions that each query and key is multiplied with, as in DeBERTa (He et al. 2021).
        route: `packed` or `padded`.
    """

    model_type: str
    total: int
    linear: int
    trained: int
    adapters: int
    trained_linear: int
    embeddings: int
    vocabulary: int
    largest_layer: int
    layers: int
    hidden: int
    heads: int
    width: int
    feed_forward: int
    relative: int
    route: str


def counts_of(shape: Mapping[str, Any], tuning: Tuning = Tuning(), route: Route | None = None) -> Counts:
    """Counts of an architecture under a way of training it; the same question is answered once.

    Args:
        shape: `model_type` and configuration fields of the architecture.

    Raises:
        BackboneError: no such architecture, or fields that it refuses.
    """
    return _counts(json.dumps(dict(shape), sort_keys=True), tuning, route)


@lru_cache(maxsize=256)
def _counts(text: str, tuning: Tuning, route: Route | None) -> Counts:
    with torch.device("meta"):
        model, config = _architecture(json.loads(text))
        backbone = Backbone(model, None, route)
        if tuning.rank:
            add_adapter(backbone, LoRA(rank=tuning.rank, targets=tuning.targets))
    train_only(
        backbone, adapters_of(backbone)[-1] if tuning.rank else None, tuning.frozen_layers, tuning.frozen_embeddings
    )
    named = list(backbone.model.named_parameters())
    linear = [  # of the body alone: the output layer, and a decoder, read the few tokens of answers
        part.weight
        for path, part in backbone.body.named_modules()
        if "pooler" not in path and "lora_" not in path and isinstance(part, nn.Linear)
    ]
    heads = getattr(config, "num_attention_heads", None) or config.num_heads
    size = getattr(config, "head_dim", None) or getattr(config, "d_kv", None) or config.hidden_size // heads
    return Counts(
        config.model_type,
        total=sum(p.numel() for _, p in named),
        linear=sum(weight.numel() for weight in linear),
        trained=sum(p.numel() for path, p in named if p.requires_grad and "pooler" not in path),
        adapters=sum(p.numel() for path, p in named if ".lora_" in path),
        trained_linear=sum(weight.numel() for weight in linear if weight.requires_grad),
        embeddings=backbone.embeddings.numel(),
        vocabulary=backbone.embeddings.shape[0],
        largest_layer=max(sum(p.numel() for p in layer.parameters()) for layer in layer_stack(backbone)),
        layers=backbone.layers,
        hidden=backbone.hidden_size,
        heads=heads,
        width=heads * size,
        feed_forward=getattr(config, "intermediate_size", None) or config.d_ff,
        relative=_relative(config),
        route=backbone.route,
    )


def _architecture(shape: Mapping[str, Any]) -> tuple[Any, Any]:
    fields = {name: value for name, value in shape.items() if name not in (*NOT_FIELDS, "output")}
    try:
        config = AutoConfig.for_model(shape["model_type"], **fields)
        model = from_config(auto_class(config, shape.get("output", "head")), config, dtype=torch.float32)
        output = model.get_output_embeddings()
        if output is not None and shape.get("tie_word_embeddings") is False:
            # transformers 5 ties mT5 whatever its configuration says; its weights have an output layer of their own.
            output.weight = nn.Parameter(torch.empty_like(output.weight))
        return model, config
    except (*REFUSALS, AssertionError) as error:
        raise BackboneError(
            f"no plan for a {shape['model_type']}: {shorten(str(error), 200, placeholder=' ...')}"
        ) from None


def _relative(config: Any) -> int:
    kinds = getattr(config, "pos_att_type", None) or ()
    reach = getattr(config, "position_buckets", 0)
    reach = reach if reach > 0 else getattr(config, "max_relative_positions", 0)
    return 2 * (reach if reach > 0 else config.max_position_embeddings) * len(kinds) if kinds else 0
