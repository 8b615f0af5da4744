"""Runs on different machines that share stages through a remote: what is finished there is fetched, the rest pushed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from queue import SimpleQueue
from typing import Any

from xstilts.core.errors import StoreError
from xstilts.graph.events import Cached, Done, Event, Failed, Progress
from xstilts.graph.execute import execute
from xstilts.graph.perform import Outcome, Work
from xstilts.graph.record import Record
from xstilts.graph.remote import Remote
from xstilts.graph.stage import Stage, graph
from xstilts.graph.store import Store
from xstilts.graph.workers import Message, Workers


def execute_shared(targets: Iterable[Stage], work: Work, workers: Workers, remote: Remote) -> Iterator[Event]:
    """As `execute`, but what the remote has is fetched, and what it lacks is pushed.

    Only this process, the driver, speaks with the remote. A stage is pushed while others are computed; its `Done` or
    `Cached` comes afterwards, or `Failed` where it could not be pushed, though the store keeps it.

    Raises:
        StoreError: before anything is computed, the remote cannot be read.
        StageError: as of `execute`.
    """
    targets, store = list(targets), work.store
    yield from _fetch(targets, store, remote)
    pushes = _Pushes(lambda stage: remote.push(stage, store))
    try:
        for event in execute(targets, work, _Asking(workers, store, remote)):
            if isinstance(event, Done | Cached) and remote.lacks(event.stage) and store.has(event.stage):
                pushes.add(event)
            else:
                yield event
            yield from pushes.ended(wait=False)
        yield from pushes.ended(wait=True)
    finally:
        pushes.close()


def _fetch(targets: list[Stage], store: Store, remote: Remote) -> Iterator[Event]:
    """Fetch what is missing: targets, and inputs of what must be computed, but none of what is there."""
    wanted = set(targets)
    for stage in reversed(graph(targets)):
        if stage not in wanted:
            continue
        if not remote.lacks(stage) and (said := remote.fetch(stage, store)):
            yield Progress(stage, message=said)
        if not store.has(stage):
            wanted.update(stage.inputs.values())
            continue
        with suppress(StoreError):  # it is damaged, as `execute` will say
            base = Record.read(store.directory(stage)).base  # the weights that it uses in place
            wanted.update(one for one in graph([stage]) if base is not None and one.key == base.name)


class _Asking:
    """Workers that are given what the remote lacks. It is asked again, for other runs push meanwhile."""

    def __init__(self, workers: Workers, store: Store, remote: Remote) -> None:
        self._workers, self._store, self._remote = workers, store, remote
        self._said: list[tuple[Stage, Message]] = []
        self._asks = True

    def __enter__(self) -> object:
        return self._workers.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._workers.__exit__(*error)

    def fits(self, stage: Stage) -> bool:
        return self._workers.fits(stage)

    def give(self, stage: Stage) -> None:
        try:
            said = self._remote.fetch(stage, self._store) if self._asks else ""
        except StoreError as error:
            self._asks = False
            said = f"{error}; this run computes what is missing"
        if said:
            self._said.append((stage, {"report": {"message": said}}))
        if self._store.has(stage):
            self._said.append((stage, {"outcome": asdict(Outcome("cached"))}))
        else:
            self._workers.give(stage)

    def receive(self, timeout: float) -> Iterator[tuple[Stage, Message]]:
        said, self._said = self._said, []
        yield from said
        yield from self._workers.receive(0.0 if said else timeout)


class _Pushes:
    """Pushes in a thread, in turn. A process that ends does not wait for it: half a push is none."""

    def __init__(self, push: Callable[[Stage], str]) -> None:
        self._push = push
        self._asked: SimpleQueue[Done | Cached | None] = SimpleQueue()
        self._ended: SimpleQueue[tuple[Done | Cached, str | Exception]] = SimpleQueue()
        self._open = 0
        self._closed = False
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while (event := self._asked.get()) is not None and not self._closed:
            try:
                self._ended.put((event, self._push(event.stage)))
            except Exception as error:
                self._ended.put((event, error))

    def add(self, event: Done | Cached) -> None:
        """Push the event's stage."""
        self._open += 1
        self._asked.put(event)

    def ended(self, wait: bool) -> Iterator[Event]:
        """The events of stages that have been pushed, or `Failed`."""
        while self._open and (wait or not self._ended.empty()):
            event, said = self._ended.get()
            self._open -= 1
            if isinstance(said, StoreError):
                yield Failed(event.stage, f"{said}; it is finished and kept, and the same command pushes it")
            elif isinstance(said, Exception):
                raise said
            else:
                yield from [Progress(event.stage, message=said)] if said else []
                yield event

    def close(self) -> None:
        """Push no more."""
        self._closed = True
        self._asked.put(None)
