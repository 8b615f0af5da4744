"""`xstilts status --watch`: the running stages of a store, refreshed every few seconds."""

import json
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime
from time import sleep
from typing import Any

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from xstilts.cli.output import lines
from xstilts.graph.events import time_left
from xstilts.graph.execute import Schedule
from xstilts.graph.locks import RUNNING, is_used, local_time
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.session.why import Running, running


def watch(place: Store, stages: Collection[Stage], only: bool, every: float, as_json: bool) -> None:
    """Show what runs until nothing is left to run, or until the runs that use the store have ended.

    On a terminal one display is refreshed. Elsewhere each change is printed: a block of lines, or a line of JSON.
    Ctrl-C exits with 130.

    Args:
        stages: a graph, whose finished and missing stages are counted.
        only: leave out running stages that are not in the graph.
        every: refresh interval in seconds.
    """
    ends = set(stages).difference(*(stage.inputs.values() for stage in stages))
    labels = {stage.key: stage.label for stage in stages}
    done, seen, unused = set[Stage](), False, 0
    try:
        with _display(as_json) as show:
            while True:
                found = (one for one in running(place) if one.key in labels or not only)
                now = [replace(one, label=one.label or labels.get(one.key, "")) for one in found]
                place.look({stage.kind for stage in stages})
                done |= {stage for stage in stages if stage not in done and (place.directory(stage) / "DONE").is_file()}
                left = Schedule(ends, done.__contains__).unfinished
                failed = {path.stem for path in place.root.glob("failures/*.txt")} & labels.keys()
                failed -= {one.key for one in now}  # tried again
                counts = {"finished": len(stages) - left, "of": len(stages), "failed": len(failed)}
                show(counts, now)
                used = bool(now) or is_used(place.root / RUNNING)
                seen, unused = seen or used, 0 if used else unused + 1
                if not (left or now) or (seen and unused > 1):  # a run without workers may be between two stages
                    return
                sleep(every)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@contextmanager
def _display(as_json: bool) -> Iterator[Callable[[dict[str, int], list[Running]], None]]:
    console, last = Console(), list[str]()

    def print_changes(counts: dict[str, int], now: list[Running]) -> None:
        nonlocal last
        row: dict[str, Any] = {**counts, "running": [asdict(one) for one in now]}
        before, last = last, [json.dumps(row, ensure_ascii=False)] if as_json else _block(counts, now)
        if last != before:
            lines(last if as_json else [f"{datetime.now().astimezone():%H:%M:%S}  {last[0]}", *last[1:]])

    if as_json or not console.is_terminal:
        yield print_changes
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda counts, now: live.update(
            Text("\n".join(_block(counts, now)), no_wrap=True, overflow="ellipsis"), refresh=True
        )


def _block(counts: dict[str, int], now: list[Running]) -> list[str]:
    failed = f", {counts['failed']} failed" if counts["failed"] else ""
    found = [f"{counts['finished']} of {counts['of']} stages finished, {len(now)} running{failed}"]
    for one in now:
        since = f" since {local_time(one.since)}" if one.since else ""
        found.append(f"  {one.kind} {one.label or one.key}: process {one.process} on {one.host}{since}")
        share = "" if one.fraction is None else f"{one.fraction:.0%}"
        if far := ", ".join(filter(None, (share, one.message, time_left(one.seconds_left or 0.0)))):
            found.append(f"    {far}")
    return found
