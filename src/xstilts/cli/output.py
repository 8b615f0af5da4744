"""Standard output: JSON for programs, tables and lines for people."""

import json
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from xstilts.core.errors import shown

_NUMBER = re.compile(r"-|~?[\d,.]+(e[+-]\d+)?( .+)?")


def show(
    found: Sequence[Mapping[str, Any]] | Mapping[str, Any], as_json: bool = False, texts: Iterable[str] | None = None
) -> None:
    """Print JSON, or for people `texts`; without these, see `told`."""
    lines([json.dumps(found, ensure_ascii=False, indent=2)] if as_json else told(found) if texts is None else texts)


def told(found: Sequence[Mapping[str, Any]] | Mapping[str, Any]) -> list[str]:
    """Rows as a table, and a mapping as one line per entry."""
    if not isinstance(found, Mapping):
        return aligned(found)
    return [f"{name:<14}{', '.join(map(str, v)) if isinstance(v, list | tuple) else v}" for name, v in found.items()]


def aligned(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The lines of a table, numbers to the right; the first row's names are the heading. None without rows."""
    if not rows:
        return []
    grid = [[*rows[0]], *([shown(str(row[name])) for name in rows[0]] for row in rows)]
    columns = list(zip(*grid, strict=True))
    widths = [max(map(len, column)) for column in columns]
    align = [str.rjust if all(map(_NUMBER.fullmatch, column[1:])) else str.ljust for column in columns]
    return ["  ".join(map(lambda put, *cell: put(*cell), align, line, widths)).rstrip() for line in grid]


def lines(texts: Iterable[str]) -> None:
    """Print lines of text."""
    sys.stdout.write("".join(f"{text}\n" for text in texts))
    sys.stdout.flush()


def terminal_width() -> int:
    """Columns for tables with text: those of the terminal, from 80 to 100."""
    return min(100, max(80, shutil.get_terminal_size().columns))


def some(words: Iterable[str], between: str = ", ", most: int = 12) -> str:
    """The first words, and the number of the others."""
    found = list(words)
    return between.join(found[:most]) + (f" and {len(found) - most} more" if len(found) > most else "")
