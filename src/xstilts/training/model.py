"""The model in training: one backbone and one head per task of the phase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from xstilts.backbones.backbone import Backbone
from xstilts.core.files import read_json, write_json
from xstilts.core.seeds import derive_seed
from xstilts.task_types import TASK_TYPES, TaskType


@dataclass(frozen=True)
class HeadSpec:
    """What a head is for."""

    task: str
    type: str
    labels: tuple[str, ...]

    @property
    def task_type(self) -> TaskType:
        return TASK_TYPES.get(self.type)

    @property
    def kind(self) -> str:
        """The type under which the head is saved, where several types train the same one."""
        return self.task_type.head_of or self.type


class Heads(nn.Module):
    """Heads by task name. torch's ModuleDict refuses names of its own methods, such as `train` or `items`."""

    def __setitem__(self, task: str, head: nn.Module) -> None:
        self._modules[task] = head

    def __contains__(self, task: object) -> bool:
        return task in self._modules

    def __getitem__(self, task: str) -> nn.Module:
        head = self._modules[task]
        assert head is not None
        return head


class Model(nn.Module):
    """A backbone with heads by task name."""

    def __init__(self, backbone: Backbone, specs: Sequence[HeadSpec], dropout: float, seed: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.specs = tuple(specs)
        self.heads = Heads()
        self.carried: dict[HeadSpec, dict[str, torch.Tensor]] = {}
        for spec in sorted(specs, key=lambda spec: spec.kind != spec.type):
            lenders = [other.task for other in specs if other.kind == spec.kind and other.task in self.heads]
            if spec.kind != spec.type and lenders:
                self.heads[spec.task] = self.heads[lenders[0]]
                continue
            # Each head has its own seed: a task's head starts the same alone and in a mixture.
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(derive_seed(seed, "head", spec.task))
                self.heads[spec.task] = spec.task_type.head(backbone, spec.labels, dropout)


def save_model_heads(model: Model, directory: Path) -> None:
    """Save the heads of this phase, and those carried on for later ones."""
    heads = {spec: dict(model.heads[spec.task].state_dict()) for spec in model.specs}
    save_heads({**model.carried, **heads}, directory)


def save_heads(heads: Mapping[HeadSpec, Mapping[str, torch.Tensor]], directory: Path) -> None:
    """Write `heads.safetensors` and `heads.json`."""
    state = {
        f"{spec.task}.{name}": value.detach().cpu().contiguous().clone()  # a shared head is saved under each name
        for spec, own in heads.items()
        for name, value in own.items()
    }
    save_file(state, directory / "heads.safetensors")
    rows = [{"task": spec.task, "type": spec.kind, "labels": list(spec.labels)} for spec in heads]
    write_json(directory / "heads.json", rows)


def saved_heads(directory: Path) -> dict[HeadSpec, dict[str, torch.Tensor]]:
    """The heads in a stage's folder; none for a bare backbone."""
    if not (directory / "heads.json").exists():
        return {}
    state = load_file(directory / "heads.safetensors")
    heads = {}
    for row in read_json(directory / "heads.json"):
        prefix = f"{row['task']}."
        own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        heads[HeadSpec(row["task"], row["type"], tuple(row["labels"]))] = own
    return heads


def restore_heads(model: Model, directory: Path, keep: Mapping[str, Path]) -> dict[str, list[str]]:
    """Load heads of earlier phases: pretrained ones always, and those of the tasks in `keep`, each from its folder.

    A pretrained head that this phase does not train is carried on for later ones.

    Args:
        directory: of the previous phase.

    Returns:
        which heads were `loaded`, `carried`, `dropped` (present before, not used), and which are `fresh`. This is
        recorded, since silently reused or dropped heads have changed published numbers.
    """
    folders = {folder: saved_heads(folder) for folder in {directory, *keep.values()}}
    before = folders[directory]
    pretrained = [spec for spec in before if spec.task_type.pretrained_head]
    used: dict[str, HeadSpec] = {}
    for spec in model.specs:
        held = folders[keep[spec.task]] if spec.task in keep else {}
        found = spec if spec in held else None
        if found is None and spec.task_type.pretrained_head:
            same = [head for head in pretrained if head.type == spec.kind]
            held, found = before, max(same, key=lambda head: head.task == spec.task, default=None)
        if found is not None:
            model.heads[spec.task].load_state_dict(held[found])
            used[spec.task] = found
    kinds = {spec.kind for spec in model.specs}
    model.carried = {spec: before[spec] for spec in before if spec in pretrained and spec.type not in kinds}
    kept = {*used.values(), *model.carried}
    return {
        "loaded": list(used),
        "carried": [spec.task for spec in model.carried],
        "dropped": sorted(spec.task for spec in before if spec not in kept),
        "fresh": [spec.task for spec in model.specs if spec.task not in used],
    }
