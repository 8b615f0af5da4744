"""The answer and the main table as plain lines of at most `width` columns, for a terminal, a log or a pipe."""

import textwrap

from xstilts.core.errors import shown
from xstilts.reports.analysis import ZERO_SHOT, Analysis
from xstilts.reports.cells import CLEAR, Table
from xstilts.reports.comparison import Comparison, answers, comparison_tables
from xstilts.reports.figures import fitted
from xstilts.reports.findings import findings, verdict
from xstilts.reports.tables import main_table

WIDTH = 80
KEY = (
    "score: 0 to 100, mean over zero-shot languages; gain: points over the experiment's own baseline; over: languages "
    f"and seeds; {CLEAR} clear after correction"
)


def plain_report(analysis: Analysis, width: int = WIDTH) -> str:
    """Question, verdict, the zero-shot table of each backbone, and further findings."""
    told = [analysis.about.question, *(verdict(analysis, section) for section in analysis.sections)]
    lines = [line for one in told for line in _wrapped(one, width)]
    for section in analysis.sections:
        title = f"{analysis.about.backbone(section.backbone).label}, gains in languages without labels"
        main = main_table(analysis, section, ZERO_SHOT)
        key = f"{main.rows[0].label}: own score; others: points over it; {CLEAR} clear after correction"
        lines += ["", title, *table(main, width, key)]
    lines += ["", *(line for one in findings(analysis) for line in _wrapped(one, width, "* "))]
    return "".join(f"{shown(line)}\n" for line in lines)


def plain_comparison(found: Comparison, width: int = WIDTH) -> str:
    """How the experiments differ, and a table for each target."""
    lines = [line for one in answers(found) for line in _wrapped(one, width)]
    for one in comparison_tables(found):
        lines += ["", one.title, *table(one, width, apart=len(one.head) - 2)]
    lines += ["", *_wrapped(KEY, width)]
    return "".join(f"{shown(line)}\n" for line in lines)


def table(one: Table, width: int = WIDTH, key: str = "", apart: int = 0) -> list[str]:
    """Aligned columns, in several blocks if needed, with intervals in all or only in column `apart`; `key` is last."""
    label = min(max(len(row.label) for row in one.rows), width * 2 // 5)
    columns = [_column(one, i, True) for i in range(len(one.head) - 1)]
    if label + sum(2 + len(column[0]) for column in columns) > width:
        columns = [_column(one, i, i == apart) for i in range(len(columns))]
    blocks: list[list[list[str]]] = []
    used = width
    for column in columns:
        if used + 2 + len(column[0]) > width:
            blocks.append([["".ljust(label), *(fitted(row.label, label, 1).ljust(label) for row in one.rows)]])
            used = label
        blocks[-1].append(column)
        used += 2 + len(column[0])
    lines = [line for block in blocks for line in ["", *("  ".join(cells).rstrip() for cells in zip(*block))]]
    badges = [f"! {row.label}: {badge}" for row in one.rows for badge in row.badges]
    return [*lines[1:], *(line for note in [*badges, *one.notes, key] for line in _wrapped(note, width))]


def _column(one: Table, at: int, detail: bool) -> list[str]:
    """Heading and cells, of one width: a number, room for its dot if the column has any, its interval."""
    cells = [row.cells[at] for row in one.rows]
    dots = any(cell.clear for cell in cells)
    numbers = [f"{cell.marked}{' ' * (dots and not cell.clear)}" for cell in cells]
    longest = max(map(len, numbers))
    wide = max(len(cell.detail) for cell in cells) * detail
    texts = [f"{number:>{longest}}{f' {cell.detail:>{wide}}' if wide else ''}" for number, cell in zip(numbers, cells)]
    head = fitted(one.head[at + 1].label, 18, 1)
    width = max(len(head) + dots, len(texts[0]))
    head = head.rjust(longest - dots).ljust(width) if wide else (head + " " * dots).rjust(width)
    if one.head[at + 1].words:
        return [text.strip().ljust(width) for text in (head, *texts)]
    return [head, *(text.rjust(width) for text in texts)]


def _wrapped(text: str, width: int, first: str = "") -> list[str]:
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=" " * len(first), break_on_hyphens=False)
