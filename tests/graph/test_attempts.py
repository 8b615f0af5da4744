"""After a lost lock, two processes may compute one stage: what is published is whole and written by one of them."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from graph.toy import RUNNER, stage
from xstilts.core.files import write_text
from xstilts.graph import store as stores
from xstilts.graph.attempts import begin, discard
from xstilts.graph.job import Job
from xstilts.graph.perform import Message, Work, perform
from xstilts.graph.store import Store

ONE = stage("a")


def start(root: Path, resume: bool = False, **files: str) -> tuple[Store, Path]:
    """A store object that acts as another process, and its attempt at the stage."""
    store = Store(root)
    directory = store.begin(ONE, resume)
    for name, text in files.items():
        write_text(directory / name, text)
    return store, directory


def end(store: Store) -> bool:
    return store.publish(ONE, datetime.now(UTC))


def left_over(root: Path) -> list[str]:
    return [path.name for path in (root / "add").iterdir() if path.name.startswith(".")]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    Store(tmp_path)
    (tmp_path / "add").mkdir()
    return tmp_path


def test_the_first_to_publish_wins_and_the_other_leaves_nothing(root: Path) -> None:
    cut_off, _ = start(root, mine="1", weights="1")
    second, _ = start(root, weights="2")
    assert end(second)
    assert not end(cut_off)
    assert sorted(path.name for path in second.directory(ONE).iterdir()) == ["DONE", "stage.json", "weights"]
    assert Store(root).finished(ONE)
    assert left_over(root) == []


def test_whoever_comes_too_late_finds_the_directory_there(root: Path) -> None:
    first, _ = start(root, weights="1")
    assert end(first)
    late, directory = start(root, weights="2")
    assert not end(late)
    assert (first.directory(ONE) / "weights").read_text() == "1"
    assert not directory.exists()
    assert left_over(root) == []


def test_the_healed_holder_publishes_if_it_is_first(root: Path) -> None:
    cut_off, _ = start(root, weights="1")
    second, directory = start(root, weights="2")
    assert end(cut_off)
    write_text(directory / "more", "2")
    assert not end(second)
    assert sorted(path.name for path in second.directory(ONE).iterdir()) == ["DONE", "stage.json", "weights"]
    assert left_over(root) == []


def test_an_attempt_that_was_removed_and_goes_on_writing_publishes_nothing(root: Path) -> None:
    cut_off, directory = start(root, weights="1")
    for _ in range(2):  # of older attempts the newest stays
        time.sleep(0.02)  # folders have times of some milliseconds
        start(root)
    assert cut_off.is_lost(ONE)
    write_text(directory / "more", "1")
    assert not end(cut_off)
    assert not cut_off.has(ONE)


@pytest.mark.parametrize("finished", [True, False])
def test_an_attempt_that_is_lost_is_no_failure(root: Path, finished: bool) -> None:
    def run(job: Job) -> None:
        other, _ = start(root, weights="2")
        discard(job.directory)
        if finished:
            assert end(other)
        (job.directory / "value").write_text("1")  # FileNotFoundError

    outcome = perform(Work(Store(root), run, {}), ONE, lambda message: None)
    assert list(outcome) == ["cached" if finished else "busy"]
    assert not Store(root).failure(ONE).exists()


def test_a_resumed_attempt_has_the_newest_files_and_writes_into_none_of_them(root: Path) -> None:
    _, oldest = start(root, weights="0")
    os.utime(oldest, (1, 1))
    _, older = start(root, checkpoint="1", DONE="x", **{"stage.json": "{}", ".x.part": "", "log.txt": "said\n"})
    (older / "deep" / "er").mkdir(parents=True)
    (older / "deep" / "er" / "snapshot").touch()
    resumed, directory = start(root, resume=True)
    assert sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()) == [
        "checkpoint",
        "deep/er/snapshot",
        "log.txt",
    ]
    assert (directory / "checkpoint").samefile(older / "checkpoint")
    with (directory / "log.txt").open("a") as log:
        log.write("more\n")
    assert (older / "log.txt").read_text() == "said\n", "its process may live, and writes it"
    assert (older.exists(), oldest.exists()) == (True, False)
    assert end(resumed)
    assert left_over(root) == []


def test_an_attempt_that_has_ended_makes_room(root: Path) -> None:
    def fail(job: Job) -> None:
        write_text(job.directory / "checkpoint", "1")
        raise RuntimeError

    for _ in range(3):
        perform(Work(Store(root), fail, {}, ["add"]), ONE, lambda message: None)
        assert left_over(root) == [f".{ONE.key}.partial"]
    resumed, directory = start(root, resume=True)
    assert (directory / "checkpoint").exists()
    assert left_over(root) == [directory.name]
    assert resumed.partial(ONE) == directory == Store(root).partial(ONE)


def test_files_that_vanish_while_they_are_taken_over_are_no_fault(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, older = start(root, a="1", b="2")
    honest: Callable[..., None] = os.link

    def link(source: Path, target: Path) -> None:
        shutil.rmtree(older, ignore_errors=True)
        honest(source, target)

    monkeypatch.setattr(os, "link", link)
    assert list(begin(root / "add", ONE.key, resume=True).path.iterdir()) == []


def test_a_disk_that_is_full_loses_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*rest: Any) -> None:
        raise OSError(28, os.strerror(28), "x")

    def attempt(runner: Any = RUNNER) -> Message:
        return perform(Work(Store(root), runner, {}, ["add"]), ONE, lambda message: None)

    start(root, checkpoint="1")
    for place, name in ((os, "link"), (os, "mkdir"), (stores, "seal"), (stores, "try_lock")):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, full)
            patch.setattr(shutil, "copy2", full)
            said = attempt()["failed"]
        assert said == "[Errno 28] No space left on device: 'x': free some space, then run the same command again"
        assert (Store(root).partial(ONE) / "checkpoint").exists()
    assert attempt(full)["failed"].endswith("run the same command again")
    assert "done" in attempt()
    assert (Store(root).directory(ONE) / "checkpoint").exists(), "it went on from there"
    assert left_over(root) == []
