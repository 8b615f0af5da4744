"""From a `Machine` to the workers that carry out the stages of a run, as many as fit in memory."""

import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from xstilts.core.errors import ConfigError, XstiltsError
from xstilts.core.machine import Machine
from xstilts.graph.events import Event, Notice
from xstilts.graph.execute import execute
from xstilts.graph.job import Runner
from xstilts.graph.perform import Work
from xstilts.graph.places import Here, Local, Needs, Places, Slurm, Workers
from xstilts.graph.pool import Pool, cores
from xstilts.graph.stage import Stage, graph
from xstilts.graph.store import Store
from xstilts.stages import COMPUTING, RESUMABLE
from xstilts.stages.describe import lineage

RUNNER = "xstilts.stages.run:run_stage"
LARGE = 50_000_000
"""Smallest file of weights, in bytes, for which peaks are estimated: this imports torch, which takes seconds."""
PROCESS = 7e8
"""Bytes of a worker before it loads a model: Python, torch, a tokenizer of 250,000 pieces. Measured."""
SHARE = 0.9
"""Share of the free memory that stages may take."""


def carry_out(
    stages: Sequence[Stage], store: Store, machine: Machine, runner: str | Runner = RUNNER
) -> Iterator[Event]:
    """Compute what is missing of some stages.

    Raises:
        ConfigError: the executor or the remote of `machine` is not installed, or lacks an option.
        StoreError: the remote cannot be reached.
        StageError: no worker can be started, or a worker does not see the store.
    """
    settings = machine.settings()
    places = None if machine.workers == 0 else places_of(machine)
    if places is not None and places.gpus is not None:
        settings["device"] = machine.device.partition(":")[0]  # each worker sees only its own
    work = Work(store, runner, settings, RESUMABLE)
    workers: Workers = Here(work)
    if places is not None:
        needs, most = dict(needs_of(machine, trained_at_once(stages))), math.inf
        if machine.executor == "local" and machine.device == "cpu" and machine.devices == 1:
            taken = peaks(graph(stages), store, machine)
            usual = Needs(0, threads_of(machine))
            needs |= {kind: replace(needs.get(kind, usual), memory=peak) for kind, peak in taken.items()}
            missing = Counter(stage.kind for stage in graph(stages) if not store.has(stage))
            together = {kind: min(places.size, missing[kind]) * peak for kind, peak in taken.items()}
            free = available()
            if max(together.values(), default=0.0) > free:
                needed = f"{max(taken.values()) / 1e9:.1f} GB of memory (estimated)"
                note = f"a stage needs up to {needed}, and {free / 1e9:.1f} GB can be used"
                if machine.workers is None:
                    most = free
                    yield Notice(f"{note}: fewer stages run in parallel (--workers overrides this)")
                else:
                    yield Notice(f"{note}: {places.size} at a time (--workers) may not fit")
        workers = Pool(stages, work, places, needs, threads_of(machine), most)
    if not machine.remote:
        yield from execute(stages, work, workers)
        return
    from xstilts.graph.remote import Remote
    from xstilts.graph.sharing import execute_shared

    yield from execute_shared(stages, work, workers, Remote(machine.remote))


def places_of(machine: Machine) -> Places:
    """Where workers can be started."""
    if machine.executor == "ray":
        from xstilts.graph.on_ray import Ray

        meeting, most = None, needs_of(machine).get("train", Needs(0, threads_of(machine)))
        if most.gpus > 1:
            from xstilts.stages.ranks import held, wait_for_stages

            meeting = held, wait_for_stages
        return Ray(machine.address or os.environ.get("RAY_ADDRESS", ""), machine.workers, most, meeting)
    if machine.executor == "slurm":
        size = machine.workers or int(os.environ.get("SLURM_NTASKS", 0))
        if not size:
            raise ConfigError("--executor slurm: set how many stages run at a time, e.g. --workers 8")
        return Slurm(size, machine.slurm_options)
    gpus = gpus_of(machine, os.environ.get("CUDA_VISIBLE_DEVICES"))
    if machine.workers is not None:
        return Local(machine.workers, gpus)
    if machine.device == "cpu":
        return Local(cores() if machine.devices == 1 else 1, gpus)
    return Local(2 * len(gpus) or 1, gpus)


def gpus_of(machine: Machine, visible: str | None) -> tuple[str, ...]:
    """The devices of each stage at a time that computes on a device.

    Args:
        visible: the user's CUDA_VISIBLE_DEVICES, numbers or names.
    """
    kind, _, number = machine.device.partition(":")
    if kind != "cuda":
        return () if kind == "cpu" else ("",)  # one device of MPS and the like, which have no such variable
    import torch

    count = torch.accelerator.device_count()
    names = [name.strip() for name in visible.split(",")][:count] if visible else [str(n) for n in range(count)]
    if number:
        names = [names[int(number)]]
    size = len(names) if machine.ranks else machine.devices  # with ranks, one stage uses all devices of all nodes
    return tuple(",".join(names[first : first + size]) for first in range(0, len(names) - size + 1, size))


def trained_at_once(stages: Iterable[Stage]) -> int:
    """How many train stages of a graph can run at a time: the most that follow equally many others."""
    before: dict[Stage, int] = {}
    trained: Counter[int] = Counter()
    for stage in graph(stages):
        before[stage] = max((before[one] + (one.kind == "train") for one in stage.inputs.values()), default=0)
        trained[before[stage]] += stage.kind == "train"
    return max(trained.values(), default=0)


def needs_of(machine: Machine, trained: int = 0) -> Mapping[str, Needs]:
    """Kind of stage -> its needs; a stage that computes on a device has it alone.

    Args:
        trained: train stages at a time. If they are fewer than the workers, they share the cores that would be idle.
            The number does not depend on what is finished, so a resumed stage has as many threads as before.
    """
    if machine.device == "cpu":
        own = machine.executor == "local" and machine.devices == 1 and threads_of(machine) is None
        if own and "OMP_NUM_THREADS" not in os.environ and 0 < trained < (machine.workers or cores()):
            return {"train": Needs(0, cores() // trained)}
        return {}
    one, all_ = (Needs(count, threads_of(machine)) for count in (1, machine.devices))
    return dict.fromkeys(COMPUTING, one if machine.executor == "ray" else all_) | {"train": all_}


def threads_of(machine: Machine) -> int | None:
    """Computing threads of each worker; None: its share of this machine's cores."""
    if machine.threads is not None:
        return machine.threads
    given = os.environ.get("OMP_NUM_THREADS")
    if machine.executor != "local":
        return int(os.environ.get("SLURM_CPUS_PER_TASK") or given or 1)
    if machine.device == "cpu" and machine.devices > 1 and not given:
        return max(1, cores() // ((machine.workers or 1) * machine.devices))
    return None


def peaks(stages: Iterable[Stage], store: Store, machine: Machine) -> dict[str, float]:
    """Kind of stage -> bytes that the largest of its missing stages takes at its peak. Without kinds that take little.

    Estimated by the formulae of `xstilts plan` (docs/planning.md). Models that cannot be planned are left out.
    """
    computing = [stage for stage in stages if stage.kind in ("train", "predict") and not store.has(stage)]
    sources = [[*lineage(stage)][-1].settings.get("source") for stage in computing]  # none: random starts are small
    named = {str(source) for source in sources if source is not None}
    weights = [file for name in named for file in Path(name).glob("*.safetensors")]
    if all(Path(name).is_dir() for name in named) and all(file.stat().st_size <= LARGE for file in weights):
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
