"""The log of a phase's steps, and whether its losses are flat."""

import math
import time
from collections.abc import Collection, Mapping
from typing import Any

from xstilts.core.files import write_jsonl
from xstilts.graph.job import Job
from xstilts.stages.accidents import note_memory
from xstilts.stages.track import Tracker
from xstilts.training.distributed import team
from xstilts.training.loop import StepRecord

FEWEST_STEPS, FLAT = 200, 0.98
"""Fewest steps of a phase whose loss is judged: the mean of twenty steps is stable enough. A loss is flat if its last
mean is more than this share of the first."""


class Ends:
    """A phase's mean losses in its first and in its last tenth, by task.

    Args:
        rows: task -> [sum, steps] of both, from the checkpoint.
    """

    def __init__(self, steps: int, rows: Mapping[str, Any]) -> None:
        self.steps, self._sums = steps, {task: [list(end) for end in ends] for task, ends in rows.items()}

    def add(self, step: int, task: str, loss: Any) -> None:
        """Count a step's loss, which stays on its device."""
        tenth = self.steps // 10
        if self.steps >= FEWEST_STEPS and not tenth <= step < self.steps - tenth:
            end = self._sums.setdefault(task, [[0.0, 0], [0.0, 0]])[step >= tenth]
            end[0], end[1] = end[0] + loss, end[1] + 1

    def rows(self) -> dict[str, Any]:
        return {task: [[float(total), n] for total, n in ends] for task, ends in self._sums.items()}

    def flat(self, tasks: Collection[str]) -> dict[str, str]:
        """Task -> why its loss is flat, which fell by less than 2 % from its first tenth to its last.

        A fresh head starts at chance, so such a run has learned nothing. A run that learned only which label is
        frequent is not found. The limit is ours.
        """
        found = {}
        for task, ((first, some), (last, others)) in self.rows().items():
            if task in tasks and some and others and last / others > FLAT * first / some:
                ends = f"{first / some:.3f} at the beginning and {last / others:.3f} at the end"
                found[task] = f"its loss is flat, {ends}"
        return found


class Log:
    """Step records on disk (`log.jsonl`), for the caller and for a tracker; a resumed run keeps those of before.

    Args:
        notes: of the checkpoint.
    """

    def __init__(self, job: Job, steps: int, notes: Mapping[str, Any]) -> None:
        self.job, self.steps, self._at_once = job, steps, job.machine.micro_batch_tokens
        self.ends = Ends(steps, notes.get("ends", {}))
        self.rows: list[dict[str, Any]] = list(notes.get("log", ()))
        self.totals: dict[str, dict[str, int]] = dict(notes.get("totals", {}))
        self.told, self._tokens = time.monotonic(), 0
        self.tracker = Tracker(job, self.rows)

    def count(self, record: StepRecord) -> None:
        """Count steps, tokens and items by task, and note where memory ran short."""
        self.ends.add(record.step, record.task, record.loss)
        if record.at_once != self._at_once:
            note_memory(self.job, f" in step {record.step}", self._at_once, record.at_once)
            self._at_once = record.at_once
        self._tokens += record.tokens
        total = self.totals.setdefault(record.task, {"steps": 0, "tokens": 0, "items": 0})
        for name, value in (("steps", 1), ("tokens", record.tokens), ("items", record.count)):
            total[name] += value

    def add(self, record: StepRecord) -> None:
        row = record.row()
        self.rows.append(row)
        self.tracker.send(row | {"tokens_per_second": self.tell(record)})

    def tell(self, record: StepRecord) -> float:
        """Report step, loss and speed; between two logged steps too, where steps are slow.

        Returns:
            tokens per second of all devices since the last report, evaluations and checkpoints included.
        """
        now, done, loss = time.monotonic(), record.step + 1, round(float(record.loss), 6)
        speed = round(self._tokens / max(now - self.told, 1e-9), 1)
        self.told, self._tokens = now, 0
        if team().leads:
            message = f"step {done} of {self.steps}, {record.task} loss {loss:.3f}, {speed:,.0f} tokens/s"
            values = {"step": done, "steps": self.steps, "task": record.task, "tokens_per_second": speed}
            values |= {"loss": loss} if math.isfinite(loss) else {}  # JSON has no NaN
            self.job.report({"fraction": done / self.steps, "message": message, **values})
        return speed

    def write(self) -> None:
        if team().leads:
            write_jsonl(self.job.directory / "log.jsonl", self.rows)

    def notes(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"totals": self.totals, "log": self.rows, "ends": self.ends.rows()}
