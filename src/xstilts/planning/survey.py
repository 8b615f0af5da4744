"""What a model is made of, and what its forward pass keeps for the backward pass, without weights, network or GPU.

The real architecture is built on torch's meta device, where tensors have shapes and no numbers. For what is kept, its
own code runs once on such tensors (torch's fake tensors, which unlike meta ones know autocast), and every storage that
autograd saves is added up. That counts what a closed form would have to know of each architecture and library version:
norms that compute in fp32, rotated copies of queries, gates, masks of dropout, 16-bit copies of weights.

Attention is counted as a fused kernel keeps it (query, key, value, output, one number a head and token), or as the
packed engine computes it on a CPU.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import lru_cache
from textwrap import shorten
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import AttentionInterface, AutoConfig

from xstilts.backbones.adapters import adapters_of, add_adapter, layer_stack, train_only
from xstilts.backbones.attention import packed_attention
from xstilts.backbones.backbone import Backbone, autocast
from xstilts.backbones.load import NOT_FIELDS, auto_class
from xstilts.backbones.names import Backend, LoRA, Route
from xstilts.backbones.packing import pack
from xstilts.backbones.pretrained import REFUSALS, from_config
from xstilts.core.errors import BackboneError
from xstilts.planning.formulas import Attention, Counts, Kept, Tuning, layer_bytes

NAME = "xstilts_planned"
SEGMENTS = 4


@dataclass(frozen=True)
class Survey:
    """A model as the planner's arithmetic needs it.

    Attributes:
        attention: one entry a layer.
        traced: whether `kept` was counted; else it is the closed form of a BERT-like layer.
    """

    model_type: str
    counts: Counts
    attention: tuple[Attention, ...]
    kept: Kept
    route: str
    traced: bool


@dataclass(frozen=True)
class Conditions:
    """How the forward pass is computed.

    Attributes:
        engine: attention as the packed engine computes it on a CPU; else as a fused kernel keeps it.
        segment: tokens of each segment; matters where attention keeps its scores.
        held: `bfloat16` where frozen weights lie under adapters in 16 bits.
    """

    precision: str = "fp32"
    engine: bool = False
    segment: int = 128
    backend: Backend = "segments"
    route: Route | None = None
    held: str = "float32"


def survey(shape: Mapping[str, Any], tuning: Tuning, conditions: Conditions) -> Survey:
    """Counts of an architecture under a way of training it; the same question is answered once.

    Args:
        shape: `model_type` and configuration fields of the architecture.

    Raises:
        BackboneError: no such architecture, or fields that it refuses.
    """
    asked = json.dumps(dict(shape), sort_keys=True)
    if not conditions.engine:  # a fused kernel keeps no scores, so that one length stands for all
        found = _survey(asked, tuning, replace(conditions, segment=Conditions.segment))
        if found.route == "packed":
            return found
    return _survey(asked, tuning, conditions)


@lru_cache(maxsize=256)
def _survey(text: str, tuning: Tuning, conditions: Conditions) -> Survey:
    shape = json.loads(text)
    with torch.device("meta"):
        model, config = _architecture(shape, conditions)
        backbone = Backbone(model, None, conditions.route, conditions.backend)
        backbone.room = None  # no number is looked up: segments may be longer than texts can be
        if tuning.rank:
            add_adapter(backbone, LoRA(rank=tuning.rank, targets=tuning.targets, dropout=tuning.dropout))
    adapter = adapters_of(backbone)[-1] if tuning.rank else None
    train_only(backbone, adapter, tuning.frozen_layers, tuning.frozen_embeddings)
    counts, layers = count(backbone), backbone.layers  # before tensors are made: tied ones would be two
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    with mode:
        model.to_empty(device="cpu").train()  # not made here: some initialisers read the numbers they drew
    calls: list[Attention] = []
    try:
        once = _bytes_kept(backbone, mode, conditions, 1, calls)
        twice = _bytes_kept(backbone, mode, conditions, 2, [])
    except (RuntimeError, NotImplementedError):  # code that reads numbers, of which fake tensors have none
        kept = Kept(_closed_form(config, layers, conditions), _copies(counts, conditions), layers, backbone.hidden_size)
        return Survey(config.model_type, counts, _declared(config, layers), kept, backbone.route, False)
    slope = (twice - once) / (SEGMENTS * conditions.segment)
    kept = Kept(slope, max(0.0, 2.0 * once - twice), layers, backbone.hidden_size)
    attention = tuple(calls) or _declared(config, layers)
    return Survey(config.model_type, counts, attention, kept, backbone.route, True)


def _architecture(shape: Mapping[str, Any], conditions: Conditions) -> tuple[Any, Any]:
    fields = {name: value for name, value in shape.items() if name not in (*NOT_FIELDS, "output")}
    try:
        config = AutoConfig.for_model(shape["model_type"], **fields)
        auto = auto_class(config, shape.get("output", "head"))
        model = from_config(auto, config, dtype=getattr(torch, conditions.held))
        output = model.get_output_embeddings()
        if output is not None and shape.get("tie_word_embeddings") is False:
            # transformers 5 ties mT5 whatever its configuration says; its weights have an output layer of their own.
            output.weight = nn.Parameter(torch.empty_like(output.weight))
        return model, config
    except (*REFUSALS, AssertionError) as error:
        raise BackboneError(
            f"no plan for a {shape['model_type']}: {shorten(str(error), 200, placeholder=' ...')}"
        ) from None


def count(backbone: Backbone) -> Counts:
    """Parameters by what becomes of them; the pooler is not read by our heads and gets no gradient.

    `linear` counts the body alone: the output layer, and a decoder, read the few tokens of answers.
    """
    named = list(backbone.model.named_parameters())
    trained = [(path, p) for path, p in named if p.requires_grad and "pooler" not in path]
    linear = [
        part
        for path, part in backbone.body.named_modules()
        if "pooler" not in path and "lora_" not in path and isinstance(part, nn.Linear)
    ]
    return Counts(
        total=sum(p.numel() for _, p in named),
        unused=sum(p.numel() for path, p in named if "pooler" in path),
        linear=sum(part.weight.numel() for part in linear),
        trained=sum(p.numel() for _, p in trained),
        adapters=sum(p.numel() for path, p in named if ".lora_" in path),
        trained_linear=sum(part.weight.numel() for part in linear if part.weight.requires_grad),
        embeddings=backbone.embeddings.numel(),
        vocabulary=backbone.embeddings.shape[0],
        largest_layer=max(sum(p.numel() for p in layer.parameters()) for layer in layer_stack(backbone)),
    )


_ASKED: ContextVar[tuple[list[Attention], bool]] = ContextVar("asked")


def planned_attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **extra: Any
) -> tuple[Tensor, None]:
    """Notes what attention a layer asks for; then the engine's own, or one that keeps what a fused kernel keeps."""
    calls, engine = _ASKED.get()
    causal = extra.get("is_causal")
    causal = bool(getattr(module, "is_causal", False)) if causal is None else bool(causal)
    calls.append(Attention(query.shape[1] * query.shape[3], causal, extra.get("sliding_window")))
    if engine:
        return packed_attention(module, query, key, value, attention_mask, **extra)
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    if torch.is_autocast_enabled("cpu"):
        query, key, value = (states.to(torch.bfloat16) for states in (query, key, value))
    states: Tensor = _Fused.apply(query, key, value)  # type: ignore[no-untyped-call]
    return states.transpose(1, 2).contiguous(), None


