"""Places on a Ray cluster: one actor per worker process. Ray finds the places; `graph.execute` decides on retries.

A stage that several GPUs compute together gets a placement group with one bundle per GPU, on as few nodes as possible.
A task in each bundle waits for the stage at an address that the worker finds in its environment.

Needs the extra `ray`, which is imported when the first place is requested.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Thread
from typing import Any

from xstilts.core.errors import ConfigError
from xstilts.core.stopping import handled
from xstilts.graph.perform import Message
from xstilts.graph.places import Needs, Process

TOLD = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_USAGE_STATS_REPORT_URL": "http://127.0.0.1:9/",  # without statistics, a head still reports that there are none
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # the pool sets what a worker sees
    "RAY_worker_niceness": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # keeps messages about other nodes off our standard output
}
"""Defaults for Ray's environment variables."""
MEETING = "XSTILTS_RANKS"
"""Environment variable with the address at which processes wait for a worker's stages."""
Meeting = tuple[Callable[[str], tuple[Any, str]], Callable[[str, str, str], Any]]
AVOIDED_SECONDS = 60.0
"""How long no new worker goes to a node that lost one. Ray takes some seconds to notice that a node is dead."""
REACH_SECONDS = 20.0
OBJECT_BYTES = 80 * 2**20
"""Memory for Ray's objects on this machine, if it is started here: only lines of text go through it."""


