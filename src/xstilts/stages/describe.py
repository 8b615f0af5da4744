"""Descriptions of stages: what can change a number goes into `config`, the rest (paths, hints) into `settings`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from xstilts.data.readers.types import TYPES
from xstilts.graph.stage import Stage, drop_defaults
from xstilts.stages import VERSIONS
from xstilts.stages.checksums import (
    DataSource,
    checksums,
    identity,
    identity_of_model,
    identity_of_tokenizer,
    roots_of,
    there,
)
from xstilts.stages.selection import OPTIONS, Judge, Selection
from xstilts.tasks.as_json import form_of, task_to_json
from xstilts.tasks.base import Split, Task
from xstilts.training.config import TrainConfig

_LATER_OPTIONS = {"lora": None, "quantize": None, "frozen_embeddings": False, "frozen_layers": 0, "restarts": 0}
PROFILED = 512
"""Texts that a profile reads."""


@dataclass(frozen=True)
class DataRequest:
    """One task's data as a phase or a target uses it.

    Attributes:
        holdout: examples of the training split set apart as validation, where the task has none of its own.
        limit: use only a fixed sample of so many examples of each language (of raw text the first lines); 0 for all.
        combined: one set over all languages, for training; otherwise one set per language.
        labelled: refuse withheld gold.
        translations: translate stages of those languages that are not read from files.
    """

    task: Task
    split: Split
    languages: tuple[str, ...]
    holdout: int = 0
    limit: int = 0
    combined: bool = False
    labelled: bool = True
    translations: Mapping[str, Stage] = field(default_factory=dict)


def make(kind: str, config: Mapping[str, Any], inputs: Mapping[str, Stage], label: str, **settings: Any) -> Stage:
    """A stage of one of our kinds, at the version of its code."""
    return Stage(kind, VERSIONS[kind], config, inputs, label, settings)


def world(seed: int, generator_version: int, part: str = "") -> Stage:
    """The official files of one microworld, or of a part that most experiments do without (`domain`)."""
    config = {"seed": seed, "generator": generator_version, **({"part": part} if part else {})}
    return make("world", config, {}, f"microworld {seed} {part}".rstrip(), cost=10.0)


def tokenizer_of(source: str, revision: str | None) -> Stage:
    """The tokenizer of a pretrained model; of a local folder, told by the files' checksums."""
    config, label = identity_of_tokenizer(source, revision), f"tokenizer of {Path(source).name}"
    return make("tokenizer", config, {}, label, source=source, revision=revision, cost=1.0)


def tokenizer_trained(config: Mapping[str, Any], data: DataSource, tasks: Sequence[Task]) -> Stage:
    """A tokenizer trained on raw text; `config` holds vocabulary size, languages, character coverage."""
    full: dict[str, Any] = {
        "trained": {**config, **drop_defaults({"tasks": [task.name for task in tasks]}, {"tasks": ["micro_text"]})},
        "data": [checksums(data, task, "train", there(data, task, config["languages"])) for task in tasks],
    }
    if columns := {task.name: form["read"] for task in tasks if "read" in (form := form_of(task))}:
        full["read"] = columns
    inputs = {"world": data.world} if data.world else {}
    return make(
        "tokenizer",
        full,
        inputs,
        f"tokenizer of {config['vocabulary']} pieces",
        roots=roots_of(data),
        tasks=[task_to_json(task, task.languages) for task in tasks],
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
    config = {**identity_of_model(source, revision), **use.config()}
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


def start_trained(model: Stage, use: Use) -> Stage:
    """What another stage trained, from now on run in another way: without the output layer it was trained with."""
    return make("start", use.config(), {"model": model}, model.label, cost=2.0)


def prepare(request: DataRequest, data: DataSource, tokenizer: Stage) -> Stage:
    """Tokenised features of one task and split."""
    task, translated = request.task, request.translations
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
        "files": checksums(data, task, source_split(request), [c for c in request.languages if c not in translated]),
    }
    config |= {"sampled": "by id"} if request.limit and (task.type, request.combined) != ("masked_lm", True) else {}
    version = {"encoding_version": TYPES.get(task.type).encoding}
    config |= form_of(task) | drop_defaults(version, {"encoding_version": 1})
    inputs = {"tokenizer": tokenizer, **({"world": data.world} if data.world else {})}
    inputs |= {f"translation_{code}": stage for code, stage in translated.items()}
    languages = request.languages[0] if len(request.languages) == 1 else f"{len(request.languages)} languages"
    label = f"{task.name} {request.split}, {languages}"
    told = task_to_json(task, request.languages)
    return make("prepare", config, inputs, label, roots=roots_of(data), task=told, cost=3.0)


def source_split(request: DataRequest) -> Split:
    """The split whose files are read: a validation set held out of training data comes from the training files."""
    return "train" if request.holdout and request.split == "validation" else request.split


