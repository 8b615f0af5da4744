"""One stage, from lock to DONE: the part that all executors share."""

from __future__ import annotations

import importlib
import json
import time
import traceback
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol, cast

from xstilts.core.errors import ConfigError, DataError, StageError, UnknownName, XstiltsError
from xstilts.core.files import disk_fault, write_text
from xstilts.graph.stage import Stage, graph
from xstilts.graph.store import Store

Report = Callable[[dict[str, Any]], None]
"""Takes a JSON object: `fraction` (0-1) and `message` are shown, other entries are passed on."""
PROGRESS = "progress.json"
"""File in a partial directory from which other processes read the progress of a stage."""
PROGRESS_SECONDS = 2.0
"""Shortest time between two writes of that file."""


class Runner(Protocol):
    """Does the work of a stage: reads the inputs' directories and writes files into `directory`, which exists.

    After a kill, `directory` may hold files of the killed process. Replace them, and never write into them. Raises
    `XstiltsError` for mistakes that a user can correct.
    """

    def __call__(
        self, stage: Stage, directory: Path, inputs: dict[str, Path], settings: dict[str, Any], report: Report
    ) -> None: ...


@dataclass(frozen=True)
class Work:
    """What all stages of a run have in common.

    Attributes:
        store: for results.
        runner: a function, or `module:function`, imported when the first stage runs.
        settings: JSON for the runner; cannot change a number.
        resumable: kinds that resume from what a killed process left.
    """

    store: Store
    runner: str | Runner
    settings: Mapping[str, Any]
    resumable: Collection[str] = ()


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended. `cached`: another process has finished the stage; `busy`: `holder` is computing it.

    `mistake`: it failed because of the data files or the experiment, and will fail again until they are corrected.
    """

    status: Literal["done", "cached", "busy", "failed"]
    seconds: float = 0.0
    error: str = ""
    log: str | None = None
    mistake: bool = False
    holder: str = ""


def perform(work: Work, stage: Stage, started: Callable[[], None], report: Report) -> Outcome:
    """Run one stage, unless it is finished or another process holds it. An error of the stage becomes an outcome.

    Args:
        started: called once this process holds the stage and its partial directory exists.

    Raises:
        KeyboardInterrupt: passed on; the partial directory stays.
    """
    store = work.store
    try:
        with store.lock(stage) as ours:
            if ours and not store.has(stage) and (outcome := _attempt(work, stage, started, report)):
                return outcome
            return Outcome("cached") if store.has(stage) else Outcome("busy", holder=store.holder(stage))
    except OSError as error:  # of the lock: the store cannot be written to
        return _failure(store, stage, error)


def _attempt(work: Work, stage: Stage, started: Callable[[], None], report: Report) -> Outcome | None:
    """None if another attempt was first or is running, because we lost the lock without notice."""
    store = work.store
    clock, now = time.perf_counter(), datetime.now(UTC)
    try:
        directory = store.begin(stage, stage.kind in work.resumable)
        started()
        store.look({source.kind for source in graph([stage])})  # another machine may have finished an input
        inputs = {role: store.directory(source) for role, source in stage.inputs.items()}
        runner = find_runner(work.runner) if isinstance(work.runner, str) else work.runner
        runner(stage, directory, inputs, dict(work.settings), _recorded(stage, directory / PROGRESS, report))
        (directory / PROGRESS).unlink(missing_ok=True)
        published = store.publish(stage, now)
    except (Exception, SystemExit) as error:
        return None if store.is_lost(stage) else _failure(store, stage, error)
    return Outcome("done", seconds=time.perf_counter() - clock) if published else None


def _failure(store: Store, stage: Stage, error: Exception | SystemExit) -> Outcome:
    if isinstance(error, XstiltsError):
        mistake = isinstance(error, (DataError, ConfigError, UnknownName))
        if isinstance(error, StageError):
            _write_failure(store, stage, str(error))
        return Outcome("failed", error=_one_line(str(error)), mistake=mistake)
    if fault := disk_fault(error):
        return Outcome("failed", error=fault)
    log = _write_failure(store, stage, traceback.format_exc())
    return Outcome("failed", error=_one_line(f"{type(error).__name__}: {error}"), log=log)


def _recorded(stage: Stage, file: Path, report: Report) -> Report:
    """`report`, whose latest fraction and message are also written to a file, after the stage's label."""
    last = 0.0

    def write(data: Mapping[str, Any]) -> None:
        nonlocal last
        last = time.monotonic()
        row = {"label": stage.label, "told": datetime.now(UTC).isoformat(timespec="seconds")}
        with suppress(OSError):  # a full disk, which the stage itself will report
            file.write_text(json.dumps(row | {name: data[name] for name in ("fraction", "message") if name in data}))

    def recorded(data: dict[str, Any]) -> None:
        if time.monotonic() - last >= PROGRESS_SECONDS:
            write(data)
        report(data)

    file.unlink(missing_ok=True)  # an older attempt may still write to its own
    write({})
    return recorded


def _write_failure(store: Store, stage: Stage, text: str) -> str | None:
    """Record that the stage failed, for reports; removed when the stage is computed."""
    log = store.failure(stage)
    try:
        write_text(log, f"{stage} ({stage.key})\n{text}")
    except OSError:  # possibly the very error: a full disk
        return None
    return str(log)


def find_runner(name: str) -> Runner:
    """The function called `module:function`."""
    module, _, function = name.partition(":")
    return cast(Runner, getattr(importlib.import_module(module), function))


def runner_name(runner: str | Runner) -> str:
    """`module:function`, by which another process finds the runner."""
    if isinstance(runner, str):
        return runner
    module, function = getattr(runner, "__module__", "__main__"), getattr(runner, "__qualname__", "<")
    importable = "<" not in function and module != "__main__"
    assert importable, f"{runner} cannot be imported by a worker; use workers=0"
    return f"{module}:{function}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
