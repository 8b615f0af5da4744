"""`torchrun ... --no-python xstilts run ...`: the processes that torchrun starts on one or many nodes, as one run.

The leading one (rank 0) carries the run out. Each of the others listens at a port for two kinds of calls: the run's, a
connection that says with which exit code all end, and that both sides keep open so that each notices when the other has
died; and those of train stages, one rank each (`xstilts.stages.ranks`). They learn of each other through torchrun's own
key-value store, once. Waiting is reading from a socket: it takes no time of the processor and has no limit.
"""

from __future__ import annotations

import hmac
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from selectors import EVENT_READ, DefaultSelector
from typing import Any, NoReturn

import typer

from xstilts.core.errors import ConfigError, StageError, XstiltsError
from xstilts.core.stopping import say_saving
from xstilts.stages.ranks import attend, call, keep_alive

MEETING_SECONDS = 600.0
"""How long processes wait for each other when they start."""
TOKEN_BYTES = 16
TOKEN_SECONDS = 10.0
"""How long a caller may take to say its token."""


@contextmanager
def together(devices: int) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yields how many processes train a phase together, and where those behind the first wait.

    Without torchrun: `devices`, nowhere. With it, in the leading process: all that it started. The others do not enter
    the block, but wait until the leading one leaves it.

    Raises:
        ConfigError: `devices` are given beside torchrun.
        StageError: a process cannot be reached.
        typer.Exit: in all but the leading process, with its exit code; in that one when another process is lost (1),
            or on SIGINT and SIGTERM.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield devices, ()
        return
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    if rank > 0:
        raise typer.Exit(_wait(rank))
    with _leading(size) as places:
        if devices != 1:
            raise ConfigError(f"--devices {devices} beside torchrun, which started {size} processes: leave it out")
        yield size, places


@contextmanager
def _leading(size: int) -> Iterator[tuple[str, ...]]:
    places = _places(size)
    lines: list[socket.socket] = []
    code = 1
    try:
        lines += map(call, places)
        with _stoppable(places, lines):
            yield places
        code = 0
    except (Exception, SystemExit) as error:
        code = error.exit_code if isinstance(error, typer.Exit) else 2 if isinstance(error, XstiltsError) else 1
        raise
    finally:
        for line in lines:
            with line, suppress(OSError):
                line.sendall(f"{code}\n".encode())


def _places(size: int) -> tuple[str, ...]:
    meeting = _meeting()
    places = []
    for rank in range(1, size):
        try:
            places.append(meeting.get(f"xstilts/{rank}").decode())
        except RuntimeError:
            raise StageError(f"rank {rank} did not start within {MEETING_SECONDS:.0f} seconds") from None
        meeting.delete_key(f"xstilts/{rank}")  # torchrun may start all anew with the same store
    return tuple(places)


@contextmanager
def _stoppable(places: Sequence[str], lines: Sequence[socket.socket]) -> Iterator[None]:
    """A block that SIGINT, SIGTERM and the end of a line end in order, as `typer.Exit`."""
    lost: list[int] = []
    over = threading.Event()
    main = threading.get_ident()

    def watch() -> None:
        with DefaultSelector() as selector:
            for number, line in enumerate(lines):
                selector.register(line, EVENT_READ, number)
            lost.extend(key.data for key, _ in selector.select())  # nothing else is ever to be read there
        if not over.is_set():
            signal.pthread_kill(main, signal.SIGTERM)  # wakes it from whatever it waits for

    before = {number: signal.signal(number, _stop) for number in (signal.SIGINT, signal.SIGTERM)}
    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    except KeyboardInterrupt as stop:
        number = signal.Signals(stop.args[0])
        why = f"ended by {number.name}"
        if lost:
            host = places[lost[0]].partition("@")[2].rpartition(":")[0]
            why = f"rank {lost[0] + 1} at {host} is lost: its torchrun may say why"
        sys.stderr.write(f"error: {why}\n")
        raise typer.Exit(1 if lost else 128 + number) from None
    finally:
        over.set()
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, _: Any) -> NoReturn:
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)  # once is enough, and the first cause counts
    say_saving(number)
    raise KeyboardInterrupt(number)


def _wait(rank: int) -> int:
    """Be a rank of every train stage of the run; returns the leading process's exit code."""
    token = secrets.token_hex(TOKEN_BYTES)
    family, host = _own_address(os.environ["MASTER_ADDR"])
    server = socket.create_server((host, 0), family=family)
    _meeting().set(f"xstilts/{rank}", f"{token}@{host}:{server.getsockname()[1]}")
    server.settimeout(MEETING_SECONDS)
    try:
        line = _accept(server, token)
    except TimeoutError:
        server.close()
        raise StageError(f"rank {rank}: the leading process did not call in {MEETING_SECONDS:.0f} seconds") from None
    server.settimeout(None)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    own = {name: os.environ[name] for name in ("RANK", "LOCAL_RANK")}
    threading.Thread(target=_serve, args=(server, token, own), daemon=True).start()
    code = b""
    with line, suppress(OSError):
        code = line.recv(16)
    if not code and own["LOCAL_RANK"] == "0":  # one line a node
        sys.stderr.write("error: the leading process is lost: its torchrun may say why\n")
    return int(code or 1)


def _serve(server: socket.socket, token: str, own: dict[str, str]) -> NoReturn:
    while True:
        attend(_accept(server, token), own)


def _accept(server: socket.socket, token: str) -> socket.socket:
    """The next connection of a caller that knows the token, and was told that it has been heard."""
    while True:
        connection, _ = server.accept()
        with suppress(OSError):
            connection.settimeout(TOKEN_SECONDS)
            if hmac.compare_digest(connection.recv(len(token), socket.MSG_WAITALL), token.encode()):
                connection.settimeout(None)
                keep_alive(connection)
                connection.sendall(b"\n")
                return connection
        connection.close()


def _own_address(host: str) -> tuple[socket.AddressFamily, str]:
    """The address of this machine on the way to another."""
    family, kind, *_, address = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as probe:
        probe.connect(address)  # sends nothing
        return family, str(probe.getsockname()[0])


def _meeting() -> Any:
    """torchrun's key-value store, from the environment."""
    from torch.distributed.rendezvous import rendezvous

    return next(rendezvous("env://", timeout=timedelta(seconds=MEETING_SECONDS)))[0]
