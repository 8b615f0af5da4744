"""One train stage in several processes: `python -m xstilts.stages.ranks`, once for each rank.

The process that has the stage, the caller, holds a store (torch's `TCPStore`) while the stage lasts. The ranks meet
there, and exchange these messages with the caller, in JSON:

    stage   {"config", "label", "directory", "inputs", "settings"}
    order   "stop" (save, then stop) or "end"; after "stop" the key `end` follows. A rank also ends if the store is gone
    said    a queue of [rank, message]: {"report"} | {"error"} | {"memory": tokens to try instead, "error"} |
            {"stopped"}, and at last {"code"}, from the process that started the rank

`attend` starts a rank: in threads of the caller, or in processes that wait on one or many nodes (`wait_for_stages`) at
a store of their own, which has the addresses of the stages' stores: call/0, call/1 ...
"""

import itertools
import json
import math
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

from torch.distributed import DistError, TCPStore  # type: ignore[attr-defined]

from xstilts.core.errors import ConfigError, OutOfMemory, StageError, XstiltsError
from xstilts.core.machine import Machine
from xstilts.core.stopping import request_stop, stop_requests
from xstilts.graph.job import Job, Report
from xstilts.graph.on_ray import MEETING
from xstilts.graph.places import code_path, name_of_end
from xstilts.graph.stage import Stage
from xstilts.stages import KINDS

CONNECT_SECONDS = 20.0
"""Time for a connection; torch tries twice."""
END_SECONDS = 30.0
"""Time for ranks to end after an order; those of a lost machine never answer."""
LOOK_SECONDS = 0.05
"""Polling interval for messages: inside a wait of torch's, no signal would reach the caller."""
NO_LIMIT = timedelta(days=365)


def held(host: str) -> tuple[TCPStore, str]:
    """A store in this process, which others reach while the object lives, and its address."""
    store = TCPStore(host, 0, is_master=True, wait_for_workers=False)
    return store, f"{host}:{store.port}"


def connected(address: str) -> TCPStore:
    """A connection to the store of another process, for one thread, which may wait there without limit.

    Raises:
        DistError: the store is gone, now or when it is used.
    """
    host, _, port = address.rpartition(":")
    store = TCPStore(host, int(port), is_master=False, timeout=timedelta(seconds=CONNECT_SECONDS))
    store.set_timeout(NO_LIMIT)
    return store


def run_train_on(job: Job) -> None:
    """`run_train` in `devices` processes: children of this one, or those that wait at `ranks` of the settings.

    They end with this process, however it ends. If one runs out of memory, all continue from the last checkpoint with
    half the tokens at a time.

    Raises:
        StageError: what a rank raised, or how it ended; the others are stopped.
        ConfigError: sharded weights that must be judged before the end, or that are in 4 bits.
        KeyboardInterrupt: see `run_train`.
    """
    settings = dict(job.settings)
    if settings.get("shard") and job.config.get("selection", {}).get("judges"):
        raise ConfigError(
            "sharded weights (--shard) cannot be judged on validation data during training: give `select: last` or "
            "`select: average`, and one learning rate, or leave out --shard"
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
    stage["label"] = job.stage.label
    store.set("stage", json.dumps(stage))
    left = set(range(job.machine.devices))
    try:
        if waiting:
            call(waiting, address)
        else:
            for rank in left:
                Thread(target=attend, args=(address, str(rank), str(rank)), daemon=True).start()
        with stop_requests(lambda: store.set("order", "stop")) as asked:
            try:
                stopped = _follow(store, left, job.report)
            except StageError:
                if not asked:  # otherwise a rank could not stop in order
                    raise
                stopped = True
    finally:
        store.compare_set("order", "", "end")
        store.set("end", "")
        list(_said(store, left, END_SECONDS))  # until no rank writes into the stage's directory
    if stopped:
        raise KeyboardInterrupt(*asked[:1])


def _follow(store: TCPStore, left: set[int], report: Report) -> bool:
    """Pass on the ranks' messages until all have ended; returns whether they stopped before the end of the phase."""
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
                raise StageError(f"rank {rank} ended with {name_of_end(code)}; its output is in the stage's log.txt")
    return stopped


def _said(store: TCPStore, left: set[int], seconds: float = math.inf) -> Iterator[tuple[int, dict[str, Any]]]:
    """Pairs (rank, message) as they arrive, until no rank is `left`."""
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
    """Start a rank of the stage whose store has this address, wait for it, and report there how it ended."""
    host, _, port = address.rpartition(":")
    with suppress(DistError, OSError):  # the caller and the rank are gone, or the rank cannot be started
        store = connected(address)
        stage = json.loads(store.get("stage"))
        directory, code = Path(stage["directory"]), 1
        own = {"RANK": rank, "LOCAL_RANK": local_rank, "WORLD_SIZE": str(stage["settings"]["devices"])}
        own |= {"MASTER_ADDR": host, "MASTER_PORT": port, "TORCHELASTIC_USE_AGENT_STORE": "True"}  # the caller's
        try:
            if not directory.is_dir():
                problem = f"{socket.gethostname()} does not see {directory}"
                _say(store, rank, error=f"{problem}: --store must name a folder that all nodes share")
                return
            with (directory / "log.txt").open("ab") as log:
                command = [sys.executable, "-P", "-m", "xstilts.stages.ranks"]
                own = os.environ | code_path() | own
                code = subprocess.call(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=own)
        finally:
            _say(store, rank, code=code)


def call(waiting: str, what: str) -> None:
    """Append to the calls of a store: the address of a stage, or the exit code with which all end."""
    store, own = connected(waiting), json.dumps([what, secrets.token_hex(8)])
    number = itertools.count()
    while store.compare_set(f"call/{next(number)}", "", own).decode() != own:
        pass


def wait_for_stages(waiting: str, rank: str, local_rank: str) -> int:
    """Take part in all called stages as a rank, one after another; returns the common exit code.

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
        if store.get("order") == b"stop" and request_stop():
            store.get("end")
    os._exit(1)


def main() -> None:
    """One rank, as its environment says."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the caller, which gives the orders
    address = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    Thread(target=_obey, args=(connected(address),), daemon=True).start()
    store = connected(address)
    say = partial(_say, store, os.environ["RANK"])
    try:
        entry = json.loads(store.get("stage"))
        from xstilts.stages.training import run_train
        from xstilts.training.distributed import assembled

        inputs = {role: Path(path) for role, path in entry["inputs"].items()}
        stage = Stage("train", KINDS["train"].version, entry["config"], label=entry["label"])
        with assembled(entry["settings"].get("device", "cpu")) as device:
            settings = {**entry["settings"], "device": device}
            try:
                run_train(Job(stage, Path(entry["directory"]), inputs, settings, lambda data: say(report=data)))
            except OutOfMemory as error:
                say(memory=error.tokens, error=str(error))  # before the others notice that this one has ended
                raise
    except XstiltsError as error:
        say(error=str(error))
        sys.exit(2)
    except KeyboardInterrupt:
        say(stopped=True)


if __name__ == "__main__":
    main()
