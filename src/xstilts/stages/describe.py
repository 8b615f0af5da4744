"""Descriptions of stages: what can change a number goes into `config`, the rest (paths, hints) into `settings`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from xstilts.core.files import sha256
from xstilts.graph.stage import Stage, drop_defaults
from xstilts.stages import VERSIONS
from xstilts.stages.own import reading
from xstilts.tasks.base import Split, Task, check_language, check_split

_LATER_OPTIONS = {"lora": None, "quantize": None, "frozen_embeddings": False, "frozen_layers": 0}
# What a folder of weights is told by; training leftovers beside them do not count.
MODEL_FILES = ("*.json", "*.safetensors", "*.model", "*.txt")


@dataclass(frozen=True)
class DataSource:
    """Where official files are: a folder, or a world that a stage writes.

    Attributes:
        root: the data folder; None where `world` writes it.
        world: stage that writes the files.
    """

    root: Path | None = None
    world: Stage | None = None


@dataclass(frozen=True)
class DataRequest:
    """One task's data as a phase or a target uses it.

    Attributes:
        holdout: examples of the training split set apart as validation, where the task has none of its own.
        limit: use only the first examples of each language; 0 for all.
        combined: one set over all languages, for training; otherwise one set per language.
        labelled: refuse withheld gold.
    """

    task: Task
    split: Split
    languages: tuple[str, ...]
    holdout: int = 0
    limit: int = 0
    combined: bool = False
    labelled: bool = True


def make(kind: str, config: Mapping[str, Any], inputs: Mapping[str, Stage], label: str, **settings: Any) -> Stage:
    """A stage of one of our kinds, at the version of its code."""
    return Stage(kind, VERSIONS[kind], config, inputs, label, settings)


def world(seed: int, generator_version: int) -> Stage:
    """The official files of one microworld."""
    return make("world", {"seed": seed, "generator": generator_version}, {}, f"microworld {seed}", cost=10.0)


def tokenizer_of(source: str, revision: str | None) -> Stage:
    """The tokenizer of a pretrained model; of a local folder, told by the files' checksums."""
    config = identity(source, revision, ("tokenizer*", "*.model", "vocab.*", "special_tokens_map.json"))
    return make(
        "tokenizer", config, {}, f"tokenizer of {Path(source).name}", source=source, revision=revision, cost=1.0
    )


def tokenizer_trained(config: Mapping[str, Any], data: DataSource, tasks: Sequence[Task]) -> Stage:
    """A tokenizer trained on raw text; `config` holds vocabulary size, languages, character coverage."""
    columns = {task.name: told["read"] for task in tasks if "read" in (told := reading(task))}
    names = drop_defaults({"tasks": [task.name for task in tasks]}, {"tasks": ["micro_text"]})
    full: dict[str, Any] = {
        "trained": {**config, **names},
        "data": [_files(data, task, "train", _there(data, task, config["languages"])) for task in tasks],
    }
    if columns:
        full["read"] = columns
    inputs = {"world": data.world} if data.world else {}
    return make(
        "tokenizer",
        full,
        inputs,
        f"tokenizer of {config['vocabulary']} pieces",
        root=_path(data),
        tasks=[
            {"name": task.name, **reading(task), "files": custom_files(task), "languages": list(task.languages)}
            for task in tasks
        ],
        cost=20.0,
    )


@dataclass(frozen=True)
class Use:
    """How a backbone is run: `route` (packed or padded; None: what it allows), `attention` (of decoders), `output`."""

    route: str | None = None
    attention: str = "auto"
    output: str = "head"

    def config(self) -> dict[str, Any]:
        later = {"attention": self.attention, "output": self.output}
        return {"route": self.route, **drop_defaults(later, {"attention": "auto", "output": "head"})}


def start_pretrained(source: str, revision: str | None, use: Use, name: str) -> Stage:
    """A pretrained backbone: checked for packing, then pointed to, not copied."""
    config = {**identity(source, revision, MODEL_FILES), **use.config()}
    return make("start", config, {}, name, source=source, revision=revision, cost=2.0)


def start_random(
    architecture: str, fields: Mapping[str, Any], tokenizer: Stage, seed: int, use: Use, name: str
) -> Stage:
    """A random backbone: the start of pretraining, and a control."""
    config = {"random": {"architecture": architecture, "config": dict(fields), "seed": seed}, **use.config()}
    return make("start", config, {"tokenizer": tokenizer}, name, cost=2.0)


def start_random_like(source: str, revision: str | None, tokenizer: Stage, seed: int, use: Use, name: str) -> Stage:
    """A random backbone with the configuration of a pretrained one."""
    config = {"random_like": identity(source, revision, ("config.json",)), "seed": seed, **use.config()}
    return make("start", config, {"tokenizer": tokenizer}, name, source=source, revision=revision, cost=2.0)


def prepare(request: DataRequest, data: DataSource, tokenizer: Stage) -> Stage:
    """Tokenised features of one task and split."""
    task = request.task
    config = {
        "task": task.name,
        "type": task.type,
        "labels": list(task.labels),
        "split": request.split,
        "languages": list(request.languages),
        "encoding": asdict(task.encoding),
        "holdout": request.holdout,
        "limit": request.limit,
        "combined": request.combined,
        "labelled": request.labelled,
        "files": _files(data, task, source_split(request), request.languages),
    }
    config.update(reading(task))
    inputs = {"tokenizer": tokenizer, **({"world": data.world} if data.world else {})}
    languages = request.languages[0] if len(request.languages) == 1 else f"{len(request.languages)} languages"
    label = f"{task.name} {request.split}, {languages}"
    return make("prepare", config, inputs, label, root=_path(data), files=custom_files(task), cost=3.0)


