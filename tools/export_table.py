"""Writes the table of docs/export.md: what loads each head of each architecture, or why nothing does."""

from __future__ import annotations

import sys
from pathlib import Path

from xstilts.export.forms import table

REPOSITORY = Path(__file__).parents[1]
PAGE = REPOSITORY / "docs" / "export.md"
BEGIN, END = "<!-- table: written by `make docs` -->", "<!-- end of table -->"


def with_table(page: str) -> str:
    """The page with the part between the two marks replaced."""
    head, _, rest = page.partition(BEGIN)
    _, found, tail = rest.partition(END)
    assert found, f"{PAGE} has lost the mark {BEGIN} or {END}"
    return f"{head}{BEGIN}\n\n{table()}\n\n{END}{tail}"


def main() -> None:
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(with_table(page), encoding="utf-8")
    sys.stdout.write(f"{PAGE.relative_to(REPOSITORY)} is up to date\n")


if __name__ == "__main__":
    main()
