"""`xstilts status`, `why` and `clean`: finished, running and unneeded stages of a store."""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from time import sleep
from typing import Annotated, Any

from rich.console import Console
from rich.live import Live
from rich.text import Text
from typer import Argument, Exit, Option

from xstilts.cli import options as opt
from xstilts.cli.output import lines, show, told
from xstilts.core.errors import StoreError, count
from xstilts.graph.events import time_left
from xstilts.graph.execute import Schedule
from xstilts.graph.locks import RUNNING, is_used, local_time
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.session.grid import grid_of, needed, remembered_stages
from xstilts.session.loading import load
from xstilts.session.reads import changed_files
from xstilts.session.why import Described, Known, Running, running


def status(
    file: Annotated[Path | None, Argument(help="Experiment file. Default: everything in the store.")] = None,
    data: opt.Data = None,
    store: opt.Store = Path("runs"),
    again: Annotated[bool, Option("--watch", help="Refresh until nothing is left to run.")] = False,
    every: Annotated[float, Option(metavar="SECONDS", min=0.1, help="Refresh interval of --watch.")] = 5.0,
    as_json: opt.Json = False,
) -> None:
    """Show which stages are finished, missing or running, and how much disk they take.

    For a running stage, shows progress, start time, process and machine,
    also on other machines that share the store. --watch keeps the display
    up to date until nothing is left to run, the run ends, or Ctrl-C.

    Examples:
      xstilts status
      xstilts status first.yaml --store runs
      xstilts status first.yaml --store /shared/runs --watch
    """
    place = Store(store, must_exist=True)
    if again:
        graph = remembered_stages(place) if file is None else grid_of(load(file), place, data).stages
        watch(place, graph, file is not None, every, as_json)
        return
    now, seconds, total, sizes = running(place), defaultdict[str, list[float]](list), Counter[str](), dict[str, int]()
    asked = [] if file is None else grid_of(load(file), place, data).stages
    stages = {stage.key: stage.kind for stage in asked}
    sys.stderr.writelines(f"note: {line}\n" for line in changed_files(asked, place))
    if failed := {stage.key: stage for stage in asked if not place.has(stage) and place.failure(stage).is_file()}:
        first = next(iter(failed.values()))
        number = f"{count(len(failed), 'stage')} failed at the last attempt"
        sys.stderr.write(f"note: {number}; {first}: {_error(place, first.key)}\n")
    for record in place.stages():
        if file is None or record.key in stages:
            seconds[record.kind].append(record.seconds)
    if file is None:
        sizes = place.sizes()
    else:
        now, total = [one for one in now if one.key in stages], Counter(stages.values())
    rows = [
        {
            "kind": kind,
            "finished": len(seconds[kind]),
            **({"of": total[kind]} if file else {}),
            "minutes": round(sum(seconds[kind]) / 60, 1),
            **({} if file else {"MB": round(sizes.get(kind, 0) / 1e6, 1)}),
        }
        for kind in total or [*seconds, *({"unfinished"} & sizes.keys())]
    ]
    show({"stages": rows, "running": [asdict(one) for one in now]}, as_json, _both(rows, [one.row() for one in now]))


def _error(place: Store, key: str) -> str:
    """The last line of what is recorded of a failed attempt; empty if nothing is."""
    path = place.root / "failures" / f"{key}.txt"
    return (path.read_text(encoding="utf-8").strip().splitlines() or [""])[-1] if path.is_file() else ""


def why(
    stage: Annotated[str, Argument(help="Key of a stage or its first digits, or its name as printed by a run.")],
    store: opt.Store = Path("runs"),
    as_json: opt.Json = False,
) -> None:
    """Explain a stage: its inputs, which stages use it, and why it is not finished.

    Names the most similar finished stage of its kind and the differences:
    code version, configuration or inputs. Knows all stages of the
    experiments that were run in the store.

    Examples:
      xstilts why 3f2a9c
      xstilts why "train mbert > mnli @seed 1" --store runs/demo
    """
    place = Store(store, must_exist=True)
    known = Known(place)
    one, now = known.find(stage), {found.key: found for found in running(place)}
    near = known.nearest(one)
    found: dict[str, Any] = {
        "stage": str(one),
        "key": one.key,
        "state": _state(one, known, now),
        "needed by": [name for name, keys in known.experiments.items() if one.key in keys] or ["no experiment"],
        "nearest": f"{near.key}: {known.apart(one, near)}" if near else "no other stage of its kind is finished",
    }
    if one.key not in known.finished and (error := _error(place, one.key)):
        found["error"] = error
    if one.key in known.finished:
        found["directory"] = str(known.finished[one.key].directory)
    rows = []
    for role, key in [*one.inputs.items(), *(("is read by", reader.key) for reader in known.readers(one))]:
        other = known.stages.get(key)
        state = _state(other, known, now).split()[0] if other else "gone"
        rows.append({"reads": role, "key": key, "state": state, "stage": str(other or "-")})
    show({**found, "stages": rows}, as_json, _both(found, rows))


