"""Locks between processes: one holder at a time; mounts without locks are recognised."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from xstilts.core.errors import StoreError
from xstilts.graph.locks import RUNNING, check_reach, release, running, try_lock

TIMES = 50


def hammer(path: Path, results: multiprocessing.SimpleQueue) -> None:  # type: ignore[type-arg]
    """Take and give back one lock `TIMES` times as fast as possible; reports "" or what went wrong."""
    taken = 0
    try:
        while taken < TIMES:
            if (handle := try_lock(path)) is not None:
                os.close(os.open(path.with_suffix(".held"), os.O_CREAT | os.O_EXCL))
                path.with_suffix(".held").unlink()
                release(path, handle)
                taken += 1
    except OSError as error:
        results.put(repr(error))
    else:
        results.put("")


def test_a_lock_that_many_take_and_give_back_has_one_holder_and_never_fails(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    processes = [context.Process(target=hammer, args=(tmp_path / "add" / ".a.lock", results)) for _ in range(4)]
    for process in processes:
        process.start()
    faults = [results.get() for _ in processes]  # was FileNotFoundError, 8 times in 384,000
    for process in processes:
        process.join()
    assert faults == [""] * 4
    assert list((tmp_path / "add").iterdir()) == []


def test_a_lock_is_held_by_any_number_of_runs_and_seen_by_their_workers(tmp_path: Path) -> None:
    path = tmp_path / RUNNING
    with running(path), running(path):
        check_reach(path)
    with running(path):
        check_reach(path)


def test_a_mount_whose_locks_are_local_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / RUNNING
    with running(path):
        path.unlink()  # from now on the lock and the name are as apart as on two machines
        with pytest.raises(StoreError, match=r"cannot open .*: --store must name a folder that all machines share"):
            check_reach(path)
        path.touch()
        with pytest.raises(StoreError, match=r"does not see the locks of other machines in .*NFSv4") as error:
            check_reach(path)
    assert "\n" not in str(error.value)


def test_a_lock_that_was_lost_is_left_to_its_new_holder(tmp_path: Path) -> None:
    path = tmp_path / ".a.lock"
    handle = try_lock(path)
    assert handle is not None
    broken = os.open(path, os.O_WRONLY)  # reading it is an error, as of a handle whose lock an NFS server gave away
    release(path, broken)
    assert path.exists()
    release(path, handle)
    assert not path.exists()
