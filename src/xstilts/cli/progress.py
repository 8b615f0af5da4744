"""The progress of a run: bars for a person, plain lines for a log, JSON lines for a program."""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column

from xstilts.cli.output import lines
from xstilts.graph.events import Cached, Done, Event, Failed, Notice, Skipped, Started, time_left
from xstilts.graph.events import Progress as Step
from xstilts.graph.stage import Stage
from xstilts.stages import RESUMABLE

Style = Literal["person", "log", "json"]
EVERY = 60.0
"""Seconds between two lines of a log about a stage that is still running."""
WIDE = 100
"""Columns of a terminal from which there is room for bars."""


@dataclass
class Span:
    """A running stage: when it began and with which finished share; its share now, and the time of that report."""

    began: float
    first: float
    share: float | None = None
    told: float = 0.0


class Clock:
    """Estimates how long a run will take from the time that each kind of stage has taken for its work so far.

    Args:
        stages: all of the run.
        now: clock in seconds.
        work: amount of work, in one unit, for all stages of some kinds; other stages count with their `cost`, in
            seconds.
    """

    def __init__(
        self, stages: Iterable[Stage], now: Callable[[], float], work: Mapping[Stage, float] | None = None
    ) -> None:
        self.now, self.began, self._work = now, now(), work or {}
        self._computing = {stage.kind for stage in self._work}
        self._missing, self.ended = Counter(stage.kind for stage in stages), 0
        # by kind: work of missing stages; seconds and work of finished ones
        self._left, self._seconds, self._done = (defaultdict[str, float](float) for _ in range(3))
        for stage in stages:
            self._left[stage.kind] += self._size(stage)
        self._running: dict[Stage, Span] = {}

    def see(self, event: Event) -> None:
        """Take an event into account."""
        if isinstance(event, Notice):
            return
        stage, now = event.stage, self.now()
        if isinstance(event, Started):  # again, if its worker was killed
            self._running.pop(stage, None)
            if stage.kind not in RESUMABLE:
                self._running[stage] = Span(now, 0.0)
        elif isinstance(event, Step):
            if event.fraction is not None:  # the first one counts what an earlier run has done
                span = self._running.setdefault(stage, Span(now, event.fraction))
                if span.share is not None and event.fraction < span.share:  # a start with another seed
                    span.began, span.first = now, event.fraction
                span.share, span.told = event.fraction, now
        else:
            span = self._running.pop(stage, Span(now - getattr(event, "seconds", 0.0), 0.0))
            if isinstance(event, Done):
                self._seconds[stage.kind] += now - span.began
                self._done[stage.kind] += (1.0 - span.first) * self._size(stage)
            self._missing[stage.kind] -= 1
            self._left[stage.kind] -= self._size(stage)
            self.ended += 1

    def of(self, stage: Stage) -> str:
        """Time left of a running stage, in words; empty if unknown."""
        span = self._running.get(stage)
        if span is None or span.share is None or span.share <= span.first:
            return ""
        seconds = self.now() - span.began
        return _in_words(seconds, seconds * (1 - span.share) / (span.share - span.first))

    @property
    def overall(self) -> str:
        """Time left of the run, in words, if as many stages run in parallel as so far."""
        left, seconds, done = self._left.copy(), self._seconds.copy(), self._done.copy()
        elapsed, busy = self.now() - self.began, sum(seconds.values())
        for stage, span in self._running.items():
            busy += self.now() - span.began
            if span.share is not None:
                seconds[stage.kind] += span.told - span.began
                done[stage.kind] += (span.share - span.first) * self._size(stage)
                left[stage.kind] -= span.share * self._size(stage)
        speeds = {kind: seconds[kind] / work for kind, work in done.items() if work > 0}
        usual = max((speed for kind, speed in speeds.items() if kind in self._computing), default=0.0)
        speeds = {kind: speeds.get(kind, usual if kind in self._computing else 1.0) for kind in left}
        if any(count and not speeds[kind] for kind, count in self._missing.items()):
            return ""
        at_once = max(1.0, min(busy / elapsed if elapsed else 1.0, self._missing.total()))
        return _in_words(elapsed, sum(speeds[kind] * work for kind, work in left.items()) / at_once)

    def _size(self, stage: Stage) -> float:
        return self._work.get(stage) or float(stage.settings.get("cost", 1.0))