@dataclass(frozen=True)
class ComponentData:
    """A task of a phase with its prepared data; `replayed`: of an earlier phase, whose head it keeps."""

    task: Task
    data: Stage
    rate: float | None = None
    weight: float = 1.0
    exponent: float = 0.3
    options: Mapping[str, Any] = field(default_factory=dict)
    rate_end: float | None = None
    replayed: bool = False
    name: str = ""
    """What it is called where one task is trained on in two ways; else as the task."""

    def config(self) -> dict[str, Any]:
        """What of it is in the key."""
        later = {"rate_end": self.rate_end, "replayed": self.replayed}
        return {
            "task": self.name or self.task.name,
            "type": self.task.type,
            "labels": list(self.task.labels),
            "rate": self.rate,
            "weight": self.weight,
            "exponent": self.exponent,
            "options": dict(self.options),
            **drop_defaults(later, {"rate_end": None, "replayed": False}),
        }


@dataclass(frozen=True)
class PhaseData:
    """A phase ready to be described; `judges`: what its weights are judged by, `by_default`: what is left open."""

    components: tuple[ComponentData, ...]
    sampling: Mapping[str, Any]
    train: Mapping[str, Any]
    seed: int
    label: str = ""
    cost: float = field(default=10.0)
    judges: tuple[Judge, ...] = ()
    by_default: tuple[str, ...] = ()


def train(model: Stage, phase: PhaseData) -> Stage:
    """Weights after one phase that starts from `model`."""
    selection = Selection(phase.train, phase.judges)
    training = {name: value for name, value in phase.train.items() if name not in OPTIONS}
    config = {
        "components": [part.config() for part in phase.components],
        "sampling": dict(phase.sampling),
        "train": drop_defaults(training, _LATER_OPTIONS),
        "seed": phase.seed,
        **selection.config(),
    }
    if training["precision"] == "bf16" and any(TYPES.get(part.task.type).cosine for part in phase.components):
        config["cosines"] = "fp32"  # they were bf16's own once
    below = model.config.get("train", {}).get("lora")
    if training["lora"] and below and below["dropout"]:
        config["frozen_adapters"] = "without dropout"  # they had it once
    inputs = {"model": model, **{f"data{i}": part.data for i, part in enumerate(phase.components)}}
    inputs |= selection.inputs()
    for i, part in enumerate(phase.components):
        if (part.replayed or phase.train["head"] == "keep") and TYPES.get(part.task.type).in_text:
            holder = _holder(model, config["components"][i]["task"])
            inputs |= {f"head{i}": holder} if holder not in (None, model) else {}
    return make("train", config, inputs, phase.label, cost=phase.cost, by_default=list(phase.by_default))


def _holder(model: Stage, task: str) -> Stage | None:
    """The last stage on the way to `model` that trained a head for `task`."""
    while all(part["task"] != task for part in model.config.get("components", ())):
        if "model" not in model.inputs:
            return None
        model = model.inputs["model"]
    return model


def choose(runs: Sequence[Stage], rates: Sequence[float], label: str) -> Stage:
    """Of train stages that differ in the learning rate alone, the one with the best validation value.

    It is described as they are, so that it can stand for the one that it becomes.
    """
    own = {role: stage for role, stage in runs[0].inputs.items() if not role.startswith("dev")}
    inputs = {**own, **{f"run{i}": run for i, run in enumerate(runs)}}
    return make("choose", {**runs[0].config, "learning_rates": list(rates)}, inputs, label, cost=0.5)


def predict(
    model: Stage,
    data: Stage,
    task: Task,
    head: str,
    options: TrainConfig,
    retrieval: Mapping[str, Any] | None = None,
) -> Stage:
    """Predictions of every language of `data` with the head called `head`; `retrieval`: see `resolve.retrieval_of`.

    A backbone that nothing has trained is held as it lies under adapters where runs of its kind train these
    (`options`): so its scores and theirs come from the same weights.
    """
    config: dict[str, Any] = {"type": task.type, "labels": list(task.labels), "head": head}
    config["precision"] = options.precision
    if options.lora is not None and model.kind == "start":
        config["held"] = options.held
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


def profile(model: Stage, data: Stage, part: str = "all") -> Stage:
    """The sentence vectors of `PROFILED` texts of `data` under `model` (`xstilts.stages.profiling`).

    Args:
        part: folder of `data` to read: `all` of a training set, else a language.
    """
    config: dict[str, Any] = {"type": data.config["type"], "part": part, "examples": PROFILED}
    kind = TYPES.get(config["type"])
    if kind.asks and not kind.raw:
        config["prompts"] = True  # without their answers
    return make("profile", config, {"model": model, "data": data}, f"{data.config['task']}: {model.label}", cost=2.0)
