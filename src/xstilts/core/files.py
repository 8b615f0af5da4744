"""Reading and writing files: text as of `decoding`, packed files as of `packed`, every fault named with file and line.

Lines end at LF (a CR before it is dropped) and nowhere else: `str.splitlines` also breaks at U+2028, U+0085 and others,
which occur inside real XNLI and PAN-X sentences.
"""

from __future__ import annotations

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

from xstilts.core.decoding import decode, not_utf8
from xstilts.core.errors import DataError, XstiltsError
from xstilts.core.json_text import parse
from xstilts.core.packed import DAMAGE, packing_of, unpacked, unpacked_name

_DISK_FAULTS = {
    **dict.fromkeys(map(os.strerror, (errno.ENOSPC, errno.EDQUOT)), "free some space, then run the same command again"),
    os.strerror(errno.EROFS): "choose a writable folder",
    "No usable temporary directory": "set TMPDIR to a writable folder",
}
_HELD: ContextVar[dict[Path, bytes] | None] = ContextVar("held", default=None)
_STANDARD_INPUT = ("-", "/dev/stdin")


@contextmanager
def held() -> Iterator[None]:
    """Inside, what can be read only once (a pipe, standard input) is read once and kept for whoever opens it again."""
    token = _HELD.set({})
    try:
        yield
    finally:
        _HELD.reset(token)


@contextmanager
def open_bytes(path: Path, packed: bool = False) -> Iterator[BinaryIO]:
    """The file's bytes as a stream, unpacked unless `packed`; `-` is standard input.

    Raises:
        DataError: it is missing or damaged.
    """
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
    """The bytes as they are stored, and how many; a pipe is read whole, for it cannot be sought."""
    kept = _HELD.get()
    if kept is not None and path in kept:
        yield io.BytesIO(kept[path]), len(kept[path])
        return
    standard = str(path) in _STANDARD_INPUT
    with open(0, "rb", closefd=False) if standard else path.open("rb") as stream:
        about = os.fstat(stream.fileno())
        if stat.S_ISREG(about.st_mode) and not standard:
            yield stream, about.st_size
            return
        raw = stream.read()
    if kept is not None:
        kept[path] = raw
    yield io.BytesIO(raw), len(raw)


def packing(path: Path) -> str:
    """The suffix that suits how a file is packed, whatever it is called; empty where it is not."""
    with open_bytes(path, packed=True) as stream:
        return packing_of(stream.read(16))


def kind_of(path: Path) -> str:
    """What a file's name says it is: its last suffix in lower case, that of a packing aside; empty without any."""
    return Path(unpacked_name(path)).suffix.lower().removeprefix(".")


def read_bytes(path: Path) -> bytes:
    """The file's bytes, unpacked. Raises `DataError` when missing or damaged."""
    with open_bytes(path) as stream:
        return stream.read()


def read_text(path: Path) -> str:
    """The file as text without byte order mark. Raises `DataError` with the line of the first bad byte."""
    return decode(read_bytes(path), path)


def read_lines(path: Path) -> list[str]:
    """Lines without their LF or CR LF; a final newline does not make an empty last line."""
    lines = [line.removesuffix("\r") for line in read_text(path).split("\n")]
    if lines and lines[-1] == "":
        lines.pop()
    return lines


def stream_lines(path: Path) -> Iterator[str]:
    """Lines with their ends, of a file of any size; errors as of `read_text`, but only when their line is reached."""
    with open_bytes(path) as stream:
        for number, raw in enumerate(stream, start=1):
            line = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
            try:
                yield line.decode()
            except UnicodeDecodeError as error:
                raise not_utf8(line, error.start, path, number) from None


def read_json(path: Path) -> Any:
    """A JSON document. Raises `DataError` with the line of the fault."""
    return parse(read_text(path), path)


def read_jsonl(path: Path) -> Iterator[tuple[int, Any]]:
    """Pairs (1-based line number, value); blank lines are skipped."""
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            yield number, parse(line, path, number)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 with LF, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{token_hex(4)}.part")  # a process number may be another machine's too
    scratch.write_text(text, encoding="utf-8", newline="\n")
    scratch.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def write_jsonl(path: Path, values: Iterable[Any]) -> None:
    """Write one JSON value a line, whole or not at all."""
    write_text(path, "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values))


@contextmanager
def new_folder(to: Path) -> Iterator[Path]:
    """A scratch folder that becomes `to` when the body succeeds, and is removed when it does not.

    Raises:
        XstiltsError: `to` is not a new or empty folder.
    """
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
    """Make a hard link, or a copy where the file system allows none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def disk_fault(error: BaseException) -> str:
    """An error that says that a disk is full or cannot be written to, as a line for its user; empty for others.

    It goes by the words, since not all libraries raise `OSError`.
    """
    text = " ".join(str(error).split())
    return next((f"{text}: {advice}" for words, advice in _DISK_FAULTS.items() if words in text), "")


def flush(path: Path) -> None:
    """Have a file, or a folder's names, on the disk: else a power cut could leave a name without content."""
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
