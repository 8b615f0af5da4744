"""Writes a report: page, Markdown, LaTeX, CSV and figures (SVG, or PDF by CairoSVG); same scores, same bytes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from xstilts.core.errors import ConfigError
from xstilts.core.files import write_text
from xstilts.reports.analysis import Analysis
from xstilts.reports.contents import Contents, contents
from xstilts.reports.diagnostics import bucket_rows
from xstilts.reports.figures import literal
from xstilts.reports.html import page
from xstilts.reports.latex import tables
from xstilts.reports.markdown import report
from xstilts.reports.study import Study
from xstilts.reports.tables import gain_rows
from xstilts.stats.table import csv_text

FILES = {
    "scores.csv": "every score, one per line, with its signature",
    "scores.parquet": "the same as Parquet, with the same columns",
    "estimates.csv": "every mean and difference with interval and p values",
    "report.md": "this report as Markdown",
    "tables.tex": "its tables as LaTeX (booktabs)",
}
BY_BUCKET = {"diagnostics.csv": "every score and gain by properties of the examples, by language too"}
IN_ALL_FONTS = str.maketrans({"\u2212": "\u2013"})
"""Minus signs as a character that every font has: cairo looks for missing ones in no other font."""


def write_contents(found: Contents, directory: Path) -> Path:
    """Write `index.html`, `report.md`, `tables.tex`, the CSV files and the figures as SVG; returns the page's path."""
    analysis, listed = found.analysis, dict(FILES)
    for figure in (b for blocks in (found.lead, *(c.blocks for c in found.chapters)) for b in blocks if b.svg):
        write_text(directory / figure.file, literal(figure.svg))
        listed[figure.file] = figure.title
    rows = list(gain_rows(analysis))
    analysis.table.to_csv(directory / "scores.csv")
    analysis.table.to_parquet(directory / "scores.parquet")
    write_text(directory / "estimates.csv", csv_text(list(rows[0]), rows))
    for name in ("inputs.csv", *BY_BUCKET):  # of an earlier report
        (directory / name).unlink(missing_ok=True)
    if analysis.about.inputs:
        write_text(directory / "inputs.csv", csv_text(list(analysis.about.inputs[0]), map(dict, analysis.about.inputs)))
        listed["inputs.csv"] = "the data and model files that were read, with their checksums"
    write_text(directory / "report.md", report(found))
    write_text(directory / "tables.tex", tables(found))
    if buckets := list(bucket_rows(analysis)):
        write_text(directory / "diagnostics.csv", csv_text(list(buckets[0]), buckets))
        listed |= BY_BUCKET
    write_text(directory / "index.html", page(found, listed))
    return directory / "index.html"


def write_study(analysis: Analysis, study: Study, place: Path) -> None:
    """Write a study's page as Markdown, and the plot of its effects beside it where there is one."""
    found = contents(analysis, study)
    shown = [one for one in found.lead if not one.own]
    lead = tuple(replace(one, file=f"{place.stem}{'' if n == 0 else n}.svg") for n, one in enumerate(shown))
    for figure in lead:
        write_text(place.parent / figure.file, literal(figure.svg))
    write_text(place, report(replace(found, lead=lead), only_lead=True))


def converter() -> Callable[[str], bytes]:
    """A function from SVG to PDF; text stays text. Raises `ConfigError` if CairoSVG or cairo is not installed."""
    try:
        from cairosvg import svg2pdf
    except (ImportError, OSError) as error:
        lacks = str(error).partition("\n")[0]
        raise ConfigError(f"--pdf needs CairoSVG and cairo ({lacks}): pip install 'xstilts[pdf]'") from None
    return lambda svg: bytes(svg2pdf(bytestring=svg.translate(IN_ALL_FONTS).encode()))


def write_pdfs(folder: Path, convert: Callable[[str], bytes]) -> list[Path]:
    """Write each SVG file of a report as PDF beside it; returns their paths."""
    made, page = [], (folder / "index.html").read_text(encoding="utf-8")
    for figure in sorted(file for file in folder.glob("*.svg") if file.name in page):
        made.append(figure.with_suffix(".pdf"))
        made[-1].write_bytes(convert(figure.read_text(encoding="utf-8")))
    return made
