"""A pool of worker processes, the same for all places."""

import json
import math
import os
import selectors
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn, Self

from xstilts.core.errors import StageError
from xstilts.core.stopping import GRACE_SECONDS, handled
from xstilts.graph.locks import RUNNING, running
from xstilts.graph.perform import Message, Work
from xstilts.graph.places import Needs, Places, Seat
from xstilts.graph.stage import Stage, to_rows

WAITING = {"GOMP_SPINCOUNT": "10000", "KMP_BLOCKTIME": "1"}
"""How long OpenMP threads spin before they sleep: turns for GNU's, milliseconds for Intel's and LLVM's library.

By default they spin so long that a step takes ten times as long beside other busy processes (`benchmarks/waiting.py`).
"""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "RAYON_NUM_THREADS")
IDLE_SECONDS = 60.0
"""How long a worker without work keeps a place on a cluster."""
STILLBORN = 3
"""How many workers in a row may end before they are ready; then none is started until a stage has ended."""


def cores() -> int:
    """Cores that this process may use: its affinity, and the quota of its container."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        allowed = min(allowed, max(1, int(quota) // int(period)))
    return allowed


def waiting(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that make waiting threads sleep; none if the user has set how they wait."""
    return {} if {"OMP_WAIT_POLICY", *WAITING} & environment.keys() else dict(WAITING)


