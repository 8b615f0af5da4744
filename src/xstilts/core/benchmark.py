"""A benchmark: which languages of which tasks enter its mean. A value that both wings know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Benchmark:
    """What a benchmark's official mean is taken over.

    Attributes:
        name: as a user types it.
        title: as its paper calls it; only a complete mean is called so.
        languages: task -> the languages that enter its mean, with equal weight.
        groups: name -> tasks. Tasks of the group `qa` count with the mean of exact match and F1, others with their main
            value. The overall mean is over tasks, not over groups.
        splits: task -> split that is measured, where it is not `test`.
    """

    name: str
    title: str
    languages: Mapping[str, tuple[str, ...]]
    groups: Mapping[str, tuple[str, ...]]
    splits: Mapping[str, str] = field(default_factory=dict)

    def split(self, task: str) -> str:
        """The split whose scores count."""
        return self.splits.get(task, "test")

    def values(self, task: str) -> tuple[str, ...]:
        """The values whose mean a task counts with; empty: its main value."""
        return ("f1", "exact_match") if task in self.groups.get("qa", ()) else ()
