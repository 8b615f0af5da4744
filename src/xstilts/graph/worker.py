"""A worker process: `python -m xstilts.graph.worker` receives the description of a run, then stages, one at a time.

JSON lines in both directions, on what were standard input and output when it started: no pickles, nothing of the
caller's `__main__`, and the environment is set before anything heavy is imported. While a stage runs, its own output
goes to `log.txt` in its directory. When the caller has gone or closes the input, a stage that catches SIGTERM gets time
to save its work; then the worker ends, with its children.

    out  {"ready": true}, or {"refused": why} after the first line
    in   {"store", "runner", "settings", "resumable", "path", "environment", "stages": rows of the whole graph}
    in   {"key"} ...
    out  messages about the stage: see `Message`

With `--watched` a second process stays behind and reports how the worker ended, for a caller that cannot see it.
"""

import ctypes
import faulthandler
import gc
import json
import os
import queue
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NoReturn

from xstilts.core.errors import StoreError
from xstilts.core.stopping import GRACE_SECONDS, request_stop
from xstilts.graph.locks import RUNNING, check_reach
from xstilts.graph.perform import Message, Work, perform
from xstilts.graph.places import how_it_ended
from xstilts.graph.stage import Stage, from_rows
from xstilts.graph.store import Store

LONG_SECONDS = 10.0
"""Freed memory is returned to the system after stages longer than this; its 0.15 s would double trivial ones."""
_ONE_LINE = threading.Lock()  # a stage may report from several threads


def main() -> None:
    """Serve stages until the caller closes standard input."""
    if sys.argv[1:] == ["--watched"]:
        _be_watched()
    source, wire = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not get between our lines
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)  # nor may they read the caller's
    os.close(nothing)
    faulthandler.enable()
    commands: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(source, commands), daemon=True).start()
    _send(wire, {"ready": True})
    run = commands.get()
    sys.path[:] = run["path"]
    os.environ.update(run["environment"])
    stages = from_rows(run["stages"])
    try:
        check_reach(Path(run["store"]) / RUNNING)
        store = Store(Path(run["store"]), must_exist=True)
    except StoreError as error:
        _send(wire, {"refused": str(error)})
        _end()
    work = Work(store, run["runner"], run["settings"], run["resumable"])
    try:
        while True:
            stage = stages[commands.get()["key"]]
            began = time.monotonic()
            _send(wire, _attempt(work, stage, wire))
            if time.monotonic() - began > LONG_SECONDS:  # glibc would keep gigabytes
                gc.collect()
                with suppress(OSError, AttributeError):  # another C library
                    ctypes.CDLL(None).malloc_trim(0)
    except KeyboardInterrupt:  # the stage has saved its work, as it was asked to
        _send(wire, {"lost": "SIGTERM"})
        _end()


def _be_watched() -> None:
    """Continue in a child. This process waits, reports how the child ended, and ends."""
    if (child := os.fork()) == 0:
        os.setsid()
        return
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # where a place is taken back, the child gets it too
    os.close(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with suppress(BrokenPipeError):
        os.write(1, b"\n%s\n" % json.dumps(how_it_ended(code)).encode())
    os._exit(0)


def _attempt(work: Work, stage: Stage, wire: IO[str]) -> Message:
    """Standard output and error go to the stage's log from its start to its end."""
    kept = os.dup(2)

    def tell(message: Message) -> None:
        if "started" in message:
            log = os.open(work.store.partial(stage) / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.close(log)
        _send(wire, message)

    try:
        return perform(work, stage, tell)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(kept, 1)
        os.dup2(kept, 2)
        os.close(kept)


def _send(wire: IO[str], message: dict[str, Any]) -> None:
    with _ONE_LINE, suppress(BrokenPipeError):  # the caller is gone, and a stage may still save its work
        wire.write(json.dumps(message) + "\n")
        wire.flush()


def _listen(source: IO[str], commands: queue.SimpleQueue[dict[str, Any]]) -> None:
    with suppress(ValueError):  # half a line of a driver that was killed
        for line in source:
            commands.put(json.loads(line))
    if request_stop():
        time.sleep(GRACE_SECONDS)
    _end()


def _end() -> NoReturn:
    """Kill this process and its children; a stage in native code would not react to anything gentler."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(0)


if __name__ == "__main__":
    main()
