"""How a run looks while it goes: bars for a person, plain lines for a log, JSON lines for a machine."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from xstilts.graph.events import Cached, Done, Event, Failed, Notice, Skipped, Started
from xstilts.graph.events import Progress as Step
from xstilts.graph.stage import Stage
from xstilts.session.run import Result
from xstilts.stages import RESUMABLE

Style = Literal["person", "log", "json"]
EVERY = 60.0
"""Seconds after which a log has another line of a stage that is still running."""


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
        self._missing = set(stages)
        self._waiting: dict[tuple[str, bool], tuple[float, float]] = {}  # (kind, in `work`) -> missing stages, work
        for stage in self._missing:
            _add(self._waiting, self._group(stage), 1, self._size(stage))
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
            if stage in self._missing:
                self._missing.remove(stage)
                _add(self._waiting, self._group(stage), -1, -self._size(stage))
            for known in (self._first, self._share):
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
        computing = max((speeds.get(kind, 0.0) for kind, known in self._waiting if known), default=0.0)
        left = 0.0
        for (kind, known), (count, work) in self._waiting.items():
            speed = speeds.get(kind, computing if known else 1.0)
            if count and not speed:
                return ""
            begun = sum(
                share * self._size(one) for one, share in self._share.items() if self._group(one) == (kind, known)
            )
            left += speed * (work - begun)
        at_once = max(1.0, min(busy / elapsed if elapsed else 1.0, len(self._missing)))
        return _left(elapsed, left / at_once)

    def _group(self, stage: Stage) -> tuple[str, bool]:
        return stage.kind, stage in self._work

    def _size(self, stage: Stage) -> float:
        return self._work.get(stage) or float(stage.settings.get("cost", 1.0))


def _add(sums: dict[Any, tuple[float, float]], name: Any, first: float, second: float) -> None:
    before = sums.get(name, (0.0, 0.0))
    sums[name] = before[0] + first, before[1] + second


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
) -> Result:
    """Consume the events of a run of `stages`, showing them; returns how it ended. `clock`, `work`: as of `Clock`."""
    summary, times = Result(), Clock(stages, clock, work)
    if style == "person":
        _follow_person(events, len(stages), summary, times)
    else:
        told: dict[Stage, float] = {}
        for event in events:
            summary.add(event)
            times.see(event)
            if style == "json":
                line = _json(event)
            elif line := _plain(event, told, times):
                left = ", ".join(filter(None, (f"{sum(summary.counts.values())}/{len(stages)}", times.overall)))
                line = f"[{left}] {line}"
            if line:
                sys.stdout.write(line + "\n")
                sys.stdout.flush()
    summary.seconds = clock() - times.began
    return summary


def _plain(event: Event, told: dict[Stage, float], times: Clock) -> str:
    """A line for a stage that ended or has something to say, and now and then for one that runs long.

    Args:
        told: when a stage's last line was.
    """
    now = times.now()
    if isinstance(event, Done | Failed | Skipped):
        return str(event)
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
    stage = event.stage
    name = type(event).__name__.lower()
    row: dict[str, object] = {"event": name, "kind": stage.kind, "key": stage.key, "label": stage.label}
    if isinstance(event, Done):
        row["seconds"] = round(event.seconds, 3)
    elif isinstance(event, Failed):
        row["error"] = event.error
    elif isinstance(event, Step):
        row |= {"fraction": event.fraction, "message": event.message}
    return json.dumps(row)


def _follow_person(events: Iterable[Event], total: int, summary: Result, times: Clock) -> None:
    left = TextColumn("{task.fields[left]}")
    columns = (TextColumn("{task.description}"), BarColumn(12), MofNCompleteColumn(), TimeElapsedColumn(), left)
    console = Console()
    room = max(30, console.width - 44)  # of a description; else the times are cut
    with Progress(*columns, console=console, transient=True) as bars:
        overall = bars.add_task("stages", total=total, left="")
        running: dict[Stage, TaskID] = {}
        for event in events:
            summary.add(event)
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
                    console.print(str(event), markup=False, style="red")
            if not isinstance(event, Cached):  # thousands of them come at once
                bars.update(overall, left=times.overall)
