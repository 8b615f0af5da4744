"""The tables as LaTeX with booktabs, for papers: clear differences bold, the first column with its intervals."""

from xstilts.reports.cells import Cell, Row, Table
from xstilts.reports.contents import Contents

PACKAGES = "% \\usepackage[utf8]{inputenc} \\usepackage{booktabs,longtable}\n\n"
LONG = 40
"""Longer tables break across pages."""
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
    columns, caption = "l" + "r" * (len(one.head) - 1), f"\\caption{{{text(one.caption.replace('a dot', 'bold'))}}}"
    rows = "\n".join(f"{_row(row)} \\\\" for row in one.rows)
    top = f"\\toprule\n{' & '.join(text(column.label) for column in one.head)} \\\\\n\\midrule\n"
    if len(one.rows) > LONG:
        body = f"{caption} \\\\\n{top}\\endhead\n{rows}\n\\bottomrule"
        return f"\\begin{{longtable}}{{{columns}}}\n{body}\n\\end{{longtable}}\n"
    body = f"\\begin{{tabular}}{{{columns}}}\n{top}{rows}\n\\bottomrule\n\\end{{tabular}}"
    return f"\\begin{{table}}[tp]\n\\centering\\small\n{body}\n{caption}\n\\end{{table}}\n"


def _row(row: Row) -> str:
    label = f"\\texttt{{{text(row.label)}}}" if row.kind in ("baseline", "recipe") else text(row.label)
    detail = f" {{\\scriptsize {text(row.cells[0].detail)}}}" if row.cells[0].detail else ""
    return " & ".join([label, _cell(row.cells[0]) + detail, *map(_cell, row.cells[1:])])


def _cell(cell: Cell) -> str:
    return f"\\textbf{{{text(cell.text)}}}" if cell.clear else text(cell.text)


def text(words: str) -> str:
    """Escaped text; a bracket at its start is not read as an option of the line before."""
    made = "".join(SPECIAL.get(char, char) for char in words)
    return f"{{}}{made}" if made.startswith("[") else made
