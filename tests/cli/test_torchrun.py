"""The processes of torchrun are one run: they train like one process and end together."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from cli.tiny_run import EXPERIMENT, is_pretrained
from processes import running, wait_for
from training.phases import assert_alike
from xstilts.cli import torchrun
from xstilts.core.errors import StageError
from xstilts.core.files import read_json
from xstilts.microworld.world import TINY, write_world
from xstilts.stages import ranks
from xstilts.stages.ranks import connected, held

PROCESS = """
import sys, typer
from pathlib import Path
from xstilts.cli import torchrun
from xstilts.core.errors import XstiltsError

devices, torchrun.LOST_SECONDS = int(sys.argv[1]), float(sys.argv[2])
try:
    with torchrun.together(devices) as (count, ranks):
        sys.stdout.write(f"leads {count} {ranks}\\n")
        sys.stdout.flush()
        if sys.stdin.readline():
            from xstilts.graph.job import Job
            from xstilts.graph.stage import Stage
            from xstilts.stages.ranks import run_train_on
            stage, machine = Stage("train", 1, {}), {"devices": count, "ranks": ranks}
            run_train_on(Job(stage, Path("nowhere"), settings=machine))
except typer.Exit as stop:
    sys.exit(stop.exit_code)
except XstiltsError as error:
    sys.stderr.write(f"error: {error}\\n")
    sys.exit(2)
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    """A list of processes that are terminated at the end of the test; a killed torchrun would leave its own behind."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.terminate()
    for process in started:
        process.communicate(timeout=60)


@pytest.fixture
def pair(processes: list[subprocess.Popen[str]]) -> Callable[..., list[subprocess.Popen[str]]]:
    """Starts two processes as a launcher would, the leading one first, which runs until its input ends."""

    def pair(devices: int = 1, lost_seconds: float = 60.0) -> list[subprocess.Popen[str]]:
        meeting = {"WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
        for rank in range(2):
            process = subprocess.Popen(
                [sys.executable, "-c", PROCESS, str(devices), str(lost_seconds)],
                env=os.environ | meeting | {"RANK": str(rank)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            processes.append(process)
        return processes

    return pair


def where_it_waits(leading: subprocess.Popen[str]) -> str:
    """The address that the leading process prints, once the other one has left a sign of life there."""
    assert leading.stdout is not None
    leads, count, waiting = leading.stdout.readline().split()
    assert (leads, count) == ("leads", "2")
    connected(waiting).wait(["alive/1"])
    return waiting


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and errors of a process that ends by itself."""
    code = process.wait(120)
    return code, process.communicate()[1]