class _Fused(torch.autograd.Function):
    """The shapes of a fused attention kernel: output and log-sum-exp are kept beside its inputs."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        output = torch.empty_like(query)
        ctx.save_for_backward(query, key, value, output, query.new_empty(query.shape[:-1], dtype=torch.float32))
        return output

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Any:
        raise AssertionError("planned, never trained")


AttentionInterface.register(NAME, planned_attention)


def _bytes_kept(
    backbone: Backbone, mode: FakeTensorMode, conditions: Conditions, times: int, calls: list[Attention]
) -> int:
    """Bytes of all storages, parameters aside, that the forward pass of a pack of even segments saves."""
    own = {p.untyped_storage()._cdata for p in backbone.model.parameters()}
    kept: dict[int, Any] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage  # held, so that its address is not given to another
        return tensor

    rows = [np.full(conditions.segment, 7) for _ in range(times * SEGMENTS)]
    token = _ASKED.set((calls, conditions.engine))
    try:
        if backbone.route == "packed":
            backbone.model.set_attn_implementation(NAME)
        with mode, autocast(conditions.precision, "cpu"), torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
            _run(backbone, rows)
    finally:
        _ASKED.reset(token)
    return sum(storage.nbytes() for storage in kept.values())


def _run(backbone: Backbone, rows: list[Any]) -> Any:
    if backbone.route == "packed":
        return backbone(pack(rows).to("cpu"))
    ids = torch.full((len(rows), len(rows[0])), 7)  # what the padded route gives, before it picks the real tokens
    return backbone.model(input_ids=ids, attention_mask=torch.ones_like(ids))


def _declared(config: Any, layers: int) -> tuple[Attention, ...]:
    """Attention of an architecture that does not say: every layer global."""
    heads = getattr(config, "num_attention_heads", None) or config.num_heads
    size = getattr(config, "head_dim", None) or getattr(config, "d_kv", None) or config.hidden_size // heads
    kinds = getattr(config, "pos_att_type", None) or ()
    buckets = getattr(config, "position_buckets", 0)
    reach = buckets if buckets > 0 else getattr(config, "max_relative_positions", 0)
    reach = reach if reach > 0 else getattr(config, "max_position_embeddings", 0)
    return (Attention(heads * size, relative=2 * reach * len(kinds)),) * layers


def _closed_form(config: Any, layers: int, conditions: Conditions) -> float:
    (attention, *_), hidden = _declared(config, layers), config.hidden_size
    one = layer_bytes(
        hidden,
        attention.width,
        config.intermediate_size,
        config.num_attention_heads,
        conditions.precision == "bf16",
        dropout=True,
    )
    return layers * one


def _copies(counts: Counts, conditions: Conditions) -> float:
    return 2.0 * counts.linear if conditions.precision == "bf16" and conditions.held == "float32" else 0.0
