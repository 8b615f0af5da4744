"""Shared by readers: rows with their place in a file, lines, cells in CSV quoting, and unique ids.

A reader is a generator `(path, language) -> (line, example)` under `checked`. It raises `DataError` with file and line
for everything that is not in the official format, and skips only what its docstring names.
"""

from __future__ import annotations

import csv
import functools
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xstilts.core.decoding import find
from xstilts.core.errors import DataError, count
from xstilts.core.files import kind_of, read_jsonl, read_text, stream_lines
from xstilts.data.examples import Example, asked
from xstilts.data.readers.labels import looks

Reader = Callable[[Path, str], Iterator[Example]]
Placed = Iterator[tuple[int | None, Example]]
"""Examples with the line where each begins, or None in a document that is not read by line."""
Record = dict[str, Any]

_NO_TEXT = re.compile("[\0\ud800-\udfff]")
"""NUL and half a surrogate pair, which JSON's escapes can write, but no UTF-8 file."""
_KINDS = {dict: "an object", list: "a list", int: "a whole number"}


def checked(read: Callable[[Path, str], Placed]) -> Reader:
    """The reader; it refuses a file without examples, an empty id, and an id that occurs twice."""

    @functools.wraps(read)
    def reader(path: Path, language: str) -> Iterator[Example]:
        return (example for _, example in check(read(path, language), path, language))

    return reader


def check(examples: Placed, path: Path, language: str) -> Placed:
    """The examples of a file, checked as `checked` says."""
    ids, found = Ids(path), False
    for number, (line, example) in enumerate(examples, start=1):
        ids.add(example.id, line, number)
        found = found or asked(example)  # candidates alone are not data
        yield line, example
    if not found:
        raise DataError(f"holds no examples for language '{language}'", path)


class Ids:
    """The ids in a file: none empty, none twice."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[str, int] = {}

    def add(self, name: str, line: int | None, number: int = 0) -> str:
        """The id, unless it is empty or occurred before; `number` is its example's, where there are no lines."""
        if not name.strip():
            raise DataError("an empty id" if line else f"example {number} has an empty id", self._path, line)
        if name in self._places:
            first = f"first in {'line' if line else 'example'} {self._places[name]}"
            raise DataError(f"id {shown(name)} occurs twice ({first})", self._path, line)
        self._places[name] = line or number
        return name


@dataclass(frozen=True)
class FileRow:
    """One record of a file.

    Attributes:
        line: where it begins; in Parquet the row's number; None in a document that is not read by line.
        number: its id where it has none: the line, or in a JSON list the row's number.
        columns: field -> the column that holds it; other fields are called as their columns.
    """

    record: Record
    path: Path
    line: int | None
    number: int = 0
    columns: Mapping[str, str] = field(default_factory=dict)

    def error(self, problem: str) -> DataError:
        """An error at this row."""
        return DataError(problem, self.path, self.line)

    def column(self, field: str) -> str:
        """The column that holds a field."""
        return self.columns.get(field, field)

    def value(self, field: str) -> Any:
        """The content of the field's column."""
        return self.record[self.column(field)]

    def written(self, words: str, what: str) -> str:
        """The text, if it can be written to a file."""
        if match := _NO_TEXT.search(words):
            raise self.error(f"{what!r} holds {match[0]!a}, which is not text")
        return words

    def text(self, *fields: str) -> str:
        """The first of the fields that the row has; it must be text."""
        for name in map(self.column, fields):
            if name in self.record:
                if not isinstance(self.record[name], str):
                    raise self.error(f"'{name}' should be text, found {type(self.record[name]).__name__}")
                return self.written(self.record[name], name)
        have = ", ".join(map(str, self.record)) or "none"
        raise self.error(f"no field {' or '.join(fields)}; fields here: {have[:200]!r}")

    def texts(self, field: str) -> tuple[str, ...]:
        """A field that must be a list of texts."""
        name, value = self.column(field), self.record.get(self.column(field))
        if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
            raise self.error(f"'{name}' should be a list of texts, found {str(value)[:60]!r}")
        return tuple(self.written(entry, name) for entry in value)

    def label(self, labels: Sequence[str], field: str) -> str:
        """A field that must be one of the labels."""
        return one_of(self.text(field), labels, self.path, self.line)

    def index(self, field: str, size: int) -> int:
        """A field that must be the number of a choice, from 0 and below `size`, as a number or as its digits."""
        value = self.record[field]
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 3:
            value = int(value)
        if type(value) is not int or not 0 <= value < size:
            found = shown(value if isinstance(value, (list, dict)) else str(value))
            raise self.error(f"label should be a number from 0 to {size - 1}, found {found}")
        return value

    def part(self, field: str, kind: type) -> Any:
        """A field that must be a list, an object or a whole number."""
        value = self.record.get(field)
        if type(value) is not kind:
            raise self.error(f"'{field}' should be {_KINDS[kind]}, found {type(value).__name__}")
        return value

    def row(self, field: str) -> FileRow:
        """A field that must be an object, as a row of its own."""
        return FileRow(self.part(field, dict), self.path, self.line)

    def rows(self, field: str) -> list[FileRow]:
        """A field that must be a list of objects."""
        entries = self.part(field, list)
        if odd := [entry for entry in entries if not isinstance(entry, dict)]:
            raise self.error(f"'{field}' should hold only objects, found {type(odd[0]).__name__}")
        return [FileRow(entry, self.path, self.line) for entry in entries]

    def id(self) -> str:
        """The row's `id` (text or a whole number), else its number."""
        return self.name("id") if "id" in self.columns else str(self.number)

    def name(self, field: str) -> str:
        """A label or an id: text, or in JSON a number or a truth value as JSON writes it."""
        value = self.value(field)
        if not isinstance(value, str | int) or value == "":
            found = "an empty one" if value == "" else type(value).__name__
            raise self.error(f"'{self.column(field)}' should be a name or a whole number, found {found}")
        return self.written(value if isinstance(value, str) else json.dumps(value), self.column(field))


