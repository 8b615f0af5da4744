"""Carrying an experiment out: what is missing is computed, what is finished is kept."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from xstilts.core.errors import ConfigError, StageError
from xstilts.core.machine import Machine
from xstilts.experiment import Experiment
from xstilts.graph.events import Event, Failed, Notice, Skipped
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.session.check import look, notices
from xstilts.session.executors import carry_out
from xstilts.session.grid import Data, Grid
from xstilts.session.lengths import lengths_of, short_phases, work_of
from xstilts.stages.digests import DIGESTS, remembered
from xstilts.stages.selection import in_words_by_default


@dataclass(frozen=True)
class Cause:
    """One reason why stages failed.

    Attributes:
        stage, error, log: of the first stage that failed so.
        also: further stages that failed for the same reason.
        needing: stages that were skipped because they need one of these.
    """

    stage: Stage
    error: str
    log: Path | None
    also: int
    needing: int

    @property
    def line(self) -> str:
        """One line for people."""
        more = [f"{self.also} more of its kind" * bool(self.also), _stages(self.needing) * bool(self.needing)]
        place = f" (see {self.log})" if self.log else ""
        return f"{self.stage}: {self.error}{place}" + "".join(f"; and {part}" for part in more if part)


def _stages(count: int) -> str:
    return f"{count} stage{'s' * (count != 1)} that need{'s' * (count == 1)} it"


@dataclass
class Result:
    """How a run ended.

    Attributes:
        counts: stages by how they ended: done, cached, failed, skipped.
        notices: what was assumed or is missing, a sentence each.
        seconds: wall time.
    """

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[Failed] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, event: Event) -> None:
        """Count an event."""
        name = type(event).__name__.lower()
        if name in ("done", "cached", "failed", "skipped"):
            self.counts[name] += 1
        if isinstance(event, Failed):
            self.failures.append(event)
        elif isinstance(event, Skipped):
            self.skipped.append(event)
        elif isinstance(event, Notice):
            self.notices.append(event.message)

    @property
    def line(self) -> str:
        """One line for people."""
        parts = [f"{self.counts['done']} computed", f"{self.counts['cached']} already there"]
        parts += [f"{self.counts[name]} {name}" for name in ("failed", "skipped") if self.counts[name]]
        return f"{', '.join(parts)} in {self.seconds:.0f} s"

    @property
    def causes(self) -> list[Cause]:
        """Why stages failed, each reason once."""
        found: dict[str, list[Failed]] = {}
        for failure in self.failures:
            found.setdefault(failure.error, []).append(failure)
        return [
            Cause(
                same[0].stage,
                error,
                same[0].log,
                len(same) - 1,
                sum(one.because in {failure.stage for failure in same} for one in self.skipped),
            )
            for error, same in found.items()
        ]

    @property
    def mistake(self) -> bool:
        """Whether all that failed did so for what is in the data or the experiment."""
        return bool(self.failures) and all(failure.mistake for failure in self.failures)


class Run:
    """A run that is described and not yet begun: iterate over its events, or ask for its `result()`.

    Attributes:
        outcome: what is known of it so far.
        notices: what is missing or was assumed, a sentence each.
        work: how much computing stages are, of those of which that can be said.
    """

    def __init__(
        self,
        grid: Grid,
        store: Store,
        machine: Machine,
        said: Iterable[str] = (),
        work: Mapping[Stage, float] | None = None,
    ) -> None:
        self.grid, self.store = grid, store
        self.outcome = Result()
        self.notices = tuple(said)
        self.work = work or {}
        self._machine = machine

    @property
    def total(self) -> int:
        """Stages of the run, finished ones too."""
        return len(self.grid.stages)

    def __iter__(self) -> Iterator[Event]:
        began = time.monotonic()
        for event in self._events():
            self.outcome.add(event)
            self.outcome.seconds = time.monotonic() - began
            yield event

    def result(self) -> Result:
        """Run to the end.

        Raises:
            StageError: stages failed; what others computed is kept, and the same call goes on from there.
        """
        for _ in self:
            pass
        if causes := self.outcome.causes:
            more = f"; and {len(causes) - 1} more causes" if len(causes) > 1 else ""
            raise StageError(causes[0].line + more)
        return self.outcome

    def _events(self) -> Iterator[Event]:
        yield from map(Notice, self.notices)
        yield from carry_out(self.grid.targets, self.store, self._machine)


def run(
    experiment: Experiment,
    store: Path | str = "runs",
    data: Data = None,
    machine: Machine | None = None,
    **options: Any,
) -> Run:
    """Describe a run of what is missing of an experiment; iterating over it, or its `result()`, computes it.

    Files are looked at first, so that a mistake in a test file is found before anything is trained.

    Args:
        experiment: from `xstilts.load`, or made in Python.
        store: folder of results; made if missing.
        data: folder or folders of official files; files of own tasks are looked for beside the experiment file first.
        machine: what may be used; `options` are its fields by name (`workers=2`, `device="cuda"`). Without either a
            GPU is used where there is one.

    Raises:
        ConfigError, DataError: what is wrong with the experiment or its files, with file and line.
        StoreError: the folder is no store, or cannot be written to.
    """
    chosen = check_device(replace(machine or Machine(device="auto"), **options))
    with remembered(Path(store) / DIGESTS):
        grid, place = Grid.of(experiment, data), Store(Path(store))
    return run_of(experiment, grid, place, chosen, data)


def run_of(experiment: Experiment, grid: Grid, store: Store, machine: Machine, data: Data = None) -> Run:
    """The same for an experiment that is expanded already."""
    look(grid, store)
    warning = grid.remember(store, experiment)
    missing = [stage for stage in grid.stages if not store.has(stage)]
    lengths = lengths_of(missing, store)
    said = [*notices(experiment, grid, data), *short_phases(lengths.values()), *slow_bf16(grid, machine.device)]
    said += [f"computed on {machine.device}"] if machine.device != "cpu" else []
    said += in_words_by_default(missing)
    return Run(grid, store, machine, [*said, *([warning] if warning else [])], work_of(missing, lengths))


def computing(
    store: Store, machine: Machine, tell: Callable[[Event], None] | None = None
) -> Callable[[Iterable[Stage]], None]:
    """A function that computes what is missing of some stages, telling every event.

    It raises `StageError` when a stage fails.
    """

    def compute(stages: Iterable[Stage]) -> None:
        result = Result()
        for event in carry_out(list(stages), store, machine):
            result.add(event)
            if tell is not None:
                tell(event)
            if isinstance(event, Failed):
                raise StageError(result.causes[0].line)

    return compute


TRACES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""Without one of these Linux has no GPU that torch could use (NVIDIA's own, in WSL, AMD's)."""


