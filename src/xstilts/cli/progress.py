"""How a run looks while it goes: bars for a person, plain lines for a log, JSON lines for a machine."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from xstilts.graph.events import Cached, Done, Event, Failed, Notice, Skipped, Started
from xstilts.graph.events import Progress as Step
from xstilts.graph.stage import Stage

Style = Literal["person", "log", "json"]
EVERY = 60.0
"""Seconds after which a log has another line of a stage that is still running."""


@dataclass
class Summary:
    """How a run ended."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[Failed] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def line(self) -> str:
        """One line for people."""
        parts = [f"{self.counts['done']} computed", f"{self.counts['cached']} already there"]
        parts += [f"{self.counts[name]} {name}" for name in ("failed", "skipped") if self.counts[name]]
        return f"{', '.join(parts)} in {self.seconds:.0f} s"


def follow(events: Iterable[Event], total: int, style: Style, clock: Callable[[], float] = time.monotonic) -> Summary:
    """Consume the events of a run, showing them; returns how it ended. `clock`: seconds from any start."""
    began = clock()
    summary = Summary()
    if style == "person":
        _follow_person(events, total, summary)
    else:
        told: dict[Stage, float] = {}
        for event in events:
            _count(event, summary)
            if style == "json":
                line = _json(event)
            elif line := _plain(event, told, clock()):
                line = f"[{sum(summary.counts.values())}/{total}] {line}"
            if line:
                sys.stdout.write(line + "\n")
                sys.stdout.flush()
    summary.seconds = clock() - began
    return summary


def _count(event: Event, summary: Summary) -> None:
    name = type(event).__name__.lower()
    if name in ("done", "cached", "failed", "skipped"):
        summary.counts[name] += 1
    if isinstance(event, Failed):
        summary.failures.append(event)


def _plain(event: Event, told: dict[Stage, float], now: float) -> str:
    """A line for a stage that ended, and now and then for one that runs long; `told`: when its last one was."""
    if isinstance(event, Done):
        return f"{event.stage} ({event.seconds:.1f} s)"
    if isinstance(event, Failed):
        return f"FAILED {event.stage}: {event.error}"
    if isinstance(event, Skipped):
        return f"skipped {event.stage} ({event.because} failed)"
    if isinstance(event, Started):
        told[event.stage] = now
    elif isinstance(event, Step) and event.fraction is not None and now - told.get(event.stage, now) >= EVERY:
        told[event.stage] = now
        return f"{event.stage}: {event.fraction:.0%}" + (f", {event.message}" if event.message else "")
    return ""


def _json(event: Event) -> str:
    if isinstance(event, Notice):
        return json.dumps({"event": "notice", "message": event.message})
    row: dict[str, object] = {
        "event": type(event).__name__.lower(),
        "kind": event.stage.kind,
        "key": event.stage.key,
        "label": event.stage.label,
    }
    if isinstance(event, Done):
        row["seconds"] = round(event.seconds, 3)
    elif isinstance(event, Failed):
        row["error"] = event.error
    elif isinstance(event, Step):
        row |= {"fraction": event.fraction, "message": event.message}
    return json.dumps(row)


def _follow_person(events: Iterable[Event], total: int, summary: Summary) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console()
    with Progress(*columns, console=console, transient=True) as bars:
        overall = bars.add_task("stages", total=total)
        running: dict[Stage, TaskID] = {}
        for event in events:
            _count(event, summary)
            if isinstance(event, Started):
                running[event.stage] = bars.add_task(f"  {event.stage}"[:60], total=100)
            elif isinstance(event, Step) and event.stage in running and event.fraction is not None:
                label = f"  {event.stage}"[:44] + f"  {event.message}"[:28]
                bars.update(running[event.stage], completed=round(100 * event.fraction), description=label)
            elif isinstance(event, (Done, Failed, Skipped, Cached)):
                bars.advance(overall)
                if event.stage in running:
                    bars.remove_task(running.pop(event.stage))
                if isinstance(event, Failed):
                    console.print(f"FAILED {event.stage}: {event.error}", markup=False, style="red")
