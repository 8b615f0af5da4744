"""Worker processes and the lines they send. Each leads a process group, so that none of its children outlives it."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from xstilts.core.stopping import GRACE_SECONDS
from xstilts.graph.perform import Work, runner_name
from xstilts.graph.stage import Stage, to_rows

WAITING = {"GOMP_SPINCOUNT": "10000", "KMP_BLOCKTIME": "1"}
"""How long OpenMP threads spin before they sleep: turns of GNU's, milliseconds of Intel's and LLVM's.

By default they spin so long that beside other busy processes a step takes ten times as long (`benchmarks/waiting.py`).
"""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "RAYON_NUM_THREADS")


def cores() -> int:
    """Cores that this process may use: its affinity, and the quota of its container where there is one."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        allowed = min(allowed, max(1, int(quota) // int(period)))
    return allowed


def waiting(environment: Mapping[str, str]) -> dict[str, str]:
    """What to add to an environment so that threads wait asleep; nothing where the user has said how they wait."""
    return {} if {"OMP_WAIT_POLICY", *WAITING} & environment.keys() else dict(WAITING)


def thread_variables(environment: Mapping[str, str], workers: int, threads: int | None) -> dict[str, str]:
    """The variables for a worker's number of threads: `threads`, else the user's, else a share of the cores."""
    if threads is not None:
        return dict.fromkeys(THREADS, str(threads))
    given = {name: environment[name] for name in THREADS if environment.get(name)}
    if "TORCHELASTIC_RUN_ID" in environment and given.get("OMP_NUM_THREADS") == "1":
        del given["OMP_NUM_THREADS"]  # torchrun's own choice
    return dict.fromkeys(THREADS, given.get("OMP_NUM_THREADS", str(max(1, cores() // workers)))) | given


@dataclass(eq=False)
class _Worker:
    process: subprocess.Popen[bytes]
    stage: Stage | None = None
    unread: bytes = b""

    def send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # it died; reading its output tells
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()

    def output(self) -> int:
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    def messages(self) -> list[dict[str, Any]]:
        """All that has arrived."""
        with suppress(BlockingIOError):
            while chunk := os.read(self.output(), 1 << 20):
                self.unread += chunk
        *lines, self.unread = self.unread.split(b"\n")
        return [json.loads(line) for line in lines]

    def has_died(self) -> bool:
        # WNOWAIT keeps the process a zombie, so that its number, and its group's, stay ours until `end`.
        return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def ask(self) -> None:
        """Have it end by itself, once its stage has saved what it can."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()

    def end(self) -> str:
        """Kill it and its children; returns how it ended, for people."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        code = self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            with suppress(BrokenPipeError):
                stream.close()
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


class Pool:
    """At most `size` workers, started when there is work for them.

    When the block ends, stages that can save their work have some seconds for it; then all workers are killed, at once
    on a second Ctrl-C. Inside the block SIGTERM raises KeyboardInterrupt, unless it is caught already.

    Args:
        targets: the whole graph of these is known to the workers.
        work: what is the same for all stages; its runner must have an importable name.
        threads: computing threads of each worker; see `thread_variables`.
    """

    def __init__(self, targets: Iterable[Stage], work: Work, size: int, threads: int | None = None) -> None:
        self._hello = {
            "store": str(work.store.root),
            "runner": runner_name(work.runner),
            "settings": dict(work.settings),
            "resumable": sorted(work.resumable),
            "path": [str(Path(place).absolute()) for place in sys.path],
            "stages": to_rows(targets),
        }
        path = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
        computing = waiting(os.environ) | thread_variables(os.environ, size, threads)
        self._environment = os.environ | computing | {"PYTHONPATH": path}
        self._size = size
        self._workers: list[_Worker] = []
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> Pool:
        main = threading.current_thread() is threading.main_thread()
        self._catches = main and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        if self._catches:
            signal.signal(signal.SIGTERM, _interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for worker in self._workers:
                worker.ask()
            end = time.monotonic() + GRACE_SECONDS + 1
            while time.monotonic() < end and not all(worker.has_died() for worker in self._workers):
                time.sleep(0.01)
        finally:
            for worker in self._workers:
                worker.end()
            self._selector.close()
            if self._catches:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)

    @property
    def free(self) -> bool:
        """Whether a stage can be given now."""
        return len(self._workers) < self._size or any(worker.stage is None for worker in self._workers)

    def give(self, stage: Stage) -> None:
        """Start a stage on an idle worker, or on a new one."""
        worker = next((worker for worker in self._workers if worker.stage is None), None) or self._start()
        worker.stage = stage
        worker.send({"key": stage.key})

    def receive(self, timeout: float) -> Iterator[tuple[Stage, dict[str, Any]]]:
        """Pairs (stage, what its worker says), waiting at most `timeout` seconds; `{"died": how}` for a dead worker."""
        readable = {key.data for key, _ in self._selector.select(timeout)}
        for worker in list(self._workers):
            # A child that the stage left behind may hold the pipe open: the end of the pipe is not the only sign.
            gone = worker.has_died()
            if worker in readable or gone:
                yield from self._read(worker, gone)

    def _read(self, worker: _Worker, gone: bool) -> Iterator[tuple[Stage, dict[str, Any]]]:
        for message in worker.messages():
            stage = worker.stage
            if "outcome" in message:
                worker.stage = None
            if stage is not None:  # else a thread that its stage left behind
                yield stage, message
        if gone:
            self._workers.remove(worker)
            self._selector.unregister(worker.output())
            how = worker.end()
            if worker.stage is not None:
                yield worker.stage, {"died": how}

    def _start(self) -> _Worker:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "xstilts.graph.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self._environment,
            start_new_session=True,  # Ctrl-C reaches us alone, and we end the workers
        )
        worker = _Worker(process)
        os.set_blocking(worker.output(), False)
        self._workers.append(worker)
        self._selector.register(worker.output(), selectors.EVENT_READ, worker)
        worker.send(self._hello)
        return worker


def _interrupt(number: int, _: object) -> NoReturn:
    raise KeyboardInterrupt(number)
