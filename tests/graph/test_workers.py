"""All workers behave alike: this process, processes on this machine, behind srun, on Ray."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any

import pytest

from graph.slurm import Slurm as SlurmCluster
from graph.toy import RUNNER, grid, messages, named, stage, value
from xstilts.core.errors import StageError
from xstilts.graph import execute as loop
from xstilts.graph.events import Cached, Done, Event, Failed, Skipped, Started
from xstilts.graph.execute import execute
from xstilts.graph.locks import RUNNING
from xstilts.graph.perform import Work
from xstilts.graph.places import Here, Local, Message, Needs, Slurm, Workers, how_it_ended
from xstilts.graph.pool import Pool
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store

Make = Callable[[list[Stage], Work], Workers]
NEEDS: Mapping[str, Needs] = {"gpu": Needs(1, 1)}


def _here(request: pytest.FixtureRequest) -> Make:
    return lambda targets, work: Here(work)


def _local(request: pytest.FixtureRequest) -> Make:
    return lambda targets, work: Pool(targets, work, Local(3, ("4", "GPU-5")), NEEDS, 1)


def _slurm(request: pytest.FixtureRequest) -> Make:
    cluster: SlurmCluster = request.getfixturevalue("slurm")
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    monkeypatch.setenv("SLURM_CONF", cluster.environment["SLURM_CONF"])
    return lambda targets, work: Pool(targets, work, Slurm(3), NEEDS, 1)


def _ray(request: pytest.FixtureRequest) -> Make:
    address: str = request.getfixturevalue("ray_cluster").address
    from xstilts.graph.on_ray import Ray

    return lambda targets, work: Pool(targets, work, Ray(address, 3, Needs()), NEEDS, 1)


PROCESSES = {"local": _local, "slurm": _slurm, "ray": _ray}
ALL = {"here": _here, **PROCESSES}


@pytest.fixture(params=ALL)
def workers(request: pytest.FixtureRequest) -> Make:
    return ALL[request.param](request)


@pytest.fixture(params=PROCESSES)
def processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Workers that may die."""
    monkeypatch.setattr(loop, "LOST_SECONDS", 0.05)
    return PROCESSES[request.param](request)


def run(stages: Iterable[Stage], store: Store, make: Make, **settings: Any) -> list[Event]:
    stages = list(stages)
    work = Work(store, RUNNER, settings)
    return list(execute(stages, work, make(stages, work)))


def test_all_compute_the_same_under_the_same_keys(store: Store, workers: Make) -> None:
    [last] = grid()
    events = run([last], store, workers)
    assert [event for event in events if isinstance(event, Failed | Skipped)] == []
    assert value(store, last) == 31
    done = [event.stage for event in events if isinstance(event, Done)]
    assert len(done) == 17
    assert done[-1] == last
    assert sorted(path.parent.name for path in store.root.glob("*/*/DONE")) == sorted(one.key for one in done)
    assert len(named(events, Started)) == 17
    assert [type(event) for event in run([last], store, workers)] == [Cached] * 17


def test_a_failure_stops_only_what_needs_it(store: Store, workers: Make) -> None:
    bad = stage("bad", fault="user")
    events = run([stage("after", bad), stage("good")], store, workers)
    assert (named(events, Done), named(events, Failed), named(events, Skipped)) == (["good"], ["bad"], ["after"])


def test_what_another_run_holds_is_waited_for(store: Store, workers: Make) -> None:
    one, other = stage("a"), stage("b")
    work = Work(store, RUNNER, {})
    events: list[Event] = []
    with ExitStack() as lock:
        assert lock.enter_context(Store(store.root).lock(one))
        for event in execute([one, other], work, workers([one, other], work)):
            events.append(event)
            if isinstance(event, Done):
                lock.close()
    assert any(line.startswith("waiting: computed by") for line in messages(events))
    assert [event.stage for event in events if isinstance(event, Done)] == [other, one]


def test_a_stage_whose_process_is_killed_is_tried_once_more(store: Store, processes: Make) -> None:
    events = run([stage("victim", fault="killed"), stage("other")], store, processes)
    assert named(events, Done) == ["other", "victim"]
    assert "its process ended with SIGKILL: trying once more" in messages(events)


def test_a_stage_that_kills_every_process_fails(store: Store, processes: Make) -> None:
    bad = stage("bad", fault="always killed")
    events = run([stage("after", bad), *grid()], store, processes)
    [failed] = [event for event in events if isinstance(event, Failed)]
    assert failed.error == "its process ended twice, with SIGSEGV (out of memory?)"
    assert failed.log is not None
    assert "Segmentation fault" in failed.log.read_text()
    assert named(events, Skipped) == ["after"]
    assert len(named(events, Done)) == 17


