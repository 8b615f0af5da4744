"""A real Ray cluster loses a node or the driver, and the numbers stay those of one machine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.tiny_run import scores
from graph.toy import RUNNER, TESTS, is_free, messages, named, stage
from processes import running, wait_for
from training.phases import QUIET, assert_alike, component, run_phase, train_stage, write_inputs
from xstilts.core.errors import ConfigError
from xstilts.graph.events import Done, Event, Progress, Started
from xstilts.graph.execute import execute
from xstilts.graph.on_ray import OBJECT_BYTES, Ray
from xstilts.graph.perform import Work
from xstilts.graph.places import Needs
from xstilts.graph.pool import Pool
from xstilts.graph.stage import Stage, to_rows
from xstilts.graph.store import Store
from xstilts.stages.ranks import held, wait_for_stages

WAITING = "ray::wait_for_stages"


ALONE = """
import fcntl, os, socket, struct, sys
with socket.socket() as any:  # a new network namespace has loopback, which is down
    fcntl.ioctl(any, 0x8914, struct.pack("16sh", b"lo", 0x49))  # SIOCSIFFLAGS: up, loopback, running
os.execv(sys.argv[1], sys.argv[1:])
"""


def driver(address: str, store: Store, stages: list[Stage], *before: str) -> subprocess.Popen[str]:
    command = [*before, sys.executable, "-m", "graph.driver", address, str(store.root), json.dumps(to_rows(stages))]
    path = os.pathsep.join([str(TESTS), *filter(None, sys.path)])
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path}, **pipes)


def test_a_node_is_killed(ray_cluster: Any, store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    node = ray_cluster.add_node(num_cpus=2, object_store_memory=OBJECT_BYTES)
    ray_cluster.wait_for_nodes()
    stages = [stage(str(n), sleep=3.0) for n in range(9)]
    work = Work(store, RUNNER, {})
    events: list[Event] = []
    for event in execute(stages, work, Pool(stages, work, Ray(ray_cluster.address, 6, Needs()), threads=1)):
        events.append(event)
        if isinstance(event, Started) and len(named(events, Started)) == 6:
            ray_cluster.remove_node(node, allow_graceful=False)
    assert len(named(events, Done)) == 9
    lost = [line for line in messages(events) if line.startswith("lost its worker")]
    assert len(lost) in (1, 2), "of two on that node, and none came there again"
    assert capfd.readouterr().out == "", "Ray tells about its nodes there"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_driver_ends(ray_cluster: Any, store: Store, how: signal.Signals) -> None:
    stages = [stage(str(n), sleep=600) for n in range(2)]
    with driver(ray_cluster.address, store, stages) as run:
        assert run.stdout is not None
        assert sorted(run.stdout.readline() for _ in range(4))[-1].startswith("Started")
        run.send_signal(how)
        said = run.communicate(timeout=60)[1]
    assert ("KeyboardInterrupt" in said) == (how == signal.SIGTERM)
    for one in stages:
        wait_for(lambda one=one: is_free(store, one))


def test_one_machine_alone_needs_no_network(store: Store) -> None:
    pytest.importorskip("ray", reason="no Ray here: pip install 'xstilts[ray]'")
    if not shutil.which("unshare") or subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode:
        pytest.skip("`unshare -rn` is not permitted here")
    with driver("", store, [stage(str(n)) for n in range(5)], "unshare", "-rn", sys.executable, "-c", ALONE) as run:
        out, said = run.communicate(timeout=300)
    assert run.returncode == 0, said
    assert out.count("Done") == 5


def test_a_cluster_without_room_is_one_line(ray_cluster: Any) -> None:
    room = "the cluster has 4 cores and 2 GPUs, but a stage needs 1 and 3; if the cluster adds nodes on demand, set "
    with pytest.raises(ConfigError, match=f"^--executor ray: {room}--workers, e"):
        Ray(ray_cluster.address, None, Needs(3, 1)).__enter__()
    with Ray(ray_cluster.address, None, Needs(1, 1)) as places:
        assert places.size == 4


def test_no_cluster_is_one_line() -> None:
    pytest.importorskip("ray", reason="no Ray here: pip install 'xstilts[ray]'")
    with pytest.raises(ConfigError, match=r"^--address 127\.0\.0\.1:9: no Ray cluster can be reached there \("):
        Ray("127.0.0.1:9", 1, Needs()).__enter__()


def test_without_ray_it_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"^--executor ray: Ray is not installed here: pip install 'xstilts\[ray\]'$"):
        Ray("", 1, Needs()).__enter__()


def test_a_stage_is_trained_on_two_nodes_and_goes_on_when_one_of_its_processes_is_lost(
    ray_cluster: Any, store: Store, tmp_path: Path
) -> None:
    folders = write_inputs(tmp_path, "nli", **QUIET)
    phase = train_stage(component("nli"), head_dropout=0.0)
    (tmp_path / "alone").mkdir()
    run_phase(phase, tmp_path / "alone", folders, {"log_every": 1}, lambda _: None)
    training = Stage("train", 1, {"phase": phase, "folders": {role: str(path) for role, path in folders.items()}})
    settings = {"devices": 2, "log_every": 1, "checkpoint_seconds": 1e-9}
    work = Work(store, "training.phases:run_as_stage", settings, {"train"})
    needs = Needs(2, 1)  # each node has one
    places = Ray(ray_cluster.address, 1, needs, (held, wait_for_stages))
    events: list[Event] = []
    killed = None
    for event in execute([training], work, Pool([training], work, places, {"train": needs})):
        events.append(event)
        if killed is None and isinstance(event, Progress) and (event.fraction or 0) > 0.3:
            os.kill(killed := running("", WAITING)[0], signal.SIGKILL)
    assert [line.partition(" (")[0] for line in messages(events)].count("lost its worker") == 1
    assert_alike(store.directory(training), tmp_path / "alone", 1e-5)
    assert not running("", WAITING)


def test_scores_are_those_of_one_machine(ray_cluster: Any, tmp_path: Path) -> None:
    there = ("--executor", "ray", "--address", ray_cluster.address, "--device", "cpu", "--threads", "1")
    assert scores(tmp_path, *there) == scores(tmp_path)
