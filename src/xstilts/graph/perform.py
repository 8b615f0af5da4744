"""One stage, from lock to DONE: the part that every executor shares, whatever machine it runs on."""

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
"""Takes a JSON object; `fraction` (0-1) and `message` are shown, the rest is handed on."""
PROGRESS = "progress.json"
"""How far a stage is, in its partial directory: what other processes see of it."""
TOLD_SECONDS = 2.0
"""How often that is written at most."""


class Runner(Protocol):
    """Does the work of a stage: reads the inputs' directories and writes files into `directory`, which exists.

    A stage that was killed may find there what it had written: files to be replaced, and never to be written into. It
    raises `XstiltsError` for what a user can mend.
    """

    def __call__(
        self, stage: Stage, directory: Path, inputs: dict[str, Path], settings: dict[str, Any], report: Report
    ) -> None: ...


@dataclass(frozen=True)
class Work:
    """What is the same for all stages of a run.

    Attributes:
        store: where results go.
        runner: a function, or `module:function`, imported when the first stage runs.
        settings: JSON for the runner; cannot change a number.
        resumable: kinds that go on from what a killed process left.
    """

    store: Store
    runner: str | Runner
    settings: Mapping[str, Any]
    resumable: Collection[str] = ()


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended. `cached`: another one had finished it; `busy`: another one is at it now, `holder`.

    `mistake`: it failed for what is in the data files or in the experiment, and will again until that is mended.
    """

    status: Literal["done", "cached", "busy", "failed"]
    seconds: float = 0.0
    error: str = ""
    log: str | None = None
    mistake: bool = False
    holder: str = ""


def perform(work: Work, stage: Stage, started: Callable[[], None], report: Report) -> Outcome:
    """Run one stage unless it is finished or in other hands; a fault of the stage is an outcome, not an exception.

    Args:
        started: called once the stage is ours and its partial directory exists.

    Raises:
        KeyboardInterrupt: as it comes; the partial directory stays.
    """
    store = work.store
    try:
        with store.lock(stage) as ours:
            if ours and not store.has(stage) and (outcome := _attempt(work, stage, started, report)):
                return outcome
            return Outcome("cached") if store.has(stage) else Outcome("busy", holder=store.holder(stage))
    except OSError as error:  # of the lock: a store that cannot be written to
        return _failure(store, stage, error)


def _attempt(work: Work, stage: Stage, started: Callable[[], None], report: Report) -> Outcome | None:
    """None where another attempt was first, or is at it: a lock may be lost without notice."""
    store = work.store
    clock, now = time.perf_counter(), datetime.now(UTC)
    try:
        store.begin(stage, stage.kind in work.resumable)
        started()
        _run(work, stage, report)
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


def _run(work: Work, stage: Stage, report: Report) -> None:
    work.store.look({source.kind for source in graph([stage])})  # other machines may have finished what we saw missing
    inputs = {role: work.store.directory(source) for role, source in stage.inputs.items()}
    runner = find_runner(work.runner) if isinstance(work.runner, str) else work.runner
    directory = work.store.partial(stage)
    runner(stage, directory, inputs, dict(work.settings), _told(stage, directory / PROGRESS, report))
    (directory / PROGRESS).unlink(missing_ok=True)


def _told(stage: Stage, file: Path, report: Report) -> Report:
    """`report`, of which a file has the last word, and before that the label."""
    last = 0.0

    def write(data: Mapping[str, Any]) -> None:
        nonlocal last
        last = time.monotonic()
        said = {"label": stage.label, "told": datetime.now(UTC).isoformat(timespec="seconds")}
        with suppress(OSError):  # a full disk: the stage itself will say so
            file.write_text(json.dumps(said | {name: data[name] for name in ("fraction", "message") if name in data}))

    def tell(data: dict[str, Any]) -> None:
        if time.monotonic() - last >= TOLD_SECONDS:
            write(data)
        report(data)

    file.unlink(missing_ok=True)  # an older attempt's, which may write to it still
    write({})
    return tell


def _write_failure(store: Store, stage: Stage, text: str) -> str | None:
    """What reports read of a stage that failed: until it is computed, it is counted as such."""
    log = store.failure(stage)
    try:
        write_text(log, f"{stage} ({stage.key})\n{text}")
    except OSError:  # the disk may be full, and that may be the very fault
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