@pytest.mark.skipif(sys.platform != "linux", reason="ranks are found in /proc")
def test_torchrun_on_two_nodes_gives_the_weights_of_one_process_and_goes_on_when_a_rank_is_killed(
    typed, tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    write_world(tmp_path / "world", 7, TINY)
    for steps, name in ((5, "alone"), (100_000, "both")):
        targets = f"targets: [{{task: micro_nli, train: {{steps: {steps}}}}}, "
        text = EXPERIMENT.format(steps=steps).replace("targets: [", targets)
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    words = ["--data", str(tmp_path / "world"), "--store"]
    assert typed("run", tmp_path / "alone.yaml", "--workers", "0", *words, tmp_path / "alone")[0] == 0
    [one] = [model for model in (tmp_path / "alone/train").iterdir() if is_pretrained(model)]
    ready = shutil.ignore_patterns("train", "predict", "evaluate", "reports")
    shutil.copytree(tmp_path / "alone", tmp_path / "both", ignore=ready)

    meeting = f"--rdzv-backend=c10d --rdzv-id=test --rdzv-endpoint=127.0.0.1:{free_port()} --local-addr=127.0.0.1"
    node = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=2", *meeting.split()]
    program = ["--no-python", sys.executable, "-c", "from xstilts.cli import main; main()", "run", "--json"]
    command = [*node, *program, str(tmp_path / "both.yaml"), *words, str(tmp_path / "both")]
    mine = os.environ | {"XSTILTS_TEST": str(tmp_path)}
    outs, errs = [tmp_path / "out0", tmp_path / "out1"], [tmp_path / "err0", tmp_path / "err1"]
    for out, err in zip(outs, errs, strict=True):
        with out.open("w") as output, err.open("w") as errors:
            processes.append(subprocess.Popen(command, env=mine, stdout=output, stderr=errors, text=True))

    def is_training(count: int) -> list[int]:
        """The ranks of the train stage of that number, counted from 1, once all are there."""
        assert [process.poll() for process in processes] == [None, None], [err.read_text() for err in errs]
        started = sum(out.read_text().count('"started", "kind": "train"') for out in outs)
        found = running(f"XSTILTS_TEST={tmp_path}", "xstilts.stages.ranks")
        return found if started == count and len(found) == 4 else []

    wait_for(lambda: is_training(2))
    two = tmp_path / "both/train" / one.name
    assert (read_json(two / "summary.json")["steps"], (two / "log.txt").exists()) == (5, True)
    assert_alike(one, two, 1e-5)

    os.kill(wait_for(lambda: is_training(2))[0], signal.SIGKILL)
    wait_for(lambda: is_training(3))  # what does not need it goes on
    [leading] = [n for n in range(2) if outs[n].read_text()]
    killed = r"rank \d ended with SIGKILL; its output is in the stage's log\.txt"
    assert len(re.findall(killed, outs[leading].read_text())) == 1

    processes[leading].terminate()
    assert all(process.wait(300) for process in processes)
    assert "stopping: saving a checkpoint" in errs[leading].read_text()
    assert outs[1 - leading].read_text() == ""
    assert "stopping" not in errs[1 - leading].read_text(), "said once; torchrun adds what it likes"
    wait_for(lambda: not running(f"XSTILTS_TEST={tmp_path}"))


def test_a_run_that_fails_in_a_train_stage_ends_both(pair) -> None:
    leading, other = pair()
    leading.stdin.write("train\n")
    leading.stdin.flush()
    code, err = ended(leading)
    assert (code, err.count("\n")) == (2, 1)
    assert "does not see nowhere: --store must name a folder that all nodes share" in err
    assert ended(other) == (2, "")


def test_waiting_takes_no_time_and_ends_with_the_run(pair) -> None:
    leading, other = pair()
    where_it_waits(leading)

    def used() -> int:
        fields = Path(f"/proc/{other.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    if sys.platform == "linux":
        time.sleep(0.3)  # a thread may still be starting
        before = used()
        time.sleep(0.5)
        assert used() == before
    leading.stdin.close()
    leading.stdin = None
    assert [ended(leading), ended(other)] == [(0, ""), (0, "")]


def test_sigterm_is_said_once(pair) -> None:
    leading, other = pair()
    where_it_waits(leading)
    leading.terminate()
    assert ended(leading) == (143, "stopping: saving a checkpoint of the running training\n")
    assert ended(other) == (143, "")


@pytest.mark.parametrize(
    ("first", "code", "line"),
    [(0, 1, "error: the leading process is lost: "), (1, 143, f"error: rank 1 at {socket.gethostname()} is lost: ")],
)
def test_a_process_that_is_killed_ends_the_other(pair, first: int, code: int, line: str) -> None:
    processes = pair(lost_seconds=3.0)
    where_it_waits(processes[0])
    processes[first].send_signal(signal.SIGKILL)
    ended_with, err = ended(processes[1 - first])
    assert (ended_with, err.splitlines()[0]) == (code, f"{line}see the output of its torchrun")
    assert err.count("\n") == 1 + first, "and that it stops"


def test_devices_beside_torchrun_are_one_line(pair) -> None:
    leading, other = pair(4)
    line = "error: --devices 4 with torchrun, which started 2 processes: leave out --devices\n"
    assert [ended(leading), ended(other)] == [(2, line), (2, "")]


def test_a_meeting_without_the_leading_process_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    store, _ = held("127.0.0.1")  # torchrun's
    named = {"RANK": "3", "WORLD_SIZE": "4", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port)}
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(torchrun, "MEETING_SECONDS", 1.0)
    with pytest.raises(StageError, match=r"^rank 3 and the others did not meet within 1 seconds$"):
        torchrun._wait("3", "1")


def test_who_waits_attends_to_one_stage_at_a_time_in_the_order_of_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    store, waiting = held("127.0.0.1")
    attended: list[str] = []
    first = threading.Event()

    def attend(address: str, rank: str, local_rank: str) -> None:
        attended.append(address)
        first.wait(60)

    monkeypatch.setattr(ranks, "attend", attend)
    code: list[int] = []
    thread = threading.Thread(target=lambda: code.append(ranks.wait_for_stages(waiting, "3", "1")))
    thread.start()
    for what in ("a:1", "b:2", "a:1", "7"):  # a port may come again
        ranks.call(waiting, what)
    wait_for(lambda: attended)
    thread.join(0.2)
    assert attended == ["a:1"]
    first.set()
    thread.join(60)
    assert (attended, code) == (["a:1", "b:2", "a:1"], [7])
    store.wait(["left/3"], timedelta(seconds=1))


def test_a_stage_whose_caller_is_gone_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "CONNECT_SECONDS", 0.01)
    ranks.attend(f"127.0.0.1:{free_port()}", "1", "1")
