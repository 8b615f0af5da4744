"""Pages of which a part, between two marks, is written by `make docs`, or by another target where that takes long."""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def with_part(page: str, kind: str, text: str, by: str = "make docs") -> str:
    """The page with what stands between the marks of a `kind` (tree, table) replaced."""
    begin, end = f"<!-- {kind}: written by `{by}` -->", f"<!-- end of {kind} -->"
    head, mark, rest = page.partition(begin)
    _, found, tail = rest.partition(end)
    assert mark, f"the page has lost the mark {begin}"
    assert found, f"the page has lost the mark {end}"
    return f"{head}{begin}\n\n{text}\n\n{end}{tail}"


def is_current(name: str, kind: str, text: str) -> bool:
    """Whether `docs/name` has this part."""
    page = (DOCS / name).read_text(encoding="utf-8")
    return page == with_part(page, kind, text)


def write(name: str, kind: str, text: str, by: str = "make docs") -> None:
    """Write the part into `docs/name`."""
    path = DOCS / name
    path.write_text(with_part(path.read_text(encoding="utf-8"), kind, text, by), encoding="utf-8")
    sys.stdout.write(f"docs/{name} is up to date\n")
