"""How a run looks while it goes: bars for a person, plain lines for a log, JSON lines for a machine."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from xstilts.graph.events import Cached, Done, Event, Failed, Notice, Skipped, Started
from xstilts.graph.events import Progress as Step
from xstilts.graph.stage import Stage
from xstilts.stages import RESUMABLE

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


class Clock:
    """How long what is missing will take, from the seconds that each kind of stage has taken for its work so far.

    Args:
        stages: all of the run.
        now: seconds from any start.
        work: how much computing train and predict stages are, in one unit; of others `cost` counts, as seconds.
    """

    def __init__(
        self, stages: Iterable[Stage], now: Callable[[], float], work: Mapping[Stage, float] | None = None
    ) -> None:
        self.now, self.began, self._work = now, now(), work or {}
        self._missing = dict.fromkeys(stages)
        self._first: dict[Stage, tuple[float, float]] = {}  # time, and the share done by then
        self._share: dict[Stage, float] = {}
        self._told: dict[Stage, float] = {}  # when that was
        self._seen: dict[str, tuple[float, float]] = {}  # of finished stages, kind -> seconds, and work done in them

    def see(self, event: Event) -> None:
        """Take an event into account."""
        if isinstance(event, Notice):
            return
        stage = event.stage
        if isinstance(event, Started):  # it may come twice: a worker was killed
            self._first.pop(stage, None)
            self._share.pop(stage, None)
            if stage.kind not in RESUMABLE:
                self._first[stage] = self.now(), 0.0
        elif isinstance(event, Step) and event.fraction is not None:
            self._first.setdefault(stage, (self.now(), event.fraction))  # an earlier run may have begun it
            self._share[stage], self._told[stage] = event.fraction, self.now()
        elif isinstance(event, Done | Cached | Failed | Skipped):
            if isinstance(event, Done):
                began, before = self._first.get(stage, (self.now() - event.seconds, 0.0))
                _add(self._seen, stage.kind, self.now() - began, (1.0 - before) * self._size(stage))
            for known in (self._missing, self._first, self._share):
                known.pop(stage, None)

    def of(self, stage: Stage) -> str:
        """What a running stage still needs, in words; empty where nothing is known."""
        if stage not in self._share:
            return ""
        began, before = self._first[stage]
        done, seconds = self._share[stage] - before, self.now() - began
        return _left(seconds, seconds * (1 - self._share[stage]) / done) if done > 0 else ""

    @property
    def overall(self) -> str:
        """What the run still needs, in words, if as many stages are computed at a time as so far."""
        seen = dict(self._seen)
        busy, elapsed = sum(seconds for seconds, _ in seen.values()), self.now() - self.began
        for stage, (began, before) in self._first.items():
            busy += self.now() - began
            if stage in self._share:
                _add(seen, stage.kind, self._told[stage] - began, (self._share[stage] - before) * self._size(stage))
        speeds = {kind: seconds / done for kind, (seconds, done) in seen.items() if done > 0}
        computing = [speeds[kind] for kind in {stage.kind for stage in self._work} & speeds.keys()]
        left = 0.0
        for stage in self._missing:
            usual = max(computing, default=0.0) if stage in self._work else 1.0
            speed = speeds.get(stage.kind, usual)
            if not speed:
                return ""
            left += speed * self._size(stage) * (1 - self._share.get(stage, 0.0))
        at_once = max(1.0, min(busy / elapsed if elapsed else 1.0, len(self._missing)))
        return _left(elapsed, left / at_once)

    def _size(self, stage: Stage) -> float:
        return self._work.get(stage) or float(stage.settings.get("cost", 1.0))


def _add(seen: dict[str, tuple[float, float]], kind: str, seconds: float, done: float) -> None:
    before = seen.get(kind, (0.0, 0.0))
    seen[kind] = before[0] + seconds, before[1] + done


def _left(seconds: float, left: float) -> str:
    """`12 min left`; empty before a twentieth is done, and where it is hardly worth saying."""
    if left < 10 or seconds / (seconds + left) < 0.05:
        return ""
    if left < 100:
        return f"{left:.0f} s left"
    minutes = round(left / 60)
    return f"{minutes} min left" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min left"


def follow(
    events: Iterable[Event],
    stages: Collection[Stage],
    style: Style,
    clock: Callable[[], float] = time.monotonic,
    work: Mapping[Stage, float] | None = None,
) -> Summary:
    """Consume the events of a run of `stages`, showing them; returns how it ended. `clock`, `work`: as of `Clock`."""
    summary, times = Summary(), Clock(stages, clock, work)
    if style == "person":
        _follow_person(events, len(stages), summary, times)
    else:
        told: dict[Stage, float] = {}
        for event in events:
            _count(event, summary)
            times.see(event)
            if style == "json":
                line = _json(event)
            elif line := _plain(event, told, times):
                left = f", {times.overall}" if times.overall else ""
                line = f"[{sum(summary.counts.values())}/{len(stages)}{left}] {line}"
            if line:
                sys.stdout.write(line + "\n")
                sys.stdout.flush()
    summary.seconds = clock() - times.began
    return summary


def _count(event: Event, summary: Summary) -> None:
    name = type(event).__name__.lower()
    if name in ("done", "cached", "failed", "skipped"):
        summary.counts[name] += 1
    if isinstance(event, Failed):
        summary.failures.append(event)


def _plain(event: Event, told: dict[Stage, float], times: Clock) -> str:
    """A line for a stage that ended or has something to say, and now and then for one that runs long.

    Args:
        told: when a stage's last line was.
    """
    now = times.now()
    if isinstance(event, Done):
        return f"{event.stage} ({event.seconds:.1f} s)"
    if isinstance(event, Failed):
        return f"FAILED {event.stage}: {event.error}"
    if isinstance(event, Skipped):
        return f"skipped {event.stage} ({event.because} failed)"
    if isinstance(event, Started):
        told[event.stage] = now
    elif isinstance(event, Step) and event.fraction is None:
        return f"{event.stage}: {event.message}" if event.message else ""
    elif isinstance(event, Step) and now - told.get(event.stage, now) >= EVERY:
        told[event.stage] = now
        return f"{event.stage}: " + ", ".join(
            filter(None, (f"{event.fraction:.0%}", event.message, times.of(event.stage)))
        )
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


def _follow_person(events: Iterable[Event], total: int, summary: Summary, times: Clock) -> None:
    left = TextColumn("{task.fields[left]}")
    columns = (TextColumn("{task.description}"), BarColumn(12), MofNCompleteColumn(), TimeElapsedColumn(), left)
    console = Console()
    room = max(30, console.width - 44)  # of a description; else the times are cut
    with Progress(*columns, console=console, transient=True) as bars:
        overall = bars.add_task("stages", total=total, left="")
        running: dict[Stage, TaskID] = {}
        for event in events:
            _count(event, summary)
            times.see(event)
            if isinstance(event, Started):
                if event.stage not in running:  # else its worker was killed
                    running[event.stage] = bars.add_task(f"  {event.stage}"[:room], total=100, left="")
            elif isinstance(event, Step) and event.fraction is None and event.message:
                console.print(f"{event.stage}: {event.message}", markup=False)
            elif isinstance(event, Step) and event.stage in running and event.fraction is not None:
                said, done = f"  {event.message}"[:38], round(100 * event.fraction)
                label = f"  {event.stage}"[: room - len(said)] + said
                bars.update(running[event.stage], completed=done, description=label, left=times.of(event.stage))
            elif isinstance(event, (Done, Failed, Skipped, Cached)):
                bars.advance(overall)
                if event.stage in running:
                    bars.remove_task(running.pop(event.stage))
                if isinstance(event, Failed):
                    console.print(f"FAILED {event.stage}: {event.error}", markup=False, style="red")
            bars.update(overall, left=times.overall)
