"""Standard output: JSON for machines, aligned columns for people."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from xstilts.core.errors import shown

_NUMBER = re.compile(r"-|~?[\d,.]+(e[+-]\d+)?( .+)?")


def emit(value: Any) -> None:
    """A JSON document."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Aligned columns, of numbers to the right; the first row's names are the heading."""
    if not rows:
        return
    names = list(rows[0])
    grid = [names, *([shown(str(row[name])) for name in names] for row in rows)]
    columns = list(zip(*grid, strict=True))
    widths = [max(map(len, column)) for column in columns]
    right = [all(map(_NUMBER.fullmatch, column[1:])) for column in columns]
    for line in grid:
        cells = (
            text.rjust(width) if number else text.ljust(width)
            for text, width, number in zip(line, widths, right, strict=True)
        )
        sys.stdout.write("  ".join(cells).rstrip() + "\n")


def lines(texts: Iterable[str]) -> None:
    """Lines of text."""
    sys.stdout.write("".join(f"{text}\n" for text in texts))
    sys.stdout.flush()


def some(words: Iterable[str], between: str = ", ", most: int = 12) -> str:
    """The first words, and how many more there are."""
    found = list(words)
    return between.join(found[:most]) + (f" and {len(found) - most} more" if len(found) > most else "")


def show(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Rows as a table, or as JSON."""
    if as_json:
        emit(rows)
    else:
        table(rows)


def facts(found: Mapping[str, Any], as_json: bool) -> None:
    """What is known of one thing, a line each, or as JSON."""
    if as_json:
        emit(found)
        return
    for name, value in found.items():
        text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
        sys.stdout.write(f"{name:<14}{text}\n")
