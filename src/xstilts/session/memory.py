"""How many CPU stages fit in the memory of this machine at a time."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from xstilts.core.errors import XstiltsError
from xstilts.core.machine import Machine
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.stages.describe import lineage

LARGE = 50_000_000
"""Smallest file of weights, in bytes, for which peaks are estimated: this imports torch, which takes seconds."""
PROCESS = 7e8
"""Bytes of a worker before it loads a model: Python, torch, a tokenizer of 250,000 pieces. Measured."""
SHARE = 0.9
"""Share of the free memory that stages may take."""


def peaks(stages: Iterable[Stage], store: Store, machine: Machine) -> dict[str, float]:
    """Kind of stage -> bytes that the largest of its missing stages takes at its peak. Without kinds that take little.

    Estimated by the formulae of `xstilts plan` (docs/planning.md). Models that cannot be planned are left out.
    """
    computing = [stage for stage in stages if stage.kind in ("train", "predict") and not store.has(stage)]
    if not any(map(_is_large, {[*lineage(stage)][-1] for stage in computing})):
        return {}
    from xstilts.planning.costing import Hardware
    from xstilts.planning.devices import device
    from xstilts.planning.planner import Planner

    planner, found = Planner(store, Hardware(device("cpu"), machine)), dict[str, float]()
    for stage in computing:
        with suppress(XstiltsError):
            if (memory := planner.plan([stage])[0].memory) is not None:
                found[stage.kind] = max(found.get(stage.kind, 0.0), PROCESS + memory.total)
    return found


def _is_large(start: Stage) -> bool:
    source = start.settings.get("source")
    if source is None:  # of a size that an experiment gives, for tests and demonstrations
        return False
    folder = Path(source)
    return not folder.is_dir() or any(file.stat().st_size > LARGE for file in folder.glob("*.safetensors"))


def available() -> float:
    """Bytes of memory that stages may take: a share of what is free here, within the limit of the container."""
    free = 0.75 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = 1024.0 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    for folder in _control_groups():
        with suppress(OSError, ValueError):  # no limit is written as `max`
            limit, used = (
                float((folder / f"memory.{name}").read_text(encoding="ascii")) for name in ("max", "current")
            )
            stat = (line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
            cached = next((float(number) for name, number in stat if name == "inactive_file"), 0.0)
            free = min(free, limit - used + cached)
    return SHARE * free


def _control_groups() -> list[Path]:
    """Folders of this process's control group (version 2) and of those around it, as in containers and SLURM jobs."""
    root = Path("/sys/fs/cgroup")
    with suppress(OSError, StopIteration):
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
        own = next(line.removeprefix("0::/") for line in lines if line.startswith("0::/"))
        return [root / own, *(root / part for part in Path(own).parents)]
    return [root]


def few_at_a_time(machine: Machine, size: int, largest: float, free: float) -> str:
    """A note that `size` stages of the largest kind do not fit in memory, and what follows."""
    needs = f"a stage needs up to {largest / 1e9:.1f} GB of memory (estimated), and {free / 1e9:.1f} GB can be used"
    if machine.workers is not None:
        return f"{needs}: {size} at a time (--workers) may not fit"
    return f"{needs}: fewer stages run in parallel (--workers overrides this)"