def _in_words(seconds: float, left: float) -> str:
    """See `time_left`; empty before a twentieth is done."""
    return time_left(left) if seconds >= 0.05 * (seconds + left) else ""


def follow(
    events: Iterable[Event],
    stages: Collection[Stage],
    style: Style,
    clock: Callable[[], float] = time.monotonic,
    work: Mapping[Stage, float] | None = None,
) -> None:
    """Consume the events of a run of `stages` and show them. `clock`, `work`: see `Clock`."""
    times, told = Clock(stages, clock, work), dict[Stage, float]()
    if style == "person":
        _show_bars(events, len(stages), times)
        return
    for event in events:
        times.see(event)
        if style == "json":
            lines([_json(event)])
        elif line := _plain(event, told, times):
            lines([f"[{', '.join(filter(None, (f'{times.ended}/{len(stages)}', times.overall)))}] {line}"])


def _plain(event: Event, told: dict[Stage, float], times: Clock) -> str:
    """The line for a stage that ended or has a message, or whose last line, in `told`, is long ago; else empty.

    Stages that are skipped have one line for each failure.
    """
    now = times.now()
    if isinstance(event, Failed):
        told.pop(event.stage, None)
    if isinstance(event, Done | Failed):
        return str(event)
    if isinstance(event, Skipped):
        first, told[event.because] = event.because not in told, now
        return f"skipping all stages that need {event.because}" if first else ""
    if isinstance(event, Started):
        told[event.stage] = now
    elif isinstance(event, Step) and event.fraction is None:
        return str(event) if event.message else ""
    elif isinstance(event, Step) and now - told.get(event.stage, now) >= EVERY:
        told[event.stage] = now
        return ", ".join(filter(None, (str(event), times.of(event.stage))))
    return ""


def _json(event: Event) -> str:
    row: dict[str, Any] = {"event": type(event).__name__.lower()}
    if not isinstance(event, Notice):
        row |= {"kind": event.stage.kind, "key": event.stage.key, "label": event.stage.label}
    if isinstance(event, Done):
        row["seconds"] = round(event.seconds, 3)
    row |= {name: getattr(event, name) for name in ("error", "fraction", "message") if hasattr(event, name)}
    row |= getattr(event, "data", {})
    return json.dumps(row)


def _show_bars(events: Iterable[Event], total: int, times: Clock) -> None:
    console, whole = Console(), Column(no_wrap=True)
    with Progress(
        TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        *([BarColumn(12)] if console.width >= WIDE else []),
        TextColumn("{task.fields[done]}", justify="right", table_column=whole),
        TimeElapsedColumn(table_column=whole),
        TextColumn("{task.fields[said]}", markup=False, table_column=whole),
        TextColumn("{task.fields[left]}", table_column=whole),
        console=console,
        expand=True,
        transient=True,
        refresh_per_second=2,
    ) as bars:
        overall = bars.add_task("stages", total=total, done=f"0/{total}", said="", left="")
        running: dict[Stage, TaskID] = {}
        for event in events:
            times.see(event)
            if isinstance(event, Started) and event.stage not in running:
                running[event.stage] = bars.add_task(f"  {event.stage}", total=1.0, done="", said="", left="")
            elif isinstance(event, Step) and event.fraction is None and event.message:
                console.print(str(event), markup=False)
            elif isinstance(event, Step) and event.stage in running and event.fraction is not None:
                done, said = f"{event.fraction:.0%}", event.message[:38]
                match event.data:
                    case {"step": step, "steps": steps, "task": task, "loss": loss, "tokens_per_second": speed}:
                        done, said = f"{step}/{steps}", f"{task} loss {loss:.3f}, {speed:,.0f} tokens/s"
                left = times.of(event.stage)
                bars.update(running[event.stage], completed=event.fraction, done=done, said=said, left=left)
            elif isinstance(event, Done | Failed | Skipped | Cached):
                bars.update(overall, advance=1, done=f"{times.ended}/{total}")
                if event.stage in running:
                    bars.remove_task(running.pop(event.stage))
                if isinstance(event, Failed):
                    console.print(str(event), markup=False, style="red")
            if not isinstance(event, Cached):  # thousands of them come at once
                bars.update(overall, left=times.overall)
