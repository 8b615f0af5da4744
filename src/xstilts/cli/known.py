"""`xstilts list` and `xstilts show`: tasks, languages, metrics, backbones, and what a store holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from xstilts.backbones.families import CHECKPOINTS
from xstilts.cli import backbones
from xstilts.cli.options import ExperimentOption, JsonOption, StoreOption
from xstilts.cli.output import facts
from xstilts.cli.output import show as show_rows
from xstilts.core.errors import StoreError, UnknownName
from xstilts.core.languages import LANGUAGES, meant
from xstilts.graph.store import Store
from xstilts.metrics import METRICS
from xstilts.tasks import TASKS, Task
from xstilts.tasks.benchmarks import BENCHMARKS

STAGE = ("key", "kind", "label", "version", "config", "inputs", "started", "finished", "package", "directory")
"""What is shown of a finished stage."""


def list_(
    what: Annotated[str, typer.Argument(help="tasks, languages, backbones, metrics or models.")] = "tasks",
    store: StoreOption = Path("runs"),
    as_json: JsonOption = False,
) -> None:
    """List the tasks, languages, backbones or metrics that xstilts knows, or your models.

    Examples:
      xstilts list backbones
      xstilts list models --store runs/demo    keys of trained models
    """
    lists: dict[str, Callable[[], Iterable[dict[str, Any]]]] = {
        "tasks": _tasks,
        "languages": _languages,
        "metrics": _metrics,
        "backbones": backbones.listed if as_json else backbones.rows,
        "models": lambda: _models(store),
    }
    if what not in lists:
        raise UnknownName("list", what, lists)
    show_rows(list(lists[what]()), as_json)


def show(
    name: Annotated[
        str, typer.Argument(help="Name of a task, language, metric or backbone, or the key of a finished stage.")
    ],
    store: StoreOption = Path("runs"),
    experiment: ExperimentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Describe a task, language, metric, backbone or finished stage.

    For a task: its protocol, source, licence, citation and known defects. For
    a stage: its configuration, inputs and files.

    Examples:
      xstilts show xquad
      xstilts show 3f2a9c --store runs/demo
    """
    own = None
    if experiment:
        from xstilts.session.loading import load  # of own tasks alone: it takes a second

        own = load(experiment)
    if own and name in own.tasks:
        found = _task(own.task(name))
    elif name in TASKS:
        found = _task(TASKS.get(name))
    elif (code := meant(name)) in LANGUAGES:
        found = next(row for row in _languages() if row["code"] == code)
        found["tasks"] = [task.name for task in TASKS if code in task.languages and task.metric]
    elif name in METRICS:
        found = next(row for row in _metrics() if row["name"] == name)
    elif name in CHECKPOINTS:
        found = backbones.described(name)
    else:
        found = _stage(name, store)
    facts(found, as_json)


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
        row = {name: getattr(found, name) for name in ("code", "iso3", "name", "family", "script")}
        yield {**row, "tasks": sum(found.code in task.languages and bool(task.metric) for task in TASKS)}


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
    return {**{field: getattr(record, field) for field in STAGE}, "directory": str(record.directory)}
