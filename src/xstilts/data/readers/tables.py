"""Rows of tables whose columns are named elsewhere: JSON, CSV, tabs, Parquet; every fault with file and line."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xstilts.core.errors import DataError
from xstilts.core.files import kind_of
from xstilts.core.json_text import rows
from xstilts.core.languages import meant
from xstilts.data.readers.common import Record, shown, written
from xstilts.data.readers.dialects import TABLES, Table, is_empty, table_of

__all__ = [
    "TABLES",
    "Header",
    "Name",
    "Row",
    "languages_said",
    "languages_told",
    "missing",
    "suffix",
    "table_rows",
]

Name = str | int
"""Of a column: its name, or in lines of words and tags its number from 1."""


@dataclass(frozen=True)
class Row:
    """One row of a table; `columns` says which column holds a field.

    Attributes:
        line: where it begins; of Parquet the row's number.
        number: its id where it has none: the line, or in a JSON list the row's number.
    """

    record: Record
    columns: Mapping[str, str]
    path: Path
    line: int
    number: int

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
        """Its `id`, text or a whole number, else its number."""
        return self.name("id") if "id" in self.columns else str(self.number)

    def name(self, field: str) -> str:
        """A label or an id: text, or in JSON a number or a truth value as JSON writes it."""
        value = self.value(field)
        if not isinstance(value, str | int) or value == "":
            found = "an empty one" if value == "" else type(value).__name__
            raise self.error(f"'{self.columns[field]}' should be a name or a whole number, found {found}")
        return written(
            value if isinstance(value, str) else json.dumps(value), self.columns[field], self.path, self.line
        )


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


def suffix(path: Path) -> str:
    """What a file's name says it is: `csv`, whatever packing is behind it."""
    return kind_of(path)


def table_rows(
    path: Path, header: Header, language: str, quoted: bool | None = None, separator: str = "", kind: str = ""
) -> Iterator[Row]:
    """The rows of one table in one language; a table without `language` column has one language.

    The column may spell the language in any way (`zh_TW`, `deu`). Rows of other languages, and of what is none, are
    left out; `languages_said` counts them.

    Args:
        quoted, separator, kind: as the user says; else as `dialects` tells.

    Raises:
        DataError: another form, a column that is not there or there twice, a row with other columns than the first.
    """
    for row in _rows(path, header, quoted, separator, kind):
        if "language" not in row.columns or language in (_said(row), meant(_said(row))):
            yield row


def languages_said(
    path: Path, header: Header, quoted: bool | None = None, separator: str = ""
) -> dict[str, Counter[str]]:
    """What a table's `language` column holds: our code -> spelling -> rows; under "" what is no language.

    Raises as `table_rows` does; a table without such a column says nothing.
    """
    found: dict[str, Counter[str]] = {}
    for row in _rows(path, header, quoted, separator):
        if "language" not in row.columns:
            return {}
        found.setdefault(meant(_said(row)), Counter())[_said(row)] += 1
    return found


def languages_told(said: Mapping[str, Counter[str]]) -> list[str]:
    """What a person should know of `languages_said`: spellings that were taken for one language, rows of none."""
    notes = []
    for code, spellings in sorted(said.items()):
        shown = ", ".join(f"'{spelling}' ({count})" for spelling, count in spellings.most_common(8))
        if not code:
            notes.append(f"{spellings.total()} rows are in no known language and are left out: {shown}")
        elif len(spellings) > 1:
            notes.append(f"{shown} are read as one language, '{code}'")
    return notes


def _rows(path: Path, header: Header, quoted: bool | None, separator: str, kind: str = "") -> Iterator[Row]:
    table = table_of(path, quoted, separator, kind)
    columns: dict[str, str] = {}
    named = table.dialect.form == "json"  # in every row anew
    for line, number, record in _records(table):
        if named or not columns:
            try:
                here = header.find(record, table.path, line if named else table.first)
            except DataError as error:
                problem = f"{error.problem}; {table.doubt}" if table.doubt else error.problem
                raise DataError(problem, error.path, error.line) from None
            columns = columns or here
            if odd := columns.items() ^ here.items():
                (field, name), *_ = sorted(odd)
                raise DataError(f"'{name}' ({field}) is in some rows and not in others", table.path, line)
        yield Row(record, columns, table.path, line, number)


