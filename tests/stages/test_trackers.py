"""`--track`: what an experiment tracker gets of a train stage, across kills, and that it cannot spoil the stage."""

from __future__ import annotations

import os
import re
import signal
import socket
import struct
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from processes import wait_for
from training.phases import Killed, component, run_phase, train_stage, write_inputs
from xstilts.core.files import read_jsonl
from xstilts.stages import log

CONFIG = train_stage(component("nli"))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_inputs(tmp_path_factory.mktemp("inputs"), "nli")


def run(store: Path, inputs: Mapping[str, Path], stop: int = 0, **settings: Any) -> list[str]:
    """Twenty steps of a stage, killed when step `stop` reports; the messages that are no progress."""
    directory = store / "train" / ".0123.4567.partial"
    directory.mkdir(parents=True, exist_ok=True)
    said: list[str] = []

    def report(data: Mapping[str, Any]) -> None:
        if "fraction" not in data:
            said.append(data["message"])
            return
        assert re.fullmatch(r"step \d+ of 20, nli loss \d\.\d{3}, [\d,]+ tokens/s", data["message"])
        assert (data["steps"], data["task"]) == (20, "nli")
        if data["step"] == stop:
            raise Killed

    try:
        run_phase(CONFIG, directory, inputs, {"log_every": 1, "checkpoint_seconds": 1e9, **settings}, report)
    except Killed:
        assert stop
    return said


def logged(store: Path) -> list[float]:
    [log] = store.glob("train/*/log.jsonl")
    return [row["loss"] for _, row in read_jsonl(log)]


@pytest.mark.parametrize("checkpoint_seconds", [1e-9, 1e9])
def test_a_stage_that_resumes_continues_its_run_and_sends_no_step_twice(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkpoint_seconds: float
) -> None:
    opened: list[str] = []
    closed: list[bool] = []
    sent: list[tuple[int, float]] = []

    def send(values: dict[str, float], step: int) -> None:
        assert values.keys() - {"tokens_per_second"} == {"loss/nli", "learning_rate", "grad_norm"}
        sent.append((step, values["loss/nli"]))

    def opener(job: Any, folder: Path, run: str) -> log.TrackedRun:
        opened.append(run)
        return log.TrackedRun("mine", send, closed.append)

    monkeypatch.setitem(log.OPENERS, "mlflow", opener)
    for stop in (7, 13, 0):
        run(tmp_path, inputs, stop, track="mlflow", checkpoint_seconds=checkpoint_seconds)
    assert (opened, closed) == (["", "mine", "mine"], [False, False, True])
    assert sent == list(enumerate(logged(tmp_path)))
    run(tmp_path / "plain", inputs)
    assert logged(tmp_path) == logged(tmp_path / "plain"), "numbers do not depend on a tracker"
    assert not list((tmp_path / "tracking").iterdir())


@pytest.mark.parametrize("moment", ["open", "send", "close"])
def test_a_tracker_that_fails_is_named_in_one_line_and_the_stage_goes_on(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def fail(where: str) -> None:
        if where == moment:
            raise ConnectionError("no\nroute")

    def opener(*_: object) -> log.TrackedRun:
        fail("open")
        return log.TrackedRun("mine", lambda values, step: fail("send"), lambda done: fail("close"))

    monkeypatch.setitem(log.OPENERS, "wandb", opener)
    said = run(tmp_path, inputs, track="wandb")
    assert said == [
        "--track wandb: ConnectionError: no route: no further steps are sent to it; training is not affected"
    ]
    assert len(logged(tmp_path)) == 20


def test_a_tracker_that_hangs_does_not_hold_the_stage(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from threading import Event

    forever = Event()
    monkeypatch.setitem(log.OPENERS, "wandb", lambda *_: forever.wait())
    monkeypatch.setattr(log, "END_SECONDS", 0.0)
    assert run(tmp_path, inputs, track="wandb") == [
        "--track wandb: no answer for 0 seconds: no further steps are sent to it; training is not affected"
    ]
    forever.set()
    assert len(logged(tmp_path)) == 20


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("mlfow", "error: --track mlfow: choose one of tensorboard, mlflow, wandb"),
        ("mlflow", "error: --track mlflow: its package is not installed here: pip install 'xstilts[track-mlflow]'"),
    ],
)
def test_an_unknown_tracker_and_one_that_is_not_installed_are_one_line_before_the_run(
    typed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, line: str
) -> None:
    monkeypatch.setattr("xstilts.session.run.find_spec", lambda name: None)
    code, out, err = typed("run", "demo", "--store", tmp_path / "store", "--track", name)
    assert (code, out, err.splitlines()) == (2, "", [line])


