"""Readers of prediction files, and checks that they belong to gold; every error has file and line.

Predictions have one of two forms: JSON lines `{"id": ..., "prediction": ...}`, as `xstilts predict` and predict stages
write them, or the form of an XTREME submission, which depends on the type of task. XTREME's label files have the second
form too. The readers keep what a file says; `score` compares it with gold.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from xstilts.core.errors import DataError
from xstilts.core.files import kind_of, read_text
from xstilts.core.json_text import parse, rows
from xstilts.data.readers import common
from xstilts.data.readers.common import shown
from xstilts.data.readers.tagging import udpos
from xstilts.evaluation.evaluate import default_variant, protocol_of
from xstilts.tasks import Task

_FORM = '{"id": ..., "prediction": ...}'
PLACEHOLDER_ROWS = 10
"""From so many rows on, gold with one label only is a file whose gold was removed."""


class Entry(NamedTuple):
    """A value, the line where it starts (1-based; None in a JSON document), and its id where the form has ids."""

    line: int | None
    value: Any
    id: str | None = None


def values_of(items: Iterable[Entry]) -> list[Any]:
    """The values without their lines."""
    return [item.value for item in items]


def is_json_lines(path: Path) -> bool:
    """Whether each line of a file is a JSON object: the name says so (`.jsonl`), else the first line.

    A single line with an object is a row if it has `prediction`, else an object of all answers by id.
    """
    if kind_of(path) in ("jsonl", "ndjson"):
        return True
    first, _, rest = read_text(path).lstrip().partition("\n")
    try:
        row = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(row, dict) and ("prediction" in row or bool(rest.strip()))


def json_rows(path: Path) -> list[Entry]:
    """The rows of JSON lines, no id twice; of several variants (layers of retrieval) the one that enters means."""
    chosen, ids, found = variant_of(path), common.Ids(path), []
    for line, _, row in rows(read_text(path), path):
        if not isinstance(row, dict) or not {"id", "prediction"} <= row.keys():
            raise DataError(f"expected {_FORM}", path, line)
        if not chosen or row.get("variant") == chosen:
            found.append(Entry(line, row["prediction"], ids.add(scalar(row["id"], "the id", path, line), line)))
    return found


def variant_of(path: Path) -> str:
    """The variant that enters means in a predict stage's file with several variants; else empty."""
    if not is_json_lines(path):
        return ""
    found = [row.get("variant") for _, _, row in rows(read_text(path), path) if isinstance(row, dict)]
    variants = [*dict.fromkeys(name for name in found if isinstance(name, str))]
    if len(variants) < 2:
        return ""
    chosen = default_variant(variants, protocol_of(path.parent.parent)[1])
    if chosen not in variants:
        raise DataError(f"has no variant {shown(chosen)}, only {', '.join(variants)[:200]}", path)
    return chosen


def scalar(value: Any, what: str, path: Path, line: int | None = None) -> str:
    """A label, tag or id, which JSON may write as a number. Raises `DataError` for anything else, and for blanks."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise DataError(f"{what} should be text or a whole number, found {shown(value)}", path, line)
    if not (name := str(value).strip()):
        raise DataError(f"{what} is empty", path, line)
    return name


def lines_of(path: Path, may_be_empty: bool = False) -> list[Entry]:
    """All lines but blank ones at the end. Raises `DataError` for a file without any, unless it `may_be_empty`."""
    items = [Entry(line, text) for line, text in enumerate(common.lines_of(path), start=1)]
    while items and not items[-1].value.strip():
        items.pop()
    if not items and not may_be_empty:
        raise DataError("is empty", path)
    return items


def labels(path: Path) -> list[Entry]:
    """One label a line."""
    items = json_rows(path) if is_json_lines(path) else lines_of(path)
    found = []
    for item in items:
        label = scalar(item.value, "the label", path, item.line)
        if "\t" in label:
            count = label.count("\t") + 1
            problem = f"expected one label, found {count} columns: give labels alone, or rows {_FORM} as JSON lines"
            raise DataError(problem, path, item.line)
        found.append(item._replace(value=label))
    return found


def indices(path: Path) -> list[Entry]:
    """Tatoeba: a candidate's number a line, also written `[12]` as the official retrieval script does."""
    found = []
    for item in labels(path):
        if (match := re.fullmatch(r"([0-9]{1,9})|\[ *([0-9]{1,9}) *\]", item.value)) is None:
            raise DataError(f"expected the number of a candidate, found {shown(item.value)}", path, item.line)
        found.append(item._replace(value=int(match[1] or match[2])))
    return found


def sentences(path: Path) -> list[Entry]:
    """Lists of tags, each tag an `Entry`: a tag, or a word and a tag, a line, with blank lines between sentences."""
    if is_json_lines(path):
        said = []
        for row in json_rows(path):
            if not isinstance(row.value, list) or not row.value:
                raise DataError("expected a list of tags as prediction", path, row.line)
            tags = [Entry(row.line, scalar(tag, "a tag", path, row.line)) for tag in row.value]
            said.append(row._replace(value=tags))
        return said
    found: list[list[Entry]] = [[]]
    for line, text, _ in lines_of(path):
        cells = text.split("\t")
        if len(cells) > 2:
            raise DataError(f"expected a tag, or a word and a tag, found {len(cells)} columns", path, line)
        if text.strip() or len(cells) > 1:
            found[-1].append(Entry(line, scalar(cells[-1], "the tag", path, line)))
        elif found[-1]:
            found.append([])
    return [Entry(sentence[0].line, sentence) for sentence in found if sentence]


