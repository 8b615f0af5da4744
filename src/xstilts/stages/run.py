"""Computes stages: the runner that executors call in a worker process, and the kinds that need no model."""

import importlib
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from xstilts.core.errors import StageError
from xstilts.core.files import link, read_json, read_object, write_json
from xstilts.graph import environment
from xstilts.graph.job import Job
from xstilts.stages import KINDS

PACKAGES = ("torch", "transformers", "tokenizers", "numpy")
ON_SEVERAL_DEVICES = "xstilts.stages.ranks:run_train_on"


def run_stage(job: Job) -> None:
    """Write the stage's files and, where a model or a tokenizer is loaded, the versions and the device used."""
    kind, directory = KINDS[job.stage.kind], job.directory
    before = read_object(directory / environment.FILE)  # of a killed run, which this one continues
    several = job.stage.kind == "train" and job.machine.devices > 1
    module, _, function = (ON_SEVERAL_DEVICES if several else kind.run).partition(":")
    getattr(importlib.import_module(module), function)(job)
    if kind.models:
        found = environment.together([before, read_object(directory / environment.FILE)])
        found |= environment.versions(PACKAGES) | environment.commit() | (_device(job) if kind.computes else {})
        write_json(directory / environment.FILE, found)


def _machine() -> str:
    """`Intel(R) Xeon(R) ..., 16 cores, 126 GiB`; where the system does not tell, without model or memory."""
    words = [f"{os.cpu_count()} cores"]
    with suppress(OSError, ValueError, AttributeError):
        words.append(f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB")
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        words[:0] = [line.partition(": ")[2] for line in lines if line.startswith("model name")][:1]
    return ", ".join(words)


def _device(job: Job) -> dict[str, str]:
    """The machine and device of a stage, and the processor's instruction set or the GPU's name where torch knows."""
    device, torch = job.machine.device.partition(":")[0], sys.modules.get("torch")
    found = {"device": device, "machine": _machine()}
    if torch is None:  # a program of the user's computed
        return found
    if device == "cpu":
        return {**found, "processor": torch.backends.cpu.get_cpu_capability()}
    known = device == "cuda" and torch.cuda.is_initialized()
    return {**found, **({"processor": torch.cuda.get_device_name(job.machine.device)} if known else {})}


def run_world(job: Job) -> None:
    """Write the official files of a microworld, or of its domain part."""
    from xstilts.microworld.world import write_domain, write_world

    write = write_domain if job.config.get("part") == "domain" else write_world
    write(job.directory, int(job.config["seed"]))


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
