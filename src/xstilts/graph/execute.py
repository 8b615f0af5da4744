"""The executor: which stage is next, which worker gets it, and how it ends."""

import heapq
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

from xstilts.graph.events import Cached, Done, Event, Failed, Progress, Skipped, Started
from xstilts.graph.perform import Message, Work
from xstilts.graph.places import Workers
from xstilts.graph.stage import Stage, graph
from xstilts.graph.store import Store

BUSY_SECONDS = 0.5
"""Polling interval for a stage that another run is computing."""
LOST_TRIES = 3
"""How many times in a row a stage is tried again if its worker is lost before it reports anything."""
LOST_SECONDS = 2.0
"""Wait before the first of these tries; it doubles each time, because a cluster needs time to notice a dead node."""


class Schedule:
    """The missing stages, handed out as they become ready.

    The stage with the longest remaining path comes first (list scheduling by critical path), so that few workers stay
    busy to the end. The length of a stage is its setting `cost`, 1 by default.

    Attributes:
        cached: stages that need no work, in order.
        unfinished: number of stages without an outcome.
    """

    def __init__(self, targets: Iterable[Stage], has: Callable[[Stage], bool]) -> None:
        targets = list(targets)
        ordered = graph(targets)
        wanted, needed = set(targets), set[Stage]()
        for stage in reversed(ordered):  # missing targets, and missing inputs of stages to compute
            if stage in wanted and not has(stage):
                needed.add(stage)
                wanted.update(stage.inputs.values())
        pending = [stage for stage in ordered if stage in needed]
        self.cached = [stage for stage in ordered if stage not in needed]
        self.unfinished = len(pending)
        self._readers: dict[Stage, list[Stage]] = {stage: [] for stage in pending}
        for stage in pending:
            for source in set(stage.inputs.values()) & needed:
                self._readers[source].append(stage)
        lengths: dict[Stage, float] = {}
        for stage in reversed(pending):
            after = max((lengths[reader] for reader in self._readers[stage]), default=0.0)
            lengths[stage] = after + float(stage.settings.get("cost", 1.0))
        self._rank = {stage: (-lengths[stage], place) for place, stage in enumerate(pending)}
        self._sorter = TopologicalSorter({stage: set(stage.inputs.values()) & needed for stage in pending})
        self._sorter.prepare()
        self._ready: dict[str, list[tuple[tuple[float, int], Stage]]] = {}  # kind -> heap
        self._lost: set[Stage] = set()

    def next(self, fits: Callable[[Stage], bool] = lambda stage: True) -> Stage | None:
        """The best ready stage that `fits`, which is asked of one stage of each kind; None if there is none."""
        for stage in self._sorter.get_ready():
            self.put_back(stage)
        for _, stage in sorted(heap[0] for heap in self._ready.values() if heap):
            if fits(stage):
                heapq.heappop(self._ready[stage.kind])
                return stage
        return None

    def put_back(self, stage: Stage) -> None:
        """Hand out a stage again later: another run is computing it, or its worker died."""
        heapq.heappush(self._ready.setdefault(stage.kind, []), (self._rank[stage], stage))

    def done(self, stage: Stage) -> None:
        """The stage is in the store; stages that wait for it may follow."""
        self._sorter.done(stage)
        self.unfinished -= 1

    def failed(self, stage: Stage) -> list[Stage]:
        """The stage has failed. Returns the stages that can no longer be computed, in order."""
        lost: set[Stage] = set()
        to_visit = [stage]
        while to_visit:
            readers = set(self._readers[to_visit.pop()]) - lost - self._lost
            lost |= readers
            to_visit.extend(readers)
        self._lost |= lost
        self.unfinished -= 1 + len(lost)
        return sorted(lost, key=lambda one: self._rank[one][1])


