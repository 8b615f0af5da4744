"""Standard output: JSON for machines, aligned columns for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from xstilts.core.errors import shown


def emit(value: Any) -> None:
    """A JSON document."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Aligned columns; the first row's names are the heading."""
    if not rows:
        return
    names = list(rows[0])
    grid = [names, *([shown(str(row[name])) for name in names] for row in rows)]
    widths = [max(len(line[i]) for line in grid) for i in range(len(names))]
    for line in grid:
        sys.stdout.write("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() + "\n")
