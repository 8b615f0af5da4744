"""Reports from scores: one list of chapters, rendered as HTML, Markdown, LaTeX and plain text. No models, no torch."""

from xstilts.reports.about import About, Named
from xstilts.reports.analysis import Analysis, analyse
from xstilts.reports.terminal import plain_comparison, plain_report
from xstilts.reports.write import write_contents

__all__ = ["About", "Analysis", "Named", "analyse", "plain_comparison", "plain_report", "write_contents"]
