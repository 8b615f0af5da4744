"""Reading and writing files, also compressed ones; every error has file and line.

Lines end only at LF (a CR before it is dropped): `str.splitlines` also breaks at U+2028, U+0085 and others, which occur
inside real XNLI and PAN-X sentences.
"""

import codecs
import errno
import hashlib
import io
import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from secrets import token_hex
from typing import Any, BinaryIO

from xstilts.core.decoding import DAMAGE, decode, not_utf8, packing_of, unpacked, unpacked_name
from xstilts.core.errors import DataError, XstiltsError
from xstilts.core.json_text import parse

_DISK_FAULTS = {
    **dict.fromkeys(map(os.strerror, (errno.ENOSPC, errno.EDQUOT)), "free some space, then run the same command again"),
    os.strerror(errno.EROFS): "choose a writable folder",
    "No usable temporary directory": "set TMPDIR to a writable folder",
}
_STANDARD_INPUT = ("-", "/dev/stdin")


class Kept:
    """A cache that lives as long as a block of code: `with kept(): ...`."""

    def __init__(self, name: str) -> None:
        self._values: ContextVar[dict[Any, Any]] = ContextVar(name)

    @contextmanager
    def __call__(self) -> Iterator[None]:
        token = self._values.set({})
        try:
            yield
        finally:
            self._values.reset(token)

    def values(self) -> dict[Any, Any]:
        """The values of the block; outside of one, an empty dictionary that nobody else has."""
        return self._values.get({})


held = Kept("held")
"""A block in which a file that can be read only once (a pipe, standard input) may be opened several times."""


@contextmanager
def open_bytes(path: Path, packed: bool = False) -> Iterator[BinaryIO]:
    """The file's bytes as a stream, decompressed unless `packed`; `-` is standard input. Raises `DataError`."""
    try:
        with _stored(path) as (stream, size):
            yield stream if packed else unpacked(stream, path, size)
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError("no such file", path) from None
    except IsADirectoryError:
        raise DataError("expected a file, found a folder", path) from None
    except DAMAGE as error:
        raise DataError(f"cannot be read ({error})", path) from None


@contextmanager
def _stored(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """The stored bytes and their number; a pipe, which cannot seek, is read completely."""
    kept = held.values()
    if path in kept:
        yield io.BytesIO(kept[path]), len(kept[path])
        return
    standard = str(path) in _STANDARD_INPUT
    with open(0, "rb", closefd=False) if standard else path.open("rb") as stream:
        about = os.fstat(stream.fileno())
        if stat.S_ISREG(about.st_mode) and not standard:
            yield stream, about.st_size
            return
        raw = stream.read()
    kept[path] = raw
    yield io.BytesIO(raw), len(raw)


def packing(path: Path) -> str:
    """The suffix for the compression of a file, whatever its name is; empty if it is not compressed."""
    with open_bytes(path, packed=True) as stream:
        return packing_of(stream.read(16))


def kind_of(path: Path) -> str:
    """The last suffix of a file's name in lower case, without that of a compression; empty if there is none."""
    return Path(unpacked_name(path)).suffix.lower().removeprefix(".")


def read_bytes(path: Path) -> bytes:
    """The file's bytes, decompressed. Raises `DataError` if it is missing or damaged."""
    with open_bytes(path) as stream:
        return stream.read()


def read_text(path: Path) -> str:
    """The file as text without byte order mark. Raises `DataError` with the line of the first bad byte."""
    return decode(read_bytes(path), path)


def read_lines(path: Path) -> list[str]:
    """Lines without LF or CR LF; a final newline does not make an empty last line."""
    lines = [line.removesuffix("\r") for line in read_text(path).split("\n")]
    if lines and lines[-1] == "":
        lines.pop()
    return lines


def stream_lines(path: Path) -> Iterator[str]:
    """Lines with their ends, of a file of any size; raises like `read_text`, when the line is reached."""
    with open_bytes(path) as stream:
        for number, raw in enumerate(stream, start=1):
            line = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
            try:
                yield line.decode()
            except UnicodeDecodeError as error:
                raise not_utf8(line, error.start, path, number) from None


def read_json(path: Path) -> Any:
    """A JSON document. Raises `DataError` with the line of the error."""
    return parse(read_text(path), path)


def read_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty if the file is missing, damaged or not yet written."""
    try:
        found = read_json(path)
    except DataError:
        return {}
    return found if isinstance(found, dict) else {}


def read_jsonl(path: Path) -> Iterator[tuple[int, Any]]:
    """Pairs (1-based line number, value); blank lines are skipped."""
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            yield number, parse(line, path, number)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 with LF, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{token_hex(4)}.part")
    scratch.write_text(text, encoding="utf-8", newline="\n")
    scratch.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON, atomically."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def write_jsonl(path: Path, values: Iterable[Any]) -> None:
    """Write one JSON value per line, atomically."""
    write_text(path, "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values))


@contextmanager
def new_folder(to: Path) -> Iterator[Path]:
    """A scratch folder that becomes `to` if the body succeeds. Raises `XstiltsError` if `to` is not new or empty."""
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise XstiltsError(f"{to} exists and is not an empty folder: name another one with --to")
    to = to.absolute()
    scratch = to.with_name(f".{to.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        scratch.mkdir(parents=True)
        yield scratch
        if to.exists():
            to.rmdir()
        scratch.rename(to)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def link(source: str | Path, target: str | Path) -> None:
    """Make a hard link, or a copy if the file system has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def disk_fault(error: BaseException) -> str:
    """A line for the user if a disk is full or read-only, else "". By text, since not all libraries raise `OSError`."""
    text = " ".join(str(error).split())
    return next((f"{text}: {advice}" for words, advice in _DISK_FAULTS.items() if words in text), "")


def flush(path: Path) -> None:
    """Flush a file, or a folder's names, to the disk, so that a power cut leaves no name without content."""
    if path.is_symlink():
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(path: Path) -> str:
    """Hex SHA-256 of the file's stored bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
