"""Stages that add numbers, and are slow or fail on request: the machinery without language or models."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from xstilts.core.errors import DataError
from xstilts.core.files import write_text
from xstilts.graph.events import Event, Progress
from xstilts.graph.execute import execute
from xstilts.graph.job import Job, Runner
from xstilts.graph.perform import Work
from xstilts.graph.places import Here, Local
from xstilts.graph.pool import Pool
from xstilts.graph.stage import Stage, to_rows
from xstilts.graph.store import Store

FILE_SYSTEM_CALLS = {"open", "os.mkdir", "os.rename", "os.link", "os.remove", "os.rmdir", "os.scandir", "os.truncate"}
"""Audit events of the calls that `killed_at` counts."""
RUNNER = "graph.toy:run"
TESTS = Path(__file__).parents[1]
SCRIPT = """
import json, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have switched it off for background jobs
from pathlib import Path
from graph.toy import run_local
from xstilts.graph.stage import from_rows
from xstilts.graph.store import Store
rows, calls, workers = json.loads(sys.argv[2]), sys.argv[3], int(sys.argv[4])
stages = list(from_rows(rows).values())
for event in run_local(stages, Store(Path(sys.argv[1])), "graph.toy:run", {"calls": calls}, workers, sys.argv[5:]):
    print(type(event).__name__, event.stage.config["name"], flush=True)
"""


def stage(name: str, *inputs: Stage, kind: str = "add", label: str = "", **config: Any) -> Stage:
    return Stage(kind, 1, {"name": name, **config}, {str(i): one for i, one in enumerate(inputs)}, label or name)


def run(job: Job) -> None:
    """Writes 1 + the sum of the inputs' values; each call makes a file in the folder `settings["calls"]`."""
    name, config, directory, settings = job.config["name"], job.config, job.directory, job.settings
    if "calls" in settings:
        Path(settings["calls"], f"{name}.{os.getpid()}.{time.monotonic_ns()}").touch()
    print(f"{name} prints")
    if not config.get("silent"):
        job.report({"fraction": 0.5, "message": f"{name} half", "step": 7})
    match config.get("fault"):
        case "user":
            raise DataError("no such\nfile", Path("x.txt"), 3)
        case "bug":
            raise RuntimeError("index 7\nis out of range")
        case "asks":
            input("may this run? ")
        case "exit":
            sys.exit("gave up")
        case "killed" if not (count := directory.parent / f"{name}.count").exists():
            count.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        case "taken" if len(list(directory.parent.glob(f"{name}.taken.*"))) < config["times"]:
            (directory.parent / f"{name}.taken.{time.monotonic_ns()}").touch()
            os.kill(os.getpid(), signal.SIGTERM)  # as when a cluster takes a place back
            time.sleep(60)
        case "always killed":
            ctypes.string_at(0)
        case "child":
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            Path(settings["calls"], f"child-{child.pid}").touch()
    if "says" in config:
        (directory / "says.txt").write_text(os.environ.get(config["says"], "not there"))
    if config.get("reads"):
        (directory / "read.txt").write_text(sys.stdin.readline())
    value = 1 + sum(json.loads((path / "value.json").read_text()) for path in job.inputs.values())
    parts = directory / "parts.txt"
    done = parts.read_text() if parts.exists() else ""
    for part in range(done.count("\n") if config.get("resumes") else 0, config.get("parts", 1)):
        time.sleep(config.get("sleep", 0.0) / config.get("parts", 1))
        write_text(parts, done := f"{done}{part}\n")
    (directory / "value.json").write_text(json.dumps(value))
    if config.get("points"):  # as adapters do to the weights under them
        (directory / "pointer.json").write_text(json.dumps({"stage": os.path.relpath(job.inputs["0"], directory)}))
    if "environment" in config:
        (directory / "environment.json").write_text(json.dumps(config["environment"]))
    (directory / "threads.json").write_text(json.dumps(os.environ.get("OMP_NUM_THREADS")))


def run_local(
    targets: Iterable[Stage],
    store: Store,
    runner: str | Runner,
    settings: Mapping[str, Any],
    workers: int,
    resumable: Collection[str] = (),
    threads: int | None = None,
) -> Iterator[Event]:
    """Run stages on this machine in `workers` processes; 0: in this one."""
    targets = list(targets)
    work = Work(store, runner, settings, resumable)
    return execute(targets, work, Pool(targets, work, Local(workers), threads=threads) if workers else Here(work))


def another_run(root: Path, stages: list[Stage], calls: Path, *rest: str) -> subprocess.Popen[str]:
    """The same in its own process, which prints a line for each event; `rest` as in `run_local`."""
    path = os.pathsep.join([str(TESTS), *filter(None, sys.path)])
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(root), json.dumps(to_rows(stages)), str(calls), *rest],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )


def grid() -> list[Stage]:
    """Seventeen stages that end in one."""
    top = stage("top")
    middle = [stage(f"m{n}", top, kind="gpu") for n in range(5)]
    ends = [stage(f"e{n}", one) for n, one in enumerate([*middle, *middle])]
    return [stage("sum", *ends)]


def is_free(store: Store, one: Stage) -> bool:
    with store.lock(one) as ours:
        return ours


def value(store: Store, one: Stage) -> int:
    return int(json.loads((store.directory(one) / "value.json").read_text()))


def values(store: Store, stages: list[Stage]) -> list[int]:
    return [value(store, one) for one in stages]


def named(events: Iterable[Event], kind: type) -> list[str]:
    return sorted(event.stage.label for event in events if isinstance(event, kind))


def messages(events: Iterable[Event]) -> list[str]:
    return [event.message for event in events if isinstance(event, Progress)]


def killed_at(moment: int, act: Callable[[], object]) -> bool:
    """Call `act` in a fork that is killed at its `moment`-th file-system call; returns whether it got there."""
    if (child := os.fork()) == 0:
        left = [moment]

        def kill(event: str, _: object) -> None:
            if event in FILE_SYSTEM_CALLS:
                left[0] -= 1
                if not left[0]:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(kill)
        act()
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])
