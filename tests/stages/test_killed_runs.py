"""A small grid, killed at random moments of whatever it is at, has the files of an undisturbed run, bit for bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

import pytest

from processes import children
from stages.tiny_experiment import tiny_experiment
from xstilts.expand import Expansion
from xstilts.graph.stage import Stage, graph, to_rows
from xstilts.graph.store import Store

KILLS = int(os.environ.get("XSTILTS_KILLS", "3"))
SCRIPT = """
import json, sys
from pathlib import Path
from xstilts.core.machine import Machine
from xstilts.graph.stage import from_rows
from xstilts.graph.store import Store
from xstilts.session.executors import carry_out

machine = Machine(workers=1, threads=1, checkpoint_seconds=0.02, log_every=1)
for event in carry_out(list(from_rows(json.load(sys.stdin)).values()), Store(Path(sys.argv[1])), machine):
    print(type(event).__name__, event.stage.kind, flush=True)
"""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


class Grid:
    """The stages of an experiment, and runs of them in processes of their own."""

    def __init__(self, stages: list[Stage]) -> None:
        self.stages = stages

    def run(self, store: Path) -> subprocess.Popen[str]:
        program = [sys.executable, "-c", SCRIPT, str(store)]
        run = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert run.stdin is not None
        run.stdin.write(json.dumps(to_rows(self.stages)))
        run.stdin.close()
        return run

    def whole(self, store: Path) -> dict[str, list[str]]:
        """What a run to the end tells."""
        run = self.run(store)
        assert run.stdout is not None
        with run.stdout:
            told = [line.split() for line in run.stdout]
        assert run.wait() == 0
        return {kind: [what for what, of in told if of == kind] for kind in {of for _, of in told}}

    def files(self, store: Path) -> Mapping[str, Mapping[str, str] | None]:
        """Key -> the checksums of all files, which are compared with the files themselves."""
        place = Store(store)
        return {record.key: place.sound(record).files for record in place.records(graph(self.stages))}

    def is_whole(self, store: Path) -> bool:
        return all(map(Store(store).has, self.stages))


@pytest.fixture(scope="module")
def grid(tiny_world: Path) -> Grid:
    small = tiny_experiment(targets=["micro_topic", "micro_qa"], train={"steps": 20, "batch_size": 4, "select": "last"})
    return Grid(Expansion(small, tiny_world).stages())


def kill(run: subprocess.Popen[str], whom: str) -> None:
    workers = children(run.pid)
    victims = {"main": [run.pid], "worker": workers[:1], "group": [*workers, run.pid]}[whom]
    for process in victims or [run.pid]:
        os.kill(process, signal.SIGKILL)


def test_kills_at_random_moments_change_no_bit(grid: Grid, tmp_path: Path) -> None:
    random, number = Random(11), 0
    told = grid.whole(tmp_path / "straight")
    expected = grid.files(tmp_path / "straight")
    assert len(expected) == len(graph(grid.stages))
    events = sum(map(len, told.values()))
    moments: list[str] = []
    for count in range(KILLS):
        store = tmp_path / f"killed{number}"
        run = grid.run(store)
        assert run.stdout is not None
        with run.stdout:
            seen = [line for _, line in zip(range(random.randrange(events // 2)), run.stdout, strict=False)]
            time.sleep(random.uniform(0, 0.1))
            kill(run, ("main", "worker", "group")[count % 3])
            time.sleep(random.uniform(0, 0.3))
            run.kill()
        run.wait()
        moments.append(seen[-1].strip() if seen else "start")
        if grid.is_whole(store):
            assert grid.files(store) == expected, moments
            number += 1
    store = tmp_path / f"killed{number}"
    grid.whole(store)
    assert grid.files(store) == expected, moments
    hidden = [path.name for path in store.glob("*/.*") if path.suffix != ".lock"]
    assert hidden == [], moments
    if KILLS >= 30:
        assert {moment.split()[-1] for moment in moments} >= {"start", "prepare", "train", "predict"}, moments


def damages(data: bytes, random: Random) -> Iterator[bytes]:
    """Flipped bits at the beginning, in the middle, at the end and in three other places; a cut."""
    for at in dict.fromkeys([0, len(data) // 2, len(data) - 1, *random.choices(range(len(data) or 1), k=3)]):
        if data:
            yield data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]
    yield data[: random.randrange(len(data))] if data else b"0"


def test_a_flipped_bit_or_a_cut_in_any_file_of_a_stage_is_found(grid: Grid, tmp_path: Path) -> None:
    """Also if size and time of the file stay what they were."""
    random, cases, root = Random(3), 0, tmp_path / "store"
    grid.whole(root)
    for stage in graph(grid.stages):
        assert Store(root).fault(stage) == ""
        files = (path for path in Store(root).directory(stage).rglob("*") if path.is_file())
        for path in sorted(path for path in files if path.name != "log.txt"):  # the only one without a checksum
            data, times = path.read_bytes(), (path.stat().st_atime_ns, path.stat().st_mtime_ns)
            for damaged in damages(data, random):
                path.write_bytes(damaged)
                os.utime(path, ns=times)
                assert "damaged" in Store(root).fault(stage), path
                cases += 1
            path.write_bytes(data)
            os.utime(path, ns=times)
        assert Store(root).fault(stage) == ""
    assert cases > 200
