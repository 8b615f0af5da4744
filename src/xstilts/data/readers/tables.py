"""Rows of tables whose columns are named elsewhere: JSON lines, CSV, tab-separated; every fault with file and line."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xstilts.core.errors import DataError, UnknownName
from xstilts.core.languages import code_of
from xstilts.data.readers.common import Record, csv_rows, records, tab_rows, written

Name = str | int
"""Of a column: its name, or in lines of words and tags its number from 1."""
TABLES = ("jsonl", "csv", "tsv")
"""Suffixes of tables; `.gz` may follow."""


@dataclass(frozen=True)
class Row:
    """One row of a table; `columns` says which column holds a field."""

    record: Record
    columns: Mapping[str, str]
    path: Path
    line: int

    def error(self, problem: str) -> DataError:
        """A fault of this row."""
        return DataError(problem, self.path, self.line)

    def value(self, field: str) -> Any:
        """What is in the field's column."""
        return self.record[self.columns[field]]

    def text(self, field: str) -> str:
        """A field that must be text."""
        value = self.value(field)
        if not isinstance(value, str):
            raise self.error(f"'{self.columns[field]}' should be text, found {type(value).__name__}")
        return written(value, self.columns[field], self.path, self.line)

    def texts(self, field: str) -> tuple[str, ...]:
        """A field that must be a list of texts."""
        value = self.value(field)
        if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
            raise self.error(f"'{self.columns[field]}' should be a list of texts, found {str(value)[:60]!r}")
        return tuple(written(entry, self.columns[field], self.path, self.line) for entry in value)

    def id(self) -> str:
        """Its `id`, text or a whole number, else the line's number."""
        return self.name("id") if "id" in self.columns else str(self.line)

    def name(self, field: str) -> str:
        """A label or an id: text, or in JSON a number or a truth value as JSON writes it."""
        value = self.value(field)
        if not isinstance(value, str | int) or value == "":
            found = "an empty one" if value == "" else type(value).__name__
            raise self.error(f"'{self.columns[field]}' should be a name or a whole number, found {found}")
        return written(
            value if isinstance(value, str) else json.dumps(value), self.columns[field], self.path, self.line
        )


def suffix(path: Path) -> str:
    """The last part of a file's name, `.gz` aside."""
    return path.name.removesuffix(".gz").rpartition(".")[2]


@dataclass(frozen=True)
class Header:
    """What a table's columns are called.

    Attributes:
        columns: field -> possible names, of which the first that is there counts; for `choices` a name per choice.
        optional: fields that a table may lack.
    """

    columns: Mapping[str, Sequence[Name]]
    optional: Collection[str] = ()

    def find(self, have: Collection[str], path: Path, line: int) -> dict[str, str]:
        """Field -> its column in one table; one of several choices is `choices` with its number. Raises `DataError`."""
        found: dict[str, str] = {}
        for field, names in self.columns.items():
            several = field == "choices" and len(names) > 1
            for number, asked in enumerate([[name] for name in names] if several else [names]):
                there = [name for name in asked if isinstance(name, str) and name in have]
                if there:
                    found[f"{field}{number}" if several else field] = there[0]
                elif field not in self.optional:
                    raise missing(field, asked, have, path, line)
        return found


def table_rows(path: Path, header: Header, language: str, quoted: bool = False) -> Iterator[Row]:
    """The rows of one table in one language; a table without `language` column has one language.

    Args:
        quoted: whether a tab-separated table is in csv quoting.

    Raises:
        DataError: another form, a column that is not there or there twice, a row with other columns than the first.
    """
    columns: dict[str, str] = {}
    named = suffix(path) == "jsonl"  # in every row anew
    for line, record in _records(path, quoted):
        if named or not columns:
            here = header.find(record, path, line if named else 1)
            columns = columns or here
            if odd := columns.items() ^ here.items():
                (field, name), *_ = sorted(odd)
                raise DataError(f"'{name}' ({field}) is in some rows and not in others", path, line)
        row = Row(record, columns, path, line)
        if "language" not in columns or row.text("language") == language or _spoken(row) == language:
            yield row


def _records(path: Path, quoted: bool) -> Iterator[tuple[int, Record]]:
    kind = suffix(path)
    if kind == "jsonl":
        yield from records(path)
        return
    if kind not in TABLES:
        raise DataError("columns are read from .jsonl, .csv and .tsv files, .gz behind it or not", path)
    rows = tab_rows(path) if kind == "tsv" and not quoted else csv_rows(path, "," if kind == "csv" else "\t")
    _, header = next(rows, (1, []))
    for name in header:
        if header.count(name) > 1:
            raise DataError(f"column '{name}' occurs twice in the header", path, 1)
    for line, row in rows:
        if not any(row) and len(row) < 2 and len(row) < len(header):
            continue
        if len(row) != len(header):
            raise DataError(f"expected {len(header)} columns as in the header, found {len(row)}", path, line)
        yield line, dict(zip(header, row))


def missing(field: str, names: Sequence[Name], have: Collection[str], path: Path, line: int) -> DataError:
    """A column that is not there: what was asked, what there is, the nearest."""
    asked = " or ".join(f"'{name}'" if isinstance(name, str) else str(name) for name in names)
    near = [match for name in names for match in difflib.get_close_matches(str(name), list(have), n=1)]
    hint = f"did you mean '{near[0]}'?" if near else f"say `columns: {{{field}: ...}}`"
    return DataError(f"no column {asked} for {field}; columns here: {', '.join(have)[:200]}; {hint}", path, line)


def _spoken(row: Row) -> str:
    try:
        return code_of(row.text("language"))
    except UnknownName as error:
        raise row.error(str(error)) from None
