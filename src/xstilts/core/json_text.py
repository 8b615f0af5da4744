"""JSON from text, every error with file and line: a document, or the rows of a table in one of several forms."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xstilts.core.errors import DataError


class _KeyTwice(ValueError):
    """A key occurs twice in an object; Python's parser would keep the last value."""


def parse(text: str, path: Path, line: int | None = None, strict: bool = False) -> Any:
    """The value of a JSON text; `strict`: no key twice. Raises `DataError` with `line`, else with the error's line."""
    try:
        return json.loads(text, object_pairs_hook=_once if strict else None)
    except json.JSONDecodeError as error:
        raise DataError(f"not JSON ({error.msg})", path, line or error.lineno) from None
    except RecursionError:
        raise DataError("not JSON (nested too deeply)", path, line) from None
    except _KeyTwice as error:
        raise DataError(f"{str(error)[:60]!r} occurs twice in one object", path, line) from None
    except ValueError:
        raise DataError("not JSON (a number with thousands of digits)", path, line) from None


def rows(text: str, path: Path) -> Iterator[tuple[int, int, Any]]:
    """(First line, number, value) of each row of JSON lines, a list, `{"data": [...]}`, or a single object.

    It is JSON lines if the first line that is not blank is a whole object. Both count from 1; in JSON lines, the number
    is that of the line.
    """
    first = re.search(r"\S[^\n]*", text)
    if first is None:
        return
    whole = value_or_none(first[0].rstrip().removesuffix(","))
    if isinstance(whole, dict) and (text[first.end() :].strip() or not isinstance(whole.get("data"), list)):
        for number, row in enumerate(text.split("\n"), start=1):
            if row.rstrip().endswith(","):
                problem = "a comma after the object: remove it, or put all objects into one list [ ]"
                raise DataError(f"not JSON lines ({problem})", path, number)
            if row.strip():
                yield number, number, parse(row, path, number, strict=True)
        return
    document = parse(text, path, strict=True)
    data = document.get("data") if isinstance(document, dict) else document
    found = [(text.count("\n", 0, first.start()) + 1, document)]
    if isinstance(data, list):
        places = [first.start()] if data is document else [m.end() for m in re.finditer(r'"data"\s*:\s*(?=\[)', text)]
        lists = (list(_listed(text, at)) for at in places)
        whole = json.dumps(data)
        right = (one for one in lists if json.dumps([value for _, value in one]) == whole)
        found = next(right, [(1, value) for value in data])  # a key that is written with escapes
    for number, (line, value) in enumerate(found, start=1):
        yield line, number, value


def _listed(text: str, at: int) -> Iterator[tuple[int, Any]]:
    """The values of the list that begins at `at`, in valid JSON, with their lines."""
    decoder, between, line, counted = json.JSONDecoder(), re.compile(r"[\s,]*"), 1, 0
    at += 1
    while text[at := between.match(text, at).end()] != "]":  # type: ignore[union-attr]
        line, counted = line + text.count("\n", counted, at), at
        value, at = decoder.raw_decode(text, at)
        yield line, value


def value_or_none(text: str) -> Any:
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