_NUL = "holds a NUL byte: not a text file, or in UTF-16"
_CR_ALONE = "its lines end with CR only: save it with LF or CR LF"


def text_of(path: Path) -> str:
    """A file of lines as text; see `lined`."""
    return lined(read_text(path), path)


def lined(words: str, path: Path) -> str:
    """The text. Raises `DataError` if it holds NUL (as UTF-16 without its mark does) or lines that end at CR alone."""
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
    """`lines_of` one by one, of a file of any size; an error is raised when its line is reached."""
    for number, line in enumerate(stream_lines(path), start=1):
        if "\0" in line:
            raise DataError(_NUL, path, number)
        if number == 1 and "\r" in line and not line.endswith("\n"):  # then it is the whole file
            raise DataError(_CR_ALONE, path, 1)
        yield line.removesuffix("\n").removesuffix("\r")


def json_rows(path: Path) -> Iterator[FileRow]:
    """The objects of JSON lines."""
    for line, value in read_jsonl(path):
        if not isinstance(value, dict):
            raise DataError(f"expected a JSON object, found {type(value).__name__}", path, line)
        yield FileRow(value, path, line)


def records(path: Path) -> Iterator[FileRow]:
    """Rows of a `.jsonl`, a `.csv` (quoted), or any other file: tab-separated, never quoted."""
    kind = kind_of(path)
    if kind == "jsonl":
        yield from json_rows(path)
        return
    cells = csv_cells(text_of(path), ",", path) if kind == "csv" else tab_rows(path)
    _, header = next(cells, (1, []))
    if double := next((name for name in header if name and header.count(name) > 1), ""):
        raise DataError(f"column {shown(double)} occurs twice in the header", path, 1)
    for line, row in cells:
        # SNLI's and MultiNLI's training text files leave out the empty columns at the end of a row.
        if len(row) > len(header) or (kind == "csv" and len(row) < len(header)):
            raise DataError(f"expected {count(len(header), 'column')} as in the header, found {len(row)}", path, line)
        yield FileRow(dict(zip(header, row)), path, line)


def records_with(path: Path, name: str) -> tuple[list[FileRow], bool]:
    """`records`, and whether they have the field `name`. All rows have it or none does (gold is withheld)."""
    rows = list(records(path))
    first = bool(rows) and name in rows[0].record
    for row in rows:
        if (name in row.record) != first:
            raise row.error(f"{'no' if first else 'a'} field {name} here, unlike line {rows[0].line}")
    return rows, first


def beside(path: Path, name: str, what: str = "") -> Path:
    """The file of that name beside another one, compressed or not; `what` is for the message."""
    found = find(path.with_name(name))
    if found is None:
        raise DataError(f"{what}{name} (compressed or not) is missing beside it", path)
    return found


def tab_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(Line, cells) of tab-separated lines without quoting."""
    return ((line, text.split("\t")) for line, text in enumerate(lines_of(path), start=1))


def csv_cells(words: str, delimiter: str, path: Path, start: int = 1) -> Iterator[tuple[int, list[str]]]:
    """(Line, cells) of rows as Python's csv writer writes them: fields with a quote or a line end are quoted."""
    first = start
    csv.field_size_limit(sys.maxsize)  # else 131,072 characters
    lines = [f"{piece}\n" for piece in words.removesuffix("\n").split("\n")] if words else []
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        for row in reader:
            yield start, row
            start = first + reader.line_num
    except csv.Error as error:
        fault = str(error).replace("\t", "\\t")
        if fault.startswith("new-line character"):
            fault = "a carriage return without a line feed inside a row: remove it, or put the field in quotes"
        raise DataError(f"not in csv quoting ({fault})", path, start) from None


def shown(value: Any) -> str:
    """A value as a message shows it: short, in one line; lists and objects by their type alone."""
    if isinstance(value, str):
        return repr(value[:60])
    return type(value).__name__ if isinstance(value, (list, dict)) else f"{value!r:.60}"


def one_of(label: str, labels: Sequence[str], path: Path, line: int | None) -> str:
    """The label, if it is one of `labels`."""
    if label not in labels:
        known = repr(", ".join(labels[:8]))[1:-1] + (" ..." if len(labels) > 8 else "")  # some are a file's own
        near = next((one for one in labels if looks(one) == looks(label)), "")
        found = f"{label[:60]!a}, which looks like {near!a} but is another text" if near else shown(label)
        if not near and (same := next((one for one in labels if one.casefold() == label.casefold()), "")):
            found += f", which differs from {same!r} in case"
        raise DataError(f"unknown label {found}; labels are {known:.200}", path, line)
    return label
