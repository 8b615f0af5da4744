"""One train stage in several processes: `python -m xstilts.stages.ranks`, once for each rank.

The process that computes the stage, the caller, holds a store (torch's `TCPStore`) meanwhile. The ranks meet there, and
all their messages to and from the caller go through it, as JSON:

    stage     {"config", "directory", "inputs", "settings"}
    order/N   N = 0, 1 ...: "stop" (save, then stop) or "end"; a rank also ends when the store is gone
    said      a queue of [rank, message]: {"report"} | {"error"} | {"memory": tokens to try instead, "error"} |
              {"stopped"}, and at last {"code"}, from the process that started the rank

`attend` starts a rank. It is called by threads of the caller, or by processes that wait on one or more nodes
(`wait_for_stages`) at another store, which holds the addresses of stages' stores: call/0, call/1 ...
"""

from __future__ import annotations

import itertools
import json
import math
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from torch.distributed import DistError, TCPStore  # type: ignore[attr-defined]

from xstilts.core.errors import ConfigError, OutOfMemory, StageError, XstiltsError
from xstilts.core.machine import Machine
from xstilts.core.stopping import request_stop, stop_requests
from xstilts.graph.job import Job
from xstilts.graph.on_ray import MEETING
from xstilts.graph.perform import Report
from xstilts.graph.places import code_path
from xstilts.graph.stage import Stage
from xstilts.stages import KINDS

CONNECT_SECONDS = 20.0
"""How long a connection may take; torch tries twice."""
END_SECONDS = 30.0
"""How long to wait for ranks to end; those of a lost machine never answer."""
LOOK_SECONDS = 0.05
"""How often a caller looks for messages. It does not wait inside torch, where signals would not reach it."""
NO_LIMIT = timedelta(days=365)


def held(host: str) -> tuple[TCPStore, str]:
    """A store in this process, and its address; other processes reach it while the object lives."""
    store = TCPStore(host, 0, is_master=True, wait_for_workers=False)
    return store, f"{host}:{store.port}"


def connected(address: str) -> TCPStore:
    """The store of another process, for one thread, which may wait there without limit.

    Raises:
        DistError: it is gone, now or when it is used.
    """
    host, _, port = address.rpartition(":")
    store = TCPStore(host, int(port), is_master=False, timeout=timedelta(seconds=CONNECT_SECONDS))
    store.set_timeout(NO_LIMIT)
    return store


def run_train_on(job: Job) -> None:
    """`run_train` in `devices` processes: those that wait at `ranks` of the settings, or children of this one.

    They end with this process, however it ends. Where the memory of one does not suffice, all start again from the last
    checkpoint with half the tokens at a time.

    Raises:
        StageError: a rank raised it, or ended without a word; the others are stopped.
        ConfigError: sharded weights that would be evaluated during training, or that are held in 4 bits.
        KeyboardInterrupt: as of `run_train`.
    """
    settings = dict(job.settings)
    if settings.get("shard") and job.config.get("selection", {}).get("judges"):
        raise ConfigError(
            "weights that are sharded (--shard) cannot be judged on validation while they are trained: give "
            "`select: last` or `select: average`, and one learning rate, or leave out --shard"
        )
    if settings.get("shard") and job.config["train"].get("quantize"):
        raise ConfigError("weights in 4 bits (`quantize: nf4`) cannot be sharded: leave out --shard, or `quantize`")
    while True:
        try:
            _train_on(replace(job, settings=settings))
            return
        except OutOfMemory as error:
            if not error.tokens:
                raise
            now = error.tokens
        from xstilts.stages.accidents import note_memory  # it imports all that trains, which this process does not need

        note_memory(job, "", settings.get("micro_batch_tokens", Machine().micro_batch_tokens), now)
        settings["micro_batch_tokens"] = now


def _train_on(job: Job) -> None:
    waiting = job.settings.get("ranks") or os.environ.get(MEETING, "")
    store, address = held(waiting.rpartition(":")[0] or "127.0.0.1")
    inputs = {role: str(path) for role, path in job.inputs.items()}
    stage = {"config": job.config, "directory": str(job.directory), "inputs": inputs, "settings": job.settings}
    store.set("stage", json.dumps(stage))
    left, numbers = set(range(job.machine.devices)), itertools.count()

    def order(word: str) -> None:
        store.set(f"order/{next(numbers)}", word)

    try:
        if waiting:
            call(waiting, address)
        else:
            for rank in left:
                threading.Thread(target=attend, args=(address, str(rank), str(rank)), daemon=True).start()
        with stop_requests(partial(order, "stop")) as asked:
            try:
                stopped = _follow(store, left, job.report)
            except StageError:
                if not asked:  # else it could not stop in order
                    raise
                stopped = True
    finally:
        order("end")  # none of them may write into the stage's directory afterwards
        list(_said(store, left, END_SECONDS))
    if stopped:
        raise KeyboardInterrupt(*asked[:1])


