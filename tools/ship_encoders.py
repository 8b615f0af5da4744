"""Copy the encoders that `studies/encoders*.yaml` trained into the package, in half precision.

Of an encoder-decoder the encoder is shipped, and of models that write the body without the output layer: studies put
heads on them.

Usage: python tools/ship_encoders.py STORE
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import torch

from xstilts.backbones.load import load_backbone, save_backbone
from xstilts.core.files import read_json, write_json
from xstilts.expand import Expansion, StartModel
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.microworld.encoders import folder
from xstilts.session.loading import load
from xstilts.studies.files import packaged
from xstilts.training.model import save_heads, saved_heads

FILES = ("encoders", "encoders-continued", "encoders-short")
ENGLISH = {"mlm": "english", "xlmr": "xlmr-english"}
"""Backbones whose English-only control is shipped too, and its name."""


def shipped_name(model: StartModel, backbone: str) -> str:
    """Folder of a model in the package; empty for controls that are not shipped."""
    if model.control == "english":
        return ENGLISH.get(backbone, "")
    return "" if model.control else model.name


def phases(stage: Stage, place: Store) -> list[dict[str, Any]]:
    """Steps, tokens and items of each phase of pretraining, by task."""
    if "model" not in stage.inputs:
        return []
    return [*phases(stage.inputs["model"], place), read_json(place.directory(stage) / "summary.json")]


def main(store: Path) -> None:
    """Every finished encoder of every world; the tokenizer travels with each."""
    place = Store(store, must_exist=True)
    for file in FILES:
        expansion = Expansion(load(packaged(file)), None)
        for replicate in expansion.replicates:
            for spec in expansion.experiment.backbones:
                for model in expansion.models(spec, replicate):
                    name = shipped_name(model, spec.name)
                    if name and place.has(model.stage):
                        ship(model.stage, place, folder(replicate.world, name), replicate.world)


def ship(stage: Stage, place: Store, target: Path, world: int | None) -> None:
    """One encoder with its masked-LM head, if it has one."""
    source = place.directory(stage)
    shutil.rmtree(target, ignore_errors=True)
    save_backbone(load_backbone(str(source / "backbone")), target, torch.float16)
    heads = {spec: state for spec, state in saved_heads(source).items() if spec.task_type.pretrained_head and state}
    if heads:
        save_heads({spec: {k: v.half() for k, v in state.items()} for spec, state in heads.items()}, target)
    write_json(target / "origin.json", {"world": world, "stage": stage.key, "phases": phases(stage, place)})
    sys.stdout.write(f"{target}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
