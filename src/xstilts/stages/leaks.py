"""Leak stages: test texts that occur in training data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from xstilts.core.files import write_json
from xstilts.data.examples import Example
from xstilts.data.leaks import find_leaks
from xstilts.graph.job import Job
from xstilts.stages.reading import root_of, select
from xstilts.tasks.base import task_from_json

SHOWN = 50


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
        "ids": list(found.ids[:SHOWN]),
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
