"""Processes that torchrun starts are one run: they train as one process does, and end together, whoever ends first."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cli.tiny_run import EXPERIMENT, is_pretrained
from processes import running, wait_for
from xstilts.cli import torchrun
from xstilts.core.errors import StageError
from xstilts.core.files import read_json, read_jsonl
from xstilts.microworld import TINY, write_world
from xstilts.stages.ranks import call

PROCESS = """
import sys, time, typer
from pathlib import Path
from xstilts.cli import torchrun
from xstilts.core.errors import XstiltsError
from xstilts.stages.ranks import run_train_on

class Meeting:  # torchrun's store, without the seconds that importing torch takes
    def path(self, name):
        return Path(sys.argv[1], name.replace("/", "-"))
    def set(self, name, value):
        self.path("new").write_text(value)
        self.path("new").rename(self.path(name))
    def get(self, name):
        while not self.path(name).exists():
            time.sleep(0.01)
        return self.path(name).read_bytes()
    def delete_key(self, name):
        self.path(name).unlink()

torchrun._meeting = Meeting
try:
    with torchrun.together(int(sys.argv[2])) as (count, ranks):
        sys.stdout.write(f"leads {count}\\n")
        sys.stdout.flush()
        if sys.stdin.readline():
            run_train_on({}, Path("nowhere"), {}, {"devices": count, "ranks": ranks}, lambda data: None)
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
    """What is in the list is ended when the test ends; a torchrun that is killed would leave its processes behind."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.terminate()
    for process in started:
        process.communicate(timeout=60)


@pytest.fixture
def pair(processes: list[subprocess.Popen[str]], tmp_path: Path) -> Callable[[int], list[subprocess.Popen[str]]]:
    """Starts two processes as torchrun would, the leading one first, which goes on until its input ends."""

    def pair(devices: int) -> list[subprocess.Popen[str]]:
        common = {"WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "TORCHELASTIC_RUN_ID": "test"}
        for rank in range(2):
            process = subprocess.Popen(
                [sys.executable, "-c", PROCESS, str(tmp_path), str(devices)],
                env=os.environ | common | {"RANK": str(rank)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            processes.append(process)
        assert processes[0].stdout is not None
        assert processes[0].stdout.readline() == ("leads 2\n" if devices == 1 else "")
        return processes

    return pair


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and errors of a process that ends by itself."""
    code = process.wait(60)
    return code, process.communicate()[1]


