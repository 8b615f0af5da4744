"""Which stage next: dependencies first, then the one with the longest way to the end. No processes, no clock."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from graphlib import TopologicalSorter

from xstilts.graph.stage import Stage, graph


class Schedule:
    """The stages that are missing, handed out as they become ready.

    Taking the longest remaining path first (list scheduling by critical path) keeps few workers busy to the end; a
    stage's length is its setting `cost`, 1 unless said otherwise.

    Attributes:
        cached: stages that need no work, in order.
        unfinished: how many stages still have no outcome.
    """

    def __init__(self, targets: Iterable[Stage], has: Callable[[Stage], bool]) -> None:
        targets = list(targets)
        ordered = graph(targets)
        needed = _missing(ordered, targets, has)
        pending = [stage for stage in ordered if stage in needed]
        self.cached = [stage for stage in ordered if stage not in needed]
        self.unfinished = len(pending)
        self._readers: dict[Stage, list[Stage]] = {stage: [] for stage in pending}
        for stage in pending:
            for source in set(stage.inputs.values()) & needed:
                self._readers[source].append(stage)
        self._rank = {stage: (-length, place) for place, (stage, length) in enumerate(self._lengths(pending).items())}
        self._sorter = TopologicalSorter({stage: set(stage.inputs.values()) & needed for stage in pending})
        self._sorter.prepare()
        self._ready: dict[str, list[tuple[tuple[float, int], Stage]]] = {}  # by kind, each a heap
        self._lost: set[Stage] = set()

    def _lengths(self, pending: list[Stage]) -> dict[Stage, float]:
        lengths: dict[Stage, float] = {}
        for stage in reversed(pending):
            after = max((lengths[reader] for reader in self._readers[stage]), default=0.0)
            lengths[stage] = after + float(stage.settings.get("cost", 1.0))
        return {stage: lengths[stage] for stage in pending}

    def next(self, fits: Callable[[Stage], bool] = lambda stage: True) -> Stage | None:
        """The best ready stage that can be carried out now, or None when all others wait.

        Args:
            fits: whether it can be; asked of one stage of each kind.
        """
        for stage in self._sorter.get_ready():
            self.put_back(stage)
        for _, stage in sorted(heap[0] for heap in self._ready.values() if heap):
            if fits(stage):
                heapq.heappop(self._ready[stage.kind])
                return stage
        return None

    def put_back(self, stage: Stage) -> None:
        """Hand out a stage again later: another run was at it, or its worker died."""
        heapq.heappush(self._ready.setdefault(stage.kind, []), (self._rank[stage], stage))

    def done(self, stage: Stage) -> None:
        """The stage is in the store; what waited for it may follow."""
        self._sorter.done(stage)
        self.unfinished -= 1

    def failed(self, stage: Stage) -> list[Stage]:
        """The stage has failed; returns the stages that can no longer be computed, in order."""
        lost: set[Stage] = set()
        to_visit = [stage]
        while to_visit:
            readers = set(self._readers[to_visit.pop()]) - lost - self._lost
            lost |= readers
            to_visit.extend(readers)
        self._lost |= lost
        self.unfinished -= 1 + len(lost)
        return sorted(lost, key=lambda one: self._rank[one][1])


def _missing(ordered: list[Stage], targets: Iterable[Stage], has: Callable[[Stage], bool]) -> set[Stage]:
    """What must be computed: missing targets and the missing inputs of what must be computed, and no more."""
    wanted = set(targets)
    missing: set[Stage] = set()
    for stage in reversed(ordered):
        if stage in wanted and not has(stage):
            missing.add(stage)
            wanted.update(stage.inputs.values())
    return missing
