"""Leak stages: is anything that a model was trained on in the data it is measured on?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from xstilts.core.files import write_json
from xstilts.data.examples import Example
from xstilts.data.leaks import find_leaks
from xstilts.stages.checksums import read_in
from xstilts.stages.preparing import select
from xstilts.tasks.as_json import task_from_json

SHOWN = 50


def run_leaks(
    config: Mapping[str, Any], settings: Mapping[str, Any], directory: Path, inputs: Mapping[str, Path]
) -> None:
    """Write `leaks.json`: how many of the test examples have a text that stands in the training data, and which."""
    test = list(_read("test", config, settings, inputs))
    found = find_leaks(_read("train", config, settings, inputs), test)
    about = {
        "train": config["train"]["task"],
        "test": config["test"]["task"],
        "split": config["test"]["split"],
        "languages": config["test"]["languages"],
        "examples": len(test),
        "compared": found.examples,
        "leaked": len(found.ids),
        "ids": list(found.ids[:SHOWN]),
    }
    write_json(directory / "leaks.json", about)


def _read(
    side: str, config: Mapping[str, Any], settings: Mapping[str, Any], inputs: Mapping[str, Path]
) -> Iterator[Example]:
    """The examples of one side, each id with its language."""
    told, hints = config[side], settings[side]
    root = read_in(hints, inputs, side)
    task = task_from_json(hints["task"])
    for language in told["languages"]:
        for example in select(task, root, told, language):
            yield replace(example, id=f"{language}:{example.id}")