def test_a_stage_whose_place_is_taken_back_is_tried_three_times(store: Store, processes: Make) -> None:
    thrice, often = (
        stage("thrice", fault="taken", times=3, silent=True),
        stage("often", fault="taken", times=9, silent=True),
    )
    reports = stage("reports", fault="taken", times=5)  # how far it is, before each
    events = run([thrice, often, reports], store, processes)
    assert named(events, Done) == ["reports", "thrice"]
    [failed] = [event for event in events if isinstance(event, Failed)]
    assert failed.error == "lost its worker 4 times in a row, most recently with SIGTERM"
    assert messages(events).count("lost its worker (SIGTERM): trying again") == 3 + 3 + 5


def test_what_needs_a_gpu_has_one_to_itself_and_the_rest_sees_none(store: Store, processes: Make) -> None:
    stages = [stage(f"g{n}", kind="gpu", says="CUDA_VISIBLE_DEVICES", sleep=0.5) for n in range(4)]
    stages += [stage(f"c{n}", says="CUDA_VISIBLE_DEVICES") for n in range(2)]
    events = run(stages, store, processes)
    assert len(named(events, Done)) == 6
    seen = [(store.directory(one) / "says.txt").read_text() for one in stages]
    assert all(seen[:4])
    assert seen[4:] == ["", ""]


def test_a_worker_that_does_not_see_the_store_or_its_locks_ends_the_run(
    store: Store, processes: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xstilts.graph.pool.RUNNING", "held elsewhere")
    with pytest.raises(StageError, match=r"cannot open .*: --store must name a folder that all machines share$"):
        run([stage("a")], store, processes)
    (store.root / RUNNING).touch()
    with pytest.raises(StageError, match="does not see the locks of other machines in "):
        run([stage("a")], store, processes)


class Silent:
    """A seat whose worker never sends a message."""

    def __init__(self) -> None:
        self._ends = os.pipe()

    def fileno(self) -> int:
        return self._ends[0]

    def send(self, message: Message) -> None: ...

    def ask(self) -> None: ...

    def ended(self) -> bool:
        return False

    def end(self) -> Message:
        for descriptor in self._ends:
            os.close(descriptor)
        return {}


def test_eight_gpus_are_lent_to_eight_workers_and_other_stages_fit_beside(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Local, "start", lambda self, needs: Silent())
    gpu = [stage(f"g{n}", kind="gpu") for n in range(9)]
    rest = [stage(f"c{n}") for n in range(3)]
    with Pool([*gpu, *rest], Work(store, RUNNER, {}), Local(10, tuple("abcdefgh")), {"gpu": Needs(1)}, 1) as pool:
        for one in [*gpu[:8], *rest[:2]]:
            assert pool.fits(one)
            pool.give(one)
            assert not pool.fits(gpu[8]) or one in gpu[:7]
        assert not pool.fits(rest[2]), "ten at a time"
        seen = [pool._hello_to(worker)["environment"]["CUDA_VISIBLE_DEVICES"] for worker in pool._workers]
    assert seen == [*"abcdefgh", "", ""]


def test_stages_share_the_memory_and_one_that_needs_more_runs_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Local, "start", lambda self, needs: Silent())
    small, large = [[stage(f"{kind}{n}", kind=kind) for n in range(3)] for kind in ("small", "large")]
    needs = {"small": Needs(memory=4.0), "large": Needs(memory=11.0)}
    with Pool([*small, *large], Work(store, RUNNER, {}), Local(9), needs, 1, memory=10.0) as pool:
        assert pool.fits(large[0]), "nothing else runs"
        pool.give(small[0])
        assert not pool.fits(large[0])
        pool.give(small[1])
        assert not pool.fits(small[2])


def test_no_worker_is_started_for_ever(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xstilts.graph.places.WORKER", ("-c", "raise SystemExit(7)"))
    work = Work(store, RUNNER, {})
    with pytest.raises(StageError, match="no worker can be started: exit code 7"):
        list(execute([stage("a")], work, Pool([stage("a")], work, Local(2))))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (3, {"died": "exit code 3"}),
        (-9, {"died": "SIGKILL"}),
        (-15, {"lost": "SIGTERM"}),
        (-40, {"died": "signal 40"}),
    ],
)
def test_the_end_of_a_worker_has_a_name(code: int, said: dict[str, str]) -> None:
    assert how_it_ended(code) == said
