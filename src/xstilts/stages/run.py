"""Computes stages: the runner that executors call in a worker process, and the kinds that need no model."""

import importlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from xstilts.core.errors import StageError
from xstilts.core.files import link, read_json, read_object, write_json
from xstilts.data.examples import Example
from xstilts.data.leaks import find_leaks
from xstilts.graph import environment
from xstilts.graph.job import Job
from xstilts.stages import KINDS
from xstilts.stages.reading import root_of, select
from xstilts.tasks.base import task_from_json

PACKAGES = ("torch", "transformers", "tokenizers", "numpy")


def run_stage(job: Job) -> None:
    """Write the stage's files and, where a model or a tokenizer is loaded, the versions and the device used."""
    kind, directory = KINDS[job.stage.kind], job.directory
    before = read_object(directory / environment.FILE)  # of a killed run, which this one continues
    several = job.stage.kind == "train" and job.machine.devices > 1
    module, _, function = ("xstilts.stages.ranks:run_train_on" if several else kind.run).partition(":")
    getattr(importlib.import_module(module), function)(job)
    if kind.models:
        found = environment.together([before, read_object(directory / environment.FILE)])
        found |= environment.versions(PACKAGES) | environment.commit() | (_device(job) if kind.computes else {})
        write_json(directory / environment.FILE, found)


def _device(job: Job) -> dict[str, str]:
    """The machine and device of a stage, and the processor's instruction set or the GPU's name where torch knows.

    The machine is `Intel(R) Xeon(R) ..., 16 cores, 126 GiB`; where the system does not tell, without model or memory.
    """
    words = [f"{os.cpu_count()} cores"]
    with suppress(OSError, ValueError, AttributeError):
        words.append(f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB")
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        words[:0] = [line.partition(": ")[2] for line in lines if line.startswith("model name")][:1]
    device, torch = job.machine.device.partition(":")[0], sys.modules.get("torch")
    found = {"device": device, "machine": ", ".join(words)}
    if torch and device == "cpu":  # without torch, a program of the user's computed
        found["processor"] = torch.backends.cpu.get_cpu_capability()
    elif torch and device == "cuda" and torch.cuda.is_initialized():
        found["processor"] = torch.cuda.get_device_name(job.machine.device)
    return found


def run_world(job: Job) -> None:
    """Write the official files of a microworld, or of its domain part."""
    from xstilts.microworld.world import write_domain, write_world

    write = write_domain if job.config.get("part") == "domain" else write_world
    write(job.directory, int(job.config["seed"]))


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
    ignored = shutil.ignore_patterns("stage.json", "DONE", "log.txt", "summary.json", "pointer.json")
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


def run_leaks(job: Job) -> None:
    """Write `leaks.json`: how many test examples have a text that occurs in the training data, and their first ids."""
    train, tested = job.config["train"], job.config["test"]
    test = list(_examples(job, "test"))
    found = find_leaks(_examples(job, "train"), test)
    about = {
        "train": train["task"],
        "test": tested["task"],
        "split": tested["split"],
        "languages": tested["languages"],
        "examples": len(test),
        "compared": found.examples,
        "leaked": len(found.ids),
        "ids": list(found.ids[:50]),
        "repeated": len(found.repeated),
    }
    write_json(job.directory / "leaks.json", about)


def _examples(job: Job, side: str) -> Iterator[Example]:
    """The examples of one side, each id with its language."""
    config, settings = job.config[side], job.stage.settings[side]
    root, task = root_of(settings, job.inputs, side), task_from_json(settings["task"])
    for language in config["languages"]:
        for example in select(task, root, config, language):
            yield replace(example, id=f"{language}:{example.id}")
