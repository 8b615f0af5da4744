"""The executor: gives stages that are ready to workers, wherever these are, and tells how it goes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from xstilts.graph.events import Cached, Done, Event, Failed, Progress, Skipped, Started
from xstilts.graph.perform import Outcome, Work
from xstilts.graph.schedule import Schedule
from xstilts.graph.stage import Stage, graph
from xstilts.graph.store import Store
from xstilts.graph.workers import Workers

BUSY_SECONDS = 0.5
"""How long to wait before looking again at a stage that another run is computing."""
LOST_TRIES = 3
"""How often in a row a stage is tried again whose place was lost before it said anything."""
LOST_SECONDS = 2.0
"""How long to wait before that, and twice as long each time: others notice later that a node is gone."""


def execute(targets: Iterable[Stage], work: Work, workers: Workers) -> Iterator[Event]:
    """Compute what is missing of `targets` and tell how it goes; one stage's failure does not stop the others.

    What is there is compared with its checksums before it is used. A damaged stage is set aside and counts as missing.

    Closing the iterator, or any exception while it is consumed, ends the workers and keeps their partial directories.

    Raises:
        StageError: as of `Workers.receive`.
    """
    targets = list(targets)
    damaged: dict[Stage, str] = {}
    schedule = _schedule(targets, work.store, damaged)
    yield from (Progress(stage, message=fault) for stage, fault in damaged.items())
    yield from map(Cached, schedule.cached)
    if schedule.unfinished:
        with workers:
            yield from _carry_out(schedule, work, workers)


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


def _carry_out(schedule: Schedule, work: Work, workers: Workers) -> Iterator[Event]:
    later: list[tuple[float, Stage]] = []  # (time, stage): looked at again then
    waiting: dict[Stage, str] = {}
    killed: set[Stage] = set()
    lost: Counter[Stage] = Counter()

    def again(stage: Stage, seconds: float) -> None:
        later.append((time.monotonic() + seconds, stage))

    while schedule.unfinished:
        due = [entry for entry in later if entry[0] <= time.monotonic()]
        for entry in due:
            later.remove(entry)
            schedule.put_back(entry[1])
        while (stage := schedule.next(workers.fits)) is not None:
            workers.give(stage)
        for stage, message in workers.receive(BUSY_SECONDS):
            match message:
                case {"started": _}:
                    yield Started(stage)
                case {"report": data}:
                    lost.pop(stage, None)
                    yield _progress(stage, data)
                case {"lost": how} if lost[stage] < LOST_TRIES:
                    again(stage, LOST_SECONDS * 2 ** lost[stage])
                    lost[stage] += 1
                    yield Progress(stage, message=f"lost its worker ({how}): trying again")
                case {"lost": how}:
                    error = f"lost its worker {LOST_TRIES + 1} times in a row, most recently with {how}"
                    yield from _failed(schedule, Failed(stage, error, _log(work, stage)))
                case {"died": how} if stage not in killed:
                    killed.add(stage)
                    yield Progress(stage, message=f"its process ended with {how}: trying once more")
                    schedule.put_back(stage)
                case {"died": how}:
                    error = f"its process ended twice, with {how} (out of memory?)"
                    yield from _failed(schedule, Failed(stage, error, _log(work, stage)))
                case {"outcome": {"status": "busy", "holder": holder}}:
                    again(stage, BUSY_SECONDS)
                    yield from _busy(stage, holder, waiting)
                case {"outcome": outcome}:
                    yield from _settle(schedule, stage, Outcome(**outcome))


def _log(work: Work, stage: Stage) -> Path | None:
    log = work.store.partial(stage) / "log.txt"
    return log if log.exists() else None


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