def check_device(machine: Machine) -> Machine:
    """The machine with the device that `auto` stands for: CUDA, else MPS, else CPU.

    Raises:
        ConfigError: a device that is not here, with what is here; of a cluster, one that it has to be told.
    """
    device, devices = machine.device, machine.devices
    if machine.executor != "local":
        if device == "auto" or ":" in device:
            given = f"--device {device} with --executor {machine.executor}"
            raise ConfigError(f"{given}: say what its machines compute on, --device cuda or --device cpu")
        return machine
    if device == "auto" and sys.platform == "linux" and not any(Path(trace).exists() for trace in TRACES):
        device = "cpu"
    if device == "cpu":
        return replace(machine, device=device)
    import torch  # takes seconds: only who asks for a device waits

    found = torch.accelerator.current_accelerator(check_available=True)
    kind = found.type if found else "cuda"
    count = torch.accelerator.device_count() if found else 0
    if device == "auto":
        device = kind if count and kind in ("cuda", "mps") else "cpu"
    here = ["cpu", *(f"{kind}:{number}" for number in range(count))]
    if device not in [*here, *([kind] if count else [])]:
        blind = "torch sees no GPU: see `nvidia-smi` and CUDA_VISIBLE_DEVICES"
        why = blind if torch.version.cuda else "this torch is built without CUDA: install one that has it"
        more = f"; {why}" if not count and device.partition(":")[0] in ("cuda", "gpu") else ""
        raise ConfigError(f"--device {device}: no such device here (there is: {', '.join(here)}){more}")
    if devices > 1 and not machine.ranks and device != "cpu":
        if device != kind:
            raise ConfigError(
                f"--device {device} with --devices {devices}: each has one of its own, say --device {kind}"
            )
        if devices > count:
            raise ConfigError(f"--devices {devices}: there are {count} here ({', '.join(here[1:])})")
    return replace(machine, device=device)


def slow_bf16(grid: Grid, device: str) -> list[str]:
    """A warning where bf16 is asked of a CPU that emulates it."""
    asked = any("bf16" in (s.config.get("precision"), s.config.get("train", {}).get("precision")) for s in grid.stages)
    if not asked or not device.startswith("cpu"):
        return []
    from xstilts.backbones.backbone import bf16_is_slow

    slow = "this CPU has no bf16 instructions and emulates them, many times slower than fp32: set `precision: fp32`"
    return [slow] if bf16_is_slow(device) else []
