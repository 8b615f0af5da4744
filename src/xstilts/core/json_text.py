"""JSON from text, every error with file and line: a document, or the rows of a table in one of several forms."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from xstilts.core.errors import DataError


class _KeyTwice(ValueError):
    """A key occurs twice in an object; Python's parser would keep the last value."""


def parse(text: str, path: Path, line: int | None = None, strict: bool = False) -> Any:
    """The value of a JSON text. Raises `DataError` with `line`, else with the line of the error.

    `strict` also refuses an object in which a key occurs twice.
    """
    return _named(lambda: json.loads(text, object_pairs_hook=_once if strict else None), path, line)


def rows(text: str, path: Path) -> Iterator[tuple[int, int, Any]]:
    """(First line, number, value) of each row of JSON lines, a list, `{"data": [...]}`, or objects over several lines.

    It is JSON lines if the first line that is not blank is a whole object. Both count from 1; in JSON lines, the number
    is that of the line.
    """
    first = re.search(r"\S[^\n]*", text)
    if first is None:
        return
    whole = _value_of(first[0])
    if isinstance(whole, dict) and (text[first.end() :].strip() or not isinstance(whole.get("data"), list)):
        for number, row in enumerate(text.split("\n"), start=1):
            if row.rstrip().endswith(","):
                raise _comma(path, number)
            if row.strip():
                yield number, number, parse(row, path, number, strict=True)
        return
    if first[0].startswith("["):
        found = _several(text, first.start(), path, to_end=True)
    else:
        document = _value_of(text)
        data = document.get("data") if isinstance(document, dict) else None
        found = _data(text, data, path) if isinstance(data, list) else _several(text, first.start(), path)
    for number, (line, value) in enumerate(found, start=1):
        yield line, number, value


def _data(text: str, values: list[Any], path: Path) -> Iterator[tuple[int, Any]]:
    """The values of the list `data`, with their lines."""
    for match in re.finditer(r'"data"\s*:\s*(?=\[)', text):
        found = list(_several(text, match.end(), path))
        if [value for _, value in found] == values:
            yield from found
            return
    parse(text, path, strict=True)
    yield from ((1, value) for value in values)


def _several(text: str, at: int, path: Path, to_end: bool = False) -> Iterator[tuple[int, Any]]:
    """The values from `at` on: those of a list, or single ones without commas between them."""
    decoder, listed = json.JSONDecoder(object_pairs_hook=_once), text[at] == "["
    at = _solid(text, at + listed)
    if listed and text[at : at + 1] == "]":
        return
    counted, line = 0, 1
    while True:
        line, counted = line + text.count("\n", counted, at), at
        value, at = _named(lambda here=at: decoder.raw_decode(text, here), path, None)  # type: ignore[misc]
        yield line, value
        at = _solid(text, at)
        mark = text[at : at + 1]
        if listed and mark == "]":
            if to_end and text[at + 1 :].strip():
                raise DataError("not JSON (more text behind the list)", path, text.count("\n", 0, at) + 1)
            return
        if listed and mark != ",":
            raise DataError("not JSON (expected a comma or ])", path, text.count("\n", 0, at) + 1)
        if not listed and mark == ",":
            raise _comma(path, text.count("\n", 0, at) + 1)
        if not mark:
            return
        at = _solid(text, at + listed)


def _solid(text: str, at: int) -> int:
    match = re.compile(r"[ \t\r\n]*").match(text, at)
    assert match is not None
    return match.end()


def _comma(path: Path, line: int) -> DataError:
    return DataError(
        "not JSON lines (a comma after the object: remove it, or put all objects into one list [ ])", path, line
    )


def _value_of(text: str) -> Any:
    """The value, or None if the text is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _KeyTwice(next(name for name in names if names.count(name) > 1))
    return found


def _named(read: Callable[[], Any], path: Path, line: int | None) -> Any:
    try:
        return read()
    except json.JSONDecodeError as error:
        raise DataError(f"not JSON ({error.msg})", path, line or error.lineno) from None
    except RecursionError:
        raise DataError("not JSON (nested too deeply)", path, line) from None
    except _KeyTwice as error:
        raise DataError(f"{str(error)[:60]!r} occurs twice in one object", path, line) from None
    except ValueError:
        raise DataError("not JSON (a number with thousands of digits)", path, line) from None
