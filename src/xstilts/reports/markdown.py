"""The report as Markdown for code hosts: languages are rows; intervals have their own columns if there is room."""

import re
from collections.abc import Iterable
from itertools import pairwise

from xstilts.reports.cells import Row, Table
from xstilts.reports.contents import Block, Contents

WIDE = 12
"""Columns above which intervals stand in the cells of their numbers."""
_CODE = re.compile(r"(^```.*?^```$|(?<![`\\])(?P<tick>`+)(?!`)[^\n]*?(?<!`)(?P=tick)(?!`))", re.MULTILINE | re.DOTALL)


def report(found: Contents, only_lead: bool = False) -> str:
    """The whole report. `only_lead`: links only to the first figures, since no other files are beside it."""
    parts = [f"# {plain(found.title)}", plain(found.question), *(f"**{plain(one)}**" for one in found.answer)]
    parts += [_bullets(found.said), *map(_block, found.lead)]
    for chapter in found.chapters:
        shown = [block for block in chapter.blocks if not (only_lead and (block.svg or block.own))]
        parts += [f"## {chapter.title}", *map(_block, shown)] if shown else []
    return without_tags("\n\n".join(part for part in parts if part) + "\n")


def _block(block: Block) -> str:
    if block.svg:
        return f"![{plain(block.title)}]({block.file})"
    if block.tables:
        return "\n\n".join([*([f"{plain(block.title)}:"] if block.title else []), *map(table, block.tables)])
    if block.kind == "curves":
        return ""
    if block.kind == "code":
        return f"```\n{block.items[0]}\n```"
    if block.kind == "codes":
        return "\n".join(f"- {coded(item)}" for item in block.items)
    return _bullets(block.items) if block.kind == "list" else plain(block.items[0])


def _bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {plain(item)}" for item in items)


def table(one: Table) -> str:
    """A pipe table with its caption below; clear differences carry a dot and are bold."""
    apart = [any(row.cells[i].detail for row in one.rows) for i in range(len(one.head) - 1)]
    if len(one.head) + sum(apart) > WIDE:
        apart = [False] * len(apart)
    head, rule = [plain(one.head[0].label)], ["---"]
    for column, more in zip(one.head[1:], apart):
        head += [plain(f"{column.label} {column.detail}".strip()), *([" "] if more else [])]
        rule += ["---" if column.words else "---:", *([":---"] if more else [])]
    lines = [head, rule, *(_row(row, apart) for row in one.rows)]
    grid = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    title = f"**{plain(one.title)}**" if one.title else ""
    return "\n\n".join(filter(None, [title, grid, plain(one.caption), _bullets(one.notes)]))


def _row(row: Row, apart: Iterable[bool]) -> list[str]:
    label = pipes(coded(row.label)) if row.kind in ("baseline", "recipe") else plain(row.label)
    more = "; ".join(part for part in (row.detail, *row.badges) if part)
    cells = [f"{label} ({plain(more)})" if more else label]
    for cell, own in zip(row.cells, apart):
        number, detail = f"**{cell.marked}**" if cell.clear else cell.text, plain(cell.detail)
        cells += [plain(number), detail] if own else [f"{plain(number)} {detail}".strip()]
    return cells


def plain(text: str) -> str:
    """Text for a cell or a line: pipes end a cell, and a bracketed text may become a link."""
    return pipes(text).replace("[", "\\[").replace("\n", " ")


def pipes(text: str) -> str:
    """Escape pipes, which would end a cell."""
    return re.sub(r"(?<!\\)(\\*)\|", r"\1\1\\|", text)


def coded(text: str) -> str:
    """Text as code; it may contain backticks."""
    line = text.replace("\n", " ")
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if "`" in line else f"`{line}`"


def without_tags(page: str) -> str:
    """Escape tags: our pages use no HTML, so anything like a tag is part of a name."""
    ends = [0, *(end for found in _CODE.finditer(page) for end in found.span()), len(page)]
    parts = [page[begin:end] for begin, end in pairwise(ends)]
    return "".join(re.sub(r"<(?=[A-Za-z/!?])", "&lt;", part) if i % 2 == 0 else part for i, part in enumerate(parts))
