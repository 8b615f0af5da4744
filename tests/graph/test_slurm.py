"""A real SLURM loses a node, the driver or the whole job, and the numbers stay those of one machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.tiny_run import EXPERIMENT, scores
from graph.slurm import Slurm as Cluster
from graph.toy import RUNNER, TESTS, grid, is_free, messages, named, run_local, stage, value, values
from processes import wait_for
from xstilts.core.errors import ConfigError, StageError
from xstilts.graph.events import Done, Event, Started
from xstilts.graph.execute import execute
from xstilts.graph.perform import Work
from xstilts.graph.places import Needs, Slurm
from xstilts.graph.pool import Pool
from xstilts.graph.stage import Stage, graph, to_rows
from xstilts.graph.store import Store


@pytest.fixture
def cluster(slurm: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setenv("SLURM_CONF", slurm.environment["SLURM_CONF"])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), *filter(None, sys.path)]))
    yield slurm
    slurm.wait_until_idle()


def slow() -> list[Stage]:
    return [stage(str(n), sleep=1.0, says="SLURMD_NODENAME") for n in range(8)]


def assert_undisturbed(store: Store, stages: list[Stage], folder: Path) -> None:
    """All files are those of an undisturbed run on this machine."""
    other = Store(folder / "undisturbed")
    list(run_local(stages, other, RUNNER, {}, 0, threads=1))
    for one in graph(stages):
        for file in ("value.json", "parts.txt"):
            assert (store.directory(one) / file).read_bytes() == (other.directory(one) / file).read_bytes(), one


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
    assert values(store, stages) == [1] * 8
    nodes = [(store.directory(one) / "says.txt").read_text() for one in stages]
    assert "n2" in nodes
    cluster.revive_node("n1")


def test_the_driver_is_killed_and_started_again(cluster: Cluster, store: Store, tmp_path: Path) -> None:
    stages = [*grid(), *(stage(f"slow {n}", sleep=4, parts=8) for n in range(2))]
    command = [sys.executable, "-m", "graph.driver", "slurm", str(store.root), json.dumps(to_rows(stages))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        while not driver.stdout.readline().startswith("Started slow"):
            pass
        driver.kill()
    wait_for(lambda: not cluster.jobs(), 10)
    for one in stages:
        wait_for(lambda one=one: is_free(store, one))
    list(drive(cluster, store, stages, count=2))
    assert_undisturbed(store, stages, tmp_path)


def test_a_cancelled_job_leaves_nothing_running_and_is_submitted_again(
    cluster: Cluster, store: Store, tmp_path: Path
) -> None:
    stages = [*grid(), stage("slow", sleep=4, parts=8)]
    (tmp_path / "rows.json").write_text(json.dumps(to_rows(stages)))
    script, out = tmp_path / "job.sh", tmp_path / "out.txt"
    command = f'{sys.executable} -m graph.driver slurm {store.root} "$(cat {tmp_path}/rows.json)"'
    script.write_text(f"#!/bin/bash\nexec {command}\n")
    words = ["-n2", "--gpus-per-task=1", "--open-mode=append", f"--output={out}", str(script)]
    job = cluster.say("sbatch", "--parsable", *words).strip()
    wait_for(lambda: out.exists() and "Started slow" in out.read_text())
    cluster.say("scancel", job)
    wait_for(lambda: not cluster.jobs())
    for one in stages:
        wait_for(lambda one=one: is_free(store, one))
    assert not store.has(stages[-1])
    cluster.say("sbatch", "--parsable", *words)
    wait_for(lambda: "Done slow" in out.read_text())
    wait_for(lambda: not cluster.jobs())
    assert_undisturbed(store, stages, tmp_path)


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
    options = ("--executor", "slurm", "--device", "cpu", "--threads", "1")
    assert scores(tmp_path, *options, "--devices", "2") == scores(tmp_path)  # two processes a train stage


def test_the_template_runs_a_grid_and_resumes_it_after_a_requeue(cluster: Cluster, tmp_path: Path) -> None:
    expected = scores(tmp_path)  # which writes the experiment and its data
    bin, store, out = tmp_path / ".venv" / "bin", tmp_path / "store", tmp_path / "out.txt"
    bin.mkdir(parents=True)
    (bin / "activate").write_text(f"PATH={bin}:$PATH\n")
    (bin / "xstilts").write_text(f'#!/bin/bash\nexec {sys.executable} -m xstilts "$@" --threads 1\n')
    (bin / "xstilts").chmod(0o755)
    template = (TESTS.parent / "examples" / "slurm.sbatch").read_text(encoding="utf-8")
    for there, here in (
        ("--device cuda", "--device cpu"),
        ("--data /shared/data", f"--data {tmp_path / 'world'}"),
        ("--store /shared/runs", f"--store {store}"),
    ):
        assert there in template
        template = template.replace(there, here)
    (tmp_path / "slurm.sbatch").write_text(template)
    (tmp_path / "tiny.yaml").write_text(EXPERIMENT.format(steps=5), encoding="utf-8")
    sizes = ["--ntasks=2", "--cpus-per-task=1", "--mem-per-cpu=0", f"--output={out}", f"--chdir={tmp_path}"]
    job = cluster.say("sbatch", "--parsable", *sizes, str(tmp_path / "slurm.sbatch"), "tiny.yaml").strip()
    wait_for(lambda: any(store.glob("*/*/DONE")), 120)
    cluster.say("scontrol", "requeue", job)
    wait_for(lambda: not cluster.jobs(), 300)
    assert "Restarts=1" in cluster.say("scontrol", "show", "job", job)
    assert {path.parent.name: path.read_bytes() for path in store.glob("evaluate/*/scores.jsonl")} == expected
    assert not any(path for path in store.glob("*/.*") if path.suffix != ".lock"), out.read_text()
