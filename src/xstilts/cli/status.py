"""`xstilts status`, `why` and `clean`: finished, running and unneeded stages of a store."""

import sys
from collections import Counter, defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from xstilts.cli import options as opt
from xstilts.cli.output import lines, show
from xstilts.cli.watch import watch
from xstilts.core.errors import StoreError, count
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
            **({} if file else {"MB": _megabytes(sizes.get(kind, 0))}),
        }
        for kind in total or [*seconds, *({"unfinished"} & sizes.keys())]
    ]
    if as_json:
        show({"stages": rows, "running": [asdict(one) for one in now]}, as_json)
    else:
        _show_both(rows, [one.row() for one in now])


def _error(place: Store, key: str) -> str:
    """The last line of what is recorded of a failed attempt; empty if nothing is."""
    path = place.root / "failures" / f"{key}.txt"
    lines = [] if not path.is_file() else path.read_text(encoding="utf-8").strip().splitlines()
    return lines[-1] if lines else ""


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
    if as_json:
        show({**found, "stages": rows}, as_json)
    else:
        _show_both(found, rows)


def _show_both(first: Any, rows: list[dict[str, str]]) -> None:
    show(first)
    if rows:
        lines([""])
        show(rows)


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
    rows = [{"kind": kind, "folders": len(own), "MB": _megabytes(sum(own))} for kind, own in sorted(sizes.items())]
    show(rows, as_json)
    used = place.remove(found) if remove else []
    sys.stderr.write(
        f"{'Removed' if remove else 'Unneeded'}: {len(found) - len(used)} folders, "
        f"{_megabytes(sum(size for path, size in found.items() if path not in used))} MB. "
        f"Stages of these experiments are needed: {', '.join(experiments)}."
        f"{'' if remove else ' --remove deletes the unneeded ones.'}\n"
    )
    if used:
        problem = f"{len(used)} of these folders are in use by a run and were kept: try again later ({used[0]} ...)"
        raise StoreError(problem)


def _megabytes(size: int) -> float:
    return round(size / 1e6, 1)
