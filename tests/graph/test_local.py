from __future__ import annotations

import os
import re
import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from graph import toy
from graph.toy import RUNNER, another_run, is_free, run_local, stage, values
from processes import alive, children, wait_for
from xstilts.graph.events import Cached, Done, Event, Failed, Progress, Skipped, Started
from xstilts.graph.execute import execute
from xstilts.graph.perform import Work
from xstilts.graph.places import Local, Needs
from xstilts.graph.pool import THREADS, WAITING, Pool, cores, thread_variables, waiting
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


def names(events: list[Event], kind: type) -> list[str]:
    return [event.stage.config["name"] for event in events if isinstance(event, kind)]


def diamond() -> list[Stage]:
    top = stage("top")
    left, right = stage("left", top), stage("right", top)
    return [top, left, right, stage("bottom", left, right)]


@pytest.mark.parametrize("workers", [0, 2])
def test_stages_run_once_in_order_and_then_never_again(store: Store, calls: Path, workers: int) -> None:
    stages = diamond()
    events = list(run_local(stages, store, RUNNER, {"calls": str(calls)}, workers))
    assert values(store, stages) == [1, 2, 2, 5]
    order = names(events, Done)
    assert sorted(order) == ["bottom", "left", "right", "top"]
    assert (order[0], order[-1]) == ("top", "bottom")
    assert sorted(names(events, Started)) == sorted(order)
    assert Progress(stages[0], 0.5, "top half", {"step": 7}) in events
    times = {path: path.stat().st_mtime_ns for path in store.root.rglob("*")}
    assert list(run_local(stages, store, RUNNER, {"calls": str(calls)}, workers)) == [Cached(one) for one in stages]
    assert len(list(calls.iterdir())) == 4
    assert {path: path.stat().st_mtime_ns for path in store.root.rglob("*")} == times


def test_a_function_is_as_good_as_its_name(store: Store) -> None:
    events = list(run_local(diamond(), store, toy.run, {}, 1))
    assert len(names(events, Done)) == 4
    with pytest.raises(AssertionError, match="cannot be imported by a worker"):
        list(run_local([stage("z")], store, lambda *rest: None, {}, 1))


def test_two_workers_work_at_the_same_time(store: Store) -> None:
    stages = [stage("a", sleep=0.6), stage("b", sleep=0.6)]
    running = most = 0
    for event in run_local(stages, store, RUNNER, {}, 2):
        running += isinstance(event, Started) - isinstance(event, Done)
        most = max(most, running)
    assert most == 2


def test_workers_are_kept_and_share_the_cores(store: Store, calls: Path) -> None:
    stages = [stage(str(n)) for n in range(6)]
    list(run_local(stages, store, RUNNER, {"calls": str(calls)}, 1, threads=3))
    assert len({path.name.split(".")[1] for path in calls.iterdir()}) == 1
    assert (store.directory(stages[0]) / "threads.json").read_text() == '"3"'


def test_a_kind_that_needs_more_cores_has_as_many_threads(store: Store) -> None:
    stages = [stage("one", kind="train"), stage("other")]
    work = Work(store, RUNNER, {})
    list(execute(stages, work, Pool(stages, work, Local(1), {"train": Needs(0, 5)}, threads=2)))
    assert [(store.directory(one) / "threads.json").read_text() for one in stages] == ['"5"', '"2"']


