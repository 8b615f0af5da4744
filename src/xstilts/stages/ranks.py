"""One train stage in several processes: `python -m xstilts.stages.ranks`, once for each rank.

A rank's standard input, output and error are one connection to the process that has the stage. It is started on this
machine, or by a process that waits for such a call on this or another one (`xstilts.cli.torchrun`).

    in   the stage as a line of JSON; then a line for "save and stop"; a rank ends when its input does
    out  lines for the stage's log, and behind a MARK for the caller: {"report"}, {"error"}, {"memory": tokens to try
         instead, "error"}, {"stopped"}, {"code"}, the last one last
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import Any

from xstilts.core.errors import ConfigError, OutOfMemory, StageError, XstiltsError
from xstilts.core.machine import Machine
from xstilts.core.stopping import request_stop, stop_requests
from xstilts.graph.perform import Report
from xstilts.stages.accidents import note_memory

MARK = "\x1e"
"""Begins what is for the caller."""
CONNECT_SECONDS = 60
"""How long a connection may take."""
END_SECONDS = 30
"""How long to wait for ranks that were told to end; those of a machine that is lost never answer."""


def run_train_on(
    config: Mapping[str, Any], directory: Path, inputs: Mapping[str, Path], settings: Mapping[str, Any], report: Report
) -> None:
    """`run_train` in `settings["devices"]` processes: those behind the first at `settings["ranks"]`, or all here.

    They end with this process, whatever ends it. Where the memory of one does not suffice, all begin again from the
    last checkpoint with half the tokens at a time.

    Raises:
        StageError: what a rank raised, or how it ended; the others are stopped.
        ConfigError: sharded weights that would have to be judged before the end, or that are held in 4 bits.
        KeyboardInterrupt: as of `run_train`.
    """
    count = settings.get("devices", 1)
    if count == 1:
        from xstilts.stages.training import run_train  # imported here: who only calls ranks needs no torch

        run_train(config, directory, inputs, settings, report)
        return
    if settings.get("shard") and config.get("selection", {}).get("judges"):
        raise ConfigError(
            "weights that are sharded (--shard) cannot be judged on validation while they are trained: give "
            "`select: last` or `select: average`, and one learning rate, or leave out --shard"
        )
    if settings.get("shard") and config["train"].get("quantize"):
        raise ConfigError("weights in 4 bits (`quantize: nf4`) cannot be sharded: leave out --shard, or `quantize`")
    while True:
        try:
            _train_on(config, directory, inputs, settings, report)
            return
        except OutOfMemory as error:
            if not error.tokens:
                raise
            tokens = settings.get("micro_batch_tokens", Machine().micro_batch_tokens), error.tokens
        note_memory(directory, report, "", tokens)
        settings = {**settings, "micro_batch_tokens": tokens[1]}


def _train_on(
    config: Mapping[str, Any], directory: Path, inputs: Mapping[str, Path], settings: Mapping[str, Any], report: Report
) -> None:
    count = settings["devices"]
    stage = {"config": dict(config), "directory": str(directory), "settings": dict(settings)}
    stage["inputs"] = {role: str(path) for role, path in inputs.items()}
    ranks: list[socket.socket] = []
    try:
        # All stages call in this order, so that one has all ranks and the others wait for the first of them.
        ranks += map(call, settings.get("ranks", ()))
        ranks[:0] = [_start(rank) for rank in range(count - len(ranks))]
        _tell(ranks, stage)
        with stop_requests(lambda: ranks[0].sendall(b"stop\n")) as asked:
            try:
                stopped = _follow(ranks, report)
            except StageError:
                if not asked:  # else it could not stop in order
                    raise
                stopped = True
    finally:
        _end(ranks)
    if stopped:
        raise KeyboardInterrupt(*asked[:1])


def _start(rank: int) -> socket.socket:
    ours, theirs = socket.socketpair()
    own = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
    threading.Thread(target=attend, args=(theirs, own), daemon=True).start()
    return ours


def attend(connection: socket.socket, variables: Mapping[str, str]) -> None:
    """Start a rank at the other end of a caller's connection, and tell the caller how it ended.

    Args:
        variables: RANK and LOCAL_RANK; what torchrun says of its own meeting place is kept from it.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TORCHELASTIC_")}
    command = [sys.executable, "-P", "-m", "xstilts.stages.ranks"]
    with connection:
        wire = connection.fileno()
        process = subprocess.Popen(command, stdin=wire, stdout=wire, stderr=wire, env=kept | dict(variables))
        code = process.wait()
        with suppress(OSError):  # nobody listens any more
            connection.sendall(f"{MARK}{json.dumps({'code': code})}\n".encode())


def call(place: str) -> socket.socket:
    """A connection to the process that waits at `TOKEN@HOST:PORT`, once it is free.

    Raises:
        StageError: nobody can be reached there.
    """
    token, _, address = place.partition("@")
    host, _, port = address.rpartition(":")
    try:
        connection = socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS)
    except OSError as error:
        raise StageError(f"{address} cannot be reached: {error}; nodes must accept each other's connections") from None
    try:
        connection.settimeout(None)
        keep_alive(connection)
        connection.sendall(token.encode())
        if not connection.recv(1):
            raise ConnectionError("it closed the connection")
    except OSError as error:
        connection.close()
        raise StageError(f"the process that waited at {address} is gone: {error}") from None
    return connection


