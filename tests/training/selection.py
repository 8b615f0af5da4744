"""Train stages that are judged on validation data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from task_types.samples import CODER, LIMITS
from training.phases import DATA, component, train_stage
from xstilts.core.files import write_json
from xstilts.stages.models import ROWS
from xstilts.task_types import TASK_TYPES

METRICS = {"nli": "accuracy", "pos": "token_accuracy", "qa": "squad_v1"}
MAINS = {**METRICS, "qa": "f1"}


def config(*tasks: str, by: str = "validation", judged: bool = True, **options: Any) -> dict[str, Any]:
    """A train stage of 20 steps; `by` and what of `selection` the options name."""
    told = {name: options.pop(name) for name in ("patience", "average", "evaluate_every") if name in options}
    rows = [
        {"component": i, "task": task, "split": "validation", "metric": METRICS[task], "main": MAINS[task]}
        for i, task in enumerate(tasks)
    ]
    stage = train_stage(*map(component, tasks), **{"head_dropout": 0.1, "learning_rate": 3e-3, **options})
    if by == "last" and not judged:
        return stage
    return {**stage, "selection": {"by": by, "checkpoints": 5, **told, "judges": rows if judged else []}}


def validation(folder: Path, task: str, rows: slice = slice(None)) -> Path:
    """A prepare stage's directory with some of a task's examples, in two languages."""
    kind, repeated, labels = DATA[task]
    examples = [replace(example, id=str(number)) for number, example in enumerate(repeated)]
    for language in ("en", "de"):
        TASK_TYPES.get(kind).encode_apart(examples[rows], CODER, LIMITS, labels).save(folder / language)
    write_json(folder / "languages.json", ["en", "de"])
    write_json(folder / "encoding.json", {})
    return folder


def weights(directory: Path) -> dict[str, torch.Tensor]:
    found = {**load_file(directory / "trained.safetensors"), **load_file(directory / "heads.safetensors")}
    return {name: value for name, value in found.items() if name != ROWS}
