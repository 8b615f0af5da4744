"""Tables for terminals and for a Markdown page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

Table = tuple[list[str], list[list[str]]]


class Range(NamedTuple):
    """Median, least and most over the rounds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Range:
        return cls(median(values), min(values), max(values))

    def told(self, digits: int = 2) -> str:
        return f"{self.median:.{digits}f} ({self.least:.{digits}f} - {self.most:.{digits}f})"


def goal(found: float, wanted: float, most: bool = False) -> str:
    """A goal beside what was found: at least so much, or at most."""
    met = found <= wanted if most else found >= wanted
    return f"{'<=' if most else '>='} {wanted:g}: {'met' if met else 'missed'}"


def plain(table: Table) -> str:
    """Columns aligned for a terminal: the first to the left, numbers to the right."""
    header, rows = table
    texts = [sum(not _is_figure(row[i]) for row in rows) > 0 for i in range(len(header))]
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = [
        "  ".join(cell.ljust(w) if text else cell.rjust(w) for cell, w, text in zip(row, widths, texts)).rstrip()
        for row in [header, ["-" * w for w in widths], *rows]
    ]
    return "\n".join(lines)


def markdown(table: Table) -> str:
    header, rows = table
    aligned = ["--:" if all(_is_figure(row[i]) for row in rows) else "---" for i in range(len(header))]
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, aligned, *rows])


def _is_figure(cell: str) -> bool:
    return all(c in "0123456789.,-x ()+" for c in cell)


def write_section(path: Path, name: str, body: str, writer: str = "throughput") -> None:
    """Put `body` between the marks of section `name` in a Markdown file, adding what is missing of file and marks."""
    begin, end = f"<!-- {name}: written by benchmarks.{writer} -->", f"<!-- end of {name} -->"
    page = path.read_text(encoding="utf-8") if path.exists() else ""
    if begin not in page or end not in page:
        page = f"{page.rstrip()}\n\n{begin}\n{end}\n".lstrip()
    head, rest = page.split(begin, 1)
    tail = rest.split(end, 1)[1]
    path.write_text(f"{head}{begin}\n\n{body.strip()}\n\n{end}{tail}", encoding="utf-8")
