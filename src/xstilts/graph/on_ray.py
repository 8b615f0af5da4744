"""Places on a Ray cluster: an actor for each worker process. Ray finds the places; what is tried again, we say.

A stage that several GPUs compute together gets a placement group with a bundle for each, on as few nodes as can be. A
task in each bundle waits for it, at an address that the worker finds in its environment.

Needs the extra `ray`, which is imported when the first place is asked for.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from xstilts.core.errors import ConfigError
from xstilts.graph.places import Process
from xstilts.graph.workers import Message, Needs

TOLD = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_USAGE_STATS_REPORT_URL": "http://127.0.0.1:9/",  # without statistics a head still reports that there are none
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # a worker says itself what it sees
    "RAY_worker_niceness": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # what it would print about other nodes, on our standard output
}
"""What Ray is told where the user has not."""
MEETING = "XSTILTS_RANKS"
"""The variable with the address at which processes wait for a worker's stages."""
Meeting = tuple[Callable[[str], tuple[Any, str]], Callable[[str, str, str], Any]]
AVOIDED_SECONDS = 60.0
"""How long a node whose worker was lost gets no other. Ray believes for some seconds that a dead node is alive."""
REACH_SECONDS = 20.0
OBJECT_BYTES = 80 * 2**20
"""Memory that Ray keeps for objects on this machine, if it is started here: lines alone go through it."""


class Ray:
    """A cluster, or one of this machine alone that ends with the block.

    Args:
        address: of the cluster, as `HOST:6379`; empty: one is started here.
        size: stages at a time; None: as many as there is room for.
        most: what the most demanding stage needs.
        meeting: how the processes of several GPUs find a stage: a function of a host that makes what they wait at, with
            its address, and one that waits there (address, number, "0"). None: one process has all GPUs.

    Raises:
        ConfigError: Ray is not installed, or there is no such cluster, or no room there.
    """

    gpus: None = None

    def __init__(self, address: str, size: int | None, most: Needs, meeting: Meeting | None = None) -> None:
        self._address, self._size, self._most, self._meeting = address, size, most, meeting
        self._avoided: dict[str, float] = {}  # node -> until when

    @property
    def size(self) -> int:
        """Stages at a time: two for each that has GPUs, one of which needs none, or one for each share of the cores."""
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
        if self._address:
            _reach(self._address)
        alone = {} if self._address else {"include_dashboard": False, "object_store_memory": OBJECT_BYTES}
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            ray.init(self._address or "local", log_to_driver=False, logging_level=logging.ERROR, **alone)
        except (OSError, RuntimeError, ValueError) as error:
            why = str(error).strip().partition("\n")[0]
            raise ConfigError(f"--executor ray: {why} (for tokens, see docs/clusters.md)") from None
        finally:
            if threading.current_thread() is threading.main_thread():
                for number, handler in handlers.items():
                    signal.signal(number, handler)  # again, for Ray's own would end us without a word
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

        ray.shutdown()  # leaves the cluster of others alone

    def start(self, needs: Needs) -> _Seat:
        """Ask for an actor, which may have to wait for its place."""
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


def _reach(address: str) -> None:
    """Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if port.isdigit() and "//" not in host:
        try:
            socket.create_connection((host, int(port)), timeout=REACH_SECONDS).close()
        except OSError as error:
            raise ConfigError(f"--address {address}: no Ray cluster can be reached there ({error})") from None


def _in_bundle(group: Any, number: int) -> dict[str, Any]:
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    return {"scheduling_strategy": PlacementGroupSchedulingStrategy(group, number)}


class _Holder:
    """The actor: it holds a worker process, and has others wait in all bundles of its placement group."""

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
        """The node, then what the worker says, and how it ended."""
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
    """The caller's side: a thread hands on what the actor says."""

    def __init__(self, actor: Any, avoid: Any, group: Any) -> None:
        self._actor, self._avoid, self._group, self._how = actor, avoid, group, "its actor ended"
        self._output, wire = os.pipe()
        os.set_blocking(self._output, False)
        self._thread = threading.Thread(target=self._follow, args=(wire,), daemon=True)
        self._thread.start()

    def _follow(self, wire: int) -> None:
        import ray

        node = ""
        try:
            with os.fdopen(wire, "wb", buffering=0) as pipe, suppress(BrokenPipeError):
                for chunk in self._actor.output.options(num_returns="streaming").remote():
                    said = ray.get(chunk)
                    if node:
                        pipe.write(said)
                    node = node or said.decode()
        except ray.exceptions.RayError as error:
            self._how = type(error).__name__
            if node:
                self._avoid(node)

    def fileno(self) -> int:
        """As of `Seat`."""
        return self._output

    def send(self, message: Message) -> None:
        """As of `Seat`."""
        self._actor.send.remote(message)

    def ask(self) -> None:
        """As of `Seat`."""
        self._actor.ask.remote()

    def ended(self) -> bool:
        """As of `Seat`."""
        return not self._thread.is_alive()

    def end(self) -> Message:
        """As of `Seat`; the worker's own end was told by the actor before."""
        import ray

        ray.kill(self._actor)
        if self._group is not None:
            ray.util.remove_placement_group(self._group)
        os.close(self._output)
        self._thread.join()
        return {"lost": self._how}