def thread_variables(environment: Mapping[str, str], workers: int, threads: int | None) -> dict[str, str]:
    """Variables for a worker's number of threads: `threads`, else the user's, else a share of the cores."""
    if threads is not None:
        return dict.fromkeys(THREADS, str(threads))
    given = {name: environment[name] for name in THREADS if environment.get(name)}
    if "TORCHELASTIC_RUN_ID" in environment and given.get("OMP_NUM_THREADS") == "1":
        del given["OMP_NUM_THREADS"]  # torchrun's own choice
    return dict.fromkeys(THREADS, given.get("OMP_NUM_THREADS", str(max(1, cores() // workers)))) | given


@dataclass(eq=False)
class _Worker:
    seat: Seat
    needs: Needs
    gpu: str | None
    state: Literal["starting", "ready", "leaving"] = "starting"
    stage: Stage | None = None
    since: float = field(default_factory=time.monotonic)
    unread: bytes = b""

    @property
    def idle(self) -> bool:
        return self.state == "ready" and self.stage is None

    def messages(self) -> list[Message]:
        with suppress(BlockingIOError):
            while chunk := os.read(self.seat.fileno(), 1 << 20):
                self.unread += chunk
        *lines, self.unread = self.unread.split(b"\n")
        found = []
        for line in lines:
            with suppress(ValueError):  # it was killed in the middle of a line
                found.append(json.loads(line))
        return found


class Pool:
    """`Workers` that are processes in `places`, started when there is work for them.

    A stage goes to the first worker that is ready for its kind, since workers may wait long for their place.

    At the end of the block, stages that can save their work get some seconds for it; then all workers are killed (at
    once on a second Ctrl-C). Inside the block SIGTERM raises KeyboardInterrupt, unless it is caught already.

    Args:
        targets: workers know the whole graph of these.
        work: what all stages have in common; its runner must have an importable name.
        needs: kind of stage -> its needs; `Needs()` for other kinds.
        threads: computing threads of a worker whose needs do not say; see `thread_variables`.
        memory: bytes that the stages at a time may take together; one stage may take more.
    """

    def __init__(
        self,
        targets: Iterable[Stage],
        work: Work,
        places: Places,
        needs: Mapping[str, Needs] | None = None,
        threads: int | None = None,
        memory: float = math.inf,
    ) -> None:
        needs = needs or {}
        has_gpus = places.gpus is None or places.gpus or not any(one.gpus for one in needs.values())
        assert has_gpus, "a stage needs a GPU, and the place has none"
        self._store, self._places, self._needs, self._threads = work.store, places, needs, threads
        runner = work.runner
        if not isinstance(runner, str):  # by its name another process finds it
            module, function = getattr(runner, "__module__", "__main__"), getattr(runner, "__qualname__", "<")
            importable = "<" not in function and module != "__main__"
            assert importable, f"{runner} cannot be imported by a worker; use workers=0"
            runner = f"{module}:{function}"
        self._hello: Message = {
            "store": str(work.store.root),
            "runner": runner,
            "settings": dict(work.settings),
            "resumable": sorted(work.resumable),
            "path": [str(Path(place).absolute()) for place in sys.path],
            "stages": to_rows(targets),
        }
        self._given: list[Stage] = []
        self._workers: list[_Worker] = []
        self._stillborn, self._why = 0, ""
        self._memory = memory
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> Self:
        caught = signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
        with ExitStack() as inside:
            inside.enter_context(handled([] if caught else [signal.SIGTERM], _interrupt))
            inside.enter_context(running(self._store.root / RUNNING))
            inside.enter_context(self._places)
            self._inside = inside.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        try:
            for worker in self._workers:
                worker.seat.ask()
            end = time.monotonic() + GRACE_SECONDS + 1
            while time.monotonic() < end and not all(
                worker.state == "starting" or worker.seat.ended() for worker in self._workers
            ):
                time.sleep(0.01)
        finally:
            for worker in self._workers:
                worker.seat.end()
            self._selector.close()
            self._inside.close()

    def fits(self, stage: Stage) -> bool:
        """Whether it can start now: at most `size` stages at a time, one for each lease of GPUs, within `memory`."""
        given = [*self._given, *(worker.stage for worker in self._workers if worker.stage is not None)]
        taken, needs, gpus = list(map(self._needs_of, given)), self._needs_of(stage), self._places.gpus
        if len(taken) >= self._places.size or (taken and sum(one.memory for one in [*taken, needs]) > self._memory):
            return False
        return gpus is None or not needs.gpus or sum(one.gpus > 0 for one in taken) < len(gpus)

    def _needs_of(self, stage: Stage) -> Needs:
        return self._needs.get(stage.kind, Needs(0, self._threads))

    def give(self, stage: Stage) -> None:
        self._given.append(stage)
        self._staff()

    def _staff(self) -> None:
        """Give waiting stages to ready workers, and start the workers that are missing."""
        for stage in list(self._given):
            ready = (worker for worker in self._workers if worker.idle and worker.needs == self._needs_of(stage))
            if (worker := next(ready, None)) is not None:
                self._given.remove(stage)
                worker.stage = stage
                worker.seat.send({"key": stage.key})
        if self._stillborn >= STILLBORN:
            if self._given and all(worker.stage is None for worker in self._workers):
                raise StageError(f"no worker can be started: {self._why}")
            return
        starting = Counter(worker.needs for worker in self._workers if worker.state == "starting")
        for needs in (Counter(map(self._needs_of, self._given)) - starting).elements():
            self._start(needs)

    def _start(self, needs: Needs) -> None:
        gpus, gpu = self._places.gpus, None
        if gpus is None:
            idle = [worker for worker in self._workers if worker.idle]
            if idle and sum(worker.state != "leaving" for worker in self._workers) >= self._places.size:
                self._dismiss(idle[0])  # it has the place that this one needs
        elif needs.gpus:
            free = [gpu for gpu in gpus if gpu not in {worker.gpu for worker in self._workers}]
            if not free:  # the last worker with a lease has not quite ended
                return
            gpu = free[0]
        worker = _Worker(self._places.start(needs), needs, gpu)
        self._workers.append(worker)
        self._selector.register(worker.seat.fileno(), selectors.EVENT_READ, worker)

    def _dismiss(self, worker: _Worker) -> None:
        worker.state = "leaving"
        worker.seat.ask()

    def receive(self, timeout: float) -> Iterator[tuple[Stage, Message]]:
        readable = {key.data for key, _ in self._selector.select(timeout)}
        for worker in list(self._workers):
            # A child that the stage left behind may keep the pipe open, so the end of the pipe is not the only sign.
            gone = worker.seat.ended()
            if worker in readable or gone:
                yield from self._read(worker, gone)
            if worker.idle and self._places.gpus is None and time.monotonic() - worker.since > IDLE_SECONDS:
                self._dismiss(worker)
        self._staff()

    def _read(self, worker: _Worker, gone: bool) -> Iterator[tuple[Stage, Message]]:
        for message in worker.messages():
            stage = worker.stage
            match message:
                case {"ready": _}:
                    worker.state, self._stillborn = "ready", 0
                    worker.seat.send(self._hello_to(worker))
                case {"refused": why}:
                    raise StageError(why)
                case {"done": _} | {"cached": _} | {"busy": _} | {"failed": _}:
                    worker.stage, worker.since, self._stillborn = None, time.monotonic(), 0
                case {"died": _} | {"lost": _} if worker.state == "ready":
                    worker.stage, worker.state = None, "leaving"
            if stage is not None:  # otherwise it comes from a thread that its stage left behind
                yield stage, message
        if gone:
            self._workers.remove(worker)
            self._selector.unregister(worker.seat.fileno())
            how = worker.seat.end()
            if worker.state == "starting":
                self._stillborn, self._why = self._stillborn + 1, str(*how.values())
            elif worker.stage is not None:
                yield worker.stage, how

    def _hello_to(self, worker: _Worker) -> Message:
        threads = thread_variables(os.environ, self._places.size, worker.needs.cpus or self._threads)
        own = {"CUDA_VISIBLE_DEVICES": worker.gpu or ""} if worker.gpu is not None or not worker.needs.gpus else {}
        return {**self._hello, "environment": {**waiting(os.environ), **threads, **own}}


def _interrupt(number: int, _: object) -> NoReturn:
    raise KeyboardInterrupt(number)
