"""From bytes to text: UTF-8, and on request UTF-16 with a byte order mark. Other encodings are named and refused."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from xstilts.core.errors import DataError

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_OTHERS = {
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "packed twice: unpack it once",
    b"ARROW1": "an Arrow file: write it as Parquet",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word file: save it as CSV in UTF-8",
    b"%PDF": "a PDF",
    b"7z\xbc\xaf": "a 7z archive: unpack it",
    b"Rar!": "a RAR archive: unpack it",
    b"\x04\x22\x4d\x18": "packed with LZ4: unpack it, or use gzip, bzip2, xz or zstd",
    b"\x80\x04\x95": "a Python pickle: write it as JSON lines or CSV",
    b"\x80\x05\x95": "a Python pickle: write it as JSON lines or CSV",
}
_WINDOW = 1 << 16


def is_utf16(raw: bytes) -> bool:
    """Whether the bytes begin with the byte order mark of UTF-16."""
    return raw.startswith(_UTF16) and not raw.startswith(_UTF32)


def decode(raw: bytes, path: Path, utf16: bool = False) -> str:
    """The text without its byte order mark.

    Args:
        utf16: accept UTF-16 with its mark.

    Raises:
        DataError: with the line of the first bad byte and the probable format of the file.
    """
    if utf16 and is_utf16(raw):
        try:
            return raw.decode("utf-16")
        except UnicodeDecodeError as error:
            line = raw[: error.start].decode("utf-16", "replace").count("\n") + 1
            raise DataError(f"begins like UTF-16, but is damaged at byte {error.start}", path, line) from None
    if not is_utf16(raw) and (order := _unmarked(raw)):
        problem = f"holds a NUL byte: looks like UTF-16 without its byte order mark; {_iconv('UTF-16' + order)}"
        raise DataError(problem, path, 1)
    raw = raw.removeprefix(codecs.BOM_UTF8)
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise not_utf8(raw, error.start, path, raw.count(b"\n", 0, error.start) + 1) from None


def not_utf8(raw: bytes, at: int, path: Path, line: int) -> DataError:
    """The error for bytes that are not UTF-8 at position `at`."""
    return DataError(f"not UTF-8 (byte 0x{raw[at]:02x}): {_guess(raw, at)}", path, line)


def _iconv(encoding: str) -> str:
    return f"save it as UTF-8, e.g. `iconv -f {encoding} -t UTF-8`"


def _guess(raw: bytes, at: int) -> str:
    """The probable format of the file. Never used to read it: one-byte encodings cannot be told apart reliably."""
    if raw[257:262] == b"ustar":
        return "it is a tar archive: unpack it"
    if what := next((what for magic, what in _OTHERS.items() if raw.startswith(magic)), ""):
        return f"it is {what}"
    if raw.startswith((*_UTF32, *_UTF16)):
        name = "UTF-32" if raw.startswith(_UTF32) else "UTF-16"
        return f"it is {name}; {_iconv(name)}"
    near = raw[max(0, at - _WINDOW) : at + _WINDOW]
    if b"\0" in near:
        return "it is not text"
    text, high = near.decode(errors="replace"), re.findall(rb"[\x80-\xff]+", near)
    if sum(not letter.isascii() for letter in text) > 2 * text.count("\ufffd"):
        return "the text around it is UTF-8, so the file is damaged or mixes encodings"
    accents = 10 * sum(len(part) for part in high if len(part) > 2) <= sum(map(len, high))  # else another script
    if accents and not set(near) & {0x81, 0x8D, 0x8F, 0x90, 0x9D}:  # not in Windows-1252
        return f"looks like Windows-1252 (or 1250, 1254 ... by language); {_iconv('WINDOWS-1252')}"
    return f"find out its encoding and {_iconv('ENCODING')}"


def _unmarked(raw: bytes) -> str:
    """`LE` or `BE` if the bytes look like UTF-16 without a mark: NULs only at even or only at odd positions."""
    head = raw[: 1 << 12]
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if max(even, odd) < 3 or min(even, odd) or max(even, odd) * 50 < len(head):
        return ""
    return "LE" if odd else "BE"
