"""Makes stages: `config` gets what can change a number, `settings` the rest (paths, hints)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from xstilts.data.readers.types import TYPES
from xstilts.graph.stage import Stage, drop_defaults
from xstilts.metrics import METRICS
from xstilts.microworld.world import VERSION
from xstilts.stages import KINDS
from xstilts.stages.checksums import DataSource, identity, identity_of_model, identity_of_tokenizer
from xstilts.stages.reading import split_of
from xstilts.stages.selection import OPTIONS, Judge, selection_of
from xstilts.tasks.base import Split, Task, form_of, task_to_json
from xstilts.training.config import TrainConfig
from xstilts.training.mixture import Mixture

_LATER_OPTIONS = {"lora": None, "quantize": None, "frozen_embeddings": False, "frozen_layers": 0, "restarts": 0}
Use = Mapping[str, Any]
"""How a backbone is run, as the config of its start stage says it (`use_of`)."""


@dataclass(frozen=True)
class DataRequest:
    """One task's data as a phase or a target uses it.

    Attributes:
        holdout: training examples to hold out for validation, where the task has none of its own.
        limit: use a fixed sample of this size of each language (of raw text the first lines); 0 for all.
        combined: one set over all languages, for training; otherwise one set per language.
        translations: language -> translate stage, for languages that are not read from files.
    """

    task: Task
    split: Split
    languages: tuple[str, ...]
    holdout: int = 0
    limit: int = 0
    combined: bool = False
    translations: Mapping[str, Stage] = field(default_factory=dict)


def make(kind: str, config: Mapping[str, Any], inputs: Mapping[str, Stage], label: str, **settings: Any) -> Stage:
    """A stage of one of our kinds, at the version of its code."""
    return Stage(kind, KINDS[kind].version, config, inputs, label, settings)


def lineage(stage: Stage) -> Iterator[Stage]:
    """The stage, the one in its input `model`, and so on: whose weights it starts from, the nearest first."""
    yield stage
    while "model" in stage.inputs:
        yield (stage := stage.inputs["model"])


@lru_cache(maxsize=64)
def world(seed: int, part: str = "") -> Stage:
    """The official files of one microworld, or of a part that most experiments do not need (`domain`)."""
    config = {"seed": seed, "generator": VERSION, **({"part": part} if part else {})}
    return make("world", config, {}, f"microworld {seed} {part}".rstrip(), cost=10.0)


def tokenizer_of(source: str, revision: str | None) -> Stage:
    """The tokenizer of a pretrained model."""
    config, label = identity_of_tokenizer(source, revision), f"tokenizer of {Path(source).name}"
    return make("tokenizer", config, {}, label, source=source, revision=revision, cost=1.0)


def tokenizer_trained(config: Mapping[str, Any], data: DataSource, tasks: Sequence[Task]) -> Stage:
    """A tokenizer trained on raw text; `config` holds vocabulary size, languages, character coverage."""
    full: dict[str, Any] = {
        "trained": {**config, **drop_defaults({"tasks": [task.name for task in tasks]}, {"tasks": ["micro_text"]})},
        "data": [data.checksums(task, "train", data.raw_text(task, config["languages"])) for task in tasks],
    }
    if columns := {task.name: form["read"] for task in tasks if "read" in (form := form_of(task))}:
        full["read"] = columns
    label, read = f"tokenizer of {config['vocabulary']} pieces", [task_to_json(task, task.languages) for task in tasks]
    return make("tokenizer", full, data.inputs, label, roots=data.folders, tasks=read, cost=20.0)


def use_of(route: str | None = None, attention: str = "auto", output: str = "head") -> Use:
    """`route`: packed or padded, None for what the backbone allows; `attention`: of decoders."""
    later = drop_defaults({"attention": attention, "output": output}, {"attention": "auto", "output": "head"})
    return {"route": route, **later}


def start_pretrained(source: str, revision: str | None, use: Use, name: str) -> Stage:
    """A pretrained backbone: checked for packing, then linked or pointed to."""
    config = {**identity_of_model(source, revision), **use}
    return make("start", config, {}, name, source=source, revision=revision, cost=2.0)


def start_random(
    architecture: str, fields: Mapping[str, Any], tokenizer: Stage, seed: int, use: Use, name: str
) -> Stage:
    """A random backbone: the start of pretraining, and a control."""
    config = {"random": {"architecture": architecture, "config": dict(fields), "seed": seed}, **use}
    return make("start", config, {"tokenizer": tokenizer}, name, cost=2.0)


def start_random_like(source: str, revision: str | None, tokenizer: Stage, seed: int, use: Use, name: str) -> Stage:
    """A random backbone with the configuration of a pretrained one."""
    config = {"random_like": identity(source, revision, ("config.json",)), "seed": seed, **use}
    return make("start", config, {"tokenizer": tokenizer}, name, source=source, revision=revision, cost=2.0)


def start_trained(model: Stage, use: Use) -> Stage:
    """The model of another stage, run in another way from now on: without the output layer it was trained with."""
    return make("start", use, {"model": model}, model.label, cost=2.0)


def prepare(request: DataRequest, data: DataSource, tokenizer: Stage) -> Stage:
    """Tokenised features of one task and split."""
    task, languages, limit = request.task, request.languages, request.limit
    config = {
        "task": task.name,
        "type": task.type,
        "labels": list(task.labels),
        "split": request.split,
        "languages": list(languages),
        "encoding": asdict(task.encoding),
        "holdout": request.holdout,
        "limit": limit,
        "combined": request.combined,
        "labelled": task.type != "masked_lm",  # whether withheld gold is refused
    }
    read = [code for code in languages if code not in request.translations]
    config["files"] = data.checksums(task, split_of(config), read)
    config |= {"sampled": "by id"} if limit and (task.type, request.combined) != ("masked_lm", True) else {}
    version = {"encoding_version": TYPES.get(task.type).encoding}
    config |= form_of(task) | drop_defaults(version, {"encoding_version": 1})
    translated = {f"translation_{code}": stage for code, stage in request.translations.items()}
    label = f"{task.name} {request.split}, {languages[0] if len(languages) == 1 else f'{len(languages)} languages'}"
    inputs = {"tokenizer": tokenizer, **data.inputs, **translated}
    return make("prepare", config, inputs, label, **data.settings(task, languages), cost=3.0)


@dataclass(frozen=True)
class PhaseData:
    """A phase ready to be described.

    Attributes:
        data: prepare stages of the mixture's parts.
        train: training options, those of selection among them.
        judges: what its weights are judged by.
        by_default: options that the experiment leaves open.
    """

    mixture: Mixture
    data: tuple[Stage, ...]
    train: Mapping[str, Any]
    seed: int
    label: str = ""
    cost: float = 10.0
    judges: tuple[Judge, ...] = ()
    by_default: tuple[str, ...] = ()


def train(model: Stage, phase: PhaseData) -> Stage:
    """Weights after one phase that starts from `model`."""
    parts, options = phase.mixture.parts, phase.train
    selection = selection_of(options, phase.judges)
    training = {name: value for name, value in options.items() if name not in OPTIONS}
    config = {**phase.mixture.config(), "train": drop_defaults(training, _LATER_OPTIONS), "seed": phase.seed}
    config |= {"selection": selection} if selection else {}
    if options["precision"] == "bf16" and any(TYPES.get(part.type).cosine for part in parts):
        config["cosines"] = "fp32"  # once they were in bf16
    below = model.config.get("train", {}).get("lora")
    if options["lora"] and below and below["dropout"]:
        config["frozen_adapters"] = "without dropout"  # once they had it
    inputs = {"model": model, **{f"data{i}": data for i, data in enumerate(phase.data)}}
    inputs |= {f"dev{i}": judge.data for i, judge in enumerate(phase.judges)}
    for i, part in enumerate(parts):
        if (part.replayed or options["head"] == "keep") and TYPES.get(part.type).in_text:
            holder = _holder(model, part.task)
            inputs |= {f"head{i}": holder} if holder != model else {}
    return make("train", config, inputs, phase.label, cost=phase.cost, by_default=list(phase.by_default))


def _holder(model: Stage, task: str) -> Stage:
    """The last stage on the way to `model` that trained a head for `task`; `model` if there is none."""
    learned = ((one, [part["task"] for part in one.config.get("components", ())]) for one in lineage(model))
    return next((one for one, tasks in learned if task in tasks), model)


def choose(runs: Sequence[Stage], rates: Sequence[float], label: str) -> Stage:
    """The best on validation of train stages that differ only in the learning rate.

    Its config is theirs, so that it can stand in the place of any of them.
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
    """Predictions of every language of `data` with the head called `head`.

    A backbone that was not trained is held in the precision that it has under adapters where runs of its kind train
    adapters (`options`): then its scores and theirs come from the same weights.

    Args:
        retrieval: what `resolve.retrieval_of` says.
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
    """Scores of a predict stage against the gold in its data.

    Args:
        choice: `validate_on`: languages on which the layer is chosen; empty: it is fixed.
    """
    config = {"task": task.name, "split": split, "metric": task.metric, "main": task.main, "role": role}
    inputs = {"predictions": predictions, "data": data}
    if METRICS.get(task.metric).others:
        config["majority"] = "of each value"  # before, 0 for exact match
    return make("evaluate", {**config, **(choice or {})}, inputs, predictions.label, cost=0.5)


def leaks(training: Stage, test: Stage) -> Stage | None:
    """The stage that compares two prepare stages; None where they have no texts to compare.

    Each language is compared with itself, without translations of training data. The English side of translation pairs,
    which has no language of its own in their files, is compared with English data too.
    """
    train = [code for code in training.config["languages"] if f"translation_{code}" not in training.inputs]
    measured = list(test.config["languages"])
    both = [code for code in train if code in measured]
    if test.config["type"] in ("retrieval", "mining") and "en" in train:
        read = train
    elif training.config["type"] in ("contrastive", "translation_lm") and "en" in measured:
        read, measured = train, [code for code in measured if code in (*train, "en")]
    else:
        read, measured = both, both
    if not read:
        return None
    sides = {"train": (training, read), "test": (test, measured)}
    named = ("task", "split", "holdout", "limit", "sampled", "like", "read")
    config = {}
    for side, (stage, languages) in sides.items():
        files = {code: found for code, found in stage.config["files"].items() if code in (*languages, "world")}
        own = {name: stage.config[name] for name in named if name in stage.config}
        config[side] = {**own, "languages": languages, "files": files}
    worlds = {side: stage.inputs["world"] for side, (stage, _) in sides.items() if "world" in stage.inputs}
    hints = {side: {name: stage.settings[name] for name in ("roots", "task")} for side, (stage, _) in sides.items()}
    label = f"{training.config['task']} in {test.config['task']}"
    return make("leaks", config, worlds, label, cost=2.0, **hints)
