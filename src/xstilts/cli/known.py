"""`xstilts list` and `xstilts show`: tasks, task types, languages, metrics, backbones, and what a store holds."""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Annotated, Any

from typer import Argument

from xstilts.backbones.families import CHECKPOINTS, FAMILIES, Checkpoint, family_of
from xstilts.backbones.names import LAYER_FIELDS
from xstilts.cli import options as opt
from xstilts.cli import output
from xstilts.core.errors import StoreError, UnknownName
from xstilts.core.languages import LANGUAGES, meant
from xstilts.data.readers.types import TYPES, Type
from xstilts.graph.store import Store
from xstilts.metrics import METRICS
from xstilts.metrics.retrieval import protocol_layer
from xstilts.microworld.encoders import NAMES, WORLDS, folder
from xstilts.tasks import TASKS, Task
from xstilts.tasks.benchmarks import BENCHMARKS

STAGE = ("key", "kind", "label", "version", "config", "inputs", "started", "finished", "package", "directory")
"""Fields shown of a finished stage."""


def list_(
    what: Annotated[str, Argument(help="tasks, languages, backbones, metrics or models.")] = "tasks",
    store: opt.Store = Path("runs"),
    as_json: opt.Json = False,
) -> None:
    """List the tasks, languages, backbones or metrics that xstilts knows, or your models.

    Examples:
      xstilts list backbones
      xstilts list models --store runs/demo    keys of trained models
    """
    lists: dict[str, Callable[[], Iterable[dict[str, Any]]]] = {
        "tasks": lambda: map(_row, TASKS),
        "languages": _languages,
        "metrics": _metrics,
        "backbones": backbones if as_json else backbone_rows,
        "models": lambda: _models(store),
    }
    if what not in lists:
        raise UnknownName("list", what, lists)
    output.show(list(lists[what]()), as_json)


def show(
    name: Annotated[
        str, Argument(help="Name of a task, task type, language, metric or backbone, or the key of a finished stage.")
    ],
    store: opt.Store = Path("runs"),
    experiment: opt.Experiment = None,
    as_json: opt.Json = False,
) -> None:
    """Describe a task, task type, language, metric, backbone or finished stage.

    For a task: its protocol, source, licence, citation and known defects. For
    a stage: its configuration, inputs and files.

    Examples:
      xstilts show xquad
      xstilts show 3f2a9c --store runs/demo
    """
    if experiment:
        from xstilts.session.loading import load  # of own tasks alone: it takes a second

        own = load(experiment)
        found = _task(own.task(name)) if name in own.tasks else _known(name, store)
    else:
        found = _known(name, store)
    output.show(found, as_json)


def _known(name: str, store: Path) -> dict[str, Any]:
    if name in TASKS:
        return _task(TASKS.get(name))
    if name in TYPES:
        return _type(TYPES.get(name))
    if (code := meant(name)) in LANGUAGES:
        tasks = [task.name for task in TASKS if code in task.languages and task.metric]
        return {**next(row for row in _languages() if row["code"] == code), "tasks": tasks}
    if name in METRICS:
        return next(row for row in _metrics() if row["name"] == name)
    if name in CHECKPOINTS:
        return described(name)
    try:
        record = Store(store, must_exist=True).find(name)
    except StoreError:
        known = [*TASKS.names(), *TYPES.names(), *LANGUAGES, *METRICS.names(), *CHECKPOINTS.names()]
        raise UnknownName("task, task type, language, metric, backbone or finished stage", name, known) from None
    return {**{field: getattr(record, field) for field in STAGE}, "directory": str(record.directory)}