def _follow(store: TCPStore, left: set[int], report: Report) -> bool:
    """Pass on what ranks say until all have ended; returns whether they stopped before the end of the phase."""
    stopped = False
    for rank, message in _said(store, left):
        match message:
            case {"report": data}:
                report(data)
            case {"memory": tokens, "error": problem}:
                raise OutOfMemory(problem, tokens)
            case {"error": problem}:
                raise StageError(problem)
            case {"stopped": _}:
                stopped = True
            case {"code": code} if code:
                how = signal.Signals(-code).name if code < 0 else code
                raise StageError(f"rank {rank} ended with {how}; its output is in the stage's log.txt")
    return stopped


def _said(store: TCPStore, left: set[int], seconds: float = math.inf) -> Iterator[tuple[int, dict[str, Any]]]:
    """Pairs (rank, message) as they come, until no rank is `left`."""
    end = time.monotonic() + seconds
    while left and time.monotonic() < end:
        if not store.queue_len("said"):
            time.sleep(LOOK_SECONDS)
            continue
        rank, message = json.loads(store.queue_pop("said"))
        if "code" in message:
            left.discard(rank)
        yield rank, message


def _say(store: TCPStore, rank: str, **message: Any) -> None:
    store.queue_push("said", json.dumps([int(rank), message]))


def attend(address: str, rank: str, local_rank: str) -> None:
    """Start a rank of the stage whose store is at the address, and say there how it ended."""
    host, _, port = address.rpartition(":")
    with suppress(DistError, OSError):  # the caller and the rank are gone, or the rank cannot be started
        store = connected(address)
        stage = json.loads(store.get("stage"))
        directory, code = Path(stage["directory"]), 1
        own = {"RANK": rank, "LOCAL_RANK": local_rank, "WORLD_SIZE": str(stage["settings"]["devices"])}
        own |= {"MASTER_ADDR": host, "MASTER_PORT": port, "TORCHELASTIC_USE_AGENT_STORE": "True"}  # held by the caller
        try:
            if not directory.is_dir():
                seen = f"{socket.gethostname()} does not see {directory}"
                _say(store, rank, error=f"{seen}: --store must name a folder that all nodes share")
                return
            with (directory / "log.txt").open("ab") as log:
                command = [sys.executable, "-P", "-m", "xstilts.stages.ranks"]
                own = os.environ | code_path() | own
                code = subprocess.call(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=own)
        finally:
            _say(store, rank, code=code)


def call(waiting: str, what: str) -> None:
    """Call the processes that wait at a store to a stage's address, after earlier ones, or to an exit code."""
    store, own = connected(waiting), json.dumps([what, secrets.token_hex(8)])
    number = itertools.count()
    while store.compare_set(f"call/{next(number)}", "", own).decode() != own:
        pass


def wait_for_stages(waiting: str, rank: str, local_rank: str) -> int:
    """Be a rank of all stages that are called, one at a time; returns the exit code for all.

    Raises:
        DistError: the process that holds the store is gone.
    """
    store, numbers = connected(waiting), itertools.count()
    while not (what := json.loads(store.get(f"call/{next(numbers)}"))[0]).isdigit():
        attend(what, rank, local_rank)
    store.set(f"left/{rank}", "")
    return int(what)


def _obey(store: TCPStore) -> None:
    with suppress(DistError):
        for number in itertools.count():
            if store.get(f"order/{number}") != b"stop" or not request_stop():
                break
    os._exit(1)


def main() -> None:
    """Be one rank, as the environment says."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the caller, which gives orders
    address = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    threading.Thread(target=_obey, args=(connected(address),), daemon=True).start()
    store = connected(address)
    say = partial(_say, store, os.environ["RANK"])
    try:
        _train(json.loads(store.get("stage")), say)
    except XstiltsError as error:
        say(error=str(error))
        sys.exit(2)
    except KeyboardInterrupt:
        say(stopped=True)


def _train(entry: Mapping[str, Any], say: Callable[..., None]) -> None:
    from xstilts.stages.training import run_train
    from xstilts.training.distributed import assembled

    inputs = {role: Path(path) for role, path in entry["inputs"].items()}
    stage = Stage("train", KINDS["train"].version, entry["config"])
    with assembled(entry["settings"].get("device", "cpu")) as device:
        settings = {**entry["settings"], "device": device}
        try:
            run_train(Job(stage, Path(entry["directory"]), inputs, settings, lambda data: say(report=data)))
        except OutOfMemory as error:
            say(memory=error.tokens, error=str(error))  # before the others notice that this one has ended
            raise


if __name__ == "__main__":
    main()