@pytest.mark.usefixtures("patient")
@pytest.mark.filterwarnings("default")
def test_tensorboard_reads_every_step_once(inputs: dict[str, Path], tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="no TensorBoard here: pip install 'xstilts[track-tensorboard]'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert run(tmp_path, inputs, 7, track="tensorboard") == []
    assert run(tmp_path, inputs, track="tensorboard") == []
    [folder] = (tmp_path / "tracking" / "tensorboard").iterdir()
    found = EventAccumulator(str(folder)).Reload()
    events = found.Scalars("loss/nli")
    assert [event.step for event in events] == list(range(20))
    assert [event.value for event in events] == pytest.approx(logged(tmp_path))
    assert {"learning_rate", "grad_norm", "tokens_per_second"} <= set(found.Tags()["scalars"])


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait until all steps have arrived, after a kill too: the first import of a tracker may take long."""
    monkeypatch.setattr(log, "END_SECONDS", 600.0)
    monkeypatch.setattr(log, "STOP_SECONDS", 600.0)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a real MLflow server with a database of its own."""
    try:
        version("mlflow")
    except PackageNotFoundError:
        pytest.skip("no MLflow server here: pip install mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = ["--backend-store-uri", f"sqlite:///{tmp_path}/mlflow.db", "--artifacts-destination", str(tmp_path)]
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1", *place]
    log = (tmp_path / "server.txt").open("w")
    with log, subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True) as process:
        try:
            wait_for(lambda: process.poll() is not None or _answers(f"http://127.0.0.1:{port}/health"))
            assert process.poll() is None, (tmp_path / "server.txt").read_text()
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # it has children


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@pytest.mark.usefixtures("patient")
@pytest.mark.filterwarnings("default")
def test_an_mlflow_server_has_every_step_once_in_one_run(
    inputs: dict[str, Path], tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "first")
    assert run(tmp_path, inputs, 7, track="mlflow") == []
    assert run(tmp_path, inputs, track="mlflow") == []
    client = MlflowClient(server)
    experiment = client.get_experiment_by_name("first")
    assert experiment is not None
    [found] = client.search_runs([experiment.experiment_id])
    assert (found.info.status, found.data.params["learning_rate"], found.data.params["seed"]) == (
        "FINISHED",
        "0.001",
        "1",
    )
    history = client.get_metric_history(found.info.run_id, "loss/nli")
    assert [(metric.step, metric.value) for metric in history] == list(enumerate(logged(tmp_path)))


@pytest.mark.usefixtures("patient")
@pytest.mark.filterwarnings("default")
@pytest.mark.skipif(find_spec("wandb") is None, reason="no W&B here: pip install 'xstilts[track-wandb]'")
def test_wandb_keeps_every_step_once_offline(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wandb.proto.wandb_internal_pb2 import Record

    monkeypatch.setenv("WANDB_MODE", "offline")
    assert run(tmp_path, inputs, 7, track="wandb") == []
    assert run(tmp_path, inputs, track="wandb") == []
    files = sorted((tmp_path / "tracking").glob("wandb/offline-run-*/*.wandb"))
    assert len({file.name for file in files}) == 1, "one run"
    records = [Record.FromString(data) for file in files for data in wandb_records(file)]
    steps = [item for record in records for item in record.history.item if "_step" in (item.key, *item.nested_key)]
    assert [int(item.value_json) for item in steps] == list(range(20))


def wandb_records(file: Path) -> Iterator[bytes]:
    """Of a log in LevelDB's format: blocks of 32 KiB of chunks (checksum, length, 1-4: whole, first, middle, last)."""
    data, place, found = file.read_bytes(), 7, b""
    while place < len(data):
        if (rest := -place % 2**15) < 7:  # no room for the head of a chunk
            place += rest
            continue
        _, length, part = struct.unpack_from("<IHB", data, place)
        found += data[place + 7 : place + 7 + length]
        place += 7 + length
        if part in (1, 4):
            yield found
            found = b""
