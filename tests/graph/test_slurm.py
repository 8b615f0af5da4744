"""A real SLURM loses a node, the driver or the whole job, and the numbers stay those of one machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.tiny_run import scores
from graph.slurm import Slurm as Cluster
from graph.toy import RUNNER, TESTS, grid, is_free, messages, named, stage, value
from processes import wait_for
from xstilts.core.errors import ConfigError, StageError
from xstilts.graph.events import Done, Event, Started
from xstilts.graph.execute import execute
from xstilts.graph.perform import Work
from xstilts.graph.places import Needs, Slurm
from xstilts.graph.pool import Pool
from xstilts.graph.stage import Stage, to_rows
from xstilts.graph.store import Store


@pytest.fixture
def cluster(slurm: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setenv("SLURM_CONF", slurm.environment["SLURM_CONF"])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), *filter(None, sys.path)]))
    yield slurm
    slurm.wait_until_idle()


def slow() -> list[Stage]:
    return [stage(str(n), sleep=1.0, says="SLURMD_NODENAME") for n in range(8)]


def drive(cluster: Cluster, store: Store, stages: list[Stage], *, count: int = 4, options: str = "") -> Iterator[Event]:
    work = Work(store, RUNNER, {})
    return execute(stages, work, Pool(stages, work, Slurm(count, options), threads=1))


def test_a_node_is_killed(cluster: Cluster, store: Store) -> None:
    stages = slow()
    events: list[Event] = []
    for event in drive(cluster, store, stages):
        events.append(event)
        if isinstance(event, Started) and len(named(events, Started)) == 4:
            cluster.kill_node("n1")
    assert len(named(events, Done)) == 8
    assert any(line.startswith("lost its worker (srun ended with") for line in messages(events))
    nodes = [(store.directory(one) / "says.txt").read_text() for one in stages]
    assert "n2" in nodes
    cluster.revive_node("n1")


def test_the_driver_is_killed(cluster: Cluster, store: Store) -> None:
    stages = [stage(str(n), sleep=600) for n in range(2)]
    command = [sys.executable, "-m", "graph.driver", "slurm", str(store.root), json.dumps(to_rows(stages))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        assert sorted(driver.stdout.readline() for _ in range(4))[-1].startswith("Started")
        driver.kill()
    wait_for(lambda: not cluster.jobs(), 10)
    for one in stages:
        wait_for(lambda one=one: is_free(store, one))


def test_a_job_is_requeued(cluster: Cluster, store: Store, tmp_path: Path) -> None:
    seen = [stage("one", kind="gpu", says="CUDA_VISIBLE_DEVICES"), stage("none", says="CUDA_VISIBLE_DEVICES")]
    stages = [*grid(), stage("slow", sleep=10), *seen]
    (tmp_path / "rows.json").write_text(json.dumps(to_rows(stages)))
    script = tmp_path / "job.sh"
    command = f'{sys.executable} -m graph.driver slurm {store.root} "$(cat {tmp_path}/rows.json)"'
    script.write_text(f"#!/bin/bash\necho begins\nexec {command}\n")
    out = tmp_path / "out.txt"
    words = ["-n2", "--gpus-per-task=1", "--requeue", "--open-mode=append", f"--output={out}", str(script)]
    job = cluster.say("sbatch", "--parsable", *words).strip()
    wait_for(lambda: out.exists() and "Done top" in out.read_text())
    cluster.say("scontrol", "requeue", job)
    wait_for(lambda: out.read_text().count("begins") == 2)
    wait_for(lambda: not cluster.jobs())
    assert out.read_text().count("Done sum") == 1
    assert "Cached top" in out.read_text().rpartition("begins")[2]
    assert [value(store, one) for one in stages[:2]] == [31, 1]
    first, none = ((store.directory(one) / "says.txt").read_text() for one in seen)
    assert (first in ("0", "1"), none) == (True, "")


def test_what_srun_refuses_ends_the_run(cluster: Cluster, store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StageError, match=r"^no worker can be started: srun ended with 1$"):
        list(drive(cluster, store, slow(), options="--partition nowhere"))
    assert "invalid partition specified: nowhere" in capfd.readouterr().err


def test_the_words_before_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    outside = ["srun", "-Q", "-n1", "-c4", "--unbuffered", "--job-name=xstilts"]
    assert Slurm(1, "-p 'a b'").launch(Needs(2, 4)) == [*outside, "--gpus-per-task=2", "-p", "a b"]
    assert Slurm(1).launch(Needs(0, 4)) == outside
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    inside = ["srun", "-Q", "-n1", "-c1", "--unbuffered", "-N1", "--exact"]
    assert Slurm(1).launch(Needs()) == [*inside, "--gres=none"]
    with pytest.raises(ConfigError, match='--slurm-options "\'": No closing quotation'):
        Slurm(1, "'").launch(Needs())
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError, match="--executor slurm: `srun` is not installed here"):
        Slurm(1).__enter__()


def test_scores_are_those_of_one_machine(cluster: Cluster, tmp_path: Path) -> None:
    options = (
        "--executor",
        "slurm",
        "--device",
        "cpu",
        "--threads",
        "1",
        "--devices",
        "2",
    )  # two processes a train stage
    assert scores(tmp_path, *options) == scores(tmp_path)
