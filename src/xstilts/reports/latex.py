"""The tables as LaTeX with booktabs, for papers: clear differences bold, intervals and flags beside the numbers."""

from xstilts.reports.cells import Cell, Row, Table
from xstilts.reports.contents import Contents

PACKAGES = "% \\usepackage[utf8]{inputenc} \\usepackage{booktabs,graphicx,longtable}\n\n"
LONG = 40
"""Longer tables break across pages."""
WIDE = 5
"""Tables of more columns are scaled to the width of the text."""
SPECIAL = {
    **{char: f"\\{char}" for char in "&%$#_{}"},
    **{"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "\u2212": "$-$"},
    **{"\u2022": "$^{\\bullet}$", "\u2013": "--", "\u2018": "`", "\u2019": "'", "<": "$<$", ">": "$>$", "|": "$|$"},
}


def tables(found: Contents) -> str:
    """Every table of numbers, in the order of the report."""
    shown = [one for chapter in found.chapters for block in chapter.blocks for one in block.tables]
    return PACKAGES + "\n".join(table(one) for one in shown if not any(column.words for column in one.head))


def table(one: Table) -> str:
    """One table with its caption."""
    columns, notes = "l" + "r" * (len(one.head) - 1), [f"{note.rstrip('.')}." for note in one.notes]
    words = " ".join([one.caption.replace("a dot", "bold"), *notes])
    caption = f"\\caption{{{text(words)}}}"
    rows = "\n".join(f"{_row(row)} \\\\" for row in one.rows)
    heads = [[text(column.label) for column in one.head], [_small(column.detail) for column in one.head]]
    top = "\\toprule\n" + "".join(f"{' & '.join(head)} \\\\\n" for head in heads if any(head)) + "\\midrule\n"
    if len(one.rows) > LONG:
        body = f"{caption} \\\\\n{top}\\endhead\n{rows}\n\\bottomrule"
        return f"\\begin{{longtable}}{{{columns}}}\n{body}\n\\end{{longtable}}\n"
    body = f"\\begin{{tabular}}{{{columns}}}\n{top}{rows}\n\\bottomrule\n\\end{{tabular}}"
    if len(one.head) > WIDE:
        body = f"\\resizebox{{\\textwidth}}{{!}}{{%\n{body}}}"
    return f"\\begin{{table}}[tp]\n\\centering\\small\n{body}\n{caption}\n\\end{{table}}\n"


def _row(row: Row) -> str:
    label = f"\\texttt{{{text(row.label)}}}" if row.kind in ("baseline", "recipe") else text(row.label)
    flags = _small("; ".join(filter(None, [row.detail, *row.badges])))
    return " & ".join([f"{label} {flags}".strip(), *map(_cell, row.cells)])


def _cell(cell: Cell) -> str:
    number = f"\\textbf{{{text(cell.text)}}}" if cell.clear else text(cell.text)
    return f"{number} {_small(cell.detail)}".strip()


def _small(words: str) -> str:
    return f"{{\\scriptsize {text(words)}}}" if words else ""


def text(words: str) -> str:
    """Escaped text; a bracket at its start is not read as an option of the line before."""
    made = "".join(SPECIAL.get(char, char) for char in words)
    return f"{{}}{made}" if made.startswith("[") else made
