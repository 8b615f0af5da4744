"""Tables as Markdown, for the documentation and for reading in a terminal."""

from __future__ import annotations

from xstilts.reports.analysis import ALL, SCOPES, Analysis
from xstilts.reports.cells import CLEAR, Cell, Row, Table
from xstilts.reports.findings import findings
from xstilts.reports.layers import layer_table, panels
from xstilts.reports.methods import limitations, methods, protocols
from xstilts.reports.official import official_table
from xstilts.reports.tables import intermediate_table, language_table, main_table


def table(one: Table) -> str:
    """A pipe table with its caption below; clear differences carry a dot, the best clear gain of a column is bold."""
    head = "| " + " | ".join(_join(column.label, column.detail) for column in one.head) + " |"
    rule = "|" + "|".join(["---", *("---" if column.words else "---:" for column in one.head[1:])]) + "|"
    notes = [f"- {plain(note)}" for note in one.notes]
    parts = ["\n".join([head, rule, *map(_row, one.rows)]), plain(one.caption), *(["\n".join(notes)] if notes else [])]
    return "\n\n".join(parts) + "\n"


def _row(row: Row) -> str:
    coded = row.kind in ("baseline", "recipe", "plain")
    label = f"`{row.label}`".replace("|", "\\|") if coded else plain(row.label)
    more = "; ".join(part for part in (row.detail, *row.badges) if part)
    return "| " + " | ".join([f"{label} ({plain(more)})" if more else label, *map(_cell, row.cells)]) + " |"


def _cell(cell: Cell) -> str:
    text = cell.text + CLEAR if cell.clear and cell.kind == "gain" else cell.text
    return _join(f"**{text}**" if cell.strong else text, cell.detail)


def _join(text: str, detail: str) -> str:
    return plain(f"{text} {detail}".strip())


def plain(text: str) -> str:
    """Text for a cell or a line: pipes end a cell, and a bracketed text may become a link."""
    return text.replace("|", "\\|").replace("[", "\\[").replace("\n", " ")


def report(analysis: Analysis) -> str:
    """The whole report: findings, every table, methods, limitations."""
    about = analysis.about
    parts = [f"# {about.title}", about.question, about.description]
    parts.append("\n".join(f"- {plain(sentence)}" for sentence in findings(analysis)))
    if about.command:
        parts.append(f"```\n{about.command}\n```")
    for section in analysis.sections:
        parts.append(f"## Results: {about.backbone(section.backbone).label}")
        parts.extend(table(main_table(analysis, section, scope)) for scope in SCOPES)
        targets = [target for target in about.targets if analysis.languages[target, ALL]]
        for target in targets:
            parts += [f"### {target}", table(language_table(analysis, section, target))]
    if (official := official_table(analysis)) is not None:
        parts += ["## Official means", table(official)]
    if sweeps := panels(analysis):
        parts += ["## Layers", *(table(layer_table(panel)) for panel in sweeps)]
    if (own := intermediate_table(analysis)) is not None:
        parts += ["## Intermediate tasks", table(own)]
    parts += ["## Methods", *methods(analysis)]
    if lines := protocols(analysis):
        parts.append("\n".join(f"- `{line}`" for line in lines))
    parts += ["## Limitations", "\n".join(f"- {sentence}" for sentence in limitations(analysis)) or "None were named."]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"
