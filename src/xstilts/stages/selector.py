"""Which weights of a running phase are kept: the best on validation data, an average, or the last."""

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from xstilts.core.files import write_jsonl
from xstilts.evaluation.evaluate import Evaluation, golds_of, measure
from xstilts.graph.job import Job
from xstilts.stages.accidents import constant
from xstilts.stages.predicting import Predictor
from xstilts.training.checkpoint import Snapshots, fill_weights, moments, trained_weights
from xstilts.training.distributed import team
from xstilts.training.loop import Phase
from xstilts.training.model import TaskModel


class Selector:
    """Follows a phase from step `start` and keeps the weights that the stage's `selection` asks for.

    Every rank has one; the leading rank evaluates and writes while the others wait. The only state are the evaluations
    (`evaluations.jsonl`), which a checkpoint holds: they tell which snapshot is best, so that a resumed run equals a
    straight one.

    Args:
        rows: the evaluations up to `start`, from the checkpoint.
    """

    def __init__(
        self, job: Job, model: TaskModel, phase: Phase, start: int, rows: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        selection: Mapping[str, Any] = job.config.get("selection", {})
        self.model, self._job, self._phase = model, job, phase
        self.judges: Sequence[Mapping[str, Any]] = selection.get("judges", ())
        self.patience: int | None = selection.get("patience")
        self.by: str = selection.get("by", "last")
        self.moments: tuple[int, ...] = ()
        if self.by != "last":
            self.moments = moments(phase.plan.steps, selection.get("checkpoints", 0), selection.get("evaluate_every"))
        self.rows = [dict(row) for row in rows]
        known = self._best.get("step")
        if self.by == "average":
            self.moments = self.moments[-selection["average"] :]
            known = max((step for step in self.moments if step <= start), default=None)
        self.snapshots = Snapshots(job.directory, known)

    @property
    def _best(self) -> dict[str, Any]:
        """The best evaluation so far, the first among equals; empty where there is none."""
        return max(self.rows, key=lambda row: row["value"], default={})

    def seen(self, done: int) -> bool:
        """Take a snapshot after `done` steps if one is due; returns whether the phase stops here."""
        if done not in self.moments:
            return False
        if self.by == "average":
            weights = trained_weights(self.model)
            if team().is_main:  # the sum is in float32 and on disk: memory holds no snapshot between two of them
                total = {name: value.float() for name, value in weights.items()}
                if self.snapshots.current is not None:
                    total = {name: value + total[name] for name, value in self.snapshots.weights().items()}
                self.snapshots.keep(done, total)
            return False
        stop = False
        if team().is_main:
            self._evaluate(done)
            if self._best is self.rows[-1]:
                self.snapshots.keep(done, trained_weights(self.model))
            since = len(self.rows) - 1 - self.rows.index(self._best)
            stop = self.patience is not None and since >= self.patience
        return bool(team().leading(stop))

    @property
    def kept(self) -> list[dict[str, Any]]:
        """Scores of the weights that are kept, once the phase is finished; none where they were not evaluated."""
        row = self._best if self.by in ("validation", "oracle") else (self.rows or [{}])[-1]
        found: list[dict[str, Any]] = row.get("scores", [])
        return found

    def finish(self, done: int) -> dict[str, Any]:
        """Put the selected weights into the model, on the leading rank after `done` steps; returns the summary's part.

        Snapshots stay: a run that is killed later resumes from a checkpoint that needs them.
        """
        summary: dict[str, Any] = {"by": self.by, "step": done}
        if self.by == "average":
            summed = self.snapshots.weights()
            fill_weights(self.model, {name: value / len(self.moments) for name, value in summed.items()})
            summary |= {"step": None, "averaged": list(self.moments)}
        elif self.by != "last":
            fill_weights(self.model, self.snapshots.weights())
            summary |= {"step": self._best["step"], "value": self._best["value"], "evaluations": len(self.rows)}
            summary["stopped"] = done if done < self._phase.plan.steps else None
        if self.judges and "value" not in summary:
            self._evaluate(done)
            summary["value"] = self.rows[-1]["value"]
        if self.rows:  # a run that resumed after the last evaluation has not written them yet
            self._write()
        return summary

    @property
    def note(self) -> str:
        """For `about.json` and the signatures of scores; empty for the last weights."""
        return {"last": "", "average": f"average of {len(self.moments)}"}.get(self.by, self.by)

    def _evaluate(self, done: int) -> None:
        """The mean over judges, 0-100, with the main scores behind it. As in jiant, every judge counts the same.

        Its score is (F1 + EM) / 2 for QA, in the mean over languages.
        """
        machine = self._job.machine
        found: list[list[dict[str, Any]]] = []
        for i, judge in enumerate(self.judges):
            data, own = self._job.inputs[f"dev{i}"], self.model.specs[judge["component"]]
            rows: list[dict[str, Any]] = []
            predictor = Predictor(
                self.model.backbone,
                self.model.heads[own.task],
                self._phase.types[judge["component"]],
                own.labels,
                machine.device,
                machine.micro_batch_tokens,
                self._phase.config.precision,
            )
            for language, predictions in predictor.by_language(data):
                asked = Evaluation(judge["task"], language, judge["split"], judge["metric"], judge["main"])
                only = constant([each.value for each in predictions])
                for one in measure(asked, golds_of(data, language), [each.row() for each in predictions]):
                    score = one.score
                    if score.main:
                        row = {"task": score.task, "language": language, "metric": score.metric, "value": score.value}
                        against = {"majority": score.majority} if score.metric == judge["main"] else {}
                        rows.append({**row, **against, **({} if only is None else {"constant": only})})
            found.append(rows)
        self.model.train()
        value = mean(mean(row["value"] for row in rows) for rows in found)
        self.rows.append({"step": done, "value": value, "scores": [row for rows in found for row in rows]})
        self._write()

    def _write(self) -> None:
        write_jsonl(self._job.directory / "evaluations.jsonl", self.rows)
