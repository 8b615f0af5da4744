"""Writes the file tree of docs/files.md: every source file with the first sentence of its docstring."""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path

from marked import write

REPOSITORY = Path(__file__).parents[1]
COLUMN, WIDTH = 32, 120


def first_sentence(path: Path) -> str:
    """The docstring's first sentence without its full stop, cut between words where it would not fit."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    sentence = re.split(r"(?<!et al)\.\s(?=[A-Z])", " ".join(docstring.split("\n\n")[0].split()))[0].removesuffix(".")
    return textwrap.shorten(sentence, WIDTH - COLUMN, placeholder=" ...")


def tree() -> str:
    """A code block with one line a file below src/xstilts, folders first met in alphabetical order."""
    lines = ["```", "src/xstilts/"]
    root = REPOSITORY / "src" / "xstilts"
    for path in sorted(root.rglob("*.py"), key=lambda path: (path.parent != root, path.relative_to(root).as_posix())):
        depth = len(path.relative_to(root).parts)
        if path.name == "__init__.py" and depth > 1:
            comment = first_sentence(path)
            folder = f"{'    ' * (depth - 1)}{path.parent.name}/"
            lines.append(f"{folder:<{COLUMN}}{comment}".rstrip())
        elif path.name != "__init__.py":
            lines.append(f"{'    ' * depth}{path.name}".ljust(COLUMN) + first_sentence(path))
    return "\n".join([*lines, "```"])


if __name__ == "__main__":
    write("files.md", "tree", tree())
