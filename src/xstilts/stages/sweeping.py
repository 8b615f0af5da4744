"""Choose stages: of runs with several learning rates, the one that is best on validation."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xstilts.core.errors import StageError
from xstilts.core.files import link, read_json, write_json

OWN = ("stage.json", "DONE", "log.txt", "summary.json")
"""Files of a stage that are not its result."""


def run_choose(config: Mapping[str, Any], directory: Path, inputs: Mapping[str, Path]) -> None:
    """Hard links to the files of the best run, the first among equals; `summary.json` has every run's value.

    Raises:
        StageError: a run that left no validation value.
    """
    rates = config["learning_rates"]
    runs = [inputs[f"run{i}"] for i in range(len(rates))]
    summaries = [read_json(run / "summary.json") for run in runs]
    values = [summary["selection"].get("value") for summary in summaries]
    if None in values:
        raise StageError(
            f"{runs[values.index(None)]} says no validation value in summary.json: remove it, to train again"
        )
    best = max(range(len(runs)), key=lambda i: values[i])  # the first among equals
    shutil.copytree(runs[best], directory, ignore=shutil.ignore_patterns(*OWN), copy_function=link, dirs_exist_ok=True)
    if (directory / "pointer.json").exists():
        _point(directory, runs[best])
    told = [
        {"learning_rate": rate, "value": value, "stage": run.name}
        for rate, value, run in zip(rates, values, runs, strict=True)
    ]
    sweep = {"learning_rate": rates[best], "runs": told}
    write_json(directory / "summary.json", {**summaries[best], "sweep": sweep})


def _point(directory: Path, run: Path) -> None:
    """Adapters' pointer to another stage is relative to the folder it lies in."""
    pointer = read_json(run / "pointer.json")
    if "stage" in pointer:
        pointer["stage"] = os.path.relpath((run / pointer["stage"]).resolve(), directory.resolve())
    (directory / "pointer.json").unlink()  # a link: written through, it would change the run's own
    write_json(directory / "pointer.json", pointer)
