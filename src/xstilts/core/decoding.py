"""From stored bytes to text: decompression, then UTF-8, or on request UTF-16 with a byte order mark.

Compressed formats: gzip, bzip2, xz, Zstandard, and zip archives of one file, recognised by their first bytes. Reading
stops at a decompression bomb: more than `MOST` bytes, and more than `RATIO` times the stored ones. (Text shrinks to
about a tenth; gzip reaches at best a thousandth.) Encodings other than UTF-8 and UTF-16 are named and refused.
"""

import bz2
import codecs
import gzip
import io
import lzma
import re
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from xstilts.core.errors import DataError

DAMAGE = (
    EOFError, OSError, RuntimeError, ValueError, struct.error, zipfile.BadZipFile, zlib.error, lzma.LZMAError,
)  # fmt: skip
"""Exceptions from a damaged file. `DataError` is a ValueError too, so handle it first."""
MOST, RATIO = 1 << 30, 200
_FORMATS = {"gz": "gzip", "bz2": "bzip2", "xz": "xz", "zst": "Zstandard", "zip": "zip"}
SUFFIXES = tuple(_FORMATS)
"""Suffixes of compressed files, in the order in which they are tried after a name without one."""
_SHEETS = {
    "xl/workbook.xml": "is an Excel workbook: save the sheet as 'CSV UTF-8'",
    "content.xml": "is an OpenDocument file: save the sheet as CSV in UTF-8",
}


def packing_of(head: bytes) -> str:
    """The suffix for a file with these first bytes; empty if it is not compressed."""
    if head.startswith(b"\x1f\x8b"):
        return "gz"
    if head.startswith(b"BZh") and head[4:10] in (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90"):
        return "bz2"
    if head.startswith(b"\xfd7zXZ\0"):
        return "xz"
    if head.startswith(b"(\xb5/\xfd") or (head[1:4] == b"\x2a\x4d\x18" and head[0] >> 4 == 5):
        return "zst"
    return "zip" if head.startswith((b"PK\3\4", b"PK\5\6")) else ""


def unpacked(stream: BinaryIO, path: Path, size: int) -> BinaryIO:
    """The decompressed content of `size` stored bytes as a stream; the given stream if it is not compressed.

    `stream` is at its beginning and can seek. Raises `DataError` if name and format differ (a file named `.gz` must be
    gzip, and so on), for an archive of no file or several, and for a pointer of Git LFS. The returned stream also
    raises it, for a bomb; for damage it raises one of `DAMAGE`.
    """
    head, named = stream.read(64), path.suffix.lower().removeprefix(".")
    packing = packing_of(head)
    stream.seek(0)
    if head.startswith(b"version https://git-lfs.github.com/spec/"):
        raise DataError("is a pointer of Git LFS, not the file itself: run `git lfs pull`", path)
    if not packing and named in SUFFIXES:
        raise DataError(f"cannot be read (its name ends in .{named}, but it is not in {_FORMATS[named]} form)", path)
    if not packing:
        return stream
    inner: Any
    if packing == "zst":
        import pyarrow as pa  # heavy and rarely needed

        inner = pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd")
    elif packing == "zip":
        archive = zipfile.ZipFile(stream)
        entry = _only(archive, path)
        inner, size = archive.open(entry), entry.compress_size
    else:
        opened: dict[str, Any] = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}
        inner = opened[packing](stream)
    return cast(BinaryIO, io.BufferedReader(_Limited(inner, path, size), 1 << 20))


def unpacked_name(path: Path) -> str:
    """The file's name without the suffix of its compression; for a zip archive, the name of the file in it."""
    stem, dot, last = path.name.rpartition(".")
    if not dot or last.lower() not in SUFFIXES:
        return path.name
    if last.lower() == "zip":
        try:
            with zipfile.ZipFile(path) as archive:
                inner = PurePosixPath(_only(archive, path).filename).name
        except DAMAGE:  # reading it will report the damage
            return stem
        return inner if "." in inner or "." not in stem else stem
    return stem


def find(path: Path) -> Path | None:
    """The file of that name, or a compressed one with a suffix after it; None if there is neither."""
    names = (path.name, *(f"{path.name}.{suffix}" for suffix in SUFFIXES))
    return next((found for name in names if (found := path.with_name(name)).is_file()), None)


def _only(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipInfo:
    """The one file in an archive, without what macOS adds."""
    problem = next((said for name, said in _SHEETS.items() if name in archive.namelist()), "")
    files = [
        entry
        for entry in archive.infolist()
        if not (entry.is_dir() or entry.filename.startswith("__MACOSX/") or entry.filename.endswith(".DS_Store"))
    ]
    if not problem and len(files) != 1:
        names = ", ".join(entry.filename for entry in files[:5])[:200] + (" ..." if len(files) > 5 else "")
        what = f"{len(files)} files ({names!r})" if files else "no file"
        problem = f"is a zip archive of {what}; expected one: unpack it and name the file"
    elif not problem and files[0].flag_bits & 1:
        problem = "is an encrypted zip archive: unpack it first"
    if problem:
        raise DataError(problem, path)
    return files[0]


class _Limited(io.RawIOBase):
    """Counts decompressed bytes, so that a small file cannot fill the memory."""

    def __init__(self, inner: Any, path: Path, size: int) -> None:
        self._inner, self._path, self._total = inner, path, 0
        self._most = max(MOST, RATIO * size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._inner.read(len(buffer))
        self._total += len(data)
        if self._total > self._most:
            problem = f"expands to more than {self._most >> 20} MiB, over {RATIO} times its compressed size: not read"
            raise DataError(problem, self._path)
        buffer[: len(data)] = data
        return len(data)


_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_OTHERS = {
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "compressed twice: decompress it once",
    b"ARROW1": "an Arrow file: write it as Parquet",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word file: save it as CSV in UTF-8",
    b"%PDF": "a PDF",
    b"7z\xbc\xaf": "a 7z archive: unpack it",
    b"Rar!": "a RAR archive: unpack it",
    b"\x04\x22\x4d\x18": "compressed with LZ4: decompress it, or use gzip, bzip2, xz or zstd",
    b"\x80\x04\x95": "a Python pickle: write it as JSON lines or CSV",
    b"\x80\x05\x95": "a Python pickle: write it as JSON lines or CSV",
}
_WINDOW = 1 << 16


def is_utf16(raw: bytes) -> bool:
    """Whether the bytes begin with the byte order mark of UTF-16."""
    return raw.startswith(_UTF16) and not raw.startswith(_UTF32)


def decode(raw: bytes, path: Path, utf16: bool = False) -> str:
    """The text without its byte order mark; `utf16` accepts UTF-16 with its mark.

    Raises `DataError` with the line of the first bad byte and the probable format of the file.
    """
    if utf16 and is_utf16(raw):
        try:
            return raw.decode("utf-16")
        except UnicodeDecodeError as error:
            line = raw[: error.start].decode("utf-16", "replace").count("\n") + 1
            raise DataError(f"begins like UTF-16, but is damaged at byte {error.start}", path, line) from None
    head = raw[: 1 << 12]
    even, odd = head[0::2].count(0), head[1::2].count(0)
    # UTF-16 without a mark has NULs only at even or only at odd positions.
    if not is_utf16(raw) and max(even, odd) >= 3 and not min(even, odd) and max(even, odd) * 50 >= len(head):
        order = _iconv("UTF-16LE" if odd else "UTF-16BE")
        raise DataError(f"holds a NUL byte: looks like UTF-16 without its byte order mark; {order}", path, 1)
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
