"""What readers share: rows with their line numbers, fields by name, unique ids.

A reader is a generator `(path, language) -> examples` under `checked`. It raises `DataError` with file and line for
whatever is not in the official format; nothing is skipped but what its docstring names.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from xstilts.core.errors import DataError
from xstilts.core.files import read_jsonl, read_lines, read_text
from xstilts.data.examples import Example

Reader = Callable[[Path, str], Iterator[Example]]
Record = dict[str, Any]


def checked(read: Reader) -> Reader:
    """The reader, refusing a file without examples and an id that occurs twice."""

    @functools.wraps(read)
    def reader(path: Path, language: str) -> Iterator[Example]:
        seen: dict[str, int] = {}
        for number, example in enumerate(read(path, language), start=1):
            if example.id in seen:
                raise DataError(f"id {example.id!r} occurs twice (examples {seen[example.id]} and {number})", path)
            seen[example.id] = number
            yield example
        if not seen:
            raise DataError(f"holds no examples for language '{language}'", path)

    return reader


def records(path: Path) -> Iterator[tuple[int, Record]]:
    """Pairs (line, fields by name) of a `.jsonl`, a `.csv` (quoted), or any other file: tab-separated, never quoted."""
    kind = path.name.removesuffix(".gz").rpartition(".")[2]
    if kind == "jsonl":
        for line, value in read_jsonl(path):
            if not isinstance(value, dict):
                raise DataError(f"expected a JSON object, found {type(value).__name__}", path, line)
            yield line, value
        return
    rows = csv_rows(path, ",") if kind == "csv" else tab_rows(path)
    _, header = next(rows, (1, []))
    for line, row in rows:
        # SNLI's and MultiNLI's training text files leave out the empty columns at the end of a row.
        if len(row) > len(header) or (kind == "csv" and len(row) < len(header)):
            raise DataError(f"expected {len(header)} columns as in the header, found {len(row)}", path, line)
        yield line, dict(zip(header, row))


def tab_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Tab-separated lines without quoting."""
    for line, text in enumerate(read_lines(path), start=1):
        yield line, text.split("\t")


def csv_rows(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Rows of Python's csv writer: fields with a quote are quoted, inner quotes doubled; fields may hold line ends."""
    pieces = read_text(path).split("\n")
    lines = [f"{piece}\n" for piece in pieces[:-1]] + [piece for piece in pieces[-1:] if piece]
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    start = 1
    try:
        for row in reader:
            yield start, row
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"not in csv quoting ({error})", path, start) from None


def text(record: Record, names: Sequence[str], path: Path, line: int) -> str:
    """The first of the fields `names` that the record has; it must be text."""
    for name in names:
        if name in record:
            if not isinstance(record[name], str):
                raise DataError(f"'{name}' should be text, found {type(record[name]).__name__}", path, line)
            return str(record[name])
    asked, have = " or ".join(names), ", ".join(map(str, record)) or "none"
    raise DataError(f"no field {asked}; fields here: {have[:200]!r}", path, line)


def one_of(label: str, labels: Sequence[str], path: Path, line: int) -> str:
    """The label, if it is one of `labels`."""
    if label not in labels:
        shown = ", ".join(labels[:8]) + (" ..." if len(labels) > 8 else "")
        raise DataError(f"unknown label {label[:60]!r}; labels are {shown}", path, line)
    return label


def index(value: Any, size: int, path: Path, line: int) -> int:
    """A 0-based choice number below `size`, given as a number or as its digits."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 3:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < size:
        raise DataError(f"label should be a number from 0 to {size - 1}, found {str(value)[:60]!r}", path, line)
    return value
