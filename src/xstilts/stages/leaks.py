"""Leak stages: does a text of test data occur in training data?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from xstilts.core.files import write_json
from xstilts.data.examples import Example
from xstilts.data.leaks import find_leaks
from xstilts.graph.job import Job
from xstilts.graph.stage import Stage
from xstilts.stages.describe import make
from xstilts.stages.reading import root_of, select
from xstilts.tasks.as_json import task_from_json

SHOWN = 50


def describe_leaks(training: Stage, test: Stage) -> Stage | None:
    """The stage that compares two prepare stages; None where they have no texts to compare.

    Each language is compared with itself, without translations of training data. The English side of translation pairs,
    which has no language of its own in their files, is compared with English data too.
    """
    train = [code for code in training.config["languages"] if f"translation_{code}" not in training.inputs]
    measured = list(test.config["languages"])
    both = [code for code in train if code in measured]
    if test.config["type"] in ("retrieval", "mining") and "en" in train:
        read = train
    elif training.config["type"] in ("contrastive", "translation_lm") and "en" in measured:
        read, measured = train, [code for code in measured if code in (*train, "en")]
    else:
        read, measured = both, both
    if not read:
        return None
    sides = {"train": (training, read), "test": (test, measured)}
    named = ("task", "split", "holdout", "limit", "sampled", "like", "read")
    config = {}
    for side, (stage, languages) in sides.items():
        files = {code: found for code, found in stage.config["files"].items() if code in (*languages, "world")}
        own = {name: stage.config[name] for name in named if name in stage.config}
        config[side] = {**own, "languages": languages, "files": files}
    worlds = {side: stage.inputs["world"] for side, (stage, _) in sides.items() if "world" in stage.inputs}
    hints = {side: {name: stage.settings[name] for name in ("roots", "task")} for side, (stage, _) in sides.items()}
    label = f"{training.config['task']} in {test.config['task']}"
    return make("leaks", config, worlds, label, cost=2.0, **hints)


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
    }
    write_json(job.directory / "leaks.json", about)


def _examples(job: Job, side: str) -> Iterator[Example]:
    """The examples of one side, each id with its language."""
    config, settings = job.config[side], job.stage.settings[side]
    root, task = root_of(settings, job.inputs, side), task_from_json(settings["task"])
    for language in config["languages"]:
        for example in select(task, root, config, language):
            yield replace(example, id=f"{language}:{example.id}")
