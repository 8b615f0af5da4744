"""Reports from scores: tables, plots, one page. No models, no torch."""

from xstilts.report.about import About, Named
from xstilts.report.analysis import Analysis, analyse
from xstilts.report.terminal import main_tables, plain, plain_report, rich_table
from xstilts.report.write import write_analysis, write_report

__all__ = [
    "About",
    "Analysis",
    "Named",
    "analyse",
    "main_tables",
    "plain",
    "plain_report",
    "rich_table",
    "write_analysis",
    "write_report",
]
