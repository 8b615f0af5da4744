"""Accuracy: XNLI, PAWS-X, SIB-200, XCOPA and every other task with one label per example."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from xstilts.metrics.base import Metric, Ratio, check_lengths, ratio, register

XTREME = "google-research/xtreme evaluate.py@838c13b"


def accuracy(golds: Sequence[Any], predictions: Sequence[Any], language: str = "en") -> dict[str, Ratio]:
    """Share of predictions equal to gold (XTREME `accuracy`). Labels are strings or integers; `None` is wrong."""
    del language
    check_lengths(golds, predictions)
    return {"accuracy": ratio([gold == predicted for gold, predicted in zip(golds, predictions, strict=True)])}


def _majority(golds: Sequence[Any]) -> float:
    return 100.0 * max(Counter(golds).values()) / len(golds) if golds else 0.0


ACCURACY = register(Metric("accuracy", f"{XTREME}:accuracy", ("accuracy",), accuracy, _majority))
