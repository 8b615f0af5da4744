"""`torchrun ... --no-python xstilts run ...`: the processes that torchrun starts on one or many nodes, as one run.

Any launcher that sets torch's variables works: RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT. The leading
process (rank 0) carries out the run and hosts a torch store. The others wait there, without limit and without using
the processor, for training stages (`stages.ranks`) and for the common exit code. They send heartbeats to the store, so
that the leading process notices a lost one; if the leading process is lost, so is the store.
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from threading import Event, Thread, main_thread
from typing import Any, NoReturn

import typer

from xstilts.core.errors import ConfigError, StageError, XstiltsError
from xstilts.core.stopping import told_when_stopped

MEETING_SECONDS = 600.0
"""How long processes wait for each other at the start."""
LOST_SECONDS = 60.0
"""A process without a heartbeat for this long is lost."""


@contextmanager
def together(devices: int) -> Iterator[tuple[int, str]]:
    """Yields the number of processes per training stage, and the address at which they wait.

    Without torchrun: `devices` and no address. With torchrun, only the leading process enters the block; the others
    wait until it leaves it.

    Raises:
        ConfigError: --devices together with torchrun.
        StageError: the processes did not meet.
        typer.Exit: in all but the leading process, with its exit code; in the leading one on SIGINT, on SIGTERM, and
            when another process is lost.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or "RANK" not in os.environ:
        yield devices, ""
        return
    if absent := [name for name in ("LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT") if not os.environ.get(name)]:
        raise ConfigError(f"RANK and WORLD_SIZE are set, but not {', '.join(absent)}: set all five, or use torchrun")
    level = os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")  # read at import: we report a lost store ourselves
    import torch.distributed  # noqa: F401

    if level == "FATAL":
        del os.environ["TORCH_CPP_LOG_LEVEL"]  # ranks keep their warnings
    if int(os.environ["RANK"]) > 0:
        raise typer.Exit(_wait(os.environ["RANK"], os.environ["LOCAL_RANK"]))
    with told_when_stopped(again=signal.SIG_IGN), _leading(size) as waiting:
        if devices != 1:
            raise ConfigError(f"--devices {devices} with torchrun, which started {size} processes: leave out --devices")
        yield size, waiting


@contextmanager
def _leading(size: int) -> Iterator[str]:
    from xstilts.stages.ranks import END_SECONDS, call, held, wait_for_stages

    store, waiting = held(os.environ["MASTER_ADDR"])
    over, code = Event(), 1
    threads: list[Thread] = []
    try:
        with _meeting() as meeting:  # stays referenced: this process may hold the store
            for _ in range(1, size):  # a queue, because a restarted torchrun may offer the same store
                meeting.queue_push("xstilts", waiting)
        threads = [
            Thread(target=wait_for_stages, args=(waiting, "0", os.environ["LOCAL_RANK"]), daemon=True),
            Thread(target=_watch, args=(store, size, over), daemon=True),
        ]
        for thread in threads:
            thread.start()
        yield waiting
        code = 0
    except KeyboardInterrupt as stop:
        raise typer.Exit(code := 128 + stop.args[0]) from None
    except (Exception, SystemExit) as error:
        code = error.exit_code if isinstance(error, typer.Exit) else 2 if isinstance(error, XstiltsError) else 1
        raise
    finally:
        over.set()
        call(waiting, str(code))
        with suppress(RuntimeError):  # some are lost
            store.wait([f"left/{rank}" for rank in range(1, size)], timedelta(seconds=END_SECONDS))
        for thread in threads:  # one that is inside torch when Python ends would abort the process
            thread.join(END_SECONDS)


def _watch(store: Any, size: int, over: Event) -> None:
    """Send SIGTERM to this process if another one sends no heartbeat."""
    signs, began = [""] * size, time.monotonic()
    while not over.wait(LOST_SECONDS):
        for rank in range(1, size):
            last, key = signs[rank], f"alive/{rank}"
            signs[rank] = store.get(key).decode() if store.check([key]) else ""
            if signs[rank] == last and (last or time.monotonic() - began > MEETING_SECONDS):
                where = f" at {last.split()[0]}" if last else ""
                sys.stderr.write(f"error: rank {rank}{where} is lost: see the output of its torchrun\n")
                signal.pthread_kill(main_thread().ident or 0, signal.SIGTERM)  # interrupts any wait
                return


def _wait(rank: str, local_rank: str) -> int:
    """Take part in every train stage of the run as a rank; returns the leading process's exit code."""
    from xstilts.stages.ranks import connected, wait_for_stages

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with _meeting() as meeting:
        waiting = meeting.queue_pop("xstilts").decode()

    def live() -> None:
        with suppress(RuntimeError):
            while True:  # a new connection each time, because an open one outlives a lost machine
                connected(waiting).set(f"alive/{rank}", f"{socket.gethostname()} {time.monotonic()}")
                time.sleep(LOST_SECONDS / 6)
        lost()

    def lost() -> NoReturn:
        if local_rank == "0":  # one line per node
            sys.stderr.write("error: the leading process is lost: see the output of its torchrun\n")
        os._exit(1)

    Thread(target=live, daemon=True).start()
    try:
        return wait_for_stages(waiting, rank, local_rank)
    except RuntimeError:
        lost()


@contextmanager
def _meeting() -> Iterator[Any]:
    """Yields the store that torch's variables name: torchrun's, or one that the leading process holds."""
    from torch.distributed.rendezvous import rendezvous

    try:
        yield next(rendezvous("env://", timeout=timedelta(seconds=MEETING_SECONDS)))[0]
    except RuntimeError:
        line = f"rank {os.environ['RANK']} could not reach the others within {MEETING_SECONDS:.0f} seconds"
        raise StageError(line) from None