class Ray:
    """`Places` on a cluster, or on a cluster of this machine alone that ends with the block.

    Args:
        address: of the cluster, as `HOST:6379`; empty: start one here.
        size: stages at a time; None: as many as there is room for.
        most: needs of the most demanding stage.
        meeting: how the processes of several GPUs find a stage: a function of a host that makes a meeting point and
            returns it with its address, and a function that waits there (address, number, "0"). None: one process has
            all GPUs.

    Raises:
        ConfigError: Ray is not installed, or the cluster cannot be reached or is too small.
    """

    gpus: None = None

    def __init__(self, address: str, size: int | None, most: Needs, meeting: Meeting | None = None) -> None:
        self._address, self._size, self._most, self._meeting = address, size, most, meeting
        self._avoided: dict[str, float] = {}  # node -> until when

    @property
    def size(self) -> int:
        """Stages at a time: one for each share of the cores; with GPUs two for each share, one of which needs none."""
        assert self._size is not None, "known inside the block"
        return self._size

    def __enter__(self) -> Ray:
        given = TOLD if self._address else TOLD | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        for name, value in given.items():  # before Ray is imported
            os.environ.setdefault(name, value)
        try:
            import ray
        except ImportError:
            raise ConfigError("--executor ray: Ray is not installed here: pip install 'xstilts[ray]'") from None
        host, _, port = self._address.rpartition(":")
        if port.isdigit() and "//" not in host:  # connect once, because Ray itself would try for minutes
            try:
                socket.create_connection((host, int(port)), timeout=REACH_SECONDS).close()
            except OSError as error:
                fault = f"--address {self._address}: no Ray cluster can be reached there ({error})"
                raise ConfigError(fault) from None
        alone = {} if self._address else {"include_dashboard": False, "object_store_memory": OBJECT_BYTES}
        try:
            with handled([signal.SIGINT, signal.SIGTERM]):  # Ray's own handlers would end us silently
                ray.init(self._address or "local", log_to_driver=False, logging_level=logging.ERROR, **alone)
        except (OSError, RuntimeError, ValueError) as error:
            why = str(error).strip().partition("\n")[0]
            raise ConfigError(f"--executor ray: {why} (for tokens, see docs/clusters.md)") from None
        if self._size is None:
            there, most = ray.cluster_resources(), self._most
            gpus, cpus = there.get("GPU", 0), there.get("CPU", 0)
            self._size = int(2 * (gpus // most.gpus) if most.gpus else cpus // (most.cpus or 1))
            if not self._size:
                ray.shutdown()
                raise ConfigError(
                    f"--executor ray: the cluster has {cpus:g} cores and {gpus:g} GPUs, but a stage needs "
                    f"{most.cpus or 1} and {most.gpus}; if the cluster adds nodes on demand, set --workers, e.g. 8"
                )
        return self

    def __exit__(self, *error: Any) -> None:
        import ray

        ray.shutdown()  # ends only a cluster that was started here

    def start(self, needs: Needs) -> _Seat:
        """See `Places`; an actor may wait for its place."""
        import ray

        options: dict[str, Any] = {"num_cpus": needs.cpus or 1, "num_gpus": needs.gpus, "max_concurrency": 2}
        group, meeting = None, self._meeting if needs.gpus > 1 else None
        if meeting is not None:
            group = ray.util.placement_group([{"CPU": needs.cpus or 1, "GPU": 1}] * needs.gpus)
            options |= {"num_cpus": 0, "num_gpus": 0} | _in_bundle(group, 0)
        elif avoided := [node for node, until in self._avoided.items() if until > time.monotonic()]:
            options["label_selector"] = {"ray.io/node-id": f"!in({','.join(avoided)})"}
        actor = ray.remote(_Holder).options(max_restarts=0, max_task_retries=0, **options).remote(meeting)
        return _Seat(actor, self._avoid, group)

    def _avoid(self, node: str) -> None:
        self._avoided[node] = time.monotonic() + AVOIDED_SECONDS


def _in_bundle(group: Any, number: int) -> dict[str, Any]:
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    return {"scheduling_strategy": PlacementGroupSchedulingStrategy(group, number)}


class _Holder:
    """The actor: holds a worker process, and starts waiting tasks in all bundles of its placement group."""

    def __init__(self, meeting: Meeting | None) -> None:
        self._waiting: list[Any] = []
        variables = {}
        if meeting is not None:
            import ray

            hold, wait = meeting
            self._held, variables[MEETING] = hold(ray.util.get_node_ip_address())
            group = ray.util.get_current_placement_group()
            for number, bundle in enumerate(group.bundle_specs):
                needs = {"num_cpus": bundle["CPU"], "num_gpus": bundle["GPU"], "max_retries": 0}
                task = ray.remote(wait).options(**needs, **_in_bundle(group, number))
                self._waiting.append(task.remote(variables[MEETING], str(number), "0"))
        self._process = Process(variables=variables)

    def send(self, message: Message) -> None:
        self._process.send(message)

    def ask(self) -> None:
        self._process.ask()

    def output(self) -> Iterator[bytes]:
        """The node, then the worker's output, then how it ended."""
        import ray

        yield ray.get_runtime_context().get_node_id().encode()
        chunk = b""
        while chunk or not self._process.ended():
            select.select([self._process], [], [], 0.1)
            ray.get(ray.wait(self._waiting, timeout=0)[0] if self._waiting else [])  # raises if one is lost
            chunk = b""
            with suppress(BlockingIOError):
                chunk = os.read(self._process.fileno(), 1 << 20)
            if chunk:
                yield chunk
        yield b"\n%s\n" % json.dumps(self._process.end()).encode()


class _Seat:
    """The caller's side: a thread writes the actor's output into a pipe."""

    def __init__(self, actor: Any, avoid: Callable[[str], None], group: Any) -> None:
        self._actor, self._avoid, self._group, self._how = actor, avoid, group, "its actor ended"
        self._output, wire = os.pipe()
        os.set_blocking(self._output, False)
        self._thread = Thread(target=self._follow, args=(wire,), daemon=True)
        self._thread.start()

    def _follow(self, wire: int) -> None:
        import ray

        node = ""
        try:
            with os.fdopen(wire, "wb", buffering=0) as pipe, suppress(BrokenPipeError):
                for reference in self._actor.output.options(num_returns="streaming").remote():
                    chunk = ray.get(reference)
                    if node:
                        pipe.write(chunk)
                    node = node or chunk.decode()
        except ray.exceptions.RayError as error:
            self._how = type(error).__name__
            if node:
                self._avoid(node)

    def fileno(self) -> int:
        return self._output

    def send(self, message: Message) -> None:
        self._actor.send.remote(message)

    def ask(self) -> None:
        self._actor.ask.remote()

    def ended(self) -> bool:
        return not self._thread.is_alive()

    def end(self) -> Message:
        """See `Seat`; the actor has reported the worker's own end before."""
        import ray

        ray.kill(self._actor)
        if self._group is not None:
            ray.util.remove_placement_group(self._group)
        os.close(self._output)
        self._thread.join()
        return {"lost": self._how}
