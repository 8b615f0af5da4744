"""Checks that gold and predictions belong together, before they are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from xstilts.core.errors import DataError
from xstilts.data.readers.common import shown
from xstilts.data.readers.tagging import udpos
from xstilts.evaluation.prediction_files import Entry
from xstilts.tasks import Task

PLACEHOLDER_ROWS = 10
"""From so many rows on, gold with one label only is a file whose gold was removed."""


class ScoredFiles(NamedTuple):
    """The files that one call compares."""

    task: Task
    language: str
    gold: Path
    predictions: Path


class Matched(NamedTuple):
    """One gold and one prediction per example, their number as the task counts it, and a note for the signature."""

    golds: list[Any]
    predictions: list[Any]
    n: int
    note: str = ""


def check_gold(files: ScoredFiles, items: Sequence[Entry]) -> None:
    """Refuse withheld and unknown labels, and the single placeholder that XTREME's preprocessing puts for gold."""
    task, labels = files.task, files.task.labels if files.task.type != "multiple_choice" else ()
    if not items:
        raise DataError(f"holds no gold for {task.name} in language '{files.language}'", files.gold)
    for line, label, _ in items:
        if label is None:
            raise DataError("gold is withheld in this file: take the official labels", files.gold, line)
        if labels and label not in labels and (task.read is not udpos or label != "_"):
            problem = f"{shown(label)} is no label of {task.name} ({', '.join(labels)}); is this gold?"
            raise DataError(problem, files.gold, line)
    if len(items) >= PLACEHOLDER_ROWS and len({str(item.value) for item in items}) == 1:
        same = f"all {len(items)} gold labels are {str(items[0].value)[:60]!r}"
        raise DataError(f"{same}: the gold of this test file was removed; use the official labels", files.gold)


def count_unknown(files: ScoredFiles, golds: Sequence[Entry], predictions: Sequence[Entry]) -> str:
    """A note on predicted labels that the task does not have: wrong answers, as in the official scripts.

    Raises `DataError` if no predicted label is known: the predictions are of another task.
    """
    labels = files.task.labels
    known = {item.value for item in golds} | set(labels)
    if predictions and not known.intersection(item.value for item in predictions):
        first, there = predictions[0], shown(", ".join(sorted(map(str, known))[:5])).strip("'")
        problem = f"not one predicted label occurs in gold: {shown(first.value)} here, {there} there"
        raise DataError(problem, files.predictions, first.line)
    strange = sum(one.value not in labels for one in predictions) if labels else 0
    return f" | unknown labels={strange}" if strange else ""


def check_count(files: ScoredFiles, golds: Sequence[Any], predictions: Sequence[Any], what: str) -> None:
    """Refuse predictions whose number is not that of gold."""
    if len(golds) != len(predictions):
        raise DataError(f"{len(predictions)} {what}, but {len(golds)} in {files.gold}", files.predictions)


def values_of(items: Sequence[Entry]) -> list[Any]:
    """The values without their lines."""
    return [item.value for item in items]


def in_order(files: ScoredFiles, golds: Sequence[Entry], predictions: list[Entry]) -> list[Entry]:
    """Predictions of JSON lines in the order of gold: by id where gold has the same ids, else as they are.

    Raises:
        DataError: the ids count rows out of order, and gold has no such ids; or they count rows in order, but gold has
            the same ids in another order (as XNLI's pairs may have), so that both readings are possible.
    """
    ids, said = [one.id for one in golds], [one.id for one in predictions]
    names = [name for name in said if name is not None]
    if len(names) < len(said):
        return predictions
    numbers = {int(name) for name in names if name.isdecimal() and len(name) < 10}
    counted = len(numbers) == len(names) == max(numbers) - min(numbers) + 1
    same, upwards = set(ids) == set(said), counted and names == sorted(names, key=int)
    if upwards and same and said != ids:
        whose = f"ids from {said[0]} to {said[-1]} may count rows, or be those of {files.gold.name}"
        problem = f"{whose}, which has them in another order: put the rows in the order of gold, with its ids"
        raise DataError(problem, files.predictions, predictions[0].line)
    if same and not upwards:
        place = {one.id: one for one in predictions}
        return [place[name] for name in ids]
    if counted and not upwards:
        moved = next(one for one, name in zip(predictions, sorted(names, key=int)) if one.id != name)
        problem = f"id {moved.id} is not in its place, and gold has no ids to join by: sort the rows as gold is"
        raise DataError(problem, files.predictions, moved.line)
    return predictions


def by_id(files: ScoredFiles, golds: Mapping[str, Any], said: Mapping[str, Any], missing: Any) -> Matched:
    """Join by id. Raises `DataError` when nothing was predicted, or something for an id that gold does not have."""
    extra = [name for name in said if name not in golds]
    if extra:
        raise DataError(f"{len(extra)} ids are not in {files.gold}, the first is {shown(extra[0])}", files.predictions)
    if not said:
        raise DataError(f"no predictions for the {len(golds)} ids of {files.gold}", files.predictions)
    absent = len(golds) - len(said)
    note = f" | missing={absent}" if absent else ""
    return Matched(list(golds.values()), [said.get(name, missing) for name in golds], len(golds), note)
