"""Running an experiment: what is missing is computed, what is finished is kept."""

import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

from xstilts.core.errors import ConfigError, StageError
from xstilts.core.machine import Machine
from xstilts.experiment import Experiment
from xstilts.graph.events import Cached, Done, Event, Failed, Notice, Skipped
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.planning.amounts import lengths_of, short_phases, work_of
from xstilts.session.check import look, notices
from xstilts.session.executors import carry_out
from xstilts.session.grid import Data, Grid
from xstilts.session.loading import opened
from xstilts.stages.checksums import DIGESTS, remembered
from xstilts.stages.selection import in_words_by_default

TRACES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""Without one of these files, Linux has no GPU that torch could use (NVIDIA's driver, WSL, AMD's driver)."""


@dataclass
class Result:
    """The outcome of a run.

    Attributes:
        counts: number of stages that ended as done, cached, failed, skipped.
    """

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[Failed] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, event: Event) -> None:
        if isinstance(event, Done | Cached | Failed | Skipped):
            self.counts[type(event).__name__.lower()] += 1
        if isinstance(event, Failed):
            self.failures.append(event)
        elif isinstance(event, Skipped):
            self.skipped.append(event)

    @property
    def line(self) -> str:
        parts = [f"{self.counts['done']} computed", f"{self.counts['cached']} reused"]
        parts += [f"{self.counts[name]} {name}" for name in ("failed", "skipped") if self.counts[name]]
        return f"{', '.join(parts)} in {self.seconds:.0f} s"

    @property
    def causes(self) -> list[str]:
        """A line for each cause of failure: the first stage that failed, and how many more it stops."""
        found: dict[str, list[Failed]] = {}
        for failure in self.failures:
            found.setdefault(re.sub(r" \(the last finite loss was [^)]*\)", "", failure.error), []).append(failure)
        lines = []
        for same in found.values():
            line = f"{same[0].stage}: {same[0].error}" + (f" (see {same[0].log})" if same[0].log else "")
            if also := len(same) - 1:
                line += f"; and {also} more of its kind"
            if needing := sum(one.because in {failure.stage for failure in same} for one in self.skipped):
                line += f"; and {needing} stage{'s' * (needing != 1)} that need{'s' * (needing == 1)} it"
            lines.append(line)
        return lines

    @property
    def mistake(self) -> bool:
        """Whether the data or the experiment caused all failures."""
        return bool(self.failures) and all(failure.mistake for failure in self.failures)


@dataclass
class Run:
    """A run that has not begun: iterate over its events, or call `result()`.

    Attributes:
        notices: sentences about what is missing or was assumed.
        work: stage -> amount of work, for stages where it is known.
    """

    grid: Grid
    store: Store
    machine: Machine
    notices: Sequence[str] = ()
    work: Mapping[Stage, float] = field(default_factory=dict)
    outcome: Result = field(default_factory=Result)

    def __iter__(self) -> Iterator[Event]:
        began = time.monotonic()
        for event in chain(map(Notice, self.notices), carry_out(self.grid.targets, self.store, self.machine)):
            self.outcome.add(event)
            self.outcome.seconds = time.monotonic() - began
            yield event

    def result(self) -> Result:
        """Run to the end.

        Raises:
            StageError: stages failed. Finished stages are kept, and the same call continues from there.
        """
        for _ in self:
            pass
        if causes := self.outcome.causes:
            raise StageError(causes[0] + (f"; and {len(causes) - 1} more causes" if len(causes) > 1 else ""))
        return self.outcome


def run(
    experiment: Experiment | Path | str,
    store: Path | str = "runs",
    data: Data = None,
    machine: Machine | None = None,
    **options: Any,
) -> Run:
    """Prepare a run of what is missing of an experiment; iterating over it, or its `result()`, computes it.

    Files are read first, so that a mistake in a test file is found before anything is trained.

    Args:
        experiment: from `xstilts.load`, made in Python, or a file or name for `xstilts.load`.
        store: folder of results; made if missing.
        data: folder or folders of official files; files of own tasks are first looked for beside the experiment file.
        machine: what may be used; `options` are its fields by name (`workers=2`, `device="cuda"`). By default a GPU is
            used if there is one.

    Raises:
        ConfigError, DataError: the experiment or its files are wrong, with file and line.
        StoreError: the folder is not a store, or cannot be written to.
    """
    chosen = check_device(replace(machine or Machine(device="auto"), **options))
    experiment = opened(experiment)
    with remembered(Path(store) / DIGESTS):
        grid, place = Grid.of(experiment, data), Store(Path(store))
    return run_of(experiment, grid, place, chosen, data)


def run_of(experiment: Experiment, grid: Grid, store: Store, machine: Machine, data: Data = None) -> Run:
    """Prepare the run of an experiment that is already expanded.

    Raises:
        ConfigError: the package of the tracker is not installed here.
    """
    if (name := machine.track) and find_spec(name) is None:
        raise ConfigError(f"--track {name}: its package is not installed here: pip install 'xstilts[track-{name}]'")
    notes = look(grid, store)
    warning = grid.remember(store, experiment)
    missing = [stage for stage in grid.stages if not store.has(stage)]
    lengths = lengths_of(missing, store)
    lines = [
        *notices(experiment, grid, data, store),
        *notes,
        *short_phases(lengths.values()),
        *slow_bf16(grid, machine.device),
    ]
    lines += [f"computed on {machine.device}"] * (machine.device != "cpu")
    lines += [*in_words_by_default(missing), *filter(None, [warning])]
    return Run(grid, store, machine, lines, work_of(missing, lengths))


def computing(
    store: Store, machine: Machine, tell: Callable[[Event], None] | None = None
) -> Callable[[Iterable[Stage]], None]:
    """A function that computes what is missing of some stages and passes every event to `tell`.

    It raises `StageError` when a stage fails.
    """

    def compute(stages: Iterable[Stage]) -> None:
        for event in carry_out(list(stages), store, machine):
            if tell is not None:
                tell(event)
            if isinstance(event, Failed):
                raise StageError(Result(failures=[event]).causes[0])

    return compute


def check_device(machine: Machine) -> Machine:
    """The machine with its device: for `auto` CUDA, else MPS, else the CPU.

    Raises:
        ConfigError: there is no such device here (lists the available ones), or a cluster needs an explicit one.
    """
    device, devices = machine.device, machine.devices
    if machine.executor != "local":
        if device == "auto" or ":" in device:
            given = f"--device {device} with --executor {machine.executor}"
            raise ConfigError(f"{given}: give the device of its machines, --device cuda or --device cpu")
        return machine
    if device == "auto" and sys.platform == "linux" and not any(Path(trace).exists() for trace in TRACES):
        device = "cpu"
    if device == "cpu":
        return replace(machine, device=device)
    import torch  # takes seconds, so only if needed

    found = torch.accelerator.current_accelerator(check_available=True)
    kind, count = (found.type, torch.accelerator.device_count()) if found else ("cuda", 0)
    if device == "auto":
        device = kind if count and kind in ("cuda", "mps") else "cpu"
    here = [f"{kind}:{number}" for number in range(count)]
    problem = ""
    if device not in ["cpu", *here, *([kind] if count else [])]:
        problem = f"--device {device}: this machine has no such device (available: {', '.join(['cpu', *here])})"
        if not count and device.partition(":")[0] in ("cuda", "gpu"):
            blind = "torch sees no GPU: see `nvidia-smi` and CUDA_VISIBLE_DEVICES"
            built = "this torch is built without CUDA: install one that has it"
            problem += f"; {blind if torch.version.cuda else built}"
    elif devices > 1 and not machine.ranks and device not in ("cpu", kind):
        problem = f"--device {device} with --devices {devices}: give --device {kind}, since each rank has its own"
    elif devices > max(1, count) and not machine.ranks and device == kind:
        problem = f"--devices {devices}: this machine has {count} ({', '.join(here)})"
    if problem:
        raise ConfigError(problem)
    return replace(machine, device=device)


def slow_bf16(grid: Grid, device: str) -> list[str]:
    """A warning if bf16 is asked of a CPU that emulates it."""
    asked = any("bf16" in (s.config.get("precision"), s.config.get("train", {}).get("precision")) for s in grid.stages)
    if not asked or not device.startswith("cpu"):
        return []
    from xstilts.backbones.backbone import bf16_is_slow

    slow = "this CPU has no bf16 instructions and emulates them, many times slower than fp32: set `precision: fp32`"
    return [slow] if bf16_is_slow(device) else []