def source_split(request: DataRequest) -> Split:
    """The split whose files are read: a validation set held out of training data comes from the training files."""
    return "train" if request.holdout and request.split == "validation" else request.split


def custom_files(task: Task) -> dict[str, list[str]]:
    """File patterns of a task, handed to the worker: a task of the experiment file is not registered there."""
    return {split: list(patterns) for split, patterns in task.files.items()}


@dataclass(frozen=True)
class ComponentData:
    """A task of a phase with its prepared data."""

    task: Task
    data: Stage
    rate: float | None = None
    weight: float = 1.0
    exponent: float = 0.3
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PhaseData:
    """A phase ready to be described: components, sampling, training configuration."""

    components: tuple[ComponentData, ...]
    sampling: Mapping[str, Any]
    train: Mapping[str, Any]
    seed: int
    label: str = ""
    cost: float = field(default=10.0)


def train(model: Stage, phase: PhaseData) -> Stage:
    """Weights after one phase that starts from `model`."""
    config = {
        "components": [
            {
                "task": part.task.name,
                "type": part.task.type,
                "labels": list(part.task.labels),
                "rate": part.rate,
                "weight": part.weight,
                "exponent": part.exponent,
                "options": dict(part.options),
            }
            for part in phase.components
        ],
        "sampling": dict(phase.sampling),
        "train": drop_defaults(phase.train, _LATER_OPTIONS),
        "seed": phase.seed,
    }
    inputs = {"model": model, **{f"data{i}": part.data for i, part in enumerate(phase.components)}}
    return make("train", config, inputs, phase.label, cost=phase.cost)


def predict(
    model: Stage, data: Stage, task: Task, head: str, precision: str, retrieval: Mapping[str, Any] | None = None
) -> Stage:
    """Predictions of every language of `data` with the head called `head`; `retrieval`: see `resolve.retrieval_of`."""
    config: dict[str, Any] = {"type": task.type, "labels": list(task.labels), "head": head, "precision": precision}
    if retrieval:
        config["retrieval"] = dict(retrieval)
    return make("predict", config, {"model": model, "data": data}, f"{task.name}: {model.label}", cost=3.0)


def evaluate(
    predictions: Stage, data: Stage, task: Task, split: Split, role: str, choice: Mapping[str, Any] | None = None
) -> Stage:
    """Scores of a predict stage against the gold kept with its data.

    Args:
        choice: `validate_on`: languages on which the layer is chosen; empty: it is fixed.
    """
    config = {"task": task.name, "split": split, "metric": task.metric, "main": task.main, "role": role}
    config.update(choice or {})
    inputs = {"predictions": predictions, "data": data}
    return make("evaluate", config, inputs, predictions.label, cost=0.5)


def profile(model: Stage, data: Stage, kind: str, how: Mapping[str, Any]) -> Stage:
    """What `model` makes of `data`, whose task is of the type `kind`: see `xstilts.stages.profiling`.

    Args:
        how: `measure` (text, labels or fisher), `examples` that are read, `precision`; of `fisher` the `head`; `part`
            of the data, where it is not one training set.
    """
    config: dict[str, Any] = {"type": kind, "labels": data.config["labels"], "part": "all", **how}
    label = f"{how['measure']} of {data.config['task']}: {model.label}"
    return make("profile", config, {"model": model, "data": data}, label, cost=2.0)


def identity(source: str, revision: str | None, patterns: Sequence[str]) -> dict[str, Any]:
    """What a model source is in a key: checksums of a folder's files, or a hub name with its revision."""
    folder = Path(source)
    if not folder.is_dir():
        return {"hub": source, "revision": revision}
    files = sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()})
    return {"files": {path.name: _checksum(path, path.stat().st_mtime_ns) for path in files}}


def _there(data: DataSource, task: Task, languages: Sequence[str]) -> list[str]:
    """Of some languages those whose raw text this corpus has."""
    there = languages if data.root is None else task.available(data.root, "train")
    return [code for code in languages if code in there]


def _files(data: DataSource, task: Task, split: Split, languages: Sequence[str]) -> dict[str, Any]:
    """Checksums of the raw files, by language; a world's key stands for its files."""
    if data.root is None:
        check_split(task, split)
        for language in languages:
            check_language(task, language)
        return {"world": True}
    table: dict[str, Any] = {}
    for language in languages:
        paths = [*task.paths(data.root, split, language), *task.gold_paths(data.root, split, language)]
        paths += task.beside_paths(data.root, language)
        table[language] = {
            name: _checksum(path, path.stat().st_mtime_ns) for name, path in _named(paths, data.root).items()
        }
    return table


def _named(paths: Sequence[Path], root: Path) -> dict[str, Path]:
    """Files by their names; those of one name in different folders by their paths below `root`."""
    found = list(dict.fromkeys(paths))
    count = Counter(path.name for path in found)
    return {path.name if count[path.name] == 1 else path.relative_to(root).as_posix(): path for path in found}


@lru_cache(maxsize=65_536)
def _checksum(path: Path, modified: int) -> str:
    return sha256(path)[:20]


def _path(data: DataSource) -> str | None:
    return None if data.root is None else str(data.root.absolute())
