"""Runs on different machines that share a remote: stages that are finished there are fetched, the others pushed."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread

from xstilts.core.errors import StoreError
from xstilts.graph.events import Cached, Done, Event, Failed, Progress
from xstilts.graph.execute import execute
from xstilts.graph.perform import Work
from xstilts.graph.places import Workers
from xstilts.graph.record import Record
from xstilts.graph.remote import Remote
from xstilts.graph.stage import Stage, graph
from xstilts.graph.store import Store


def execute_shared(targets: Iterable[Stage], work: Work, workers: Workers, remote: Remote) -> Iterator[Event]:
    """Like `execute`; fetches stages that the remote has, and pushes those that it lacks.

    Only this process, the driver, uses the remote. A stage is pushed while others are computed; its `Done` or `Cached`
    comes after the push. If the push fails the event is `Failed`, though the store keeps the stage. Raises `StoreError`
    if the remote cannot be read before anything is computed, and `StageError` as `execute` does.
    """
    targets, store, reached = list(targets), work.store, True

    def push_all() -> None:
        """In a daemon thread: if the process ends during a push, that has no effect."""
        while (item := asked.get()) is not None:
            stage, future = item
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(remote.push(stage, store))
                except Exception as error:
                    future.set_exception(error)

    def fetch(stage: Stage) -> Iterator[Event]:  # again, because other runs push meanwhile
        nonlocal reached
        try:
            line = remote.fetch(stage, store) if reached else ""
        except StoreError as error:
            reached, line = False, f"{error}; this run computes what is missing"
        if line:
            yield Progress(stage, message=line)

    yield from _fetch(targets, store, remote)
    asked: SimpleQueue[tuple[Stage, Future[str]] | None] = SimpleQueue()
    pushes: deque[tuple[Done | Cached, Future[str]]] = deque()
    Thread(target=push_all, daemon=True).start()
    try:
        for event in execute(targets, work, workers, fetch):
            if isinstance(event, Done | Cached) and remote.lacks(event.stage) and store.has(event.stage):
                pushes.append((event, Future()))
                asked.put((event.stage, pushes[-1][1]))
            else:
                yield event
            yield from _ended(pushes, wait=False)
        yield from _ended(pushes, wait=True)
    finally:
        for _, future in pushes:
            future.cancel()
        asked.put(None)


def _fetch(targets: list[Stage], store: Store, remote: Remote) -> Iterator[Event]:
    """Fetch what is missing: targets, and inputs of stages that must be computed."""
    wanted = set(targets)
    for stage in reversed(graph(targets)):
        if stage not in wanted:
            continue
        if not remote.lacks(stage) and (line := remote.fetch(stage, store)):
            yield Progress(stage, message=line)
        if not store.has(stage):
            wanted.update(stage.inputs.values())
            continue
        with suppress(StoreError):  # it is damaged, which `execute` will report
            base = Record.read(store.directory(stage)).base  # the weights that it uses in place
            wanted.update(one for one in graph([stage]) if base is not None and one.key == base.name)


def _ended(pushes: deque[tuple[Done | Cached, Future[str]]], wait: bool) -> Iterator[Event]:
    while pushes and (wait or pushes[0][1].done()):
        event, future = pushes.popleft()
        try:
            line = future.result()
        except StoreError as error:
            yield Failed(event.stage, f"{error}; it is finished and kept, and the same command pushes it")
        else:
            yield from [Progress(event.stage, message=line)] if line else []
            yield event
