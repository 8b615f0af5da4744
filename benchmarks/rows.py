"""Data for both sides of a comparison: examples as JSON lines for `benchmarks.hf`, and official scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xstilts.core.files import read_jsonl, write_jsonl
from xstilts.data.examples import gold_of, read_examples, to_row
from xstilts.experiment import Experiment
from xstilts.metrics import METRICS
from xstilts.stages.reading import select

SCRIPTS = {"classification": "classification", "tagging": "tagging", "span_qa": "span_qa"}
"""Task type -> module of `benchmarks.hf`."""


def write_rows(
    experiment: Experiment, data: Path, folder: Path, asked: tuple[str, Any, int], languages: Sequence[str] = ()
) -> dict[str, Path]:
    """A file per language of one split.

    Args:
        asked: the task, the split, and the number of examples of a language (0: all).
        languages: else all that are there.
    """
    name, split, limit = asked
    task = experiment.task(name)
    holdout = experiment.tasks[name].holdout if name in experiment.tasks else 0
    sampled = {"sampled": "by id"} if limit else {}  # as prepare stages
    config = {"split": split, "holdout": holdout, "limit": limit, **sampled}
    files = {}
    for language in languages or task.available((data,), split):
        files[language] = folder / f"{name}.{split}.{language}.jsonl"
        write_jsonl(files[language], (to_row(one) for one in select(task, (data,), config, language)))
    return files


def script_of(experiment: Experiment, name: str) -> tuple[str, list[str]]:
    """The module that does a task, and where it cuts texts; windows overlap by the examples' 128 tokens."""
    task = experiment.task(name)
    return f"benchmarks.hf.{SCRIPTS[task.type]}", ["--max_length", str(task.encoding.max_length)]


def predictions(path: Path) -> list[Any]:
    return [row["prediction"] for _, row in read_jsonl(path)]


def score(experiment: Experiment, name: str, language: str, examples: Path, answers: Sequence[Any]) -> float:
    """The task's official score of predictions, 0-100."""
    task = experiment.task(name)
    gold = [gold_of(example) for example in read_examples(examples)]
    if task.type == "span_qa":
        gold = [[answer.text for answer in answers] for answers in gold]
    values: Mapping[str, Any] = METRICS.get(task.metric).function(gold, answers, language)
    return float(values[task.main].value)
