"""The log of a phase's steps, on disk and for an experiment tracker (`--track`), and whether its losses are flat.

A thread sends steps to the tracker: training neither waits nor fails. `tracking/<key>.<tracker>.json` in the store has
the tracker's run of an unfinished stage and the last step that it got; a stage that resumes continues from there.
"""

import math
import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from queue import SimpleQueue
from secrets import token_hex
from threading import Thread
from typing import Any, NamedTuple

from xstilts.core.errors import shown
from xstilts.core.files import read_object, write_json, write_jsonl
from xstilts.graph.job import Job
from xstilts.stages.accidents import note_memory, restarts, tell
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
        if team().is_main:
            message = f"step {done} of {self.steps}, {record.task} loss {loss:.3f}, {speed:,.0f} tokens/s"
            values = {"step": done, "steps": self.steps, "task": record.task, "tokens_per_second": speed}
            values |= {"loss": loss} if math.isfinite(loss) else {}  # JSON has no NaN
            self.job.report({"fraction": done / self.steps, "message": message, **values})
        return speed

    def write(self) -> None:
        if team().is_main:
            write_jsonl(self.job.directory / "log.jsonl", self.rows)

    def notes(self) -> dict[str, Any]:
        """The state that a checkpoint keeps."""
        return {"totals": self.totals, "log": self.rows, "ends": self.ends.rows()}


END_SECONDS, STOP_SECONDS = 30.0, 5.0
"""Time for the last steps to arrive when a stage is finished, and when it stops before."""


class TrackedRun(NamedTuple):
    """A run of a tracker, open in the thread that made it. `id` resumes it; `close` takes whether the stage is done."""

    id: str
    send: Callable[[dict[str, float], int], object]
    close: Callable[[bool], object]


class Tracker:
    """Sends the logged steps of a train stage, inside a `with` block; does nothing if the settings name no tracker.

    Args:
        rows: steps that were logged before the stage was resumed.
    """

    def __init__(self, job: Job, rows: Iterable[Mapping[str, Any]]) -> None:
        self._job, self._name, self._problem = job, job.machine.track if team().is_main else "", ""
        self._queue: SimpleQueue[Mapping[str, Any] | bool] = SimpleQueue()  # steps, then whether the stage is finished
        for row in rows:
            self._queue.put(row)
        self._thread = Thread(target=self._serve, daemon=True)

    def __enter__(self) -> None:
        if self._name:
            self._thread.start()

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if self._name:
            self._queue.put(error is None)
            self._thread.join(limit := STOP_SECONDS if error else END_SECONDS)
            self._report(f"no answer for {limit:.0f} seconds" if self._thread.is_alive() else self._problem)

    def send(self, row: Mapping[str, Any]) -> None:
        if self._name:
            self._queue.put(row)
            self._report(self._problem)

    def _report(self, problem: str) -> None:
        if problem:
            line = f"--track {self._name}: {problem[:300]}: no further steps are sent to it; training is not affected"
            tell(self._job.report, line)
            self._name = ""

    def _serve(self) -> None:
        key = self._job.directory.name.removeprefix(".").partition(".")[0]
        folder = self._job.directory.parents[1] / "tracking"
        file, seed = folder / f"{key}.{self._name}.json", {"restarts": restarts(self._job)}
        try:
            state = read_object(file)
            if not seed.items() <= state.items():
                state = seed
            folder.mkdir(exist_ok=True)
            run = OPENERS[self._name](self._job, folder, state.get("run", ""))
            state = {"step": -1, **state, "run": run.id}
            write_json(file, state)
            while not isinstance(row := self._queue.get(), bool):
                if row["step"] > state["step"]:
                    state["step"] = row["step"]
                    write_json(file, state)  # first, so that no kill makes it send a step twice
                    values = {f"loss/{row['task']}": row["loss"], "learning_rate": row["rate"]}
                    values |= {name: row[name] for name in ("grad_norm", "tokens_per_second") if name in row}
                    run.send(values, row["step"])
            run.close(row)
            if row:
                file.unlink(missing_ok=True)
        except Exception as error:
            self._problem = shown(f"{type(error).__name__}: {error}")


def _tensorboard(job: Job, folder: Path, run: str) -> TrackedRun:
    from torch.utils.tensorboard import SummaryWriter

    run = run or re.sub(r"[^\w.@+-]+", "_", f"{job.stage.label}.{token_hex(4)}")
    writer = SummaryWriter(str(folder / "tensorboard" / run))

    def send(values: dict[str, float], step: int) -> None:
        for name, value in values.items():
            writer.add_scalar(name, value, step)
        writer.flush()

    return TrackedRun(run, send, lambda done: writer.close())


def _mlflow(job: Job, folder: Path, run: str) -> TrackedRun:
    import mlflow

    made = mlflow.start_run(run or None, run_name=job.stage.label or None)
    if not run:
        mlflow.log_params(_config(job))
    return TrackedRun(
        made.info.run_id, mlflow.log_metrics, lambda done: mlflow.end_run("FINISHED" if done else "KILLED")
    )


def _wandb(job: Job, folder: Path, run: str) -> TrackedRun:
    import wandb

    about = {"name": job.stage.label or None, "config": _config(job)}
    quiet = wandb.Settings(console="off")
    made = wandb.init(id=run or token_hex(8), resume="allow", dir=folder, settings=quiet, **about)
    return TrackedRun(made.id, made.log, lambda done: made.finish(exit_code=int(not done)))


def _config(job: Job) -> dict[str, Any]:
    return {**job.config["train"], "seed": job.config["seed"]}


OPENERS = {"tensorboard": _tensorboard, "mlflow": _mlflow, "wandb": _wandb}
