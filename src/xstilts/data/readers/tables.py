"""Rows of tables with given column names: JSON, CSV, tabs, Parquet; every error has file and line."""

import difflib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from xstilts.core.errors import DataError, count
from xstilts.core.json_text import rows
from xstilts.core.languages import instead, meant
from xstilts.data.readers.common import FileRow, Record, shown
from xstilts.data.readers.dialects import TableFile, is_empty, table_of
from xstilts.data.readers.labels import looks

Name = str | int
"""A column: its name, or in lines of words and tags its number from 1."""


@dataclass(frozen=True)
class Header:
    """The column names of a table, and how it is written, as far as a user says.

    Attributes:
        columns: field -> possible names, of which the first that exists counts; for `choices` a name per choice.
        quoted, separator, kind: as of `dialects.table_of`.
    """

    columns: Mapping[str, Sequence[Name]]
    optional: Collection[str] = ()
    quoted: bool | None = None
    separator: str = ""
    kind: str = ""

    def find(self, have: Collection[str], table: TableFile, line: int) -> dict[str, str]:
        """Field -> its column in one table; one of several choices is `choices` with its number. Raises `DataError`."""
        found: dict[str, str] = {}
        for field, names in self.columns.items():
            several = field == "choices" and len(names) > 1
            for number, asked in enumerate([[name] for name in names] if several else [names]):
                there = [name for name in asked if isinstance(name, str) and name in have]
                if there:
                    found[f"{field}{number}" if several else field] = there[0]
                elif field not in self.optional:
                    raise missing(field, asked, have, table.path, line, table.doubt)
        return found


def table_rows(path: Path, header: Header, language: str) -> Iterator[FileRow]:
    """The rows of one table in one language; a table without `language` column has one language.

    The column may spell the language in any way (`zh_TW`, `deu`). Rows of other languages are left out;
    `languages_told` counts those that are read in no language. Raises `DataError` if it is not a table, for a missing
    or repeated column, and for a row with other columns than the first.
    """
    for row in _rows(path, header):
        if "language" not in row.columns or language in (_said(row), meant(_said(row))):
            yield row


def spellings(path: Path, header: Header) -> Counter[str]:
    """Counts of the values in a table's `language` column; empty without the column."""
    return Counter(_said(row) for row in _rows(path, header) if "language" in row.columns)


def languages_told(path: Path, header: Header, languages: Collection[str], read: Collection[str]) -> list[str]:
    """Notes on a table's `language` column: spellings that count as one language, and rows that are left out.

    Args:
        languages: those of the task.
        read: those in which the table is read.
    """
    found: dict[str, Counter[str]] = {}
    outside, unread = Counter[str](), Counter[str]()
    for said, number in spellings(path, header).items():
        code = said if said in languages else meant(said)
        place = unread if code in languages else outside
        (found.setdefault(code, Counter()) if code in read else place)[said] += number
    only = f"left out, since the file is read in {', '.join(sorted(read)[:8])}{' ...' * (len(read) > 8)} only"
    notes = []
    for others, why in ((outside, "in none of the task's languages and left out"), (unread, only)):
        if others:
            rows = f"{count(others.total(), 'row')} {'is' if others.total() == 1 else 'are'}"
            notes.append(f"{rows} {why}: {listed(others)}")
    several = sorted((code, said) for code, said in found.items() if len(said) > 1)
    return [*notes, *(f"{listed(said)} are read as one language, '{code}'" for code, said in several)]


def listed(said: Counter[str]) -> str:
    """`'am' (4), 'jp' (2, did you mean ja?)`: values of a `language` column, the most frequent first."""
    hints = {one: f", did you mean {code}?" for one in said if (code := instead(one))}
    more = f" and {len(said) - 8} more" if len(said) > 8 else ""
    return ", ".join(f"'{one}' ({number}{hints.get(one, '')})" for one, number in said.most_common(8)) + more


def _said(row: FileRow) -> str:
    """The language of a row as the table spells it; may be empty."""
    return "" if row.value("language") is None else row.text("language").strip()


