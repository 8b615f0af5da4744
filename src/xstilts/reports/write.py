"""Writes a report: page, Markdown, LaTeX, CSV and figures, the same bytes for the same scores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from xstilts.core.files import write_text
from xstilts.reports.about import About
from xstilts.reports.analysis import Analysis, analyse
from xstilts.reports.contents import contents
from xstilts.reports.diagnostics import bucket_rows
from xstilts.reports.figures import literal
from xstilts.reports.html import page
from xstilts.reports.latex import tables
from xstilts.reports.markdown import report
from xstilts.reports.study import Study
from xstilts.reports.tables import gain_rows
from xstilts.stats.series import Replication
from xstilts.stats.table import ScoreTable, csv_text

FILES = {
    "scores.csv": "every score, one per line, with its signature",
    "estimates.csv": "every mean and difference with interval and p values",
    "report.md": "this report as Markdown",
    "tables.tex": "its tables as LaTeX (booktabs)",
}
BY_BUCKET = {"diagnostics.csv": "every score and gain by properties of the examples, by language too"}


def write_report(table: ScoreTable, about: About, directory: Path, options: Replication | None = None) -> Path:
    """Write `index.html`, `report.md`, `tables.tex`, the CSV files and the figures as SVG; returns the page's path.

    Raises:
        XstiltsError: there is nothing to report.
    """
    return write_analysis(analyse(table, about, options), directory)


def write_analysis(analysis: Analysis, directory: Path, study: Study | None = None) -> Path:
    """Write the report of estimates that are already computed, and of a study."""
    found = contents(analysis, study)
    for figure in found.figures():
        write_text(directory / figure.file, literal(figure.svg))
    rows = list(gain_rows(analysis))
    analysis.table.to_csv(directory / "scores.csv")
    write_text(directory / "estimates.csv", csv_text(list(rows[0]), rows))
    write_text(directory / "report.md", report(found))
    write_text(directory / "tables.tex", tables(found))
    buckets = list(bucket_rows(analysis))
    if buckets:
        write_text(directory / "diagnostics.csv", csv_text(list(buckets[0]), buckets))
    listed = {**FILES, **(BY_BUCKET if buckets else {}), **{figure.file: figure.title for figure in found.figures()}}
    write_text(directory / "index.html", page(found, listed))
    return directory / "index.html"


def write_study(analysis: Analysis, study: Study, place: Path) -> None:
    """Write a study's page as Markdown, and the plot of its effects beside it where there is one."""
    found = contents(analysis, study)
    lead = tuple(replace(one, file=f"{place.stem}{'' if n == 0 else n}.svg") for n, one in enumerate(found.lead))
    for figure in lead:
        write_text(place.parent / figure.file, literal(figure.svg))
    write_text(place, report(replace(found, lead=lead), only_lead=True))
