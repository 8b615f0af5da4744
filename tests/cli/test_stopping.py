"""A stopped run saves a checkpoint, leaves no process behind, and resumes to the same bits."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from cli.tiny_run import EXPERIMENT, is_pretrained
from processes import running, wait_for
from training.phases import same
from xstilts.core.files import read_json
from xstilts.microworld.world import TINY, write_world

STEPS = 400
KILLED = "its process ended with SIGKILL: trying once more"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


class Run:
    """`xstilts run` in its own process."""

    def __init__(self, folder: Path, store: str = "store") -> None:
        program = [sys.executable, "-c", "from xstilts.cli import main; main()", "run", "--json"]
        place = ["--workers", "1", "--data", str(folder / "world"), "--store", str(folder / store)]
        self.folder, self.mark = folder, f"XSTILTS_TEST={folder}"
        with (folder / "err.txt").open("w") as errors:
            self.process = subprocess.Popen(
                [*program, str(folder / "tiny.yaml"), *place],
                env=os.environ | {"XSTILTS_TEST": str(folder)},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def events(self) -> Iterator[dict[str, Any]]:
        """Of the train stage."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{") and (event := json.loads(line))["kind"] == "train":
                yield event

    def said(self) -> str:
        return (self.folder / "err.txt").read_text()

    def until_it_trains(self) -> int:
        """The process that trains, once it has made some steps."""
        next(event for event in self.events() if event.get("fraction"))
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0]) if children else self.process.pid

    def stop(self, number: int) -> None:
        self.until_it_trains()
        self.process.send_signal(number)
        wait_for(lambda: "stopping: saving a checkpoint of the running training" in self.said(), 30)
        self.process.communicate(timeout=60)
        wait_for(lambda: not running(self.mark), 30)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An experiment that was run at one go into `straight`, and into `store` as far as its last phase."""
    write_world(tmp_path / "world", 7, TINY)
    (tmp_path / "tiny.yaml").write_text(EXPERIMENT.format(steps=STEPS), encoding="utf-8")
    straight = Run(tmp_path, "straight")  # with as many threads as the others: sums in another order are other numbers
    assert straight.process.communicate(timeout=600)
    assert straight.process.returncode == 0
    shutil.copytree(tmp_path / "straight", tmp_path / "store")
    [model] = trained(tmp_path / "store")
    for kind in (model, *(tmp_path / "store" / name for name in ("predict", "evaluate", "reports"))):
        shutil.rmtree(kind)
    return tmp_path


def trained(store: Path) -> list[Path]:
    return [model for model in (store / "train").iterdir() if (model / "DONE").exists() and not is_pretrained(model)]


def saved_step(folder: Path) -> int:
    [checkpoint] = (folder / "store" / "train").glob(".*.partial/checkpoint")
    return int(read_json(checkpoint / "step.json")["step"])


def test_a_stopped_run_goes_on_from_the_step_it_was_at(folder: Path) -> None:
    saved = [0]
    for number in (signal.SIGINT, signal.SIGTERM):
        run = Run(folder)
        run.stop(number)
        saved.append(saved_step(folder))
        kept = "and so is the last checkpoint of each stage that was training; run the same command to resume"
        assert [line.split(":")[0] for line in run.said().splitlines()[-2:]] == ["stopping", "stopped"]
        assert kept in run.said()
    assert saved == sorted(set(saved))

    last = Run(folder)
    os.kill(last.until_it_trains(), signal.SIGKILL)
    said = [event.get("message", "") for event in last.events()]
    last.process.communicate(timeout=60)  # closes the pipe too
    assert last.process.returncode == 0
    assert f"resuming from step {saved[-1]} of {STEPS}" in said[said.index(KILLED) :]
    [one], [two] = trained(folder / "straight"), trained(folder / "store")
    for name in ("trained.safetensors", "heads.safetensors"):
        assert same(load_file(one / name), load_file(two / name)), name
    assert (one / "summary.json").read_text() == (two / "summary.json").read_text()
    assert not running(last.mark)
