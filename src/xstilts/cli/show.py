"""Answers to questions: status, scores, lists, one thing."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from xstilts.backbones.families import CHECKPOINTS
from xstilts.cli import backbones
from xstilts.cli.options import Folders
from xstilts.cli.output import emit, table
from xstilts.core.errors import ConfigError, StoreError, UnknownName
from xstilts.core.languages import LANGUAGES, meant
from xstilts.graph.record import Record
from xstilts.graph.store import Store
from xstilts.metrics import METRICS
from xstilts.tasks import TASKS, Task
from xstilts.tasks.benchmarks import BENCHMARKS, benchmark


def _emit(rows: Any, as_json: bool) -> None:
    if as_json:
        emit(rows)
    else:
        table(rows)


def show_status(file: Path | None, data: Folders, store: Path, as_json: bool) -> None:
    """Finished and missing stages by kind, and sizes on disk."""
    place = Store(store, must_exist=True)
    sizes = place.sizes()
    if file is None:
        records = list(place.stages())
        rows = [
            {"kind": kind, "finished": n, "minutes": _minutes(records, kind), "MB": _megabytes(sizes.get(kind, 0))}
            for kind, n in Counter(record.kind for record in records).items()
        ]
        if "unfinished" in sizes:
            row = {"kind": "unfinished", "finished": 0, "minutes": 0.0, "MB": _megabytes(sizes["unfinished"])}
            rows.append(row)
        _emit(rows, as_json)
        return
    from xstilts.session.grid import grid_of
    from xstilts.session.loading import load

    stages = grid_of(load(file), place, data).stages
    keys = {stage.key for stage in stages}
    records = [record for record in place.stages() if record.key in keys]
    total, there = Counter(stage.kind for stage in stages), Counter(record.kind for record in records)
    rows = [
        {"kind": kind, "finished": there[kind], "of": total[kind], "minutes": _minutes(records, kind)} for kind in total
    ]
    _emit(rows, as_json)


def show_unneeded(store: Path, remove: bool, as_json: bool) -> None:
    """What no experiment needs, by kind, removed if asked for.

    Raises:
        StoreError: the store knows no experiment, so that all would go; or a folder is in use.
    """
    from xstilts.session.grid import needed

    place = Store(store, must_exist=True)
    experiments = needed(place)
    if not experiments:
        raise StoreError(f"{place.root} remembers no experiment: run one first, so that needed stages are known")
    found = place.unneeded(set().union(*experiments.values()))
    kinds = sorted({path.parent.name for path in found})
    sizes = {kind: [size for path, size in found.items() if path.parent.name == kind] for kind in kinds}
    rows = [{"kind": kind, "folders": len(own), "MB": _megabytes(sum(own))} for kind, own in sizes.items()]
    _emit(rows, as_json)
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


def show_scores(file: Path, data: Folders, store: Path, only: Mapping[str, str | None], as_json: bool) -> None:
    """Main score rows of an experiment; with a `benchmark`, its official means."""
    from xstilts.cli.benchmarks import show_averages
    from xstilts.session.benchmarks import official_means
    from xstilts.session.grid import grid_of
    from xstilts.session.loading import load
    from xstilts.session.results import collect, mixtures

    wanted = {name: value for name, value in only.items() if value is not None}
    asked = benchmark(wanted.pop("benchmark")) if "benchmark" in wanted else None
    if asked and wanted:
        raise ConfigError(f"--benchmark counts all tasks and languages: leave out --{next(iter(wanted))}")
    experiment, place = load(file), Store(store, must_exist=True)
    grid = grid_of(experiment, place, data)
    found = collect(grid.cells, place)
    for line in mixtures(grid, place):
        sys.stderr.write(f"note: {line}\n")
    if asked:
        show_averages(official_means(experiment, found, asked), as_json)
        return
    if language := wanted.get("language"):
        wanted["language"] = meant(language) or language
    for name, value in wanted.items():
        if value not in found.distinct(name):
            raise UnknownName(name, value, found.distinct(name))
    rows = [score.row() for score in found.where(**wanted).scores if as_json or score.main]
    if not as_json:
        keep = ("backbone", "recipe", "task", "language", "metric", "value", "n", "seed", "role")
        rows = [{name: f"{row[name]:.2f}" if name == "value" else row[name] for name in keep} for row in rows]
    _emit(rows, as_json)


def show_list(what: str, store: Path, as_json: bool) -> None:
    """All tasks, languages, backbones or metrics, or the trained models of a store."""
    lists: dict[str, Callable[[], Iterable[dict[str, Any]]]] = {
        "tasks": _tasks,
        "languages": _languages,
        "metrics": _metrics,
        "backbones": backbones.rows,
        "models": lambda: _models(store),
    }
    if what not in lists:
        raise UnknownName("list", what, lists)
    _emit(backbones.listed() if what == "backbones" and as_json else list(lists[what]()), as_json)


def _tasks() -> Iterable[dict[str, Any]]:
    for task in TASKS:
        yield {
            "name": task.name,
            "type": task.type,
            "languages": len(task.languages),
            "metric": task.metric or "-",
            "trains on": task.train_on or ("itself" if "train" in task.files else "-"),
            "splits": ",".join(task.files),
            "benchmarks": ",".join(name for name, one in BENCHMARKS.items() if task.name in one.languages) or "-",
            "licence": task.licence,
        }


def _languages() -> Iterable[dict[str, Any]]:
    for found in LANGUAGES.values():
        spoken = [task.name for task in TASKS if found.code in task.languages and task.metric]
        yield {
            "code": found.code,
            "iso3": found.iso3,
            "name": found.name,
            "family": found.family,
            "script": found.script,
            "tasks": len(spoken),
        }


def _metrics() -> Iterable[dict[str, Any]]:
    for metric in METRICS:
        yield {"name": metric.name, "values": ",".join(metric.values), "script": metric.script}


def _models(store: Path) -> Iterable[dict[str, Any]]:
    for record in Store(store, must_exist=True).stages():
        if "components" in record.config:
            yield {
                "stage": record.key,
                "finished": record.finished[:16],
                "trained": "LoRA" if record.config["train"].get("lora") else "whole",
                "model": record.label,
                "heads": ", ".join(f"{part['task']} ({part['type']})" for part in record.config["components"]),
            }


def show_one(name: str, store: Path, file: Path | None, as_json: bool) -> None:
    """A task, a language, a metric, a backbone, or a finished stage; `file`: of an experiment with own tasks."""
    from xstilts.session.loading import load

    experiment = load(file) if file else None
    if experiment and name in experiment.tasks:
        found = _task(experiment.task(name))
    elif name in TASKS:
        found = _task(TASKS.get(name))
    elif (code := meant(name)) in LANGUAGES:
        found = next(row for row in _languages() if row["code"] == code)
        found["tasks"] = [task.name for task in TASKS if code in task.languages and task.metric]
    elif name in METRICS:
        found = next(dict(row) for row in _metrics() if row["name"] == name)
    elif name in CHECKPOINTS:
        found = backbones.described(name)
    else:
        found = _stage(name, store)
    if as_json:
        emit(found)
        return
    for key, value in found.items():
        text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
        sys.stdout.write(f"{key:<14}{text}\n")


def _task(task: Task) -> dict[str, Any]:
    return {
        "name": task.name,
        "type": task.type,
        "protocol": task.protocol,
        "metric": f"{task.metric} (main: {task.main})" if task.metric else "none: trained on only",
        "trains on": task.train_on or "itself",
        "measured on": task.evaluate_on,
        "languages": list(task.languages),
        "labels": list(task.labels),
        "files": [f"{split}: {_alternatives(patterns)}" for split, patterns in task.files.items()],
        "defects": task.defects or "none known",
        "source": task.source,
        "licence": task.licence,
        "citation": task.citation,
    }


def _alternatives(patterns: tuple[str, ...], most: int = 6) -> str:
    more = f" or {len(patterns) - most} more combinations" if len(patterns) > most else ""
    return " or ".join(patterns[:most]) + more


def _stage(name: str, store: Path) -> dict[str, Any]:
    try:
        record = Store(store, must_exist=True).find(name)
    except StoreError:
        known = [*TASKS.names(), *LANGUAGES, *METRICS.names(), *CHECKPOINTS.names()]
        raise UnknownName("task, language, metric, backbone or finished stage", name, known) from None
    shown = ("key", "kind", "label", "version", "config", "inputs", "started", "finished", "package", "directory")
    return {
        field: str(value) if field == "directory" else value for field in shown for value in [getattr(record, field)]
    }
