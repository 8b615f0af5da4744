"""Kill any process at any moment, run again, and get the same results; several runs share one store."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from graph.toy import RUNNER, another_run, is_free, run_local, stage, values
from processes import alive, children, wait_for
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store

KILLS = 30
MOMENTS = """
import sys
from pathlib import Path
from graph.toy import killed_at, run, stage
from xstilts.graph.perform import Work, perform
from xstilts.graph.store import Store

ONE = stage("one", parts=2, sleep=0.02, resumes=True)  # times of files are not finer than some ms

def attempt(root, moment):
    "Whether an attempt was killed at its given call to the file system."
    work = Work(Store(root), run, {}, ["add"])
    return killed_at(moment, lambda: perform(work, ONE, lambda message: None))

def parts(folder):
    return (folder / "parts.txt").read_text() if (folder / "parts.txt").exists() else ""

moment, killed = 0, True
while killed:
    moment += 1
    store = Store(Path(sys.argv[1], str(moment)))
    killed = attempt(store.root, moment)
    before = parts(store.partial(ONE))
    for again in (moment, moment // 2):
        attempt(store.root, again)
        assert store.has(ONE) or len(parts(store.partial(ONE))) >= len(before), (moment, again, "progress was lost")
    assert perform(Work(store, run, {}, ["add"]), ONE, lambda message: None).keys() & {"done", "cached"}
    assert parts(store.directory(ONE)) == "0\\n1\\n", moment
    assert store.fault(ONE) == "", moment
    left = {path.name for path in (store.root / "add").iterdir()} - {ONE.key}
    assert left == set(), (moment, left)
print(moment)
"""


def test_killed_at_every_call_to_the_file_system_a_stage_loses_nothing(tmp_path: Path) -> None:
    path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, sys.path)])
    ran = subprocess.run(
        [sys.executable, "-c", MOMENTS, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stderr == ""
    assert int(ran.stdout.split()[-1]) > 30


def killed_run(run: subprocess.Popen[str], whom: str, random: Random) -> None:
    """Let it begin, kill `whom`, then the rest; returns when all its processes are gone."""
    assert run.stdout is not None
    for _ in range(random.randrange(5)):
        next((line for line in run.stdout if line.startswith(("Started", "Done"))), "")
    time.sleep(random.uniform(0, 0.1))
    workers = children(run.pid)
    kill(run, whom)
    time.sleep(random.uniform(0, 0.1))
    workers += children(run.pid)
    run.kill()
    run.communicate()
    wait_for(lambda: not any(map(alive, workers)))


def kill(run: subprocess.Popen[str], whom: str) -> None:
    """The run itself, one of its workers, or all of them."""
    workers = children(run.pid)
    if whom == "worker" and workers:
        os.kill(workers[0], signal.SIGKILL)
        return
    for process in (*(workers if whom == "group" else ()), run.pid):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def files(store: Store, one: Stage) -> dict[str, str]:
    """Checksums, which are compared with the files."""
    [record] = store.records([one])
    return {name: digest for name, digest in (store.sound(record).files or {}).items() if name != "threads.json"}


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_killed_at_random_thirty_times_the_result_is_the_same(tmp_path: Path, calls: Path) -> None:
    random = Random(5)
    top = stage("top", parts=5, sleep=0.1, resumes=True)
    middle = [stage(str(n), top, parts=5, sleep=0.15, resumes=True) for n in range(50)]
    stages = [top, *middle, stage("sum", *middle)]
    straight, killed = Store(tmp_path / "straight"), Store(tmp_path / "killed")
    list(run_local(stages, straight, RUNNER, {}, 0))
    finished: dict[Path, int] = {}
    for number in range(KILLS):
        run = another_run(killed.root, stages, calls, "2", "add")
        killed_run(run, ("main", "worker", "group")[number % 3], random)
        assert all(path.stat().st_mtime_ns == before for path, before in finished.items()), "finished is left alone"
        done = [one for one in stages if killed.has(one)]
        finished = {path: path.stat().st_mtime_ns for one in done for path in killed.directory(one).iterdir()}
    assert 5 < len(done) < len(stages), "the runs got somewhere, and not to the end"
    list(run_local(stages, killed, RUNNER, {}, 2, ["add"]))
    assert all(files(killed, one) == files(straight, one) for one in stages)
    assert all(path.stat().st_mtime_ns == before for path, before in finished.items())
    left = {path.suffix for path in (killed.root / "add").iterdir() if path.name.startswith(".")}
    assert left <= {".lock"}, "partial directories are gone"
    assert all(is_free(killed, one) for one in stages)


@pytest.mark.parametrize("shares", [(1, 1, 1, 1), (0.6, -0.6)], ids=["four runs of all", "two runs that overlap"])
def test_runs_on_one_store_compute_each_stage_once(store: Store, calls: Path, shares: tuple[float, ...]) -> None:
    top = stage("top", sleep=0.2)
    stages: list[Stage] = [top, *(stage(str(n), top, sleep=0.1) for n in range(9))]
    asked = [stages[: round(10 * share)] if share > 0 else [top, *stages[round(10 * share) :]] for share in shares]
    runs = [another_run(store.root, part, calls, "2") for part in asked]
    outputs = [run.communicate(timeout=60)[0].splitlines() for run in runs]
    assert [run.returncode for run in runs] == [0] * len(runs)
    computed = Counter(path.name.split(".")[0] for path in calls.iterdir())
    assert computed == Counter(one.config["name"] for one in stages)
    assert values(store, stages) == [1] + [2] * 9
    for part, lines in zip(asked, outputs, strict=True):  # every run knows of all its stages
        ended = Counter(line.split()[1] for line in lines if line.startswith(("Done", "Cached")))
        assert ended == Counter(one.config["name"] for one in part)
    assert json.loads((store.directory(stages[-1]) / "stage.json").read_text())["inputs"] == {"0": top.key}
    assert {path.name for path in (store.root / "add").iterdir()} == {one.key for one in stages}
