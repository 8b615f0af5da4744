"""Tables for a terminal: rich for a person, plain columns for a log or a pipe."""

from __future__ import annotations

from rich import box
from rich.table import Table as RichTable
from rich.text import Text

from xstilts.reports.analysis import ZERO_SHOT, Analysis
from xstilts.reports.cells import CLEAR, Cell, Row, Table
from xstilts.reports.findings import findings
from xstilts.reports.tables import main_table

STYLES = {"baseline": "bold", "recipe": "", "control": "dim", "chance": "dim", "plain": ""}


def main_tables(analysis: Analysis) -> list[Table]:
    """The zero-shot table of each backbone."""
    return [main_table(analysis, section, ZERO_SHOT) for section in analysis.sections]


def plain(table: Table) -> str:
    """Aligned columns without colours or boxes, at any width; flags and notes below."""
    grid = [[_head(c.label, c.detail) for c in table.head]]
    grid += [[row.label, *(_cell(cell) for cell in row.cells)] for row in table.rows]
    widths = [max(len(line[column]) for line in grid) for column in range(len(table.head))]
    lines = [
        "  ".join(text.ljust(w) if i == 0 else text.rjust(w) for i, (text, w) in enumerate(zip(line, widths))).rstrip()
        for line in grid
    ]
    flags = [f"! {row.label}: {badge}" for row in table.rows for badge in row.badges]
    return "\n".join([*lines, *flags, *(f"- {note}" for note in table.notes), table.caption]) + "\n"


def plain_report(analysis: Analysis) -> str:
    """The main tables and what they say, as plain lines."""
    tables = [plain(table) for table in main_tables(analysis)]
    return "\n".join([*tables, *(f"* {sentence}" for sentence in findings(analysis))]) + "\n"


def rich_table(table: Table) -> RichTable:
    """The same for a person; labels such as `[{nli, mlm}]` are never read as markup."""
    made = RichTable(box=box.SIMPLE_HEAD, caption=Text(_notes(table), justify="left"), caption_justify="left")
    for number, column in enumerate(table.head):
        head = Text(column.label, style="bold")
        if column.detail:
            head.append(f"\n{column.detail}", style="dim")
        made.add_column(head, justify="left" if number == 0 else "right", overflow="fold")
    for number, row in enumerate(table.rows):
        last = number + 1 < len(table.rows) and table.rows[number + 1].kind != row.kind
        made.add_row(_label(row), *(_rich_cell(cell, row) for cell in row.cells), end_section=last)
    return made


def _notes(table: Table) -> str:
    return "\n".join([table.caption, *table.notes])


def _head(label: str, detail: str) -> str:
    return f"{label} ({detail})" if detail else label


def _cell(cell: Cell) -> str:
    mark = CLEAR if cell.clear and cell.kind == "gain" else ""
    return f"{cell.text}{mark} {cell.detail}".strip()


def _label(row: Row) -> Text:
    text = Text(row.label, style=STYLES[row.kind])
    if row.detail:
        text.append(f"\n{row.detail}", style="dim")
    for badge in row.badges:
        text.append(f"\n! {badge}", style="yellow")
    return text


def _rich_cell(cell: Cell, row: Row) -> Text:
    style = STYLES[row.kind]
    if cell.clear and cell.kind == "gain":
        style = "bold blue" if (cell.value or 0) > 0 else "bold yellow"
    text = Text(cell.text + (CLEAR if cell.clear and cell.kind == "gain" else ""), style=style)
    if cell.strong:
        text.stylize("underline")
    if cell.detail:
        text.append(f"\n{cell.detail}", style="dim")
    return text
