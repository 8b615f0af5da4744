"""Which weights of a running phase are kept: judged on validation data, averaged, or the last.

The evaluations are all the state there is: a checkpoint holds those made so far, which tell which snapshot is the best,
so that a killed run goes on as if nothing had been. `evaluations.jsonl` has a line for each, for people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from xstilts.core.files import write_jsonl
from xstilts.core.machine import Machine
from xstilts.evaluation.evaluate import Evaluation, golds_of, measure
from xstilts.stages.accidents import constant
from xstilts.stages.predicting import Predictor
from xstilts.training.checkpoint import fill_weights, trained_weights
from xstilts.training.distributed import team
from xstilts.training.loop import Phase
from xstilts.training.model import Model
from xstilts.training.snapshots import Snapshots, moments

EVALUATIONS = "evaluations.jsonl"


@dataclass(frozen=True)
class Panel:
    """A model in training and what it is judged by.

    Attributes:
        judges: rows of a train stage's `selection`; data: the directories of their prepare stages.
    """

    model: Model
    phase: Phase
    machine: Machine
    judges: Sequence[Mapping[str, Any]]
    data: Sequence[Path]

    def evaluate(self) -> tuple[float, list[dict[str, Any]]]:
        """The mean over judges, 0-100, and the main scores behind it: (F1 + EM) / 2 for QA, the mean over languages.

        Every judge counts the same, as jiant's tasks do.
        """
        found = [self._scores(judge, data) for judge, data in zip(self.judges, self.data, strict=True)]
        self.model.train()
        value = mean(mean(row["value"] for row in rows) for rows in found)
        return value, [row for rows in found for row in rows]

    def _scores(self, judge: Mapping[str, Any], data: Path) -> list[dict[str, Any]]:
        number = judge["component"]
        own = self.model.specs[number]
        predictor = Predictor(
            self.model.backbone,
            self.model.heads[own.task],
            self.phase.types[number],
            own.labels,
            self.machine.device,
            self.machine.micro_batch_tokens,
            self.phase.config.precision,
        )
        rows = []
        for language, predictions in predictor.by_language(data):
            asked = Evaluation(judge["task"], language, judge["split"], judge["metric"], judge["main"])
            only = constant([each.value for each in predictions])
            for one in measure(asked, golds_of(data, language), [each.row() for each in predictions]):
                score = one.score
                if score.main:
                    row = {"task": score.task, "language": language, "metric": score.metric, "value": score.value}
                    against = {"majority": score.majority} if score.metric == judge["main"] else {}
                    rows.append({**row, **against, **({} if only is None else {"constant": only})})
        return rows


class Chooser:
    """Follows a phase from step `start` and keeps the weights that `selection` of its stage asks for.

    Every rank has one; the leading rank judges and writes while the others wait.

    Args:
        rows: the evaluations up to `start`, from the checkpoint.
    """

    def __init__(
        self,
        selection: Mapping[str, Any],
        panel: Panel,
        directory: Path,
        start: int,
        rows: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.panel, self.path = panel, directory / EVALUATIONS
        self.patience: int | None = selection.get("patience")
        self.steps = panel.phase.plan.steps
        self.by: str = selection.get("by", "last")
        self.moments: tuple[int, ...] = ()
        if self.by != "last":
            self.moments = moments(self.steps, selection.get("checkpoints", 0), selection.get("evaluate_every"))
        self.rows = [dict(row) for row in rows]
        known = self._best.get("step")
        if self.by == "average":
            self.moments = self.moments[-selection["average"] :]
            known = max((step for step in self.moments if step <= start), default=None)
        self.snapshots = Snapshots(directory, known)

    @property
    def _best(self) -> dict[str, Any]:
        """The best evaluation so far, the first among equals; empty where there is none."""
        return max(self.rows, key=lambda row: row["value"], default={})

    def seen(self, done: int) -> bool:
        """Take what is needed after `done` finished steps; returns whether the phase is to stop here."""
        if done not in self.moments:
            return False
        if self.by == "average":
            weights = trained_weights(self.panel.model)
            if team().leads:
                self._add(done, weights)
            return False
        stop = self._judge(done) if team().leads else False
        return bool(team().leading(stop))

    @property
    def kept(self) -> list[dict[str, Any]]:
        """Scores of the weights that are kept, once the phase is finished; none where they were not judged."""
        row = self._best if self.by in ("validation", "oracle") else (self.rows or [{}])[-1]
        found: list[dict[str, Any]] = row.get("scores", [])
        return found

    def needed(self) -> dict[str, str]:
        """Files that a checkpoint needs beside it, with their SHA-256."""
        return self.snapshots.digests() if team().leads else {}

    def checkpointed(self) -> None:
        """A checkpoint of the phase was written."""
        if team().leads:
            self.snapshots.checkpointed()

    def finish(self, done: int) -> dict[str, Any]:
        """Put the chosen weights into the model (on the leading rank, after `done` steps); what `summary.json` says.

        Snapshots stay: a run that is killed from here on goes on from a checkpoint that needs them.
        """
        told: dict[str, Any] = {"by": self.by, "step": done}
        if self.by == "average":
            summed = self.snapshots.weights()
            fill_weights(self.panel.model, {name: value / len(self.moments) for name, value in summed.items()})
            told |= {"step": None, "averaged": list(self.moments)}
        elif self.by != "last":
            fill_weights(self.panel.model, self.snapshots.weights())
            told |= {
                "step": self._best["step"],
                "value": self._best["value"],
                "evaluations": len(self.rows),
            }
            told["stopped"] = done if done < self.steps else None
        if self.panel.judges and "value" not in told:
            self._evaluate(done)
            told["value"] = self.rows[-1]["value"]
        if self.rows:  # a run that went on after the last evaluation has not written them yet
            write_jsonl(self.path, self.rows)
        return told

    @property
    def note(self) -> str:
        """For `about.json` and the signatures of scores; empty for the last weights."""
        return {"last": "", "average": f"average of {len(self.moments)}"}.get(self.by, self.by)

    def _judge(self, done: int) -> bool:
        self._evaluate(done)
        if self._best is self.rows[-1]:
            self.snapshots.keep(done, trained_weights(self.panel.model))
        since = len(self.rows) - 1 - self.rows.index(self._best)
        return self.patience is not None and since >= self.patience

    def _evaluate(self, done: int) -> None:
        value, scores = self.panel.evaluate()
        self.rows.append({"step": done, "value": value, "scores": scores})
        write_jsonl(self.path, self.rows)

    def _add(self, done: int, weights: Mapping[str, torch.Tensor]) -> None:
        """The sum so far, in float32 and on disk: memory holds no snapshot between two of them."""
        total = {name: value.float() for name, value in weights.items()}
        if self.snapshots.current is not None:
            total = {name: value + total[name] for name, value in self.snapshots.weights().items()}
        self.snapshots.keep(done, total)
