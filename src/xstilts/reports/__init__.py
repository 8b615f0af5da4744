"""Reports from scores: tables, plots, one page. No models, no torch."""

from xstilts.reports.about import About, Named
from xstilts.reports.analysis import Analysis, analyse
from xstilts.reports.terminal import main_tables, plain, plain_report, rich_table
from xstilts.reports.write import write_analysis, write_report

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
