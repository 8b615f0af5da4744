"""One stage, from lock to DONE: the part that all executors share."""

import importlib
import json
import time
import traceback
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from xstilts.core.errors import ConfigError, DataError, UnknownName, XstiltsError
from xstilts.core.files import disk_fault, write_text
from xstilts.graph.job import Job, Report, Runner
from xstilts.graph.stage import Stage, graph
from xstilts.graph.store import Store

Message = dict[str, Any]
"""A message about a stage. All but the first two end the attempt.

    {"started": true}     the worker holds the stage and has made its directory
    {"report": {...}}     progress, see `Report`
    {"done": seconds}     it is finished, after this wall time
    {"cached": true}      another process has finished it
    {"busy": holder}      another process is computing it
    {"failed": error, "log": path or null, "mistake": true if the data files or the experiment must be corrected}
    {"died": how}         the process was killed or crashed
    {"lost": how}         the place is gone (a dead node, a preempted job); the stage is not to blame
"""
PROGRESS = "progress.json"
"""File in a partial directory from which other processes read the progress of a stage."""
PROGRESS_SECONDS = 2.0
"""Shortest time between two writes of that file."""


@dataclass(frozen=True)
class Work:
    """The settings that all stages of a run share.

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


def perform(work: Work, stage: Stage, tell: Callable[[Message], None]) -> Message:
    """Run one stage, unless it is finished or another process holds it. Returns how the attempt ended.

    `tell` receives `started` and `report` messages. KeyboardInterrupt is passed on, and the partial directory stays.
    """
    store = work.store
    try:
        with store.lock(stage) as ours:
            if ours and not store.has(stage) and (end := _attempt(work, stage, tell)):
                return end
            return {"cached": True} if store.has(stage) else {"busy": store.holder(stage)}
    except OSError as error:  # of the lock: the store cannot be written to
        return _failure(store, stage, error)


def _attempt(work: Work, stage: Stage, tell: Callable[[Message], None]) -> Message | None:
    """None if another attempt was first or is running, because we lost the lock without notice."""
    store = work.store
    clock, now = time.perf_counter(), datetime.now(UTC)
    try:
        directory = store.begin(stage, stage.kind in work.resumable)
        tell({"started": True})
        store.look({source.kind for source in graph([stage])})  # another machine may have finished an input
        inputs = {role: store.directory(source) for role, source in stage.inputs.items()}
        runner = work.runner
        if isinstance(runner, str):
            module, _, function = runner.partition(":")
            runner = cast(Runner, getattr(importlib.import_module(module), function))
        report = _recorded(stage, directory / PROGRESS, lambda data: tell({"report": data}))
        runner(Job(stage, directory, inputs, dict(work.settings), report))
        (directory / PROGRESS).unlink(missing_ok=True)
        published = store.publish(stage, now)
    except (Exception, SystemExit) as error:
        return None if store.is_lost(stage) else _failure(store, stage, error)
    return {"done": time.perf_counter() - clock} if published else None


def _failure(store: Store, stage: Stage, error: Exception | SystemExit) -> Message:
    log, mistake = None, isinstance(error, (DataError, ConfigError, UnknownName))
    if isinstance(error, XstiltsError):
        line = str(error)
        _write_failure(store, stage, line)
    elif not (line := disk_fault(error)):
        line = f"{type(error).__name__}: {error}"
        log = _write_failure(store, stage, traceback.format_exc())
    return {"failed": " ".join(line.split()), "log": log, "mistake": mistake}


def _recorded(stage: Stage, file: Path, report: Report) -> Report:
    """`report`, whose latest values are also written to a file, after the stage's label, with the seconds left."""
    last, first, before = 0.0, (0.0, 1.0), 1.0  # time of the last write; first known share with its time; last share
    row: dict[str, Any] = {"label": stage.label}

    def write() -> None:
        nonlocal last
        last = time.monotonic()
        with suppress(OSError):  # a full disk, which the stage itself will report
            file.write_text(json.dumps(row | {"told": datetime.now(UTC).isoformat(timespec="seconds")}))

    def recorded(data: dict[str, Any]) -> None:
        nonlocal first, before
        now, share = time.monotonic(), data.get("fraction")
        if share is not None:
            for name in row.keys() - {"label", "seconds_left"}:  # an earlier step's, such as a loss before it was NaN
                del row[name]
            if share < before:  # the first one, or a start with another seed
                first = now, share
                row.pop("seconds_left", None)
            elif share > first[1]:
                row["seconds_left"] = round((now - first[0]) * (1 - share) / (share - first[1]), 1)
            before = share
        row.update(data)
        if now - last >= PROGRESS_SECONDS:
            write()
        report(data)

    file.unlink(missing_ok=True)  # an older attempt may still write to its own
    write()
    return recorded


def _write_failure(store: Store, stage: Stage, text: str) -> str | None:
    """Record that the stage failed, for reports; removed when the stage is computed."""
    log = store.failure(stage)
    try:
        write_text(log, f"{stage} ({stage.key})\n{text}")
    except OSError:  # possibly the very error: a full disk
        return None
    return str(log)
