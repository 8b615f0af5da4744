"""How a table of a user's own is written: told by its content where that is certain, else asked for.

The suffix says CSV, tabs or JSON. Content may correct it where no other reading is possible: all rows have as many
semicolons, a `sep=;` line, the mark of UTF-16, Parquet's first bytes, tabs with csv quoting. Where two readings are
possible the file is refused with the key that decides. Official files are not read through this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from xstilts.core.decoding import decode, is_utf16
from xstilts.core.errors import DataError
from xstilts.core.files import kind_of, packing, read_bytes
from xstilts.core.packed import SUFFIXES
from xstilts.data.readers.common import csv_cells, lined, shown

RECORDS = ("jsonl", "ndjson", "json", "parquet")
"""Suffixes of rows that may hold lists."""
TABLES = (*RECORDS, "csv", "tsv")
NAMED = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
"""What the key `separator` may be."""
SEPARATORS = {mark: f"{name}s" for name, mark in NAMED.items()}
_HEAD = 1 << 16
"""Characters that hold a header."""
_OWN = {"csv": ",", "tsv": "\t"}
_SEP_LINE = re.compile(r'"?sep=([^"\r\n])"?\r?\n', re.IGNORECASE)
_FIELD = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^"\t\r\n]*))(\t|\r?\n|\Z)')
"""A field as csv writers put it between tabs: a quote in it only where the whole is quoted."""


@dataclass(frozen=True)
class Dialect:
    """How a file is written.

    Attributes:
        form: `json` (rows in any form), `parquet`, `columns`, or `lines` (of text, or of words and tags).
        separator: between columns.
        quoted: whether quotes around a field belong to the format.
        assumed: what its name does not say, in words.
    """

    form: str
    separator: str = ""
    quoted: bool = False
    assumed: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What was found that the file's name does not say: `semicolons, UTF-16`; empty where there is nothing."""
        return ", ".join(self.assumed)


@dataclass(frozen=True)
class Table:
    """A table's dialect and content.

    Attributes:
        text: behind a `sep=` line; of Parquet nothing.
        raw: Parquet's bytes.
        first: number of the text's first line.
        doubt: where no column is found: why there may be one only.
    """

    path: Path
    dialect: Dialect
    text: str = ""
    raw: bytes = b""
    first: int = 1
    doubt: str = ""

    def cells(self) -> Iterator[tuple[int, list[str]]]:
        """(Line, cells) of each row of columns, the header being the first."""
        if self.dialect.quoted:
            rows = csv_cells(self.text, self.dialect.separator, self.path)
        else:
            rows = _raw_cells(self.text, self.dialect.separator)
        offset = self.first - 1
        try:
            for line, row in rows:
                yield line + offset, row
        except DataError as error:
            raise DataError(error.problem, error.path, (error.line or 1) + offset) from None


def dialect_of(path: Path, quoted: bool | None = None, separator: str = "") -> Dialect:
    """How a file of one's own is written, with `words` for what its name does not say.

    Args:
        quoted, separator: as the user says; else told by the content.

    Raises:
        DataError: what cannot be read, or could be read in two ways.
    """
    if kind_of(path) not in TABLES:  # perhaps more text than the memory holds
        return Dialect("lines", assumed=_packing(path))
    table = table_of(path, quoted, separator)
    if table.dialect.form != "columns":
        return table.dialect
    rows = table.cells()
    _, header = next(rows, (1, []))
    empty = sum(len(row) > 1 and is_empty(row) for _, row in rows)
    notes = [f"{empty} empty row{'s' * (empty > 1)} left out"] * bool(empty)
    notes += ["columns without a name left out"] * ("" in (cell.strip() for cell in header))
    return replace(table.dialect, assumed=(*table.dialect.assumed, *notes))


def table_of(path: Path, quoted: bool | None = None, separator: str = "", kind: str = "") -> Table:
    """A file, opened once, with its dialect; `kind` is what its suffix should be, else that counts."""
    raw = read_bytes(path)
    kind = kind or kind_of(path)
    assumed = [*_packing(path)]
    if raw.startswith(b"PAR1") and raw.endswith(b"PAR1"):
        return Table(path, Dialect("parquet", assumed=(*assumed, *["Parquet"] * (kind != "parquet"))), raw=raw)
    if kind == "parquet":
        raise DataError("is not Parquet, though its name says so, or it is cut off", path)
    assumed += ["UTF-16"] * is_utf16(raw)
    text = lined(decode(raw, path, utf16=True), path)
    del raw
    if kind in RECORDS or (kind in _OWN and re.match(r'\s*(\[\s*)?\{\s*"', text)):
        return Table(path, Dialect("json", assumed=(*assumed, *["JSON"] * (kind in _OWN))), text)
    if kind not in _OWN:
        return Table(path, Dialect("lines", assumed=tuple(assumed)), text)
    return _columns(Table(path, Dialect("columns", separator, bool(quoted), tuple(assumed)), text), kind, quoted)


