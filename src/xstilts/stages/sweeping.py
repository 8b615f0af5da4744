"""Choose stages: of runs with several learning rates, the one that is best on validation."""

from __future__ import annotations

import os
import shutil

from xstilts.core.errors import StageError
from xstilts.core.files import link, read_json, write_json
from xstilts.graph.job import Job

OWN = ("stage.json", "DONE", "log.txt", "summary.json", "pointer.json")
"""Files of a run that are not linked."""


def run_choose(job: Job) -> None:
    """Hard links to the files of the best run, the first among equals; `summary.json` has every run's value.

    Raises:
        StageError: a run has no validation value.
    """
    rates = job.config["learning_rates"]
    runs = [job.inputs[f"run{i}"] for i in range(len(rates))]
    summaries = [read_json(run / "summary.json") for run in runs]
    values = [summary["selection"].get("value") for summary in summaries]
    if None in values:
        run = runs[values.index(None)]
        raise StageError(f"{run} has no validation value in summary.json: remove this folder and run again to train it")
    best = max(range(len(runs)), key=lambda i: values[i])
    ignored = shutil.ignore_patterns(*OWN)
    shutil.copytree(runs[best], job.directory, ignore=ignored, copy_function=link, dirs_exist_ok=True)
    if (runs[best] / "pointer.json").exists():
        pointer = read_json(runs[best] / "pointer.json")
        if "stage" in pointer:  # relative to the folder it lies in
            target = (runs[best] / pointer["stage"]).resolve()
            pointer["stage"] = os.path.relpath(target, job.directory.resolve())
        write_json(job.directory / "pointer.json", pointer)
    rows = [
        {"learning_rate": rate, "value": value, "stage": run.name}
        for rate, value, run in zip(rates, values, runs, strict=True)
    ]
    sweep = {"learning_rate": rates[best], "runs": rows}
    write_json(job.directory / "summary.json", {**summaries[best], "sweep": sweep})
