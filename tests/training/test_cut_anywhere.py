"""A train stage that is cut off at any change of its folder goes on to the same weights, files and numbers.

A cut is simulated where it can be: before a file is opened for writing, before a name is changed or removed, and in the
middle of every file of tensors, which is then left half-written.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
from safetensors.torch import load_file

from training.phases import run_phase, same, write_inputs
from training.selection import config, validation
from xstilts.backbones import adapters
from xstilts.training import checkpoint, model

CHANGES = ("os.rename", "os.remove", "os.rmdir", "shutil.rmtree")
STAGES = {
    "best": config("nli", steps=3, evaluate_every=1, learning_rate=1e-2),
    "average": config("nli", by="average", steps=3, average=2, evaluate_every=1),
    "adapters": config("nli", by="last", judged=False, steps=2, lora={"rank": 2}),
}


class _Cut(BaseException):
    """The process ends here; not an `Exception`, so that nobody takes it for a fault that can be mended."""


class _Knife:
    """Notes changes below a folder, and cuts at one of them."""

    folder = ""
    at = 0

    def __init__(self) -> None:
        self.seen: list[str] = []

    def reaches(self, name: object) -> bool:
        """Whether this change is the one to cut at."""
        path = os.fspath(name) if self.folder and isinstance(name, str | os.PathLike) else ""
        if not str(path).startswith(f"{self.folder}/") or str(path).endswith(".part"):
            return False
        self.seen.append(str(path).removeprefix(f"{self.folder}/"))
        return len(self.seen) == self.at

    def heard(self, event: str, values: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(values[1], str) and values[1][:1] in "wax"
        if self.folder and (writes or event in CHANGES):
            name = values[1] if event == "os.rename" else values[0]
            if self.reaches(name):
                raise _Cut(event, name)


KNIFE = _Knife()
sys.addaudithook(KNIFE.heard)


def save_file(tensors: Mapping[str, Any], path: Path, metadata: dict[str, str] | None = None) -> None:
    cut_here = KNIFE.reaches(path)
    safetensors.torch.save_file(dict(tensors), path, metadata)
    if cut_here:
        os.truncate(path, path.stat().st_size // 2)
        raise _Cut(path)


@contextlib.contextmanager
def cut(folder: Path, at: int) -> Iterator[None]:
    """Cut at that change below the folder, counted from 1; 0: never."""
    KNIFE.folder, KNIFE.at, KNIFE.seen = str(folder), at, []
    try:
        with contextlib.suppress(_Cut):
            yield
    finally:
        KNIFE.folder = ""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("inputs")
    found = write_inputs(root, "nli", hidden_dropout_prob=0.1, num_hidden_layers=1, hidden_size=16)
    return {**found, "dev0": validation(root / "dev0", "nli", slice(8))}


Run = Callable[[str, Path, int], Path]


@pytest.fixture
def run(inputs: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Run:
    for module in (checkpoint, model, adapters):
        monkeypatch.setattr(module, "save_file", save_file)

    def call(name: str, directory: Path, at: int = 0) -> Path:
        directory.mkdir(exist_ok=True)
        with cut(directory, at):
            run_phase(STAGES[name], directory, inputs, {"checkpoint_seconds": 1e-9, "log_every": 1})
        return directory

    return call


def files(directory: Path) -> set[str]:
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()}


def assert_equal(one: Path, other: Path, but: str = "") -> None:
    assert files(one) == files(other)
    for name in files(one) - {but}:
        if name.endswith(".safetensors"):
            assert same(load_file(one / name), load_file(other / name)), name
        elif name.endswith((".json", ".jsonl")):
            assert (one / name).read_text() == (other / name).read_text(), name


@pytest.mark.parametrize("name", STAGES)
def test_a_run_cut_anywhere_ends_as_one_that_was_not(name: str, run: Run, tmp_path: Path) -> None:
    straight = run(name, tmp_path / "straight", 0)
    changes = len(KNIFE.seen)
    assert changes >= 20
    for at in range(1, changes + 1):
        directory = run(name, tmp_path / str(at), at)
        if at % 3 == 0:  # the run that takes it up is cut too
            run(name, directory, at // 2)
        assert_equal(straight, run(name, directory, 0))
        shutil.rmtree(directory)


@pytest.mark.parametrize("name", ["best", "average"])
def test_what_is_damaged_is_computed_again_and_a_line_says_so(
    name: str, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    straight = run(name, tmp_path / "straight", 0)
    last = KNIFE.seen.index("heads.safetensors") + 1
    left = run(name, tmp_path / "left", last)
    read = [path for path in files(left) if path.startswith(("checkpoint/", "snapshots/", "evaluations", "log"))]
    assert len(read) >= 5
    for file in read:
        for damage in (None, "cut", "bit", 0):
            directory = tmp_path / f"{file.replace('/', '-')} {damage}"
            shutil.copytree(left, directory)
            path = directory / file
            if damage is None:
                path.unlink()
            else:
                path.write_bytes(damaged(path.read_bytes(), damage))
            capsys.readouterr()
            run(name, directory, 0)
            told = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("collapsed: ")]
            assert_equal(straight, directory)
            unread = file in ("snapshots/3.safetensors", "evaluations.jsonl", "log.jsonl")
            shown = "resuming from step 2 of 3" if unread else r"damaged, .*: removed; starting from step 0"
            assert [bool(re.fullmatch(shown, line)) for line in told] == [True], (file, damage, told)


def damaged(content: bytes, how: object) -> bytes:
    if how == "bit":  # far behind the header, inside the numbers
        place = len(content) * 3 // 4
        return content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :]
    return content[: len(content) // 2] if how == "cut" else b""