def test_the_users_number_of_threads_is_respected() -> None:
    cores_each = {name: str(max(1, cores() // 3)) for name in THREADS}
    assert thread_variables({}, 3, None) == cores_each
    assert thread_variables({"OMP_NUM_THREADS": "7"}, 3, None) == dict.fromkeys(THREADS, "7"), (
        "was the share of the cores"
    )
    assert thread_variables({"MKL_NUM_THREADS": "7"}, 3, None) == {**cores_each, "MKL_NUM_THREADS": "7"}
    assert thread_variables({"OMP_NUM_THREADS": "7"}, 3, 2) == dict.fromkeys(THREADS, "2")
    assert thread_variables({"OMP_NUM_THREADS": "1", "TORCHELASTIC_RUN_ID": "x"}, 3, None) == cores_each


def test_threads_wait_asleep_unless_the_user_says_how(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert waiting({}) == WAITING
    assert waiting({"OMP_WAIT_POLICY": "active"}) == waiting({"GOMP_SPINCOUNT": "3"}) == {}
    for name in WAITING:
        monkeypatch.delenv(name, raising=False)
    one = stage("a", says="GOMP_SPINCOUNT")
    list(run_local([one], store, RUNNER, {}, 1))
    assert (store.directory(one) / "says.txt").read_text() == "10000"


def test_a_stage_in_a_worker_reads_nothing_from_standard_input(store: Store) -> None:
    stages = [stage("a", reads=True), stage("b"), stage("c", reads=True)]
    events = list(run_local(stages, store, RUNNER, {}, 1))  # `b` was taken for the answer, and never computed
    assert sorted(names(events, Done)) == ["a", "b", "c"]
    assert (store.directory(stages[0]) / "read.txt").read_text() == ""


def test_what_a_stage_prints_is_in_its_log_and_nowhere_else(store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    one = stage("talker")
    list(run_local([one], store, RUNNER, {}, 1))
    assert (store.directory(one) / "log.txt").read_text() == "talker prints\n"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_failure_stops_only_what_depends_on_it(store: Store, workers: int) -> None:
    bad = stage("bad", fault="user")
    worse = stage("worse", fault="bug")
    stages = [stage("after", bad), stage("good"), stage("last", stage("after", bad), worse)]
    events = list(run_local(stages, store, RUNNER, {}, workers))
    assert names(events, Done) == ["good"]
    assert sorted(names(events, Failed)) == ["bad", "worse"]
    assert sorted(names(events, Skipped)) == ["after", "last"]
    failed = {event.stage: event for event in events if isinstance(event, Failed)}
    assert failed[bad].error == "x.txt:3: no such file"
    assert failed[bad].log is None, "a user's mistake needs no traceback"
    assert failed[worse].error == "RuntimeError: index 7 is out of range"
    assert failed[worse].log == store.failure(worse)
    assert 'raise RuntimeError("index 7' in store.failure(worse).read_text()
    assert all(event.because in (bad, worse) for event in events if isinstance(event, Skipped))


def test_a_stage_that_exits_is_a_failure(store: Store) -> None:
    [failed] = [e for e in run_local([stage("quitter", fault="exit")], store, RUNNER, {}, 1) if isinstance(e, Failed)]
    assert failed.error == "SystemExit: gave up"


def test_a_stage_that_asks_something_gets_no_answer_and_no_stage_meant_for_it(tmp_path: Path) -> None:
    stages = [stage("asks", fault="asks"), stage("after")]
    events = list(run_local(stages, Store(tmp_path), RUNNER, {}, 1))
    [failed] = [event for event in events if isinstance(event, Failed)]
    assert "EOFError" in failed.error
    assert names(events, Done) == ["after"]


def test_a_runner_that_is_not_there_is_a_failure_with_a_traceback(store: Store) -> None:
    [failed] = [e for e in run_local([stage("a")], store, "graph.nothing:run", {}, 1) if isinstance(e, Failed)]
    assert failed.error == "ModuleNotFoundError: No module named 'graph.nothing'"
    assert failed.log is not None


def test_success_removes_the_old_traceback(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    one = stage("a")
    list(run_local([one], store, "graph.nothing:run", {}, 0))
    assert store.failure(one).exists()
    list(run_local([one], store, RUNNER, {}, 0))
    assert not store.failure(one).exists()


@pytest.mark.parametrize("resumable", [(), ("add",)])
def test_only_resumable_kinds_find_what_a_killed_process_left(store: Store, resumable: tuple[str, ...]) -> None:
    one = stage("a")
    store.partial(one).mkdir(parents=True)
    (store.partial(one) / "parts.txt").write_text("before\n")
    list(run_local([one], store, RUNNER, {}, 0, resumable))
    kept = (store.directory(one) / "parts.txt").read_text()
    assert kept == ("before\n0\n" if resumable else "0\n")


def test_a_run_in_this_process_waits_for_another(store: Store) -> None:
    one = stage("a")
    lock = store.lock(one)
    assert lock.__enter__()
    threading.Timer(0.2, lambda: lock.__exit__(None, None, None)).start()
    events = list(run_local([one], store, RUNNER, {}, 0))
    assert isinstance(events[0], Progress)
    holder = rf"process {os.getpid()} on {re.escape(socket.gethostname())} since \d\d:\d\d"
    assert re.fullmatch(f"waiting: computed by {holder}", events[0].message)
    assert isinstance(events[-1], Done)


@linux
@pytest.mark.parametrize("how", ["kill", "terminate", "interrupt"])
def test_no_process_outlives_a_run_that_is_stopped(store: Store, calls: Path, how: str) -> None:
    one = stage("sleeper", fault="child", sleep=600)
    run = another_run(store.root, [one], calls, "1")
    child = int(wait_for(lambda: [p.name for p in calls.glob("child-*")])[0].split("-")[1])
    [worker] = children(run.pid)
    stop = {"kill": run.kill, "terminate": run.terminate, "interrupt": lambda: run.send_signal(2)}[how]
    stop()
    run.communicate(timeout=30)
    wait_for(lambda: not alive(worker) and not alive(child))
    assert store.partial(one).is_dir(), "what was done is kept"
    wait_for(lambda: is_free(store, one))  # the first thread of a process is gone before its last, which holds the lock


@linux
def test_closing_the_iterator_stops_the_workers(store: Store, calls: Path) -> None:
    one = stage("sleeper", sleep=600)
    before = set(children(os.getpid()))
    events: Iterator[Event] = run_local([one], store, RUNNER, {"calls": str(calls)}, 1)
    assert isinstance(next(events), Started)
    assert set(children(os.getpid())) - before
    events.close()  # type: ignore[attr-defined]
    assert set(children(os.getpid())) == before


def test_a_lost_intermediate_is_computed_only_when_something_needs_it(store: Store) -> None:
    stages = diamond()
    list(run_local(stages[-1:], store, RUNNER, {}, 0))
    shutil.rmtree(store.directory(stages[0]))
    events = list(run_local(stages[-1:], store, RUNNER, {}, 0))
    assert len(names(events, Cached)) == 4
    new = stage("new", stages[0])
    assert names(list(run_local([new], store, RUNNER, {}, 0)), Done) == ["top", "new"]
