"""Wall time, processor time and memory of processes, and the machine they ran on."""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
OFFLINE = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def _status(name: str) -> int:
    """A field of this process's status in bytes; 0 where the system has none."""
    path = Path("/proc/self/status")
    lines = path.read_text(encoding="ascii").splitlines() if path.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), 0)


def resident_bytes() -> int:
    """What this process holds now; its peak where the system does not tell."""
    return _status("VmRSS") or peak_bytes()


def peak_bytes() -> int:
    """The most that this process has held.

    Not `ru_maxrss` where there is another way: on Linux that one begins with what the parent held.
    """
    unit = 1 if sys.platform == "darwin" else 1024
    return _status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@dataclass(frozen=True)
class Spent:
    """What a command took, the processes it started included: seconds of wall and of processors."""

    wall: float = 0.0
    cpu: float = 0.0
    output: str = ""

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.wall + other.wall, self.cpu + other.cpu)

    def times(self, count: float) -> Spent:
        return Spent(self.wall * count, self.cpu * count)

    def row(self) -> dict[str, float]:
        return {"wall": round(self.wall, 2), "cpu": round(self.cpu, 2)}


def spend(command: Sequence[str | os.PathLike[str]], threads: int | None = None) -> Spent:
    """Run a command from the repository's root to its end.

    Args:
        threads: that it computes with; None: as many as it takes by itself, whatever this process was told.

    Raises:
        RuntimeError: it failed; with the end of what it wrote.
    """
    inherited = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    told_threads = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        command, env={**inherited, **OFFLINE, **told_threads}, cwd=ROOT, capture_output=True, text=True
    )
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Spent(wall, cpu, done.stdout)


def answer(spent: Spent) -> dict[str, Any]:
    """The JSON object in the last line that a command wrote."""
    found: dict[str, Any] = json.loads(spent.output.strip().splitlines()[-1])
    return found


def module(name: str, *arguments: Any) -> list[str]:
    """The command of a module of this interpreter."""
    return [sys.executable, "-m", name, *map(str, arguments)]


def xstilts(*arguments: Any) -> list[str]:
    """The command of the package, of this interpreter's environment."""
    return [str(Path(sys.executable).with_name("xstilts")), *map(str, arguments)]


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        for line in listed.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def environment(device: str, threads: int) -> dict[str, Any]:
    """Hardware and versions, without which a speed means nothing."""
    import torch

    if device == "cuda":
        hardware = torch.cuda.get_device_name()
    else:
        hardware = f"{processor()}, {threads} threads, {torch.backends.cpu.get_cpu_capability()}"
    names = ("torch", "transformers", "accelerate", "xstilts")
    return {"hardware": hardware, **{name: version(name) for name in names}}


def told(where: Mapping[str, Any]) -> str:
    return f"{where['hardware']}; torch {where['torch']}, transformers {where['transformers']}"


def folder_bytes(folder: Path) -> int:
    """Bytes of a folder's files, those that are hard links of each other counted once."""
    files = {
        (found.st_dev, found.st_ino): found.st_size for found in map(Path.stat, filter(Path.is_file, folder.rglob("*")))
    }
    return sum(files.values())
