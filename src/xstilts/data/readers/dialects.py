"""The format of a user's own table: detected from the content where that is certain, otherwise asked for.

The suffix says CSV, tabs or JSON. The content overrides it where no other reading is possible: the same number of
semicolons in all rows, a `sep=;` line, the mark of UTF-16, Parquet's first bytes, tabs with CSV quoting. If two
readings are possible, the file is refused with the key that decides. Official files are not read through this module.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from xstilts.core.decoding import SUFFIXES, decode, is_utf16
from xstilts.core.errors import DataError
from xstilts.core.files import kind_of, packing, read_bytes
from xstilts.data.readers.common import csv_cells, lined, shown

RECORDS = ("jsonl", "ndjson", "json", "parquet")
"""Suffixes of rows that may hold lists."""
TABLES = (*RECORDS, "csv", "tsv")
NAMED = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
"""Values of the key `separator`."""
SEPARATORS = {mark: f"{name}s" for name, mark in NAMED.items()}
_OWN = {"csv": ",", "tsv": "\t"}
_SEP_LINE = re.compile(r'"?sep=([^"\r\n])"?\r?\n', re.IGNORECASE)
_FIELD = re.compile(r'(?:"([^"]*+(?:""[^"]*+)*+)"|[^"\t\r\n]*+)(?:\t|\r?\n|\Z)')
"""A field as CSV writers put it between tabs: it holds a quote only if the whole field is quoted."""
_FIELDS = re.compile(rf"(?:{_FIELD.pattern})*+")
_QUOTED = re.compile(r'(?:"(?:[^"]|"")*+"\t)*+"(?:[^"]|"")*+"(?:\r?\n|\Z)')
"""A header with quotes around every name."""


@dataclass(frozen=True)
class TableFile:
    """The content of a table, and how it is written.

    Attributes:
        form: `json` (rows in any form), `parquet`, `columns`, or `lines` (of text, or of words and tags).
        assumed: what its name does not say, in words.
        text: without a `sep=` line; empty for Parquet, whose bytes are `raw`.
        quoted: whether quotes around a field belong to the format.
        first: number of the text's first line.
        doubt: a hint for the case that a column is missing: why there may be one only.
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
        """(Line, cells) of each row of columns, the header first."""
        if self.quoted:
            return csv_cells(self.text, self.separator, self.path, self.first)
        lines = self.text.removesuffix("\n").split("\n") if self.text else ()
        return ((line, text.removesuffix("\r").split(self.separator)) for line, text in enumerate(lines, self.first))


def dialect_of(path: Path, quoted: bool | None = None, separator: str = "") -> str:
    """The detected format, as far as the file's name does not show it: `semicolons, UTF-16`; may be empty.

    Raises `DataError` if the file cannot be read, or could be read in two ways.
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
    """Read a file once; `kind` replaces its suffix."""
    raw = read_bytes(path)
    kind = kind or kind_of(path)
    assumed = _packing(path)
    if raw.startswith(b"PAR1") and raw.endswith(b"PAR1"):
        return TableFile(path, "parquet", (*assumed, *["Parquet"] * (kind != "parquet")), raw=raw)
    if kind == "parquet":
        raise DataError("is not Parquet although its name says so, or it is cut off", path)
    assumed = (*assumed, *["UTF-16"] * is_utf16(raw))
    text = lined(decode(raw, path, utf16=True), path)
    del raw
    if kind in RECORDS or (kind in _OWN and re.match(r'\s*(\[\s*)?\{\s*"', text)):
        return TableFile(path, "json", (*assumed, *["JSON"] * (kind in _OWN)), text)
    if kind not in _OWN:
        return TableFile(path, "lines", assumed, text)
    return _columns(TableFile(path, "columns", assumed, text, separator=separator), kind, quoted)


def _packing(path: Path) -> tuple[str, ...]:
    """The compression of a file, unless its name says it."""
    packed = packing(path)
    return (packed,) if packed and path.suffix.lower().removeprefix(".") not in SUFFIXES else ()


def is_empty(row: Sequence[str]) -> bool:
    """Whether all cells of a row are blank."""
    return not any(map(str.strip, row))


def _columns(table: TableFile, kind: str, quoted: bool | None) -> TableFile:
    assumed, separator, own, doubt = list(table.assumed), table.separator, _OWN[kind], ""
    if match := _SEP_LINE.match(table.text):
        table = replace(table, text=table.text[match.end() :], first=2)
        separator = separator or match[1]
        assumed.append("a sep= line")
    if not separator:
        separator, head = own, table.text.partition("\n")[0]
        others = [mark for mark in SEPARATORS if mark != own and mark in head]
        if own in head and (own == "\t" or len(_first_row(table, own)) > 1):
            others = []
        fitting = [mark for mark in others if _fits(table, mark, kind)]
        if len(fitting) == 1:
            (separator,) = fitting
        elif others:
            words = " or ".join(SEPARATORS[mark] for mark in fitting or others)
            key = SEPARATORS[(fitting or others)[0]].removesuffix("s")
            doubt = f"if its columns are separated by {words}, say so, as in `separator: {key}`"
    if separator != own:
        assumed.append(SEPARATORS.get(separator, repr(separator)))
    if quoted is None:
        quoted = separator != "\t" or _quotes_tabs(table)
        assumed += ["quoted as in CSV"] * (quoted and separator == "\t")
    return replace(table, separator=separator, quoted=quoted, assumed=tuple(assumed), doubt=doubt)


def _first_row(table: TableFile, separator: str) -> list[str]:
    try:
        return next(csv_cells(table.text[: 1 << 16], separator, table.path))[1]
    except DataError:
        return []


def _fits(table: TableFile, separator: str, kind: str) -> bool:
    """Whether all rows have the same number of columns, two or more, and the header looks like one."""
    if separator == "\t" and kind == "csv" and len(_tabs(table.text)) == 1:
        return True  # quoted or not is another question
    try:
        header, *rows = (row for _, row in csv_cells(table.text, separator, table.path) if row)
    except ValueError:  # not CSV, or no row at all
        return False
    named = [cell for cell in header if cell]
    plain = len(set(named)) == len(named) and all(cell == cell.strip() for cell in header)
    return len(header) > 1 and bool(named) and plain and {len(row) for row in rows} == {len(header)}


def _tabs(text: str) -> set[int]:
    return {line.count("\t") for line in text.split("\n") if line.strip("\r")}


def _quotes_tabs(table: TableFile) -> bool:
    """Whether tab-separated columns are in CSV quoting.

    They are not if a quote stands where CSV writers put none, or if rows then differ in length. They are if inner
    quotes are doubled, every column's name is quoted, or rows differ in length otherwise. A field that merely begins
    and ends with a quote may be either. Raises `DataError` if both are possible.
    """
    text = table.text
    if '"' not in text or not _FIELDS.fullmatch(text):
        return False
    quoted = [match for match in _FIELD.finditer(text) if match[1] is not None]
    if len({len(row) for _, row in csv_cells(text, "\t", table.path) if len(row) > 1 or not is_empty(row)}) > 1:
        return False
    crossing = any("\t" in match[1] or "\n" in match[1] for match in quoted)
    if len(_tabs(text)) > 1 or _QUOTED.match(text) or (any('""' in match[1] for match in quoted) and not crossing):
        return True
    field = shown(re.split(r"[\t\n]", quoted[0][0][:60])[0])
    line = text.count("\n", 0, quoted[0].start()) + table.first
    problem = f"unclear whether the quotes in {field} belong to the text (`quoted: false`) or not (`quoted: true`)"
    raise DataError(f"{problem}: say which", table.path, line)