def _records(table: Table) -> Iterator[tuple[int, int, Record]]:
    """(Line, number, fields by name) of each row."""
    if table.dialect.form == "json":
        for line, number, value in rows(table.text, table.path):
            if not isinstance(value, dict):
                raise DataError(f"expected a JSON object, found {type(value).__name__}", table.path, line)
            if isinstance(value.get("paragraphs"), list):
                raise DataError("is SQuAD's JSON, not rows: use `like: squad_v1` (or squad_v2)", table.path, line)
            yield line, number, value
    elif table.dialect.form == "parquet":
        for number, value in enumerate(_parquet(table), start=1):
            yield number, number, value
    elif table.dialect.form == "columns":
        for line, value in _by_header(table):
            yield line, line, value
    else:
        found = next(
            (kind for kind, mark in (("tsv", "\t"), ("csv", ",")) if mark in table.text.partition("\n")[0]), ""
        )
        hint = f"; if its first line is a header, call it .{found}" if found else ""
        raise DataError(f"columns are read from .jsonl, .json, .csv, .tsv and .parquet files{hint}", table.path)


def _by_header(table: Table) -> Iterator[tuple[int, Record]]:
    """Rows under the header. Left out are rows without content, and columns without name and content, or the first."""
    path, cells = table.path, table.cells()
    top, header = next(cells, (1, []))
    width = len(header)
    while width and not header[width - 1].strip():
        width -= 1
    blank = [place for place in range(1, len(header)) if not header[place].strip()]
    for name in header[:width]:
        if name.strip() and header.count(name) > 1:
            raise DataError(f"column '{name}' occurs twice in the header", path, top)
    for line, row in cells:
        if is_empty(row) and (len(header) > 1 or not row):
            continue
        if len(row) > 1 and [row[0].removeprefix("\ufeff"), *row[1:]] == header:
            raise DataError("the header appears again (were files concatenated?): remove this line", path, line)
        if not width <= len(row) <= len(header):
            raise DataError(f"expected {len(header)} columns as in the header, found {len(row)}", path, line)
        for place in blank:
            if any(row[place : place + 1]):
                problem = f"column {place + 1} has no name in the header, and here it holds {shown(row[place])}"
                raise DataError(problem, path, line)
        yield line, dict(zip(header[:width], row))


def _parquet(table: Table) -> Iterator[Record]:
    """Parquet's rows, as Python's values."""
    import pyarrow as pa  # heavy, and seldom asked for
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(table.raw))
        names = file.schema_arrow.names
        for name in names:
            if names.count(name) > 1:
                raise DataError(f"column '{name}' occurs twice", table.path)
        for batch in file.iter_batches():
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        problem = str(error).partition("\n")[0][:200]
        raise DataError(f"damaged Parquet ({problem})", table.path) from None


def missing(field: str, names: Sequence[Name], have: Collection[str], path: Path, line: int) -> DataError:
    """A column that is not there: what was asked, what there is, the nearest."""
    asked = " or ".join(f"'{name}'" if isinstance(name, str) else str(name) for name in names)
    near = [match for name in names for match in difflib.get_close_matches(str(name), list(have), n=1)]
    hint = f"did you mean '{near[0]}'?" if near else f"say `columns: {{{field}: ...}}`"
    return DataError(f"no column {asked} for {field}; columns here: {', '.join(have)[:200]}; {hint}", path, line)


def _said(row: Row) -> str:
    """The language of a row as the table spells it; empty where it says nothing."""
    said = row.value("language")
    return "" if said is None else row.text("language").strip()
