"""`xstilts status`, `why` and `clean`: what a store holds, what is computed in it, and what nobody needs."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from xstilts.cli.options import DataOption, JsonOption, StoreOption
from xstilts.cli.output import emit, facts, show, table
from xstilts.core.errors import StoreError
from xstilts.graph.record import Record
from xstilts.graph.store import Store
from xstilts.session.grid import grid_of, needed
from xstilts.session.loading import load
from xstilts.session.running import Running, running
from xstilts.session.why import Described, Known


def status(
    file: Annotated[
        Path | None, typer.Argument(help="Experiment file. Default: everything in the store.", show_default=False)
    ] = None,
    data: DataOption = None,
    store: StoreOption = Path("runs"),
    as_json: JsonOption = False,
) -> None:
    """Show which stages are finished, missing or running, and how much disk they take.

    For a running stage: how far it is, since when, and the process and
    machine that compute it. Runs on other machines are seen as well, if they
    share the store.

    Examples:
      xstilts status
      xstilts status first.yaml --store runs
    """
    place = Store(store, must_exist=True)
    now = running(place)
    records = place.stages()
    if file is None:
        sizes = place.sizes()
        kinds = Counter(record.kind for record in records)
        rows = [
            {"kind": kind, "finished": n, "minutes": _minutes(records, kind), "MB": _megabytes(sizes.get(kind, 0))}
            for kind, n in kinds.items()
        ]
        if "unfinished" in sizes:
            row = {"kind": "unfinished", "finished": 0, "minutes": 0.0, "MB": _megabytes(sizes["unfinished"])}
            rows.append(row)
    else:
        stages = grid_of(load(file), place, data).stages
        keys = {stage.key for stage in stages}
        now = [one for one in now if one.key in keys]
        records = [record for record in records if record.key in keys]
        total, there = Counter(stage.kind for stage in stages), Counter(record.kind for record in records)
        rows = [
            {"kind": kind, "finished": there[kind], "of": total[kind], "minutes": _minutes(records, kind)}
            for kind in total
        ]
    if as_json:
        emit({"stages": rows, "running": [one.json() for one in now]})
        return
    table(rows)
    if now:
        sys.stdout.write("\n")
        table([one.row() for one in now])


def why(
    stage: Annotated[
        str, typer.Argument(help="Key of a stage (first digits are enough), or its name as a run prints it.")
    ],
    store: StoreOption = Path("runs"),
    as_json: JsonOption = False,
) -> None:
    """Explain a stage: what it reads, what reads it, and why it is not finished.

    Names the finished stage of its kind that is most like it, and what
    differs between the two: code version, configuration, or something that
    they read. Knows all stages of the experiments that were run in the store.

    Examples:
      xstilts why 3f2a9c
      xstilts why "train mbert > mnli @seed 1" --store runs/demo
    """
    place = Store(store, must_exist=True)
    known = Known(place)
    one, now = known.find(stage), {found.key: found for found in running(place)}
    near = known.nearest(one)
    found = {
        "stage": str(one),
        "key": one.key,
        "state": _state(one, known, now),
        "needed by": [name for name, keys in known.experiments.items() if one.key in keys] or ["no experiment"],
        "nearest": f"{near.key}: {known.apart(one, near)}" if near else "no other stage of its kind is finished",
    }
    if one.key in known.finished:
        found["directory"] = str(known.finished[one.key].directory)
    parts = [(role, known.stages.get(key, key)) for role, key in one.inputs.items()]
    parts += [("is read by", reader) for reader in known.readers(one)]
    rows = [
        {"reads": role, "key": other.key, "state": _state(other, known, now).split()[0], "stage": str(other)}
        if isinstance(other, Described)
        else {"reads": role, "key": other, "state": "gone", "stage": "-"}
        for role, other in parts
    ]
    if as_json:
        emit({**found, "stages": rows})
        return
    facts(found, as_json=False)
    if rows:
        sys.stdout.write("\n")
        table(rows)


def _state(one: Described, known: Known, now: dict[str, Running]) -> str:
    if (record := known.finished.get(one.key)) is not None:
        return f"finished {record.finished[:16]} UTC in {record.seconds:.0f} s on {record.host}"
    if one.key in now:
        row = now[one.key].row()
        return f"running since {row['since']} in process {row['process']}, {row['done']} done"
    return f"missing: {known.why(one)}"


def clean(
    store: StoreOption = Path("runs"),
    remove: Annotated[bool, typer.Option("--remove", help="Delete them, not only list them.")] = False,
    as_json: JsonOption = False,
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
        raise StoreError(f"{place.root} remembers no experiment: run one first, so that needed stages are known")
    found = place.unneeded(set().union(*experiments.values()))
    sizes: dict[str, list[int]] = {}
    for path, size in found.items():
        sizes.setdefault(path.parent.name, []).append(size)
    show(
        [{"kind": kind, "folders": len(own), "MB": _megabytes(sum(own))} for kind, own in sorted(sizes.items())],
        as_json,
    )
    used = place.remove(found) if remove else []
    sys.stderr.write(
        f"{'Removed' if remove else 'Not needed'}: {len(found) - len(used)} folders, "
        f"{_megabytes(sum(size for path, size in found.items() if path not in used))} MB. "
        f"Needed are the stages of {', '.join(experiments)}.{'' if remove else ' Remove the rest with --remove.'}\n"
    )
    if used:
        raise StoreError(
            f"a run is using {len(used)} of these folders, which were kept: try again later ({used[0]} ...)"
        )


def _minutes(records: Iterable[Record], kind: str) -> float:
    """What computing the finished stages of a kind took, summed over workers."""
    return round(sum(record.seconds for record in records if record.kind == kind) / 60, 1)


def _megabytes(size: int) -> float:
    return round(size / 1e6, 1)
