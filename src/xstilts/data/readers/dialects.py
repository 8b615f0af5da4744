"""How a table of a user's own is written: told by its content where that is certain, else asked for.

The suffix says CSV, tabs or JSON. Content may correct it where no other reading is possible: all rows have as many
semicolons, a `sep=;` line, the mark of UTF-16, Parquet's first bytes, tabs with csv quoting. Where two readings are
possible the file is refused with the key that decides. Official files are not read through this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
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
_FIELD = re.compile(r'(?:"([^"]*+(?:""[^"]*+)*+)"|[^"\t\r\n]*+)(?:\t|\r?\n|\Z)')
"""A field as csv writers put it between tabs: a quote in it only where the whole is quoted."""
_FIELDS = re.compile(rf"(?:{_FIELD.pattern})*+")
_QUOTED = re.compile(r'(?:"(?:[^"]|"")*+"\t)*+"(?:[^"]|"")*+"(?:\r?\n|\Z)')
"""A header with quotes around every name."""


@dataclass(frozen=True)
class TableFile:
    """The content of a table, and how it is written.

    Attributes:
        form: `json` (rows in any form), `parquet`, `columns`, or `lines` (of text, or of words and tags).
        assumed: what its name does not say, in words.
        text: behind a `sep=` line; of Parquet nothing.
        raw: Parquet's bytes.
        separator: between columns.
        quoted: whether quotes around a field belong to the format.
        first: number of the text's first line.
        doubt: where no column is found: why there may be one only.
    """

    path: Path
    form: str
    assumed: tuple[str, ...] = ()
    text: str = ""
    raw: bytes = b""
    separator: str = ""
    quoted: bool = False
    first: int = 1
    doubt: str = ""

    def cells(self) -> Iterator[tuple[int, list[str]]]:
        """(Line, cells) of each row of columns, the header being the first."""
        if self.quoted:
            return csv_cells(self.text, self.separator, self.path, self.first)
        lines = self.text.removesuffix("\n").split("\n") if self.text else ()
        return ((line, text.removesuffix("\r").split(self.separator)) for line, text in enumerate(lines, self.first))


def dialect_of(path: Path, quoted: bool | None = None, separator: str = "") -> str:
    """What a file's name does not say of how it is written: `semicolons, UTF-16`; empty where there is nothing.

    Args:
        quoted, separator: as the user says; else told by the content.

    Raises:
        DataError: what cannot be read, or could be read in two ways.
    """
    if kind_of(path) not in TABLES:  # perhaps more text than the memory holds
        return ", ".join(_packing(path))
    table = table_of(path, quoted, separator)
    told = list(table.assumed)
    if table.form == "columns":
        rows = table.cells()
        _, header = next(rows, (1, []))
        if empty := sum(len(row) > 1 and is_empty(row) for _, row in rows):
            told.append(f"{empty} empty row{'s' * (empty > 1)} left out")
        if not all(map(str.strip, header)):
            told.append("columns without a name left out")
    return ", ".join(told)


def table_of(path: Path, quoted: bool | None = None, separator: str = "", kind: str = "") -> TableFile:
    """A file, opened once; `kind` is what its suffix should be, else that counts."""
    raw = read_bytes(path)
    kind = kind or kind_of(path)
    assumed = _packing(path)
    if raw.startswith(b"PAR1") and raw.endswith(b"PAR1"):
        return TableFile(path, "parquet", (*assumed, *["Parquet"] * (kind != "parquet")), raw=raw)
    if kind == "parquet":
        raise DataError("is not Parquet, though its name says so, or it is cut off", path)
    assumed = (*assumed, *["UTF-16"] * is_utf16(raw))
    text = lined(decode(raw, path, utf16=True), path)
    del raw
    if kind in RECORDS or (kind in _OWN and re.match(r'\s*(\[\s*)?\{\s*"', text)):
        return TableFile(path, "json", (*assumed, *["JSON"] * (kind in _OWN)), text)
    if kind not in _OWN:
        return TableFile(path, "lines", assumed, text)
    return _columns(TableFile(path, "columns", assumed, text, separator=separator), kind, quoted)


def _packing(path: Path) -> tuple[str, ...]:
    """How a file is packed, where its name does not say that it is."""
    packed = packing(path)
    return (packed,) if packed and path.suffix.lower().removeprefix(".") not in SUFFIXES else ()


def is_empty(row: Sequence[str]) -> bool:
    """Whether all cells of a row are blank."""
    return not any(map(str.strip, row))


def _columns(table: TableFile, kind: str, quoted: bool | None) -> TableFile:
    """The table with the separator and the quoting that it has."""
    assumed, separator, own, doubt = list(table.assumed), table.separator, _OWN[kind], ""
    if match := _SEP_LINE.match(table.text):
        table = replace(table, text=table.text[match.end() :], first=2)
        separator = separator or match[1]
        assumed.append("a sep= line")
    if not separator:
        separator, head = own, table.text.partition("\n")[0]
        others = [] if _separates(table, own) else [mark for mark in SEPARATORS if mark != own and mark in head]
        fitting = [other for other in others if _fits(table, other, kind)]
        if len(fitting) == 1:
            (separator,) = fitting
        elif others:
            words = " or ".join(SEPARATORS[one] for one in fitting or others)
            reason = "both fit" if fitting or others[1:] else f"not all rows have {head.count(others[0]) + 1}"
            key = f"`separator: {SEPARATORS[(fitting or others)[0]][:-1]}`"
            doubt = f"its columns seem to end at {words}, but {reason}: say {key} if they do"
    if separator != own:
        assumed.append(SEPARATORS.get(separator, repr(separator)))
    if quoted is None:
        quoted = separator != "\t" or _quotes_tabs(table)
        assumed += ["quoted as in CSV"] * (quoted and separator == "\t")
    return replace(table, separator=separator, quoted=quoted, assumed=tuple(assumed), doubt=doubt)


def _separates(table: TableFile, separator: str) -> bool:
    """Whether the header has several columns so."""
    if separator == "\t":
        return separator in table.text.partition("\n")[0]
    try:
        return len(next(csv_cells(table.text[:_HEAD], separator, table.path), (1, [""]))[1]) > 1
    except DataError:
        return False


def _fits(table: TableFile, separator: str, kind: str) -> bool:
    """Whether all rows have as many columns so, two or more, and the header looks like one."""
    if separator == "\t" and kind == "csv" and len(_tabs(table.text)) == 1:
        return True  # quoted or not is another question
    try:
        header, *rows = (row for _, row in csv_cells(table.text, separator, table.path) if row)
    except ValueError:  # of csv, or no row at all
        return False
    named = [cell for cell in header if cell]
    plain = len(set(named)) == len(named) and all(cell == cell.strip() for cell in header)
    return len(header) > 1 and bool(named) and plain and {len(row) for row in rows} == {len(header)}


def _tabs(text: str) -> set[int]:
    """How many tabs lines have."""
    return {line.count("\t") for line in text.split("\n") if line.strip("\r")}


def _quotes_tabs(table: TableFile) -> bool:
    """Whether tab-separated columns are in csv quoting.

    They are not when a quote stands where csv writers put none, or rows then differ in length. They are when inner
    quotes are doubled, every column's name is quoted, or rows have different lengths otherwise. A field that merely
    begins and ends with a quote may be either.

    Raises:
        DataError: both are possible.
    """
    text = table.text
    if '"' not in text or not _FIELDS.fullmatch(text):
        return False
    quoted = [inner for match in _FIELD.finditer(text) if (inner := match[1]) is not None]
    widths = {len(row) for _, row in csv_cells(text, "\t", table.path) if len(row) > 1 or not is_empty(row)}
    if len(widths) > 1:
        return False
    crossing = any("\t" in inner or "\n" in inner for inner in quoted)
    if len(_tabs(text)) > 1 or _QUOTED.match(text) or (any('""' in inner for inner in quoted) and not crossing):
        return True
    first = next(match for match in _FIELD.finditer(text) if match[1] is not None)
    field = first[0][:60].partition("\t")[0].partition("\n")[0]
    problem = f"{shown(field)}: do quotes around a field belong to the text (`quoted: false`) or not (`quoted: true`)?"
    raise DataError(f"cannot tell of {problem}", table.path, text.count("\n", 0, first.start()) + table.first)
