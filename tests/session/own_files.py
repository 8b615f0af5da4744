"""An experiment on one own task, and what `check` says of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import xstilts as xs
from xstilts import microworld
from xstilts.session.check import Check

MODEL = Path(microworld.__file__ or "").parent / "encoders/world-1/mlm"
ROWS = "".join(f"{word} {i},{label}\n" for i in range(8) for word, label in (("red", "yes"), ("blue", "no")))
TABLE = f"text,label\n{ROWS}"
TRAIN: dict[str, Any] = {"type": "classification", "files": {"train": "train.csv", "test": "test-{language}.csv"}}


def experiment(folder: Path, task: dict[str, Any], **files: str) -> xs.Experiment:
    """An experiment on one own task `t`, with files beside it: `train_csv` is `train.csv`."""
    for name, text in files.items():
        stem, _, suffix = name.rpartition("_")
        (folder / f"{stem.replace('_', '-')}.{suffix}").write_text(text, encoding="utf-8")
    asked = {
        "name": "case",
        "backbones": [{"name": "m", "source": str(MODEL)}],
        "recipes": [[]],
        "targets": ["t"],
        "seeds": [1],
        "train": {"steps": 2, "batch_size": 4, "select": "last"},
        "tasks": {"t": task},
    }
    (folder / "case.yaml").write_text(json.dumps(asked), encoding="utf-8")
    return xs.load(folder / "case.yaml")


def checked(folder: Path, task: dict[str, Any], **files: str) -> Check:
    return xs.check(experiment(folder, task, **files))


def notes(found: Check) -> list[str]:
    assert not found.problems
    return [*found.notices, *(note for one in found.files for note in one.notes)]
