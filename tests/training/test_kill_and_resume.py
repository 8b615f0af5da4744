"""20 steps = 10 + kill + 10, bit for bit, through the train stage as workers run it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from training.phases import DROPOUT, EAGER, Killed, component, run_phase, same, train_stage, write_inputs
from xstilts.core.files import read_json, read_jsonl
from xstilts.core.stopping import stop_requests
from xstilts.stages import training

CONFIG = train_stage(component("nli"), component("text", rate=0.4), head_dropout=0.1)


def run(
    directory: Path, inputs: Mapping[str, Path], stop: int | None = None, number: int = 0, **settings: Any
) -> list[int]:
    """Steps whose end was reported; `stop`: killed when that step reports, or sent the signal `number`."""
    directory.mkdir(exist_ok=True)
    done: list[int] = []

    def report(data: Mapping[str, Any]) -> None:
        if "fraction" not in data:
            return
        done.append(round(data["fraction"] * 20))
        if done[-1] == stop:
            if number:
                os.kill(os.getpid(), number)
            else:
                raise Killed

    run_phase(CONFIG, directory, inputs, {**EAGER, **settings}, report)
    return done


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_inputs(tmp_path_factory.mktemp("inputs"), "nli", "text", **DROPOUT)


@pytest.fixture(scope="module")
def straight(inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty steps at one go, without any checkpoint."""
    directory = tmp_path_factory.mktemp("straight")
    assert run(directory, inputs, checkpoint_seconds=1e9) == list(range(1, 21))
    return directory


def assert_equal_stages(one: Path, other: Path) -> None:
    names = ["heads.safetensors", "trained.safetensors"]
    for name in names:
        assert same(load_file(one / name), load_file(other / name)), name
    for name in ("log.jsonl", "summary.json", "about.json", "heads.json", "pointer.json"):
        assert (one / name).read_text() == (other / name).read_text(), name
    assert sorted(p.name for p in one.iterdir()) == sorted(p.name for p in other.iterdir())


def test_both_tasks_were_trained_and_the_log_is_complete(straight: Path) -> None:
    rows = [row for _, row in read_jsonl(straight / "log.jsonl")]
    assert [row["step"] for row in rows] == list(range(20))
    assert {row["task"] for row in rows} == {"nli", "text"}
    summary = read_json(straight / "summary.json")
    assert summary["steps"] == 20
    assert sum(task["steps"] for task in summary["tasks"].values()) == 20
    assert sum(task["tokens"] for task in summary["tasks"].values()) == sum(row["tokens"] for row in rows)
    assert read_json(straight / "about.json")["heads"] == {
        "loaded": [],
        "carried": [],
        "dropped": [],
        "fresh": ["nli", "text"],
    }


def test_ten_steps_a_kill_and_ten_steps_are_twenty(inputs: dict[str, Path], straight: Path, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run(tmp_path, inputs, stop=11)
    assert read_json(tmp_path / "checkpoint" / "step.json")["step"] == 10
    assert not (tmp_path / "heads.json").exists()
    assert run(tmp_path, inputs) == list(range(11, 21))
    assert_equal_stages(straight, tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_the_step_in_progress_and_leaves(
    number: int, inputs: dict[str, Path], straight: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt) as stopped:
        run(tmp_path, inputs, stop=11, number=number, checkpoint_seconds=1e9)
    assert stopped.value.args == (number,)
    assert signal.getsignal(number) is before
    assert read_json(tmp_path / "checkpoint" / "step.json")["step"] == 11
    assert run(tmp_path, inputs) == list(range(12, 21))
    assert capsys.readouterr().err == "resuming from step 11 of 20\n"
    assert_equal_stages(straight, tmp_path)


def test_a_second_ctrl_c_does_not_wait() -> None:
    with stop_requests() as asked:
        signal.raise_signal(signal.SIGINT)
        assert asked == [signal.SIGINT]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_many_kills_change_nothing(inputs: dict[str, Path], straight: Path, tmp_path: Path) -> None:
    for stop in (1, 4, 5, 17):
        with pytest.raises(Killed):
            run(tmp_path, inputs, stop=stop)
    run(tmp_path, inputs)
    assert_equal_stages(straight, tmp_path)


def test_a_kill_between_logged_steps_keeps_the_log_and_the_counts(inputs: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run(tmp_path / "a", inputs, stop=14, log_every=7)
    assert read_json(tmp_path / "a" / "checkpoint" / "step.json")["step"] == 13
    run(tmp_path / "a", inputs, log_every=7)
    run(tmp_path / "b", inputs, log_every=7)
    assert_equal_stages(tmp_path / "a", tmp_path / "b")


def test_slow_steps_are_told_between_two_records(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "TELL_SECONDS", -1.0)
    assert run(tmp_path, inputs, log_every=7, checkpoint_seconds=1e9) == list(range(1, 21))
    assert [row["step"] for _, row in read_jsonl(tmp_path / "log.jsonl")] == [6, 13, 19]


KILLED = """
import json, os, signal, sys
from pathlib import Path
import torch
from training.phases import run_phase

torch.set_num_threads(1)
config, directory, inputs, settings = json.loads(sys.argv[1])

def report(data):
    if round(data["fraction"] * 20) == 11:
        os.kill(os.getpid(), signal.SIGKILL)

run_phase(config, Path(directory), {role: Path(path) for role, path in inputs.items()}, settings, report)
"""


def test_a_process_that_is_really_killed_is_resumed_bit_for_bit(
    inputs: dict[str, Path], straight: Path, tmp_path: Path
) -> None:
    import json

    argument = json.dumps([CONFIG, str(tmp_path), {role: str(path) for role, path in inputs.items()}, EAGER])
    place = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": place}
    ran = subprocess.run([sys.executable, "-c", KILLED, argument], env=environment, capture_output=True, check=False)
    assert ran.returncode == -signal.SIGKILL, ran.stderr.decode()
    assert run(tmp_path, inputs) == list(range(11, 21))
    assert_equal_stages(straight, tmp_path)
