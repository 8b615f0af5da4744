"""Copy the encoders that `studies/encoders.yaml` trained into the package, in half precision.

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
from xstilts.expand import Expansion
from xstilts.experiment import load_experiment
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.microworld.encoders import FOLDER
from xstilts.studies.files import packaged
from xstilts.training.model import save_heads, saved_heads

NAMES = {"mlm": "mlm", "aligned": "aligned", "mlm (English-only pretraining)": "english"}


def phases(stage: Stage, place: Store) -> list[dict[str, Any]]:
    """Steps, tokens and items of each phase of pretraining, by task."""
    if "model" not in stage.inputs:
        return []
    return [*phases(stage.inputs["model"], place), read_json(place.directory(stage) / "summary.json")]


def main(store: Path) -> None:
    """Every finished encoder of every world; the tokenizer travels with each."""
    place = Store(store, must_exist=True)
    expansion = Expansion(load_experiment(packaged("encoders")), None)
    for replicate in expansion.replicates:
        for spec in expansion.experiment.backbones:
            for model in expansion.models(spec, replicate):
                if model.name not in NAMES:
                    continue
                source = place.directory(model.stage)
                target = FOLDER / f"world-{replicate.world}" / NAMES[model.name]
                shutil.rmtree(target, ignore_errors=True)
                save_backbone(load_backbone(str(source / "backbone")), target, torch.float16)
                heads = {spec: state for spec, state in saved_heads(source).items() if spec.task_type.pretrained_head}
                halves = {spec: {k: v.half() for k, v in state.items()} for spec, state in heads.items()}
                save_heads(halves, target)
                origin = {"world": replicate.world, "stage": model.stage.key, "phases": phases(model.stage, place)}
                write_json(target / "origin.json", origin)
                sys.stdout.write(f"{target}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
