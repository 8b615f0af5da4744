"""Steps of train stages for an experiment tracker (`--track`). A thread sends them: training neither waits nor fails.

`tracking/<key>.<tracker>.json` in the store has the tracker's run of an unfinished stage and the last step that it got.
A stage that resumes continues this run with the steps that are missing there, and sends none twice.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from queue import SimpleQueue
from secrets import token_hex
from threading import Thread
from typing import Any, NamedTuple

from xstilts.core.errors import shown
from xstilts.core.files import read_object, write_json
from xstilts.graph.job import Job
from xstilts.stages.accidents import restarts, tell
from xstilts.training.distributed import team

END_SECONDS, STOP_SECONDS = 30.0, 5.0
"""Time for the last steps to arrive when a stage is finished, and when it stops before."""


class Run(NamedTuple):
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
        self._job, self._name, self._problem = job, job.machine.track if team().leads else "", ""
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


def _tensorboard(job: Job, folder: Path, run: str) -> Run:
    from torch.utils.tensorboard import SummaryWriter

    run = run or re.sub(r"[^\w.@+-]+", "_", f"{job.stage.label}.{token_hex(4)}")
    writer = SummaryWriter(str(folder / "tensorboard" / run))

    def send(values: dict[str, float], step: int) -> None:
        for name, value in values.items():
            writer.add_scalar(name, value, step)
        writer.flush()

    return Run(run, send, lambda done: writer.close())


def _mlflow(job: Job, folder: Path, run: str) -> Run:
    import mlflow

    made = mlflow.start_run(run or None, run_name=job.stage.label or None)
    if not run:
        mlflow.log_params(_config(job))
    return Run(made.info.run_id, mlflow.log_metrics, lambda done: mlflow.end_run("FINISHED" if done else "KILLED"))


def _wandb(job: Job, folder: Path, run: str) -> Run:
    import wandb

    about = {"name": job.stage.label or None, "config": _config(job)}
    quiet = wandb.Settings(console="off")
    made = wandb.init(id=run or token_hex(8), resume="allow", dir=folder, settings=quiet, **about)
    return Run(made.id, made.log, lambda done: made.finish(exit_code=int(not done)))


def _config(job: Job) -> dict[str, Any]:
    return {**job.config["train"], "seed": job.config["seed"]}


OPENERS = {"tensorboard": _tensorboard, "mlflow": _mlflow, "wandb": _wandb}
