"""Models in the directories of start and train stages.

backbone/            weights, config and tokenizer, as transformers reads them
pointer.json         or where they are: a hub name at a revision, a folder, or another stage of the store
trained.safetensors  with a pointer: the parameters that phases changed, by their paths in the model; with `rows`, only
                     those rows of the word embedding (`xstilts.training.model`), and in the pointer `scale`, the
                     factor of the other rows
adapters/            with a pointer: what LoRA phases trained, one PEFT folder per phase
heads.*, about.json

Changes of several phases are joined: the folder holds those of earlier phases too and points past them, so that a stage
needs only its own files and the pretrained model. If a phase changes the whole embedding, as masked LM does, later
phases point to its stage.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from xstilts.backbones import adapters
from xstilts.backbones.backbone import Backbone
from xstilts.backbones.load import Weights, load_backbone, save_backbone
from xstilts.backbones.names import Backend, Output, Route
from xstilts.core.errors import StageError
from xstilts.core.files import read_json, write_json
from xstilts.core.seeds import derive_seed
from xstilts.training.config import TrainConfig
from xstilts.training.model import HeadSpec, TaskModel, save_model_heads, saved_heads

FILE, ROWS, POINTER = "trained.safetensors", "rows", "pointer.json"


@dataclass(frozen=True)
class Changes:
    """Changes to the weights of the stage in `base`.

    Attributes:
        tensors: parameters by path, whole; with `rows`, the word embedding is [A, E].
        rows: of the word embedding, [A], ascending.
        scale: factor of its other rows.
    """

    base: Path
    tensors: dict[str, Tensor]
    rows: Tensor | None = None
    scale: float = 1.0

    @classmethod
    def read(cls, directory: Path) -> Changes | None:
        """The changes in a stage's folder; None where it holds or names a model."""
        if not (directory / FILE).exists():
            return None
        tensors = load_file(directory / FILE)
        rows = tensors.pop(ROWS, None)
        pointer = read_json(directory / POINTER)
        return cls((directory / pointer["stage"]).resolve(), tensors, rows, pointer["scale"])

    def write(self, directory: Path) -> None:
        rows = {} if self.rows is None else {ROWS: self.rows}
        save_file({**self.tensors, **rows}, directory / FILE, metadata={"format": "pt"})
        write_json(directory / POINTER, {"stage": os.path.relpath(self.base, directory.resolve()), "scale": self.scale})

    @torch.no_grad()
    def put(self, backbone: Backbone, tokens: Tensor | None = None) -> None:
        """Apply them to a backbone that has the weights of `base`.

        Args:
            tokens: those that will be looked up; other rows of the word embedding are not even read from disk.
        """
        parameters = dict(backbone.model.named_parameters())
        for name, value in self.tensors.items():
            if self.rows is None or parameters[name] is not backbone.embeddings:
                parameters[name].copy_(value)
            else:
                parameters[name][slice(None) if tokens is None else tokens] *= self.scale
                parameters[name][self.rows] = value


def changes_of(backbone: Backbone, before: Path, active: Tensor | None, scale: float) -> Changes:
    """The changes of a phase, joined with those of earlier phases.

    Args:
        before: the folder of the stage it started from.
        active: rows of the word embedding that the backbone has (`narrow`); None: all.
        scale: factor of the other rows in this phase.
    """
    merged = (before / "adapters").exists()  # into weights that the phase may have frozen
    words = next(name for name, value in backbone.model.named_parameters() if value is backbone.embeddings)
    own = {
        name: value.detach().cpu().contiguous()
        for name, value in backbone.model.named_parameters()
        if value.requires_grad or (merged and name != words)
    }
    old = Changes.read(before)
    whole = active is None and words in own
    if old is None or (old.rows is None and words in old.tensors and not whole):
        return Changes(before.resolve(), own, active, scale)
    tensors = {**old.tensors, **own}
    if whole:
        return Changes(old.base, tensors)
    if active is None:
        return Changes(old.base, tensors, old.rows, old.scale)
    if old.rows is not None:
        rest = ~torch.isin(old.rows, active)
        active, order = torch.cat([active, old.rows[rest]]).sort()
        tensors[words] = torch.cat([own[words], old.tensors[words][rest] * scale])[order]
    return Changes(old.base, tensors, active, old.scale * scale)


def chain(directory: Path) -> list[Path]:
    """The folders from the one that holds or names a model to this one, each with changes to the one before."""
    folders = [directory]
    while stage := pointer_of(folders[0]).get("stage"):
        folders.insert(0, (folders[0] / stage).resolve())
    return folders


def pointer_of(directory: Path) -> dict[str, Any]:
    """The content of a stage's `pointer.json`; empty without one."""
    path = directory / POINTER
    return dict(read_json(path)) if path.exists() else {}


COPIED_BYTES = 2**30
"""Local models up to this size are copied into the store if they cannot be linked."""


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
        adapters.load_adapters(backbone, directory / "adapters")
    return backbone


def reopen_backbone(directory: Path, to: Path, route: Route | None, output: Output) -> Backbone:
    """Open the backbone of another stage with or without its output layer, adapters merged, and write it to `to`."""
    whole = open_backbone(directory, weights=Weights())
    adapters.merge_adapters(whole)
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
    """The format in which a stage held its weights in training."""
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
        adapters.merge_adapters(backbone)
        adapters.train_only(backbone, None, options.frozen_layers, options.frozen_embeddings)
        return backbone
    backbone = open_backbone(directory, options.backend, Weights(**options.held, device=device))
    if not (options.lora.carry and adapters.adapters_of(backbone)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "adapter"))
            adapters.add_adapter(backbone, options.lora)
    adapters.train_only(backbone, adapters.adapters_of(backbone)[-1], options.frozen_layers, options.frozen_embeddings)
    return backbone


def save_trained(
    model: TaskModel, directory: Path, before: Path, options: TrainConfig, active: Tensor | None, scale: float
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
    adapters.save_adapters(model.backbone, directory / "adapters")
    pointer = {"stage": os.path.relpath(before.absolute(), directory.absolute())}
    if (before / "adapters").exists() or "source" in pointer_of(before):
        pointer = pointer_of(before)
    write_json(directory / POINTER, pointer)
    return {"weights": options.held}