def _both(first: Any, rows: list[dict[str, str]]) -> list[str]:
    return [*told(first), *(["", *told(rows)] if rows else [])]


def _state(one: Described, known: Known, now: dict[str, Running]) -> str:
    if (record := known.finished.get(one.key)) is not None:
        return f"finished {record.finished[:16]} UTC in {record.seconds:.0f} s on {record.host}"
    if one.key in now:
        row = now[one.key].row()
        return f"running since {row['since']} in process {row['process']}, {row['done']} done"
    return f"missing: {known.why(one)}"


def clean(
    store: opt.Store = Path("runs"),
    remove: Annotated[bool, Option("--remove", help="Delete the listed stages.")] = False,
    as_json: opt.Json = False,
) -> None:
    """List stages in the store that no experiment needs; --remove deletes them.

    An experiment needs the stages of its last run in this store. To forget
    one, delete its file in the store's folder experiments/.

    Examples:
      xstilts clean
      xstilts clean --store runs/demo --remove
    """
    place = Store(store, must_exist=True)
    experiments = needed(place)
    if not experiments:
        raise StoreError(
            f"{place.root} has no record of an experiment: run one first, so that xstilts knows which stages are needed"
        )
    found = place.unneeded(set().union(*experiments.values()))
    sizes: dict[str, list[int]] = defaultdict(list)
    for path, size in found.items():
        sizes[path.parent.name].append(size)
    rows = [{"kind": kind, "folders": len(own), "MB": round(sum(own) / 1e6, 1)} for kind, own in sorted(sizes.items())]
    show(rows, as_json)
    used = place.remove(found) if remove else []
    sys.stderr.write(
        f"{'Removed' if remove else 'Unneeded'}: {len(found) - len(used)} folders, "
        f"{sum(size for path, size in found.items() if path not in used) / 1e6:.1f} MB. "
        f"Stages of these experiments are needed: {', '.join(experiments)}."
        f"{'' if remove else ' --remove deletes the unneeded ones.'}\n"
    )
    if used:
        problem = f"{len(used)} of these folders are in use by a run and were kept: try again later ({used[0]} ...)"
        raise StoreError(problem)


def watch(place: Store, stages: Collection[Stage], only: bool, every: float, as_json: bool) -> None:
    """Show what runs until nothing is left to run, or until the runs that use the store have ended.

    On a terminal one display is refreshed. Elsewhere each change is printed: a block of lines, or a line of JSON.
    Ctrl-C exits with 130.

    Args:
        only: leave out running stages that are not in `stages`.
    """
    ends = set(stages).difference(*(stage.inputs.values() for stage in stages))
    labels = {stage.key: stage.label for stage in stages}
    done, seen, unused = set[Stage](), False, 0
    try:
        with _display(as_json) as display:
            while True:
                found = (one for one in running(place) if one.key in labels or not only)
                now = [replace(one, label=one.label or labels.get(one.key, "")) for one in found]
                place.look({stage.kind for stage in stages})
                done |= {stage for stage in stages if stage not in done and (place.directory(stage) / "DONE").is_file()}
                left = Schedule(ends, done.__contains__).unfinished
                failed = {path.stem for path in place.root.glob("failures/*.txt")} & labels.keys()
                failed -= {one.key for one in now}  # tried again
                counts = {"finished": len(stages) - left, "of": len(stages), "failed": len(failed)}
                display(counts, now)
                used = bool(now) or is_used(place.root / RUNNING)
                seen, unused = seen or used, 0 if used else unused + 1
                if not (left or now) or (seen and unused > 1):  # a run without workers may be between two stages
                    return
                sleep(every)
    except KeyboardInterrupt:
        raise Exit(130) from None


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
