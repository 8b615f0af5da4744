"""Metrics as ratios of sums: value = 100 * sum(numerator) / sum(denominator), one entry per example.

Accuracy is correct / 1, token accuracy correct tokens / tokens, a question's F1 is f1 / 1, entity F1 is
2 * true positives / (predicted + gold). Statistics over examples need these sums alone, not the metric again.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xstilts.core.registry import Registry


@dataclass(frozen=True, eq=False)
class Ratio:
    """The contribution of each example to a score: [examples] float64, denominators not negative."""

    numerator: NDArray[np.float64]
    denominator: NDArray[np.float64]

    def __post_init__(self) -> None:
        same = self.numerator.ndim == 1 and self.numerator.shape == self.denominator.shape
        assert same, f"ratio of {self.numerator.shape} and {self.denominator.shape}"

    @property
    def value(self) -> float:
        """0-100; 0 when the denominator sums to 0, as in the official scripts."""
        total = float(self.denominator.sum())
        return 100.0 * float(self.numerator.sum()) / total if total else 0.0


def ratio(numerator: ArrayLike, denominator: ArrayLike = 1.0) -> Ratio:
    """A `Ratio` of arrays; a single denominator counts for every example (1 gives a plain mean)."""
    top = np.asarray(numerator, dtype=np.float64)
    return Ratio(top, np.broadcast_to(np.asarray(denominator, dtype=np.float64), top.shape))


@dataclass(frozen=True)
class Metric:
    """A metric that reproduces one official script.

    Attributes:
        name: its name in `METRICS`.
        script: the official script and commit.
        values: the names of its values; the first is the main one.
        function: (golds, predictions, language) -> value name -> `Ratio`, with one gold and one prediction per example.
            Raises `ValueError` if their numbers differ.
        majority: golds -> main value (0-100) of the majority baseline; of retrieval, of a random choice.
        others: the same for further values that enter a task's score.
    """

    name: str
    script: str
    values: tuple[str, ...]
    function: Callable[[Sequence[Any], Sequence[Any], str], dict[str, Ratio]]
    majority: Callable[[Sequence[Any]], float]
    others: Mapping[str, Callable[[Sequence[Any]], float]] = field(default_factory=dict)

    @property
    def main(self) -> str:
        """The main value, which `majority` belongs to."""
        return self.values[0]

    @property
    def baselines(self) -> dict[str, Callable[[Sequence[Any]], float]]:
        """Value name -> its majority baseline, of every value that enters a task's score."""
        return {self.main: self.majority, **self.others}


METRICS: Registry[Metric] = Registry("metric")
XTREME = "google-research/xtreme evaluate.py@838c13b"


def register(*metrics: Metric) -> None:
    """Put metrics into `METRICS` under their own names."""
    for metric in metrics:
        METRICS.add(metric.name, metric)


def check_lengths(golds: Sequence[Any], predictions: Sequence[Any]) -> None:
    """Raises `ValueError` unless there is one prediction per gold."""
    if len(golds) != len(predictions):
        raise ValueError(f"{len(predictions)} predictions for {len(golds)} examples")


def accuracy(golds: Sequence[Any], predictions: Sequence[Any], language: str = "en") -> dict[str, Ratio]:
    """Share of predictions equal to gold (XTREME `accuracy`). Labels are strings or integers; `None` is wrong."""
    check_lengths(golds, predictions)
    return {"accuracy": ratio([gold == predicted for gold, predicted in zip(golds, predictions, strict=True)])}


def _majority(golds: Sequence[Any]) -> float:
    return 100.0 * max(Counter(golds).values()) / len(golds) if golds else 0.0


register(Metric("accuracy", f"{XTREME}:accuracy", ("accuracy",), accuracy, _majority))
