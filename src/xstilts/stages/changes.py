"""What training changed in a model: a train stage keeps only that, and a pointer to the stage that it started from.

trained.safetensors    the trained parameters by their paths in the model; with `rows`, only those rows of the word
                       embedding (`xstilts.training.model`)
pointer.json           `stage`: the folder whose weights were changed; `scale`: factor of the other rows

Changes of several phases are joined: the folder holds those of earlier phases too and points past them, so that a stage
needs only its own files and the pretrained model. If a phase changes the whole embedding, as masked LM does, later
phases point to its stage.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from xstilts.backbones.backbone import Backbone
from xstilts.core.files import read_json, write_json

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
        """Write them to a stage's folder."""
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
    """What a phase changed, joined with the changes of earlier phases.

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
