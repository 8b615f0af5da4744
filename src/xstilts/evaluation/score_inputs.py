"""Readers of gold and prediction files in the forms that `score_files` accepts; every fault with file and line.

They keep what the files say and judge nothing; what belongs together is checked in `score_files`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from xstilts.core.errors import DataError
from xstilts.core.files import read_json, read_jsonl, read_lines

LABEL_COLUMNS = ("gold_label", "label", "category")


class Item(NamedTuple):
    """A value and the line where it begins (1-based)."""

    line: int
    value: Any


Sentence = list[Item]


def is_json_lines(path: Path) -> bool:
    """Whether the name says so: `.jsonl`, packed or not."""
    return path.name.removesuffix(".gz").endswith(".jsonl")


def lines_of(path: Path) -> list[Item]:
    """All lines. Raises `DataError` for a file without any."""
    items = [Item(line, text) for line, text in enumerate(read_lines(path), start=1)]
    if not items:
        raise DataError("is empty", path)
    return items


def json_rows(path: Path) -> list[tuple[int, str, Any]]:
    """(line, id, prediction) of our own form, and of XCOPA's, where `label` and `idx` stand for them."""
    rows: list[tuple[int, str, Any]] = []
    seen: dict[str, int] = {}
    for line, row in read_jsonl(path):
        key = next((name for name in ("prediction", "label") if isinstance(row, dict) and name in row), None)
        if key is None:
            raise DataError('expected {"id": ..., "prediction": ...}', path, line)
        name = str(row.get("id", row.get("idx", line)))
        if name in seen:
            raise DataError(f"id '{name}' occurs twice (first in line {seen[name]})", path, line)
        seen[name] = line
        rows.append((line, name, row[key]))
    return rows


def gold_labels(path: Path, language: str) -> list[Item]:
    """Labels of one language: one per line, the label column of a table with or without header, or JSON lines.

    Raises:
        DataError: a table of two columns (XTREME's test files, whose labels are taken away), or of ragged rows.
    """
    if is_json_lines(path):
        rows = [(line, row) for line, row in read_jsonl(path)]
        for line, row in rows:
            if not isinstance(row, dict) or not any(name in row for name in LABEL_COLUMNS):
                raise DataError("no label in this row", path, line)
        mine = [(line, row) for line, row in rows if row.get("language", language) == language]
        return [Item(line, next(str(row[name]) for name in LABEL_COLUMNS if name in row)) for line, row in mine]
    lines = lines_of(path)
    header = lines[0].value.split("\t")
    column = next((header.index(name) for name in LABEL_COLUMNS if name in header), None) if len(header) > 1 else None
    if column is None and len(header) == 2:
        raise DataError("no label column: XTREME's test files are without gold, take the official labels", path, 1)
    table = [(line, text.split("\t")) for line, text in (lines if column is None else lines[1:])]
    for line, cells in table:
        if len(cells) != len(header):
            raise DataError(f"{len(cells)} columns, but {len(header)} in the first line", path, line)
    if column is not None and "language" in header:
        where = header.index("language")
        table = [(line, cells) for line, cells in table if cells[where] == language]
    return [Item(line, cells[-1 if column is None else column].strip()) for line, cells in table]


def predicted_labels(path: Path) -> list[Item]:
    """One label per line, or JSON lines in the order of gold."""
    if is_json_lines(path):
        return [Item(line, str(value)) for line, _, value in json_rows(path)]
    lines = lines_of(path)
    for line, text in lines:
        if "\t" in text:
            raise DataError(f"expected one label, found {len(text.split(chr(9)))} columns", path, line)
    return [Item(line, text.strip()) for line, text in lines]


def indices(path: Path) -> list[Item]:
    """Tatoeba: a candidate's number per line, also written `[12]` as the official retrieval script does."""
    items = [Item(line, text.strip("[] ")) for line, text in predicted_labels(path)]
    for line, text in items:
        if not text.isdecimal():
            raise DataError(f"expected the number of a candidate, found '{text}'", path, line)
    return [Item(line, int(text)) for line, text in items]


def sentences(path: Path) -> list[Sentence]:
    """Tags, or words and tags, one per line with blank lines between sentences; or lists of tags as JSON lines."""
    if is_json_lines(path):
        rows = json_rows(path)
        for line, _, tags in rows:
            if not isinstance(tags, list):
                raise DataError("expected a list of tags as prediction", path, line)
        return [[Item(line, str(tag)) for tag in tags] for line, _, tags in rows]
    found: list[Sentence] = [[]]
    for line, text in lines_of(path):
        cells = text.split("\t")
        if len(cells) > 2:
            hint = "; XTREME's converter makes two columns of CoNLL-U" if len(cells) == 10 else ""
            raise DataError(f"expected a tag, or a word and a tag, found {len(cells)} columns{hint}", path, line)
        if text.strip():
            found[-1].append(Item(line, cells[-1].strip()))
        elif found[-1]:
            found.append([])
    return [sentence for sentence in found if sentence]


def gold_answers(path: Path) -> dict[str, list[str]]:
    """Question id -> gold answers, from SQuAD's JSON (or its `data` list alone)."""
    document = read_json(path)
    found: dict[str, list[str]] = {}
    try:
        articles = document["data"] if isinstance(document, dict) else document
        questions = [one for article in articles for part in article["paragraphs"] for one in part["qas"]]
        for question in questions:
            name = str(question["id"])
            if name in found:
                raise DataError(f"question id '{name}' occurs twice: predictions could not be told apart", path)
            found[name] = [str(answer["text"]) for answer in question["answers"]]
    except KeyError as missing:
        raise DataError(f"not in SQuAD's JSON form with answers: no {missing}", path) from None
    except (TypeError, AttributeError):
        raise DataError("not in SQuAD's JSON form with answers", path) from None
    return found


def predicted_answers(path: Path) -> dict[str, str]:
    """Question id -> predicted answer, from one JSON object or JSON lines."""
    if is_json_lines(path):
        said = {name: value for _, name, value in json_rows(path)}
    else:
        said = read_json(path)
    if not isinstance(said, dict):
        raise DataError("expected an object of question id -> answer", path)
    for name, answer in said.items():
        if not isinstance(answer, str):
            raise DataError(f"the answer to question '{name}' is not a string", path)
    return said


def rankings(path: Path) -> dict[str, list[str]]:
    """Query id -> candidate ids, best first: Mewsli-X's form of gold and predictions; or JSON lines."""
    found = {name: value for _, name, value in json_rows(path)} if is_json_lines(path) else read_json(path)
    if not isinstance(found, dict) or not all(isinstance(ranked, list) for ranked in found.values()):
        raise DataError("expected an object of query id -> list of candidate ids", path)
    return {name: [str(candidate).strip() for candidate in ranked] for name, ranked in found.items()}


def pairs(path: Path) -> list[tuple[str, str]]:
    """BUCC: `id<TAB>id` per line, source first; or JSON lines with one id or a list of ids. May be empty."""
    if is_json_lines(path):
        listed = [(name, ids if isinstance(ids, list) else [ids] if ids else []) for _, name, ids in json_rows(path)]
        return [(name, str(other)) for name, ids in listed for other in ids]
    found: list[tuple[str, str]] = []
    for line, text in enumerate(read_lines(path), start=1):
        cells = text.strip().split("\t")
        if len(cells) != 2:
            raise DataError(f"expected two sentence ids with a tab between, found {len(cells)} columns", path, line)
        found.append((cells[0], cells[1]))
    return found