def test_torchrun_on_two_nodes_gives_the_weights_of_one_process_and_ends_on_sigterm(
    typed, tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    write_world(tmp_path / "world", 7, TINY)
    for steps, name in ((5, "alone"), (100_000, "both")):
        (tmp_path / f"{name}.yaml").write_text(EXPERIMENT.format(steps=steps), encoding="utf-8")
    words = ["--data", str(tmp_path / "world"), "--store"]
    assert typed("run", tmp_path / "alone.yaml", "--workers", "0", *words, tmp_path / "alone")[0] == 0
    [one] = [model for model in (tmp_path / "alone/train").iterdir() if is_pretrained(model)]
    ready = shutil.ignore_patterns("train", "predict", "evaluate", "reports")
    shutil.copytree(tmp_path / "alone", tmp_path / "both", ignore=ready)

    meeting = f"--rdzv-backend=c10d --rdzv-id=test --rdzv-endpoint=127.0.0.1:{free_port()} --local-addr=127.0.0.1"
    node = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1", *meeting.split()]
    program = ["--no-python", sys.executable, "-c", "from xstilts.cli import main; main()", "run", "--json"]
    command = [*node, *program, str(tmp_path / "both.yaml"), *words, str(tmp_path / "both")]
    mine = os.environ | {"XSTILTS_TEST": str(tmp_path)}
    outs, errs = [tmp_path / "out0", tmp_path / "out1"], [tmp_path / "err0", tmp_path / "err1"]
    for out, err in zip(outs, errs, strict=True):
        with out.open("w") as output, err.open("w") as errors:
            processes.append(subprocess.Popen(command, env=mine, stdout=output, stderr=errors, text=True))

    def leads_the_second_stage() -> list[int]:
        assert [process.poll() for process in processes] == [None, None], [err.read_text() for err in errs]
        return [n for n in range(2) if outs[n].read_text().count('"started", "kind": "train"') == 2]

    [leading] = wait_for(leads_the_second_stage)
    two = tmp_path / "both/train" / one.name
    assert (read_json(two / "summary.json")["steps"], (two / "log.txt").exists()) == (5, True)
    assert_close(one, two)

    processes[leading].terminate()
    assert all(process.wait(60) for process in processes)
    assert errs[leading].read_text().count("error: ended by SIGTERM") == 1
    assert outs[1 - leading].read_text() == ""
    assert "ended by SIGTERM" not in errs[1 - leading].read_text(), "said once; torchrun adds what it likes"
    if sys.platform == "linux":
        wait_for(lambda: not running(f"XSTILTS_TEST={tmp_path}"))


def assert_close(one: Path, two: Path) -> None:
    losses = [[row["loss"] for _, row in read_jsonl(folder / "log.jsonl")] for folder in (one, two)]
    np.testing.assert_allclose(*losses, atol=1e-5, rtol=0)
    for name in ("trained.safetensors", "heads.safetensors"):
        ours, theirs = load_file(one / name), load_file(two / name)
        for tensor in (name for name in ours if not name.endswith("key.bias")):  # softmax is blind to it: noise alone
            torch.testing.assert_close(ours[tensor], theirs[tensor], atol=1e-5, rtol=0)


def test_a_run_that_fails_in_a_train_stage_ends_both(pair) -> None:
    leading, other = pair(1)
    leading.stdin.write("train\n")
    leading.stdin.flush()
    code, err = ended(leading)
    assert (code, err.count("\n")) == (2, 1)
    assert "does not see nowhere: --store must name a folder that all nodes share" in err
    assert ended(other) == (2, "")


def test_waiting_takes_no_time_and_ends_with_the_run(pair) -> None:
    leading, other = pair(1)

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
    leading, other = pair(1)
    leading.terminate()
    code, err = ended(leading)
    assert (code, err.splitlines()[0]) == (143, "stopping: saving a checkpoint of what is being trained")
    assert err.splitlines()[1:] == ["error: ended by SIGTERM"]
    assert ended(other) == (143, "")


@pytest.mark.parametrize(
    ("first", "line"),
    [(0, "error: the leading process is lost: "), (1, "error: rank 1 at 127.0.0.1 is lost: ")],
)
def test_a_process_that_is_killed_ends_the_other(pair, first: int, line: str) -> None:
    processes = pair(1)
    processes[first].send_signal(signal.SIGKILL)
    code, err = ended(processes[1 - first])
    assert (code, err.splitlines()[-1]) == (1, f"{line}its torchrun may say why")


def test_devices_beside_torchrun_are_one_line(pair) -> None:
    leading, other = pair(4)
    line = "error: --devices 4 beside torchrun, which started 2 processes: leave it out\n"
    assert [ended(leading), ended(other)] == [(2, line), (2, "")]


def test_who_does_not_come_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Meeting:
        def set(self, name: str, value: str) -> None: ...

        def get(self, name: str) -> bytes:
            raise torch.distributed.DistStoreError("wait timeout")

    monkeypatch.setattr(torchrun, "_meeting", Meeting)
    monkeypatch.setattr(torchrun, "MEETING_SECONDS", 0.01)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    with pytest.raises(StageError, match="rank 1 did not start within"):
        torchrun._places(2)
    with pytest.raises(StageError, match="rank 3: the leading process did not call in"):
        torchrun._wait(3)


def test_a_process_that_waits_serves_one_stage_at_a_time_and_no_strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[socket.socket] = []

    def attend(connection: socket.socket, _: object) -> None:
        with connection:
            served.append(connection)
            connection.recv(1)

    monkeypatch.setattr(torchrun, "attend", attend)
    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=torchrun._serve, args=(server, "secret", {}), daemon=True).start()
    place = f"127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(StageError, match="is gone: it closed the connection"):
        call(f"guess!@{place}")
    first = call(f"secret@{place}")
    second: list[socket.socket] = []
    waiting = threading.Thread(target=lambda: second.append(call(f"secret@{place}")))
    waiting.start()
    waiting.join(0.2)
    assert (len(served), second) == (1, [])
    first.close()
    waiting.join(60)
    second[0].close()
    wait_for(lambda: len(served) == 2)
    with pytest.raises(StageError, match=r"cannot be reached: .*nodes must accept each other's connections"):
        call(f"secret@127.0.0.1:{free_port()}")