def execute(
    targets: Iterable[Stage], work: Work, workers: Workers, fetch: Callable[[Stage], Iterable[Event]] | None = None
) -> Iterator[Event]:
    """Compute what is missing of `targets` and yield what happens; one stage's failure does not stop the others.

    Finished stages are compared with their checksums before they are used. A damaged stage is set aside and counts as
    missing. Closing the iterator, or any exception in its consumer, ends the workers and keeps their partial results.
    `fetch` is called before a stage is computed, and may bring it into the store instead.
    Raises `StageError` as `Workers.receive` does.
    """
    targets, store = list(targets), work.store
    damaged: dict[Stage, str] = {}

    def set_aside(stage: Stage, files: bool) -> bool:
        if fault := store.fault(stage, files):
            damaged[stage] = f"{fault}: set aside; it is computed again if needed"
            store.set_aside(stage)
        return bool(fault)

    stages = graph(targets)
    for stage in stages:
        if store.has(stage):
            set_aside(stage, files=False)
    targets += filter(store.was_refused, stages)  # even if everything that reads them is finished
    # A stage on top of another stage's weights counts as missing if those are lost. When its turn comes, the weights
    # are computed again and the stage itself is found in the store.
    schedule = Schedule(
        targets, lambda stage: store.has(stage) and not set_aside(stage, files=True) and not store.lacks_base(stage)
    )
    yield from (Progress(stage, message=fault) for stage, fault in damaged.items())
    yield from map(Cached, schedule.cached)
    if schedule.unfinished:
        with workers:
            yield from _carry_out(schedule, store, workers, fetch)


def _carry_out(
    schedule: Schedule, store: Store, workers: Workers, fetch: Callable[[Stage], Iterable[Event]] | None
) -> Iterator[Event]:
    later: list[tuple[float, Stage]] = []  # (time, stage): to put back at that time
    holders: dict[Stage, str] = {}
    killed: set[Stage] = set()
    lost: Counter[Stage] = Counter()
    while schedule.unfinished:
        for entry in [entry for entry in later if entry[0] <= time.monotonic()]:
            later.remove(entry)
            schedule.put_back(entry[1])
        while (stage := schedule.next(workers.fits)) is not None:
            if fetch is not None:
                yield from fetch(stage)
                if store.has(stage):
                    schedule.done(stage)
                    yield Cached(stage)
                    continue
            workers.give(stage)
        for stage, message in workers.receive(BUSY_SECONDS if schedule.unfinished else 0.0):
            match message:
                case {"started": _}:
                    yield Started(stage)
                case {"report": data}:
                    lost.pop(stage, None)
                    rest = {name: value for name, value in data.items() if name not in ("fraction", "message")}
                    yield Progress(stage, data.get("fraction"), data.get("message", ""), rest)
                case {"done": seconds}:
                    schedule.done(stage)
                    yield Done(stage, seconds)
                case {"cached": _}:
                    schedule.done(stage)
                    yield Cached(stage)
                case {"busy": holder}:
                    later.append((time.monotonic() + BUSY_SECONDS, stage))
                    if holders.get(stage) != holder:
                        holders[stage] = holder
                        yield Progress(stage, message=f"waiting: computed by {holder}")
                case {"lost": how} if lost[stage] < LOST_TRIES:
                    later.append((time.monotonic() + LOST_SECONDS * 2 ** lost[stage], stage))
                    lost[stage] += 1
                    yield Progress(stage, message=f"lost its worker ({how}): trying again")
                case {"died": how} if stage not in killed:
                    killed.add(stage)
                    yield Progress(stage, message=f"its process ended with {how}: trying once more")
                    schedule.put_back(stage)
                case _:
                    yield _failure(store, stage, message)
                    yield from (Skipped(other, stage) for other in schedule.failed(stage))


def _failure(store: Store, stage: Stage, message: Message) -> Failed:
    match message:
        case {"failed": error, "log": log, "mistake": mistake}:
            return Failed(stage, error, log and Path(log), mistake)
        case {"lost": how}:
            error = f"lost its worker {LOST_TRIES + 1} times in a row, most recently with {how}"
        case {"died": how}:
            error = f"its process ended twice, with {how} (out of memory?)"
    log = store.partial(stage) / "log.txt"
    return Failed(stage, error, log if log.exists() else None)
