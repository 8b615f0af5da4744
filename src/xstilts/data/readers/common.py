"""What readers share: rows with their line numbers, fields by name, unique ids.

A reader is a generator `(path, language) -> examples` under `checked`. It raises `DataError` with file and line for
whatever is not in the official format; nothing is skipped but what its docstring names.
"""

from __future__ import annotations

import csv
import functools
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from xstilts.core.errors import DataError
from xstilts.core.files import kind_of, read_jsonl, read_text, stream_lines
from xstilts.core.packed import find
from xstilts.data.examples import Example, asked

Reader = Callable[[Path, str], Iterator[Example]]
Record = dict[str, Any]

_NO_TEXT = re.compile("[\0\ud800-\udfff]")
"""What JSON's escapes can write and no text holds: NUL, and half a surrogate pair, which no UTF-8 file could keep."""


def checked(read: Reader) -> Reader:
    """The reader, refusing a file without examples, an empty id and one that occurs twice."""

    @functools.wraps(read)
    def reader(path: Path, language: str) -> Iterator[Example]:
        seen: dict[str, int] = {}
        found = False
        for number, example in enumerate(read(path, language), start=1):
            if not example.id.strip():
                raise DataError(f"example {number} has an empty id", path)
            if example.id in seen:
                raise DataError(f"id {example.id!r} occurs twice (examples {seen[example.id]} and {number})", path)
            seen[example.id] = number
            found = found or asked(example)  # candidates alone are no data
            yield example
        if not found:
            raise DataError(f"holds no examples for language '{language}'", path)

    return reader


class Ids:
    """The ids that a file of lines gives its examples: none empty, none twice."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: dict[str, int] = {}

    def new(self, name: str, line: int) -> str:
        """The id, if it is one and has not been there before."""
        if not name.strip():
            raise DataError("an empty id", self._path, line)
        if name in self._lines:
            raise DataError(f"id {shown(name)} occurs twice (first in line {self._lines[name]})", self._path, line)
        self._lines[name] = line
        return name


_NUL = "holds a NUL byte: no text, or in UTF-16"
_CR_ALONE = "its lines end at CR alone; they should end at LF or CR LF"


def text_of(path: Path) -> str:
    """A file of lines as text. Raises `DataError` for what UTF-8 allows and no such file holds: see `lined`."""
    return lined(read_text(path), path)


def lined(words: str, path: Path) -> str:
    """The text, unless it holds NUL (as UTF-16 without its mark does), or its lines end at CR alone."""
    if (at := words.find("\0")) >= 0:
        raise DataError(_NUL, path, words.count("\n", 0, at) + 1)
    if "\r" in words and "\n" not in words:
        raise DataError(_CR_ALONE, path, 1)
    return words


def lines_of(path: Path) -> list[str]:
    """`text_of` in lines without their LF or CR LF; a final newline does not make an empty last line."""
    lines = [line.removesuffix("\r") for line in text_of(path).split("\n")]
    return lines[:-1] if lines[-1] == "" else lines


def lines_in(path: Path) -> Iterator[str]:
    """`lines_of` one by one, of a file of any size; what is wrong with it is raised when its line is reached."""
    for number, line in enumerate(stream_lines(path), start=1):
        if "\0" in line:
            raise DataError(_NUL, path, number)
        if number == 1 and "\r" in line and not line.endswith("\n"):  # then it is the whole file
            raise DataError(_CR_ALONE, path, 1)
        yield line.removesuffix("\n").removesuffix("\r")


def records(path: Path) -> Iterator[tuple[int, Record]]:
    """Pairs (line, fields by name) of a `.jsonl`, a `.csv` (quoted), or any other file: tab-separated, never quoted."""
    kind = kind_of(path)
    if kind == "jsonl":
        for line, value in read_jsonl(path):
            if not isinstance(value, dict):
                raise DataError(f"expected a JSON object, found {type(value).__name__}", path, line)
            yield line, value
        return
    rows = csv_rows(path, ",") if kind == "csv" else tab_rows(path)
    _, header = next(rows, (1, []))
    if double := next((name for name in header if name and header.count(name) > 1), ""):
        raise DataError(f"column {shown(double)} occurs twice in the header", path, 1)
    for line, row in rows:
        # SNLI's and MultiNLI's training text files leave out the empty columns at the end of a row.
        if len(row) > len(header) or (kind == "csv" and len(row) < len(header)):
            raise DataError(f"expected {len(header)} columns as in the header, found {len(row)}", path, line)
        yield line, dict(zip(header, row))


def records_with(path: Path, name: str) -> tuple[list[tuple[int, Record]], bool]:
    """`records`, and whether they have the field `name`, which is in all of them or in none (gold is withheld)."""
    rows = list(records(path))
    first = bool(rows) and name in rows[0][1]
    for line, record in rows:
        if (name in record) != first:
            raise DataError(f"{'no' if first else 'a'} field {name} here, unlike in line {rows[0][0]}", path, line)
    return rows, first


def beside(path: Path, name: str, what: str = "") -> Path:
    """The file of that name beside another one, packed or not; `what` it is, for the message."""
    found = find(path.with_name(name))
    if found is None:
        raise DataError(f"{what}{name} (packed or not) is not beside it", path)
    return found


def tab_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Tab-separated lines without quoting."""
    for line, text in enumerate(lines_of(path), start=1):
        yield line, text.split("\t")


