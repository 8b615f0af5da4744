"""What an executor tells its caller. Every stage of the graph ends in exactly one of Done, Cached, Failed, Skipped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xstilts.graph.stage import Stage


@dataclass(frozen=True)
class Started:
    """A worker began; may come twice for a stage whose worker was killed."""

    stage: Stage

    def __str__(self) -> str:
        return f"{self.stage}: started"


@dataclass(frozen=True)
class Progress:
    """What a running stage reports: the share done in 0-1 where known, a line for people, and any JSON besides."""

    stage: Stage
    fraction: float | None = None
    message: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        share = "" if self.fraction is None else f"{self.fraction:.0%}"
        return f"{self.stage}: {', '.join(filter(None, (share, self.message)))}"


@dataclass(frozen=True)
class Done:
    """Computed and in the store; `seconds` of wall time."""

    stage: Stage
    seconds: float

    def __str__(self) -> str:
        return f"{self.stage} ({self.seconds:.1f} s)"


@dataclass(frozen=True)
class Cached:
    """Nothing to compute: it is in the store, or all that would read it is."""

    stage: Stage

    def __str__(self) -> str:
        return f"{self.stage}: already there"


@dataclass(frozen=True)
class Failed:
    """`error` is one line. `log` holds the traceback or the output, when the fault is not the user's.

    `mistake`: the data files or the experiment must be mended.
    """

    stage: Stage
    error: str
    log: Path | None = None
    mistake: bool = False

    def __str__(self) -> str:
        return f"FAILED {self.stage}: {self.error}"


@dataclass(frozen=True)
class Skipped:
    """Not attempted, for `because` failed."""

    stage: Stage
    because: Stage

    def __str__(self) -> str:
        return f"skipped {self.stage} ({self.because} failed)"


@dataclass(frozen=True)
class Notice:
    """What was assumed or is missing, in one sentence; of no single stage."""

    message: str

    def __str__(self) -> str:
        return f"note: {self.message}"


Event = Started | Progress | Done | Cached | Failed | Skipped | Notice
