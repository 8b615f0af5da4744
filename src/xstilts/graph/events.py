"""Events of a run. Every stage of the graph ends in exactly one of Done, Cached, Failed and Skipped."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xstilts.graph.stage import Stage


@dataclass(frozen=True)
class Started:
    """A worker has begun the stage; comes again if that worker was killed."""

    stage: Stage

    def __str__(self) -> str:
        return f"{self.stage}: started"


@dataclass(frozen=True)
class Progress:
    """A report of a running stage: the finished share (0-1) if known, a line for people, and other JSON values."""

    stage: Stage
    fraction: float | None = None
    message: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        share = "" if self.fraction is None else f"{self.fraction:.0%}"
        return f"{self.stage}: {', '.join(filter(None, (share, self.message)))}"


@dataclass(frozen=True)
class Done:
    """The stage was computed and is in the store; `seconds` of wall time."""

    stage: Stage
    seconds: float

    def __str__(self) -> str:
        return f"{self.stage} ({self.seconds:.1f} s)"


@dataclass(frozen=True)
class Cached:
    """Nothing was computed: the stage is in the store, or everything that would read it is."""

    stage: Stage

    def __str__(self) -> str:
        return f"{self.stage}: reused"


@dataclass(frozen=True)
class Failed:
    """The stage failed.

    Attributes:
        error: one line.
        log: file with the traceback or the output, unless the error is a user's mistake.
        mistake: whether the cause is in the data files or in the experiment.
    """

    stage: Stage
    error: str
    log: Path | None = None
    mistake: bool = False

    def __str__(self) -> str:
        return f"FAILED {self.stage}: {self.error}"


@dataclass(frozen=True)
class Skipped:
    """The stage was not attempted because the stage `because` failed."""

    stage: Stage
    because: Stage

    def __str__(self) -> str:
        return f"skipped {self.stage} ({self.because} failed)"


@dataclass(frozen=True)
class Notice:
    """A sentence about the whole run: something that was assumed or is missing."""

    message: str

    def __str__(self) -> str:
        return f"note: {self.message}"


def time_left(seconds: float) -> str:
    """`12 min left`; empty for the last ten seconds."""
    if seconds < 10:
        return ""
    if seconds < 100:
        return f"{seconds:.0f} s left"
    minutes = round(seconds / 60)
    return f"{minutes} min left" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min left"


Event = Started | Progress | Done | Cached | Failed | Skipped | Notice