def _packing(path: Path) -> tuple[str, ...]:
    """How a file is packed, where its name does not say that it is."""
    packed = packing(path)
    return (packed,) if packed and path.suffix.lower().removeprefix(".") not in SUFFIXES else ()


def is_empty(row: list[str]) -> bool:
    """Whether all cells of a row are blank."""
    return not any(cell.strip() for cell in row)


def _columns(table: Table, kind: str, quoted: bool | None) -> Table:
    """The table with the separator and the quoting that it has."""
    assumed, separator = list(table.dialect.assumed), table.dialect.separator
    if match := _SEP_LINE.match(table.text):
        table = replace(table, text=table.text[match.end() :], first=2)
        separator = separator or match[1]
        assumed.append("a sep= line")
    if not separator:
        separator = _OWN[kind]
        if not _separates(table, separator):
            others = [other for other in SEPARATORS if other != separator and other in _first_line(table)]
            fitting = [other for other in others if _fits(table, other, kind)]
            if len(fitting) == 1:
                (separator,) = fitting
            elif others:
                table = replace(table, doubt=_doubt(table, fitting or others))
    if separator != _OWN[kind]:
        assumed.append(SEPARATORS.get(separator, repr(separator)))
    if quoted is None:
        quoted = separator != "\t" or _quotes_tabs(table)
        if quoted and separator == "\t":
            assumed.append("quoted as in CSV")
    dialect = Dialect("columns", separator, quoted, tuple(assumed))
    return replace(table, dialect=dialect)


def _first_line(table: Table) -> str:
    end = table.text.find("\n")
    return table.text if end < 0 else table.text[:end]


def _separates(table: Table, separator: str) -> bool:
    """Whether the header has several columns so."""
    if separator == "\t":
        return "\t" in _first_line(table)
    try:
        return len(next(csv_cells(table.text[:_HEAD], separator, table.path), (1, [""]))[1]) > 1
    except DataError:
        return False


def _fits(table: Table, separator: str, kind: str) -> bool:
    """Whether all rows have as many columns so, two or more, and the header looks like one."""
    if separator == "\t" and kind == "csv":
        widths = {line.count("\t") for line in table.text.split("\n") if line.strip()}
        if len(widths) == 1:
            return True  # quoted or not is another question
    rows = csv_cells(table.text, separator, table.path)
    try:
        _, header = next(rows, (1, []))
        named = [cell for cell in header if cell]
        if len(header) < 2 or len(set(named)) < len(named) or not named or any(cell != cell.strip() for cell in header):
            return False
        found = False
        for _, row in rows:
            if row and len(row) != len(header):
                return False
            found = found or bool(row)
    except DataError:
        return False
    return found


def _doubt(table: Table, candidates: list[str]) -> str:
    """Why a table with another separator in its header was read with its own, and how to say which it has."""
    words = " or ".join(SEPARATORS[one] for one in candidates)
    width = _first_line(table).count(candidates[0]) + 1
    several = len(candidates) > 1
    reason = "both fit" if several else f"not all rows have {width}"
    key = f"`separator: {SEPARATORS[candidates[0]][:-1]}`"
    return f"its columns seem to end at {words}, but {reason}: say {key} if they do"


def _raw_cells(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    lines = text.split("\n")
    for number, line in enumerate(lines[:-1] if lines[-1] == "" else lines, start=1):
        yield number, line.removesuffix("\r").split(separator)


def _quotes_tabs(table: Table) -> bool:
    """Whether tab-separated columns are in csv quoting.

    They are not when a quote stands where csv writers put none, or rows then differ in length. They are when inner
    quotes are doubled, every column's name is quoted, or rows have different lengths otherwise. A field that merely
    begins and ends with a quote may be either.

    Raises:
        DataError: both are possible.
    """
    text = table.text
    if '"' not in text:
        return False
    widths: set[int] = set()
    width, at, first, mark = 0, 0, -1, ""
    doubled, crossing, named = False, False, True
    while at < len(text):
        match = _FIELD.match(text, at)
        if match is None:
            return False
        inner, mark = match[1], match[3]
        width += 1
        if inner is None:
            named = named and bool(widths)
        else:
            first = at if first < 0 else first
            doubled = doubled or '""' in inner
            crossing = crossing or "\t" in inner or "\n" in inner
        if mark != "\t":
            if width > 1 or match[0].strip():
                widths.add(width)
            width = 0
        at = match.end()
    if mark == "\t":
        widths.add(width + 1)
    if len(widths) > 1:
        return False
    lengths = {line.count("\t") for line in text.split("\n") if line.strip("\r")}
    if len(lengths) > 1 or named or (doubled and not crossing):
        return True
    field = text[first : first + 60].partition("\t")[0].partition("\n")[0]
    problem = f"{shown(field)}: do quotes around a field belong to the text (`quoted: false`) or not (`quoted: true`)?"
    raise DataError(f"cannot tell of {problem}", table.path, text.count("\n", 0, first) + table.first)
