"""Writes a report: page, Markdown, CSV and plots, the same bytes for the same scores."""

from __future__ import annotations

import re
from pathlib import Path

from xstilts.core.files import write_text
from xstilts.reports.about import About
from xstilts.reports.analysis import ALL, Analysis, analyse
from xstilts.reports.layers import panels
from xstilts.reports.markdown import report as markdown_report
from xstilts.reports.page import page, standalone
from xstilts.reports.svg import heat_map, layer_plot
from xstilts.reports.tables import gain_rows, language_table
from xstilts.stats.series import Resampling
from xstilts.stats.table import ScoreTable, csv_text


def write_report(table: ScoreTable, about: About, directory: Path, options: Resampling | None = None) -> Path:
    """Write `index.html`, `report.md`, `scores.csv`, `estimates.csv` and the plots as SVG; returns the page's path.

    Raises:
        XstiltsError: there is nothing to report.
    """
    return write_analysis(analyse(table, about, options), directory)


def write_analysis(analysis: Analysis, directory: Path) -> Path:
    """The same for estimates already computed (a terminal table and a report need them once)."""
    plots = _plots(analysis)
    for name, svg in plots.items():
        write_text(directory / name, standalone(svg))
    analysis.table.to_csv(directory / "scores.csv")
    rows = list(gain_rows(analysis))
    write_text(directory / "estimates.csv", csv_text(list(rows[0]), rows))
    write_text(directory / "report.md", markdown_report(analysis))
    listed = {
        "scores.csv": "every score, one per line, with its signature",
        "estimates.csv": "every mean and difference with both intervals and p values",
        "report.md": "this report as Markdown",
        **dict.fromkeys(plots, "a plot of this page"),
    }
    index = directory / "index.html"
    write_text(index, page(analysis, listed))
    return index


def _plots(analysis: Analysis) -> dict[str, str]:
    """File name -> SVG."""
    several = len(analysis.sections) > 1
    made = {}
    for section in analysis.sections:
        for target in analysis.about.targets:
            if analysis.languages[target, ALL]:
                name = _file("heatmap", target, section.backbone if several else "")
                made[name] = heat_map(language_table(analysis, section, target))
    for panel in panels(analysis):
        made[_file("layers", panel.target, panel.kind)] = layer_plot(panel)
    return made


def _file(*parts: str) -> str:
    """A file name that every system accepts."""
    return "-".join(re.sub(r"[^\w.-]+", "-", part).strip("-") for part in parts if part) + ".svg"
