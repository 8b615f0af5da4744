"""The local executor: ready stages on this machine, in worker processes that pay for their imports once."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from xstilts.graph.events import Cached, Done, Event, Failed, Progress, Skipped, Started
from xstilts.graph.perform import Outcome, Runner, Work, perform
from xstilts.graph.pool import Pool
from xstilts.graph.schedule import Schedule
from xstilts.graph.stage import Stage, graph
from xstilts.graph.store import Store

BUSY_SECONDS = 0.5
"""How long to wait before looking again at a stage that another run is computing."""


def run_local(
    targets: Iterable[Stage],
    store: Store,
    runner: str | Runner,
    settings: Mapping[str, Any],
    workers: int,
    resumable: Collection[str] = (),
    threads: int | None = None,
) -> Iterator[Event]:
    """Compute what is missing of `targets` and tell how it goes; one stage's failure does not stop the others.

    What is there is compared with its checksums before it is used. A damaged stage is set aside and counts as missing.

    Closing the iterator, or any exception while it is consumed, kills the workers and keeps their partial directories.

    Args:
        runner: see `Runner`; as `module:function`, or a function that can be imported by that name.
        settings: JSON handed to the runner.
        workers: processes; 0 runs the stages in this one, their reports following at the end of each.
        resumable: kinds of stages that go on from what a killed process left.
        threads: computing threads of a worker; if not given OMP_NUM_THREADS, else the cores shared among the workers.
    """
    assert workers >= 0, "workers cannot be negative"
    targets = list(targets)
    damaged: dict[Stage, str] = {}
    schedule = _schedule(targets, store, damaged)
    work = Work(store, runner, settings, resumable)
    yield from (Progress(stage, message=fault) for stage, fault in damaged.items())
    yield from map(Cached, schedule.cached)
    if workers == 0:
        yield from _in_process(schedule, work)
    elif schedule.unfinished:
        with Pool(targets, work, workers, threads) as pool:
            yield from _in_pool(schedule, work, pool)


def _schedule(targets: list[Stage], store: Store, damaged: dict[Stage, str]) -> Schedule:
    """What is missing; `damaged` is told what was set aside and why."""

    def set_aside(stage: Stage, files: bool) -> bool:
        if fault := store.fault(stage, files):
            damaged[stage] = f"{fault}: set aside; it is computed again if it is needed"
            store.set_aside(stage)
        return bool(fault)

    stages = graph(targets)
    for stage in stages:
        if store.has(stage):
            set_aside(stage, files=False)
    targets = [*targets, *filter(store.was_refused, stages)]  # even where all that reads it is there
    # A stage over the weights of a lost one counts as missing too. It is still there when its turn comes, after those.
    return Schedule(
        targets, lambda stage: store.has(stage) and not set_aside(stage, files=True) and not store.lacks_base(stage)
    )


def _in_process(schedule: Schedule, work: Work) -> Iterator[Event]:
    waiting: dict[Stage, str] = {}
    while (stage := schedule.next()) is not None:
        reports, outcome = _attempt(work, stage)
        yield from reports
        if outcome.status == "busy":
            yield from _busy(stage, outcome.holder, waiting)
            time.sleep(BUSY_SECONDS)
            schedule.put_back(stage)
        else:
            yield from _settle(schedule, stage, outcome)


def _attempt(work: Work, stage: Stage) -> tuple[list[Event], Outcome]:
    events: list[Event] = []
    outcome = perform(
        work, stage, lambda: events.append(Started(stage)), lambda data: events.append(_progress(stage, data))
    )
    return events, outcome


def _in_pool(schedule: Schedule, work: Work, pool: Pool) -> Iterator[Event]:
    later: list[tuple[float, Stage]] = []  # (time, stage): looked at again then
    waiting: dict[Stage, str] = {}
    killed: set[Stage] = set()
    while schedule.unfinished:
        while later and later[0][0] <= time.monotonic():
            schedule.put_back(later.pop(0)[1])
        while pool.free and (stage := schedule.next()) is not None:
            pool.give(stage)
        for stage, message in pool.receive(BUSY_SECONDS):
            match message:
                case {"started": _}:
                    yield Started(stage)
                case {"report": data}:
                    yield _progress(stage, data)
                case {"died": how} if stage not in killed:
                    killed.add(stage)
                    yield Progress(stage, message=f"its process ended with {how}: trying once more")
                    schedule.put_back(stage)
                case {"died": how}:
                    log = work.store.partial(stage) / "log.txt"
                    error = f"its process ended twice, with {how} (out of memory?)"
                    yield from _failed(schedule, Failed(stage, error, log if log.exists() else None))
                case {"outcome": {"status": "busy", "holder": holder}}:
                    later.append((time.monotonic() + BUSY_SECONDS, stage))
                    yield from _busy(stage, holder, waiting)
                case {"outcome": outcome}:
                    yield from _settle(schedule, stage, Outcome(**outcome))


def _progress(stage: Stage, data: Mapping[str, Any]) -> Progress:
    rest = {name: value for name, value in data.items() if name not in ("fraction", "message")}
    return Progress(stage, data.get("fraction"), data.get("message", ""), rest)


def _busy(stage: Stage, holder: str, told: dict[Stage, str]) -> Iterator[Event]:
    if told.get(stage) != holder:
        told[stage] = holder
        yield Progress(stage, message=f"waiting: held by {holder}")


def _settle(schedule: Schedule, stage: Stage, outcome: Outcome) -> Iterator[Event]:
    if outcome.status == "failed":
        log = Path(outcome.log) if outcome.log else None
        yield from _failed(schedule, Failed(stage, outcome.error, log, outcome.mistake))
    else:
        schedule.done(stage)
        yield Done(stage, outcome.seconds) if outcome.status == "done" else Cached(stage)


def _failed(schedule: Schedule, failure: Failed) -> Iterator[Event]:
    yield failure
    yield from (Skipped(lost, failure.stage) for lost in schedule.failed(failure.stage))
