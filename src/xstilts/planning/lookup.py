"""From a stage to the shape of its model: `model_type` and configuration fields, without loading a weight."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import AutoConfig

from xstilts.backbones.families import checkpoint_of, hint
from xstilts.backbones.names import OWN_CODE
from xstilts.backbones.pretrained import from_pretrained
from xstilts.core.errors import BackboneError
from xstilts.core.files import read_json
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store

SPECIAL = {"bos_token_id": 0, "cls_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "sep_token_id": 2}
"""Of the tokenizers trained here (`backbones.vocabulary`); an architecture's own may lie beyond the vocabulary."""


def start_of(stage: Stage) -> Stage:
    """The start stage that a train or predict stage goes back to."""
    while stage.kind != "start":
        stage = stage.inputs["model"]
    return stage


def shape_of(start: Stage, store: Store | None) -> Mapping[str, Any]:
    """The architecture of a start stage, with `output: text` where it keeps its output layer.

    Looked for in this order: the finished stage; the fields of a random start; the folder of a local model; the
    catalogue of known checkpoints; the hub's cache on this machine.

    Raises:
        BackboneError: a hub model that is neither in the catalogue nor in the cache.
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
        vocabulary = {"vocab_size": _vocabulary(start.inputs["tokenizer"], store), **SPECIAL}
        return {**vocabulary, **given["config"], "model_type": given["architecture"]}
    source, revision = start.settings["source"], start.settings["revision"]
    if (Path(source) / "config.json").is_file():
        return _fields(read_json(Path(source) / "config.json"))
    return _listed(source) or _cached(source, revision)


def _fields(config: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is no field of the architecture, such as the version that wrote the file."""
    return {name: value for name, value in config.items() if not name.startswith("_") and value is not None}


def _listed(source: str) -> Mapping[str, Any] | None:
    """The shape of a checkpoint that a family lists, by its short name or its hub name."""
    found = checkpoint_of(source)
    return None if found is None else {**found.shape, "model_type": found.model_type}


def _cached(source: str, revision: str | None) -> Mapping[str, Any]:
    try:
        config = from_pretrained(AutoConfig, source, revision=revision, local_files_only=True)
    except BackboneError as error:
        if OWN_CODE in str(error):
            raise
        raise BackboneError(
            f"no plan for '{source}': it is not a known checkpoint, no folder, and its config.json is not in the hub's "
            f"cache; fetch that file first (hf download {source} config.json){hint(source)}"
        ) from None
    return _fields(config.to_dict())


def _vocabulary(tokenizer: Stage, store: Store | None) -> int:
    """Pieces of a tokenizer: those of the finished stage, else those it is to be trained to."""
    path = None if store is None else store.directory(tokenizer) / "tokenizer.json"
    if path is not None and path.is_file():
        read = read_json(path)
        return len(read["model"]["vocab"]) + sum(
            1 for token in read.get("added_tokens", []) if token["content"] not in read["model"]["vocab"]
        )
    return int(tokenizer.config["trained"]["vocabulary"])
