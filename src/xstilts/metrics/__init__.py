"""Official metrics as pure functions without torch. `METRICS.get(name)` after importing this package knows them all."""

from xstilts.metrics import retrieval, span, tagging
from xstilts.metrics.base import METRICS, Metric, Ratio

__all__ = ["METRICS", "Metric", "Ratio", "retrieval", "span", "tagging"]