def answers(path: Path) -> dict[str, str]:
    """Question id -> answer: one JSON object."""
    for line, answer, name in (said := list(_by_id(path, "question id -> answer"))):
        if not isinstance(answer, str):
            raise DataError(f"the answer to question {shown(name)} is not a string", path, line)
    return {str(name): answer for _, answer, name in said}


def rankings(path: Path) -> dict[str, list[str]]:
    """Query id -> candidate ids, best first: one JSON object, Mewsli-X's form."""
    form = "query id -> list of candidate ids"
    found: dict[str, list[str]] = {}
    for line, ranked, name in _by_id(path, form):
        if not isinstance(ranked, list):
            raise DataError(f"expected an object of {form}; query {shown(name)} has {shown(ranked)}", path, line)
        found[str(name)] = [scalar(candidate, "a candidate's id", path, line) for candidate in ranked]
    return found


def _by_id(path: Path, form: str) -> Iterator[Entry]:
    if is_json_lines(path):
        yield from json_rows(path)
        return
    if not isinstance(document := parse(read_text(path), path, strict=True), dict):
        raise DataError(f"expected an object of {form}, or rows {_FORM}", path)
    yield from (Entry(None, value, name) for name, value in document.items())


def pairs(path: Path) -> list[tuple[str, str]]:
    """BUCC: `id<TAB>id` a line, source first; in JSON lines an id or a list of ids. May be empty."""
    found: list[tuple[str, str]] = []
    if is_json_lines(path):
        for line, ids, name in json_rows(path):
            several = ids if isinstance(ids, list) else [] if ids in (None, "") else [ids]
            found += [(str(name), scalar(other, "a sentence's id", path, line)) for other in several]
        return found
    for line, text, _ in lines_of(path, may_be_empty=True):
        cells = text.split("\t")
        if len(cells) != 2:
            raise DataError(f"expected two sentence ids with a tab between, found {len(cells)} columns", path, line)
        if not re.fullmatch("[!-~]+", cells[1].strip() or "-"):
            problem = f"expected two sentence ids, found {shown(cells[1])}: text and no id; gold is in the .gold file"
            raise DataError(problem, path, line)
        source, target = (scalar(cell, "a sentence's id", path, line) for cell in cells)
        found.append((source, target))
    return found


class ScoredFiles(NamedTuple):
    """The files that one call compares."""

    task: Task
    language: str
    gold: Path
    predictions: Path


class Matched(NamedTuple):
    """One gold and one prediction per example, their number as the task counts it, and a note for the signature."""

    golds: Sequence[Any]
    predictions: Sequence[Any]
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
    if predictions and not known.intersection(values_of(predictions)):
        first, there = predictions[0], shown(", ".join(sorted(map(str, known))[:5])).strip("'")
        problem = f"not one predicted label occurs in gold: {shown(first.value)} here, {there} there"
        raise DataError(problem, files.predictions, first.line)
    strange = sum(one.value not in labels for one in predictions) if labels else 0
    return f" | unknown labels={strange}" if strange else ""


def check_count(files: ScoredFiles, golds: Sequence[Any], predictions: Sequence[Any], what: str) -> None:
    """Refuse predictions whose number is not that of gold."""
    if len(golds) != len(predictions):
        raise DataError(f"{len(predictions)} {what}, but {len(golds)} in {files.gold}", files.predictions)


def in_order(files: ScoredFiles, golds: Sequence[Entry], predictions: list[Entry]) -> list[Entry]:
    """Predictions of JSON lines in the order of gold: by id where gold has the same ids, else as they are.

    Raises `DataError` where the ids are numbers out of order, and gold has no such ids.
    """
    place = {one.id: one for one in predictions}
    if place.keys() == {one.id for one in golds} and None not in place:
        return [place[one.id] for one in golds]
    numbers = [int(name) for name in place if name is not None and name.isdecimal()]
    if len(numbers) == len(predictions) and numbers != sorted(numbers):
        problem = "the ids are not in order, and gold has no ids to join by: sort the rows as gold is"
        raise DataError(problem, files.predictions, predictions[0].line)
    return predictions


def by_id(files: ScoredFiles, golds: Mapping[str, Any], said: Mapping[str, Any], missing: Any) -> Matched:
    """Join by id. Raises `DataError` when nothing was predicted, or something for an id that gold does not have."""
    if extra := [name for name in said if name not in golds]:
        raise DataError(f"{len(extra)} ids are not in {files.gold}, the first is {shown(extra[0])}", files.predictions)
    if not said:
        raise DataError(f"no predictions for the {len(golds)} ids of {files.gold}", files.predictions)
    absent = len(golds) - len(said)
    note = f" | missing={absent}" if absent else ""
    return Matched(list(golds.values()), [said.get(name, missing) for name in golds], len(golds), note)
