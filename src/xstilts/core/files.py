"""Reading and writing files: UTF-8, gzip read transparently, every fault named with file and line.

Lines end at LF (a CR before it is dropped) and nowhere else: `str.splitlines` also breaks at U+2028, U+0085 and others,
which occur inside real XNLI and PAN-X sentences.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from xstilts.core.errors import DataError


def read_bytes(path: Path) -> bytes:
    """The file's bytes, unpacked when its name ends in `.gz`. Raises `DataError` when missing or damaged."""
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if path.suffix == ".gz" else raw
    except FileNotFoundError:
        raise DataError("no such file", path) from None
    except IsADirectoryError:
        raise DataError("expected a file, found a folder", path) from None
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"cannot be read ({error})", path) from None


def read_text(path: Path) -> str:
    """The file as text: UTF-8 without byte order mark. Raises `DataError` with the line of the first bad byte."""
    raw = read_bytes(path).removeprefix(codecs.BOM_UTF8)
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(f"not UTF-8 (byte 0x{raw[error.start]:02x})", path, line) from None


def read_lines(path: Path) -> list[str]:
    """Lines without their LF or CR LF; a final newline does not make an empty last line."""
    lines = [line.removesuffix("\r") for line in read_text(path).split("\n")]
    if lines and lines[-1] == "":
        lines.pop()
    return lines


def stream_lines(path: Path) -> Iterator[str]:
    """Lines with their ends, of a file of any size; errors as of `read_text`, but only when their line is reached."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            for number, raw in enumerate(stream, start=1):
                line = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
                try:
                    yield line.decode()
                except UnicodeDecodeError as error:
                    raise DataError(f"not UTF-8 (byte 0x{line[error.start]:02x})", path, number) from None
    except FileNotFoundError:
        raise DataError("no such file", path) from None
    except IsADirectoryError:
        raise DataError("expected a file, found a folder", path) from None
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"cannot be read ({error})", path) from None


def read_json(path: Path) -> Any:
    """A JSON document. Raises `DataError` with the line of the fault."""
    text = read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"not JSON ({error.msg})", path, error.lineno) from None
    except RecursionError:
        raise DataError("not JSON (nested too deeply)", path) from None
    except ValueError:
        raise DataError("not JSON (a number with thousands of digits)", path) from None


def read_jsonl(path: Path) -> Iterator[tuple[int, Any]]:
    """Pairs (1-based line number, value); blank lines are skipped."""
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except json.JSONDecodeError as error:
                raise DataError(f"not JSON ({error.msg})", path, number) from None
            except RecursionError:
                raise DataError("not JSON (nested too deeply)", path, number) from None
            except ValueError:
                raise DataError("not JSON (a number with thousands of digits)", path, number) from None


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 with LF, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.part")
    scratch.write_text(text, encoding="utf-8", newline="\n")
    scratch.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def write_jsonl(path: Path, values: Iterable[Any]) -> None:
    """Write one JSON value a line, whole or not at all."""
    write_text(path, "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values))


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
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