def keep_alive(connection: socket.socket) -> None:
    """Notice within two minutes that the other machine is lost; an idle connection is not forgotten by a firewall."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 6)):
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _tell(ranks: Sequence[socket.socket], stage: Mapping[str, Any]) -> None:
    with socket.create_server(("", 0)) as probe:
        port = probe.getsockname()[1]
    for rank in ranks:
        # Our address as this rank sees it: the first rank, on this machine, is where the others meet.
        host = "127.0.0.1" if rank.family == socket.AF_UNIX else rank.getsockname()[0]
        meeting = {"MASTER_ADDR": host, "MASTER_PORT": str(port), "WORLD_SIZE": str(len(ranks))}
        with suppress(OSError):  # it has ended, and what it says tells how
            rank.sendall(json.dumps({**stage, "meeting": meeting}).encode() + b"\n")


def _follow(ranks: Sequence[socket.socket], report: Report) -> bool:
    """Hand on what ranks say until all have ended; returns whether they stopped before the end of the phase."""
    left = set(range(len(ranks)))
    stopped = False
    for rank, line in _lines(ranks):
        text, mark, message = line.partition(MARK)
        if text:
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()
        match json.loads(message) if mark else {}:
            case {"report": data}:
                report(data)
            case {"memory": tokens, "error": problem}:
                raise OutOfMemory(problem, tokens)
            case {"error": problem}:
                raise StageError(problem)
            case {"stopped": _}:
                stopped = True
            case {"code": 0}:
                left.remove(rank)
            case {"code": code}:
                how = signal.Signals(-code).name if code < 0 else code
                raise StageError(f"rank {rank} ended with {how}; what it said is in the stage's log.txt")
            case {"closed": _} if rank in left:
                raise StageError(f"rank {rank} is lost: its connection was closed")
    return stopped


def _lines(ranks: Sequence[socket.socket]) -> Iterator[tuple[int, str]]:
    """Pairs (rank, line) as they come, until all connections are closed."""
    unread = [b""] * len(ranks)
    with DefaultSelector() as selector:
        for number, rank in enumerate(ranks):
            selector.register(rank, EVENT_READ, number)
        while selector.get_map():
            for key, _ in selector.select():
                chunk = b""
                with suppress(OSError):
                    chunk = ranks[key.data].recv(1 << 16)
                *lines, unread[key.data] = (unread[key.data] + chunk).split(b"\n")
                yield from ((key.data, line.decode(errors="replace")) for line in lines)
                if not chunk:
                    selector.unregister(key.fileobj)
                    yield key.data, f'{unread[key.data].decode(errors="replace")}{MARK}{{"closed": true}}'


def _end(ranks: Sequence[socket.socket]) -> None:
    """Have all ranks ended, so that none of them still writes into the stage's directory."""
    for rank in ranks:
        with suppress(OSError):
            rank.shutdown(socket.SHUT_WR)
    end = time.monotonic() + END_SECONDS
    for rank in ranks:
        with rank, suppress(OSError):
            rank.settimeout(max(0.1, end - time.monotonic()))
            while rank.recv(1 << 16):
                pass


def _say(message: Mapping[str, Any]) -> None:
    sys.stdout.write(f"{MARK}{json.dumps(message)}\n")
    sys.stdout.flush()


def _end_with_input() -> None:
    # Not through sys.stdin, whose lock a waiting thread would hold when the interpreter ends.
    while os.read(0, 1 << 10):
        if not request_stop():
            break
    os._exit(1)


def main() -> None:
    """One rank: RANK and LOCAL_RANK are in the environment, the rest comes by standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the caller, who says what to do
    line = sys.stdin.readline()
    if not line:
        return
    threading.Thread(target=_end_with_input, daemon=True).start()
    stage = json.loads(line)
    os.environ.update(stage["meeting"])
    inputs = {role: Path(path) for role, path in stage["inputs"].items()}
    try:
        _train(stage["config"], Path(stage["directory"]), inputs, stage["settings"])
    except XstiltsError as error:
        _say({"error": str(error)})
        sys.exit(2)
    except KeyboardInterrupt:
        _say({"stopped": True})


def _train(config: Mapping[str, Any], directory: Path, inputs: Mapping[str, Path], settings: Mapping[str, Any]) -> None:
    if not directory.is_dir():
        raise StageError(
            f"{socket.gethostname()} does not see {directory}: --store must name a folder that all nodes share"
        )
    from xstilts.stages.training import run_train
    from xstilts.training.distributed import assembled

    with assembled(settings.get("device", "cpu")) as device:
        try:
            run_train(config, directory, inputs, {**settings, "device": device}, lambda data: _say({"report": data}))
        except OutOfMemory as error:
            _say({"memory": error.tokens, "error": str(error)})  # before the others see that this one is gone
            raise


if __name__ == "__main__":
    main()
