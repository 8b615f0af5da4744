"""The shape of a stage's model, without its weights, and its parameters, counted on torch's meta device."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from textwrap import shorten
from typing import Any, NamedTuple

import torch
from torch import nn
from transformers import AutoConfig

from xstilts.backbones.adapters import adapters_of, add_adapter, layer_stack, train_only
from xstilts.backbones.backbone import Backbone
from xstilts.backbones.families import checkpoint_of, hint
from xstilts.backbones.load import NOT_FIELDS, auto_class, from_config, from_pretrained
from xstilts.backbones.names import OWN_CODE, LoRA, Route
from xstilts.core.errors import BackboneError
from xstilts.core.files import read_json
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.stages.describe import lineage

SPECIAL = {"bos_token_id": 0, "cls_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "sep_token_id": 2}
"""Special tokens of tokenizers trained by xstilts; the defaults of an architecture may exceed the vocabulary."""


class Tuning(NamedTuple):
    """The options of training that change its cost.

    Attributes:
        rank: of low-rank adapters on `targets` (empty: every linear layer); 0: all weights are trained.
        quantized: frozen weights are in 4 bits.
        held: nothing is trained, and weights have the precision that they have under adapters.
        frozen_layers: number of lowest layers that are not trained; `frozen_embeddings`: nor the embeddings.
    """

    rank: int = 0
    targets: tuple[str, ...] = ()
    quantized: bool = False
    held: bool = False
    frozen_layers: int = 0
    frozen_embeddings: bool = False


@dataclass(frozen=True)
class Counts:
    """The sizes of a model.

    Attributes:
        total: all parameters, with the library's unused pooler.
        linear: weights of linear layers that every token passes, without biases.
        trained: trained parameters; `adapters`: those of them in low-rank adapters.
        trained_linear: trained weights of linear layers, without adapters.
        embeddings: input embeddings, V x E; `vocabulary`: V.
        largest_layer: parameters of the largest transformer layer.
        layers: L; `hidden`: H; `heads`; `width`: A, heads x head size; `feed_forward`: F.
        relative: position vectors that are multiplied with each query and key, as in DeBERTa (He et al. 2021).
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


def counts_of(shape: Mapping[str, Any], tuning: Tuning = Tuning(), route: Route | None = None) -> Counts:  # noqa: B008
    """Counts of an architecture with training options, cached.

    `shape`: `model_type` and configuration fields. Raises `BackboneError` for a shape that transformers refuses.
    """
    return _counts(json.dumps(dict(shape), sort_keys=True), tuning, route)


@lru_cache(maxsize=256)
def _counts(text: str, tuning: Tuning, route: Route | None) -> Counts:
    with torch.device("meta"):
        model = _model(json.loads(text))
        backbone = Backbone(model, None, route)
        if tuning.rank:
            add_adapter(backbone, LoRA(rank=tuning.rank, targets=tuning.targets))
    adapter = adapters_of(backbone)[-1] if tuning.rank else None
    train_only(backbone, adapter, tuning.frozen_layers, tuning.frozen_embeddings)
    config: Any = backbone.config
    named = list(backbone.model.named_parameters())
    kinds, reach = getattr(config, "pos_att_type", None) or (), getattr(config, "position_buckets", 0)
    reach = reach if reach > 0 else getattr(config, "max_relative_positions", 0)
    reach = reach if reach > 0 or not kinds else config.max_position_embeddings
    linear = [  # of the body: the output layer and a decoder only read the few tokens of answers
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
        relative=2 * reach * len(kinds),
        route=backbone.route,
    )


def _model(shape: Mapping[str, Any]) -> Any:
    fields = {name: value for name, value in shape.items() if name not in (*NOT_FIELDS, "output")}
    try:
        config = AutoConfig.for_model(shape["model_type"], **fields)
        model = from_config(auto_class(config, shape.get("output", "head")), config, dtype=torch.float32)
    except Exception as error:  # transformers raises many types
        reason = shorten(str(error), 200, placeholder=" ...")
        raise BackboneError(f"no plan for a {shape['model_type']}: {reason}") from None
    output = model.get_output_embeddings()
    if output is not None and shape.get("tie_word_embeddings") is False:
        # transformers 5 always ties mT5, but its weights have a separate output layer.
        output.weight = nn.Parameter(torch.empty_like(output.weight))
    return model


def start_of(stage: Stage) -> Stage:
    """The start stage of a train or predict stage's model."""
    return next(one for one in lineage(stage) if one.kind == "start")


def shape_of(start: Stage, store: Store | None) -> Mapping[str, Any]:
    """The architecture of a start stage, with `output: text` if it keeps its output layer.

    Searched in this order: the finished stage; the fields of a random start; the folder of a local model; the known
    checkpoints; the hub's cache. Raises `BackboneError` for a hub model that none of them has.
    """
    output = {"output": "text"} if start.config.get("output") == "text" else {}
    return {**_shape(start, store), **output}


def _shape(start: Stage, store: Store | None) -> Mapping[str, Any]:
    if store is not None and (store.directory(start) / "backbone" / "config.json").is_file() and store.has(start):
        return _fields(read_json(store.directory(start) / "backbone" / "config.json"))
    if "model" in start.inputs:
        return _shape(start_of(start.inputs["model"]), store)
    if "random" in start.config:
        given = start.config["random"]
        tokenizer = start.inputs["tokenizer"]
        path = None if store is None else store.directory(tokenizer) / "tokenizer.json"
        if path is None or not path.is_file():  # the number that it will be trained to
            pieces = int(tokenizer.config["trained"]["vocabulary"])
        else:
            read = read_json(path)
            known = read["model"]["vocab"]
            pieces = len(known) + sum(token["content"] not in known for token in read.get("added_tokens", []))
        return {"vocab_size": pieces, **SPECIAL, **given["config"], "model_type": given["architecture"]}
    source = start.settings["source"]
    if (Path(source) / "config.json").is_file():
        return _fields(read_json(Path(source) / "config.json"))
    if (found := checkpoint_of(source)) is not None:
        return {**found.shape, "model_type": found.model_type}
    try:
        config = from_pretrained(AutoConfig, source, revision=start.settings["revision"], local_files_only=True)
    except BackboneError as error:
        if OWN_CODE in str(error):
            raise
        raise BackboneError(
            f"no plan for '{source}': it is not a known checkpoint, not a folder, and its config.json is not in the "
            f"hub's cache; fetch that file first (hf download {source} config.json){hint(source)}"
        ) from None
    return _fields(config.to_dict())


def _fields(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the architecture, without others such as the version that wrote the file."""
    return {name: value for name, value in config.items() if not name.startswith("_") and value is not None}
