"""From a `Machine` to the workers that carry out the stages of a run."""

import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from xstilts.core.errors import ConfigError
from xstilts.core.machine import Machine
from xstilts.graph.events import Event, Notice
from xstilts.graph.execute import execute
from xstilts.graph.job import Runner
from xstilts.graph.perform import Work
from xstilts.graph.places import Here, Local, Needs, Places, Slurm, Workers
from xstilts.graph.pool import Pool, cores
from xstilts.graph.stage import Stage, graph
from xstilts.graph.store import Store
from xstilts.session.memory import available, few_at_a_time, peaks
from xstilts.stages import COMPUTING, RESUMABLE

RUNNER = "xstilts.stages.run:run_stage"


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
                yield Notice(few_at_a_time(machine, places.size, max(taken.values()), free))
                most = free if machine.workers is None else most
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
