"""Jobs: what the code of a stage, its runner, receives to compute it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from xstilts.core.machine import Machine
from xstilts.graph.stage import Stage

Report = Callable[[dict[str, Any]], None]
"""Takes a JSON object: `fraction` (0-1) and `message` are shown, other entries are passed on."""


@dataclass(frozen=True)
class Job:
    """A stage to compute.

    Attributes:
        directory: where its files go. It exists, and after a kill it may hold files of the killed process: replace
            them, and never write into them.
        inputs: role -> directory of the stage that it reads.
        settings: JSON, what `Machine.settings` says; cannot change a number.
        report: takes progress.
    """

    stage: Stage
    directory: Path
    inputs: Mapping[str, Path] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    report: Report = lambda data: None

    @property
    def config(self) -> Mapping[str, Any]:
        """The settings that can change a number."""
        return self.stage.config

    @cached_property
    def machine(self) -> Machine:
        return Machine(**self.settings)


Runner = Callable[[Job], None]
"""Computes a stage. Raises `XstiltsError` for mistakes that a user can correct."""
