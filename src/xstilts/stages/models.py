"""Models in the directories of start and train stages.

backbone/            weights, config and tokenizer, as transformers reads them
pointer.json         or where they are: a hub name at a revision, a folder, or another stage of the store
trained.safetensors  with a pointer: what phases changed (`changes`)
adapters/            with a pointer: what LoRA phases trained, one PEFT folder per phase
heads.*, about.json
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from xstilts.backbones.adapters import (
    adapters_of,
    add_adapter,
    load_adapters,
    merge_adapters,
    save_adapters,
    train_only,
)
from xstilts.backbones.backbone import Backbone
from xstilts.backbones.load import Weights, load_backbone, save_backbone
from xstilts.backbones.names import Backend, Output, Route
from xstilts.core.errors import StageError
from xstilts.core.files import read_json, write_json
from xstilts.core.seeds import derive_seed
from xstilts.stages.changes import POINTER, Changes, chain, changes_of, pointer_of
from xstilts.training.config import TrainConfig
from xstilts.training.model import HeadSpec, Model, save_model_heads, saved_heads

COPIED_BYTES = 2**30
"""Local models up to this size are copied into the store if they cannot be linked, so that it does not need their
folder."""


def open_backbone(
    directory: Path, backend: Backend = "segments", weights: Weights | None = None, tokens: Tensor | None = None
) -> Backbone:
    """The backbone of a start or train stage, with its adapters.

    Args:
        weights: how they are held; by default as they were trained.
        tokens: all that it will read, if the word embedding is only looked up.
    """
    about = read_json(directory / "about.json")
    held, output = weights or held_weights(directory), about.get("output", "head")
    folders = chain(directory)
    changed = [found for found in map(Changes.read, folders) if found]
    source, revision = source_of(folders[0])
    route = about["route_asked"]
    first = Weights() if changed else held
    backbone = load_backbone(source, revision, route, backend, first, output, lazy=True)
    for changes in changed:
        changes.put(backbone, None if backbone.writes or first != held else tokens)
    if changed and held != Weights():  # transformers knows how to hold what it reads from files
        with TemporaryDirectory() as place:
            save_backbone(backbone, Path(place))
            backbone = load_backbone(place, None, route, backend, held, output)
    backbone.set_attention(about.get("attention_asked", "auto"))
    if (directory / "adapters").exists():
        load_adapters(backbone, directory / "adapters")
    return backbone


def reopen_backbone(directory: Path, to: Path, route: Route | None, output: Output) -> Backbone:
    """Open the backbone of another stage with or without its output layer, adapters merged, and write it to `to`."""
    whole = open_backbone(directory, weights=Weights())
    merge_adapters(whole)
    save_backbone(whole, to)
    backbone = load_backbone(str(to), route=route, output=output)
    shutil.rmtree(to)
    save_backbone(backbone, to)
    return backbone


def source_of(directory: Path) -> tuple[str, str | None]:
    """Where the model of a start stage is: a folder, or a hub name and its revision."""
    pointer = pointer_of(directory)
    return pointer.get("source") or str(directory / "backbone"), pointer.get("revision")


def held_weights(directory: Path) -> Weights:
    """How a stage held its weights in training."""
    return Weights(**read_json(directory / "about.json").get("weights", {}))


def open_head(directory: Path, spec: HeadSpec, backbone: Backbone) -> nn.Module:
    """A head of a train stage; without a task's name that of a type without trained heads.

    Raises:
        StageError: the stage has no such head.
    """
    head = spec.task_type.head(backbone, spec.labels, 0.0)
    if spec.task:
        heads = {saved.task: state for saved, state in saved_heads(directory).items()}
        if spec.task not in heads:
            raise StageError(f"the model has no head '{spec.task}' (it has: {', '.join(heads)})")
        head.load_state_dict(heads[spec.task])
    return head


def open_for_training(directory: Path, options: TrainConfig, seed: int, device: str) -> Backbone:
    """The backbone, prepared to train a new adapter, the last adapter, or all weights.

    A phase without adapters starts from weights into which the adapters of earlier phases are merged.
    """
    if options.lora is None:
        backbone = open_backbone(directory, options.backend, Weights())
        merge_adapters(backbone)
        train_only(backbone, None, options.frozen_layers, options.frozen_embeddings)
        return backbone
    backbone = open_backbone(directory, options.backend, Weights(**options.held, device=device))
    if not (options.lora.carry and adapters_of(backbone)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "adapter"))
            add_adapter(backbone, options.lora)
    train_only(backbone, adapters_of(backbone)[-1], options.frozen_layers, options.frozen_embeddings)
    return backbone


def save_trained(
    model: Model, directory: Path, before: Path, options: TrainConfig, active: Tensor | None, scale: float
) -> dict[str, Any]:
    """Write the heads, and the changed weights or the adapters with a pointer to what they change.

    Args:
        before: directory of the model from which the phase started, in the same store.
        active, scale: as of `changes_of`.

    Returns:
        an entry of `about.json` that says how the weights were held.
    """
    save_model_heads(model, directory)
    if options.lora is None:
        changes_of(model.backbone, before, active, scale).write(directory)
        return {}
    save_adapters(model.backbone, directory / "adapters")
    pointer = {"stage": os.path.relpath(before.absolute(), directory.absolute())}
    if (before / "adapters").exists() or "source" in pointer_of(before):
        pointer = pointer_of(before)
    write_json(directory / POINTER, pointer)
    return {"weights": options.held}
