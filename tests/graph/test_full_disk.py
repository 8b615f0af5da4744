"""A disk that is full or cannot be written to is one line; when it can be again, the same run goes on."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from graph.toy import RUNNER, run_local, stage
from xstilts.core.errors import StoreError
from xstilts.core.files import disk_fault
from xstilts.graph.events import Done, Event, Failed
from xstilts.graph.store import Store


def mount(*words: object) -> bool:
    return subprocess.run(["mount", *map(str, words)], capture_output=True, check=False).returncode == 0


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 128 kB."""
    if os.geteuid() != 0 or not mount("-t", "tmpfs", "-o", "size=128k", "tmpfs", tmp_path):
        pytest.skip("only root can mount a small disk")
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


def compute(root: Path, workers: int) -> list[Event]:
    one = stage("a")
    return list(run_local([stage("b", one)], Store(root), RUNNER, {}, workers))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_run_on_a_full_disk_says_so_and_goes_on_when_there_is_room(small: Path, workers: int) -> None:
    store = Store(small / "store")
    with suppress(OSError), (small / "fill").open("wb", buffering=0) as fill:
        while True:
            fill.write(b"0" * 4096)
    [failed] = [event for event in compute(store.root, workers) if isinstance(event, Failed)]
    assert failed.error.endswith("No space left on device: free some space, then run the same command again")
    assert (failed.log, failed.mistake) == (None, False)
    (small / "fill").unlink()
    assert len([event for event in compute(store.root, workers) if isinstance(event, Done)]) == 2
    assert list((store.root / "add").glob(".*")) == []


def test_a_store_that_is_read_only_is_refused_and_read(small: Path) -> None:
    compute(small / "store", 0)
    assert mount("-o", "remount,ro", small)
    with pytest.raises(StoreError, match="cannot be written to: choose another folder with --store"):
        Store(small / "store")
    store = Store(small / "store", must_exist=True)
    assert store.finished(stage("a"))
    assert mount("-o", "remount,rw", small)


def test_disk_faults_name_their_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert disk_fault(OSError(30, os.strerror(30), "/x")).endswith("'/x': choose a writable folder")
    assert disk_fault(RuntimeError("I/O error:\nNo space left on device (os error 28)")) == (
        "I/O error: No space left on device (os error 28): free some space, then run the same command again"
    )
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", list)
    with pytest.raises(FileNotFoundError) as error:
        tempfile.gettempdir()
    assert disk_fault(error.value).endswith(": set TMPDIR to a writable folder")
    assert disk_fault(FileNotFoundError(2, "No such file", "x")) == ""
