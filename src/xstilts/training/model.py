"""The model in training: one backbone and one head per task of the phase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from xstilts.backbones.backbone import Backbone
from xstilts.backbones.load import save_backbone
from xstilts.core.files import read_json, write_json
from xstilts.core.seeds import derive_seed
from xstilts.task_types import TASK_TYPES, TaskType


@dataclass(frozen=True)
class HeadSpec:
    """A task as the model sees it."""

    task: str
    type: str
    labels: tuple[str, ...]

    @property
    def task_type(self) -> TaskType:
        return TASK_TYPES.get(self.type)


class Model(nn.Module):
    """A backbone with heads by task name."""

    def __init__(self, backbone: Backbone, specs: Sequence[HeadSpec], dropout: float, seed: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.specs = tuple(specs)
        self.heads = nn.ModuleDict()
        for spec in specs:
            # Each head has its own stream: a task's head is the same alone and in a mixture.
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(derive_seed(seed, "head", spec.task))
                self.heads[spec.task] = spec.task_type.head(backbone, spec.labels, dropout)


def save_model(model: Model, directory: Path) -> None:
    """`backbone/` as transformers reads it, `heads.safetensors`, `heads.json`."""
    save_backbone(model.backbone, directory / "backbone")
    state = {name: value.detach().cpu().contiguous() for name, value in model.heads.state_dict().items()}
    save_file(state, directory / "heads.safetensors")
    write_json(
        directory / "heads.json",
        [{"task": spec.task, "type": spec.type, "labels": list(spec.labels)} for spec in model.specs],
    )


def saved_heads(directory: Path) -> tuple[list[HeadSpec], dict[str, torch.Tensor]]:
    """Specifications and weights of a finished stage's heads; none where the folder holds a bare backbone."""
    if not (directory / "heads.json").exists():
        return [], {}
    rows: list[Mapping[str, Any]] = read_json(directory / "heads.json")
    specs = [HeadSpec(row["task"], row["type"], tuple(row["labels"])) for row in rows]
    return specs, load_file(directory / "heads.safetensors")


def restore_heads(model: Model, directory: Path, keep: bool) -> dict[str, list[str]]:
    """Reuse heads of the previous phase where asked and where task, type and labels agree.

    Returns:
        what was `loaded`, what was `dropped` (present before, not used), what is `fresh`: for the log, since silently
        reused or dropped heads have changed published numbers.
    """
    specs, state = saved_heads(directory)
    before = {spec.task: spec for spec in specs}
    loaded = []
    for spec in model.specs:
        if keep and before.get(spec.task) == spec:
            prefix = f"{spec.task}."
            own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
            model.heads[spec.task].load_state_dict(own)
            loaded.append(spec.task)
    return {
        "loaded": loaded,
        "dropped": sorted(set(before) - set(loaded)),
        "fresh": [spec.task for spec in model.specs if spec.task not in loaded],
    }