def _rows(path: Path, header: Header) -> Iterator[FileRow]:
    table = table_of(path, header.quoted, header.separator, header.kind)
    columns: dict[str, str] = {}
    for line, number, record in _records(table):
        if table.form == "json" or not columns:  # rows of JSON name their columns each
            here = header.find(record, table, line if table.form == "json" else table.first)
            columns = columns or here
            if odd := columns.items() ^ here.items():
                (field, name), *_ = sorted(odd)
                raise DataError(f"'{name}' ({field}) is in some rows and not in others", table.path, line)
        yield FileRow(record, table.path, line, number, columns)


def _records(table: TableFile) -> Iterator[tuple[int, int, Record]]:
    """(Line, number, fields by name) of each row."""
    if table.form == "json":
        for line, number, value in rows(table.text, table.path):
            if not isinstance(value, dict):
                raise DataError(f"expected a JSON object, found {type(value).__name__}", table.path, line)
            if isinstance(value.get("paragraphs"), list):
                raise DataError("is SQuAD's JSON, not rows: use `like: squad_v1` (or squad_v2)", table.path, line)
            yield line, number, value
    elif table.form in ("parquet", "columns"):
        numbered = enumerate(_parquet(table), start=1) if table.form == "parquet" else _by_header(table)
        yield from ((line, line, value) for line, value in numbered)
    else:
        head = table.text.partition("\n")[0]
        found = "tsv" if "\t" in head else "csv" if "," in head else ""
        hint = f"; if its first line is a header, call it .{found}" if found else ""
        raise DataError(f"columns are read from .jsonl, .json, .csv, .tsv and .parquet files{hint}", table.path)


def _by_header(table: TableFile) -> Iterator[tuple[int, Record]]:
    """Rows under the header, without empty rows, and without empty columns that have no name."""
    path, cells = table.path, table.cells()
    top, header = next(cells, (1, []))
    width = max((place for place, name in enumerate(header, start=1) if name.strip()), default=0)
    blank = [place for place in range(1, len(header)) if not header[place].strip()]  # the first may hold row numbers
    for name in header[:width]:
        if name.strip() and header.count(name) > 1:
            raise DataError(f"column '{name}' occurs twice in the header", path, top)
    for line, row in cells:
        if is_empty(row) and (len(header) > 1 or not row):
            continue
        if len(row) > 1 and [row[0].removeprefix("\ufeff"), *row[1:]] == header:
            raise DataError("the header appears again (were files concatenated?): remove this line", path, line)
        if not width <= len(row) <= len(header):
            raise DataError(f"expected {count(len(header), 'column')} as in the header, found {len(row)}", path, line)
        if odd := [place for place in blank if any(row[place : place + 1])]:
            found = f"column {odd[0] + 1} has no name in the header, but here it holds {shown(row[odd[0]])}"
            raise DataError(found, path, line)
        yield line, dict(zip(header[:width], row))


def _parquet(table: TableFile) -> Iterator[Record]:
    """Parquet's rows, as Python's values."""
    import pyarrow as pa  # heavy, and seldom used
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(table.raw))
        names = file.schema_arrow.names
        if double := [name for name in names if names.count(name) > 1]:
            raise DataError(f"column '{double[0]}' occurs twice", table.path)
        for batch in file.iter_batches():
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        problem = str(error).partition("\n")[0][:200]
        raise DataError(f"damaged Parquet ({problem})", table.path) from None


def missing(
    field: str, names: Sequence[Name], have: Collection[str], path: Path, line: int | None, doubt: str = ""
) -> DataError:
    """The error for a missing column: what was looked for, the columns that exist, the nearest, and a `doubt`."""
    asked = " or ".join(f"'{name}'" if isinstance(name, str) else str(name) for name in names)
    near = [match for name in names for match in difflib.get_close_matches(str(name), list(have), n=1)]
    shown = ascii if near and looks(near[0]) in map(looks, map(str, names)) else repr
    hint = f"did you mean {shown(near[0])}?" if near else f"say `columns: {{{field}: ...}}`"
    hints = "; ".join(filter(None, (hint, doubt)))
    return DataError(f"no column {asked} for {field}; columns here: {', '.join(have)[:200]}; {hints}", path, line)