def _row(task: Task) -> dict[str, Any]:
    return {
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
    return ({"name": one.name, "values": ",".join(one.values), "script": one.script} for one in METRICS)


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


def _task(task: Task, most: int = 6) -> dict[str, Any]:
    """Everything about a task, with `most` alternative places of its files."""
    more = {split: max(0, len(patterns) - most) for split, patterns in task.files.items()}
    places = {split: " or ".join(patterns[:most]) for split, patterns in task.files.items()}
    return {
        **{name: getattr(task, name) for name in ("name", "type", "protocol")},
        "metric": f"{task.metric} (main: {task.main})" if task.metric else "none: for training only",
        "trains on": task.train_on or "itself",
        "measured on": task.evaluate_on,
        "languages": list(task.languages),
        "labels": list(task.labels),
        "files": [f"{s}: {text}{f' or {more[s]} more combinations' * bool(more[s])}" for s, text in places.items()],
        "defects": task.defects or "none known",
        **{name: getattr(task, name) for name in ("source", "licence", "citation")},
    }


def _type(kind: Type) -> dict[str, Any]:
    """Everything about a task type, without what does not apply to it."""
    found = {
        **asdict(kind),
        "fields": [f"{name}: column {' or '.join(map(str, columns))}" for name, columns in kind.fields.items()],
        "optional": sorted(kind.optional),
        "make": kind.make.__name__ if kind.make else "",
        "options": [f"{name}: {low:g} to {high:g}" for name, (low, high) in kind.options.items()],
        "usual": [f"{name}: {value:g}" for name, value in asdict(kind.usual).items()],
    }
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items() if value}


def by_family() -> list[Checkpoint]:
    """All checkpoints, family by family."""
    return [checkpoint for one in FAMILIES for checkpoint in one.checkpoints]


def depth(checkpoint: Checkpoint) -> int:
    """Number of layers."""
    return int(next(checkpoint.shape[key] for key in LAYER_FIELDS if key in checkpoint.shape))


def layer(checkpoint: Checkpoint) -> int:
    """The layer whose hidden states retrieval uses."""
    return protocol_layer(depth(checkpoint)) if checkpoint.layer is None else checkpoint.layer


def size(parameters: int) -> str:
    """`278 M`, `3.5 B`."""
    return f"{parameters / 1e6:.0f} M" if parameters < 1e9 else f"{parameters / 1e9:.1f} B"


def backbones() -> list[dict[str, Any]]:
    """Every checkpoint, then the encoders of the microworlds, which are shipped or only in the repository."""
    rows: list[dict[str, Any]] = []
    for one in by_family():
        own = family_of(one.model_type)
        rows.append(
            {
                **{name: getattr(one, name) for name in ("name", "hub", "revision", "parameters")},
                **{"family": own.name, "architecture": own.kind, "route": own.route, "pooling": one.pooling},
                **{"layer": layer(one), "layers": depth(one), "licence": one.licence},
            }
        )
    for world, name in product(WORLDS, sorted(NAMES)):
        where = "shipped" if folder(world, name).is_dir() else "repository"
        rows.append({"name": f"microworld:{name}", "world": str(world), "where": where})
    return rows


def backbone_rows() -> list[dict[str, str]]:
    """Backbones as rows of a table for people."""
    names = ("name", "hub", "parameters", "architecture", "route", "revision", "retrieval")
    shown = []
    for one in backbones():
        if "world" in one:
            own = {"hub": f"{one['where']}, world {one['world']}"}
        else:
            own = {name: one[name] for name in ("hub", "architecture", "route")}
            own |= {"parameters": size(one["parameters"]), "revision": (one["revision"] or "unpinned")[:12]}
            own["retrieval"] = f"{one['pooling']}, layer {one['layer']} of {one['layers']}"
        shown.append({**dict.fromkeys(names, "-"), "name": one["name"], **own})
    return shown


def described(name: str) -> dict[str, Any]:
    """One checkpoint, for a person, with sources, notes and the configuration of its architecture."""
    one = CHECKPOINTS.get(name)
    own = family_of(one.model_type)
    read = "mean with special tokens" if one.pooling == "mean" else f"{one.pooling} token"
    where = f"layer {layer(one)} of {depth(one)} unless `retrieval:` says otherwise"
    return {
        "name": one.name,
        "hub": one.hub,
        "revision": one.revision or "unpinned: the stage that loads it records the commit",
        "parameters": f"{one.parameters:,} ({size(one.parameters)}) without heads",
        "architecture": f"{own.kind} ({one.model_type})",
        "route": f"{own.route}: {own.why_padded}" if own.why_padded else own.route,
        "retrieval": f"{read}, cosine, {where}; source: {one.pooling_source}",
        **{field: getattr(one, field) or "-" for field in ("licence", "citation", "note")},
        "shape": [f"{key} {value}" for key, value in one.shape.items()],
    }
