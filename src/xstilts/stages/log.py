"""What is written down of a phase's steps, and what their losses tell."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from xstilts.core.files import write_jsonl
from xstilts.graph.perform import Report
from xstilts.stages.accidents import note_memory
from xstilts.training.distributed import team
from xstilts.training.loop import StepRecord

FEWEST_STEPS = 200
"""Of a phase whose loss is judged: the mean of twenty steps is known well enough."""
FLAT = 0.98
"""A last loss of more than this share of the first one is flat."""


class Ends:
    """A phase's mean losses in its first and in its last tenth, by task.

    Args:
        rows: task -> [sum, steps] of both, from the checkpoint.
    """

    def __init__(self, steps: int, rows: Mapping[str, Any]) -> None:
        self.steps, self._sums = steps, {task: [list(end) for end in ends] for task, ends in rows.items()}

    def add(self, step: int, task: str, loss: Any) -> None:
        """Take a step's loss into account; it stays on its device."""
        tenth = self.steps // 10
        if self.steps >= FEWEST_STEPS and not tenth <= step < self.steps - tenth:
            end = self._sums.setdefault(task, [[0.0, 0], [0.0, 0]])[step >= tenth]
            end[0], end[1] = end[0] + loss, end[1] + 1

    def rows(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {task: [[float(total), n] for total, n in ends] for task, ends in self._sums.items()}

    def flat(self, tasks: Collection[str]) -> dict[str, str]:
        """Of some tasks those whose loss is flat: it fell by less than 2 % from its first tenth to its last.

        A fresh head begins at chance, so that such a run has learned nothing; one that learned which label is frequent
        is not found. The limit is ours.
        """
        found = {}
        for task, ((first, some), (last, others)) in self.rows().items():
            if task in tasks and some and others and last / others > FLAT * first / some:
                found[task] = (
                    f"its loss is flat, {first / some:.3f} at the beginning and {last / others:.3f} at the end"
                )
        return found


class Log:
    """Step records on disk (`log.jsonl`) and to the caller; a resumed run keeps what was logged before."""

    def __init__(self, directory: Path, steps: int, notes: Mapping[str, Any], report: Report, at_once: int) -> None:
        self.path = directory / "log.jsonl"
        self.steps, self.report, self.at_once = steps, report, at_once
        self.ends = Ends(steps, notes.get("ends", {}))
        self.rows: list[dict[str, Any]] = list(notes.get("log", ()))
        self.totals: dict[str, dict[str, int]] = dict(notes.get("totals", {}))
        self.told = time.monotonic()

    def count(self, record: StepRecord) -> None:
        """Steps, tokens and items seen, by task; and whether memory was short."""
        self.ends.add(record.step, record.task, record.loss)
        if record.at_once != self.at_once:
            note_memory(self.path.parent, self.report, f" in step {record.step}", (self.at_once, record.at_once))
            self.at_once = record.at_once
        total = self.totals.setdefault(record.task, {"steps": 0, "tokens": 0, "items": 0})
        for name, value in (("steps", 1), ("tokens", record.tokens), ("items", record.count)):
            total[name] += value

    def add(self, record: StepRecord) -> None:
        row = record.row()
        self.rows.append(row)
        self.tell(record.step + 1, f", {row['task']} loss {row['loss']:.3f}")

    def tell(self, done: int, more: str = "") -> None:
        """How far it is; between two records too, where steps are slow."""
        self.told = time.monotonic()
        if team().leads:
            self.report({"fraction": done / self.steps, "message": f"step {done} of {self.steps}{more}"})

    def write(self) -> None:
        if team().leads:
            write_jsonl(self.path, self.rows)
