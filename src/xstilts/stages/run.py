"""Computes stages: the runner that executors call in a worker process."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from xstilts.core.files import write_json
from xstilts.graph import environment
from xstilts.graph.job import Job
from xstilts.graph.perform import Report
from xstilts.graph.stage import Stage
from xstilts.stages import KINDS

PACKAGES = ("torch", "transformers", "tokenizers", "numpy")
ON_SEVERAL_DEVICES = "xstilts.stages.ranks:run_train_on"


def run_stage(stage: Stage, directory: Path, inputs: dict[str, Path], settings: dict[str, Any], report: Report) -> None:
    """Write the stage's files and, where a model or a tokenizer is loaded, the versions and the device used."""
    job, kind = Job(stage, directory, inputs, settings, report), KINDS[stage.kind]
    before = environment.left(directory)  # by a killed run, which this one continues
    several = stage.kind == "train" and job.machine.devices > 1
    module, _, function = (ON_SEVERAL_DEVICES if several else kind.run).partition(":")
    getattr(importlib.import_module(module), function)(job)
    if kind.models:
        found = environment.together([before, environment.left(directory)])
        found |= environment.versions(PACKAGES) | (_device(job) if kind.computes else {})
        write_json(directory / environment.FILE, found)


def _device(job: Job) -> dict[str, str]:
    """The device that a stage computed on, and the processor's instruction set or the GPU's name where torch knows."""
    device, torch = job.machine.device.partition(":")[0], sys.modules.get("torch")
    if torch is None:  # a program of the user's computed
        return {"device": device}
    if device == "cpu":
        return {"device": device, "processor": torch.backends.cpu.get_cpu_capability()}
    known = device == "cuda" and torch.cuda.is_initialized()
    return {"device": device, **({"processor": torch.cuda.get_device_name(job.machine.device)} if known else {})}


def run_world(job: Job) -> None:
    """Write the official files of a microworld, or of its domain part."""
    from xstilts.microworld.world import write_domain, write_world

    write = write_domain if job.config.get("part") == "domain" else write_world
    write(job.directory, int(job.config["seed"]))