def csv_rows(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Rows of Python's csv writer: fields with a quote are quoted, inner quotes doubled; fields may hold line ends."""
    yield from csv_cells(text_of(path), delimiter, path)


def csv_cells(words: str, delimiter: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """`csv_rows` of a text."""
    csv.field_size_limit(sys.maxsize)  # else 131,072 characters
    pieces = words.split("\n")
    lines = [f"{piece}\n" for piece in pieces[:-1]] + [piece for piece in pieces[-1:] if piece]
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    start = 1
    try:
        for row in reader:
            yield start, row
            start = reader.line_num + 1
    except csv.Error as error:
        fault = str(error).replace("\t", "\\t")
        raise DataError(f"not in csv quoting ({fault})", path, start) from None


def text(record: Record, names: Sequence[str], path: Path, line: int) -> str:
    """The first of the fields `names` that the record has; it must be text."""
    for name in names:
        if name in record:
            if not isinstance(record[name], str):
                raise DataError(f"'{name}' should be text, found {type(record[name]).__name__}", path, line)
            return written(record[name], name, path, line)
    asked, have = " or ".join(names), ", ".join(map(str, record)) or "none"
    raise DataError(f"no field {asked}; fields here: {have[:200]!r}", path, line)


def written(words: str, what: str, path: Path, line: int | None = None) -> str:
    """The text, if it can be written to a file: JSON can escape NUL and halves of surrogate pairs."""
    if match := _NO_TEXT.search(words):
        raise DataError(f"{what!r} holds {match[0]!a}, which is no text", path, line)
    return words


def shown(value: Any) -> str:
    """A value as a message shows it: short, in one line, and a list or an object by its type alone."""
    if isinstance(value, str):
        return repr(value[:60])
    return type(value).__name__ if isinstance(value, (list, dict)) else f"{value!r:.60}"


def one_of(label: str, labels: Sequence[str], path: Path, line: int) -> str:
    """The label, if it is one of `labels`."""
    if label not in labels:
        known = repr(", ".join(labels[:8]))[1:-1] + (" ..." if len(labels) > 8 else "")  # some are a file's own
        raise DataError(f"unknown label {shown(label)}; labels are {known:.200}", path, line)
    return label


def index(value: Any, size: int, path: Path, line: int) -> int:
    """A 0-based choice number below `size`, given as a number or as its digits."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 3:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < size:
        found = shown(value if isinstance(value, (list, dict)) else str(value))
        raise DataError(f"label should be a number from 0 to {size - 1}, found {found}", path, line)
    return value
