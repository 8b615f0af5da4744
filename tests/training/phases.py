"""Tiny phases: in memory, and as the directories that a train stage reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from backbones.tiny_models import tiny_backbone
from task_types.samples import (
    CHOICES,
    CODER,
    LABELS,
    LIMITS,
    LINES,
    PAIRS,
    PARALLEL,
    QUESTIONS,
    SENTENCES,
    TAGS,
    as_part,
)
from xstilts.backbones.load import save_backbone
from xstilts.core.files import read_json, read_jsonl, write_json
from xstilts.core.machine import Machine
from xstilts.graph.job import Job
from xstilts.graph.perform import Report
from xstilts.graph.stage import Stage
from xstilts.stages.ranks import run_train_on
from xstilts.stages.training import run_train
from xstilts.task_types import TASK_TYPES
from xstilts.task_types.features import Features
from xstilts.training.config import TrainConfig
from xstilts.training.loop import Phase, StepRecord, make_optimizer, train
from xstilts.training.mixture import Part
from xstilts.training.model import HeadSpec, TaskModel
from xstilts.training.plan import Plan, Source

DATA: dict[str, tuple[str, Sequence[Any], tuple[str, ...]]] = {
    "nli": ("classification", PAIRS * 3, LABELS),
    "choice": ("multiple_choice", CHOICES * 3, ()),
    "pos": ("tagging", SENTENCES * 3, TAGS),
    "qa": ("span_qa", QUESTIONS * 2, ()),
    "text": ("masked_lm", LINES * 2, ()),
    "parallel": ("contrastive", PARALLEL * 2, ()),
}
"""Task -> type, examples, labels."""

QUIET = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "type_vocab_size": 2, "layer_norm_eps": 1e-12}
DROPOUT = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
EAGER = {"checkpoint_seconds": 1e-9, "log_every": 1}
CONFIG = TrainConfig(steps=8, batch_size=4, learning_rate=1e-3, head_dropout=0.0)


def features_of(task: str) -> Features:
    kind, examples, labels = DATA[task]
    return as_part(TASK_TYPES.get(kind).encode(examples, CODER, LIMITS, labels))


FEATURES = {task: features_of(task) for task in DATA}


def spec(task: str) -> HeadSpec:
    kind, _, labels = DATA[task]
    return HeadSpec(task, kind, labels)


def tiny_model(*tasks: str, dropout: float = 0.0, seed: int = 1, **changes: Any) -> TaskModel:
    backbone = tiny_backbone(tokenizer=CODER.tokenizer, initializer_range=0.05, **{**QUIET, **changes})
    return TaskModel(backbone, [spec(task) for task in tasks], dropout, seed)


def tiny_phase(
    *tasks: str, config: TrainConfig = CONFIG, probabilities: Sequence[float] | None = None, seed: int = 1
) -> Phase:
    sources = tuple(Source.single(task, np.asarray(FEATURES[task].lengths)) for task in tasks)
    shares = tuple(probabilities or [1 / len(tasks)] * len(tasks))
    assert config.steps is not None
    return Phase(
        tuple(Part(task, DATA[task][0], DATA[task][2]) for task in tasks),
        tuple(TASK_TYPES.get(DATA[task][0]) for task in tasks),
        tuple(FEATURES[task] for task in tasks),
        Plan(sources, shares, config.batch_size, config.steps, seed, config.bucket),
        config,
    )


def trained(model: TaskModel, phase: Phase, tokens: int = 8192) -> list[StepRecord]:
    """All steps, on this very model."""
    return list(train(model, phase, make_optimizer(model, phase.config), Machine(micro_batch_tokens=tokens)))


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def same(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    """Bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def component(task: str, **fields: Any) -> dict[str, Any]:
    kind, _, labels = DATA[task]
    common = {"task": task, "type": kind, "labels": list(labels), "rate": None, "weight": 1.0, "exponent": 0.3}
    return {**common, "options": {}, **fields}


def train_stage(*components: Mapping[str, Any], seed: int = 1, **options: Any) -> dict[str, Any]:
    """The config of a train stage."""
    return {
        "components": list(components),
        "sampling": {"sampling": "proportional", "cap": 1000, "temperature": 2.0},
        "train": TrainConfig(**{"steps": 20, "batch_size": 4, "learning_rate": 1e-3, **options}).model_dump(),
        "seed": seed,
    }


def run_phase(
    config: Mapping[str, Any],
    directory: Path,
    inputs: Mapping[str, Path],
    settings: Mapping[str, Any] | None = None,
    report: Report = lambda data: None,
) -> None:
    """On as many devices as the settings say."""
    run = run_train_on if (settings or {}).get("devices", 1) > 1 else run_train
    run(Job(Stage("train", 1, config), directory, inputs, settings or {}, report))


class Killed(Exception):
    """What `run` raises in the place of a signal."""


def run(
    directory: Path, inputs: Mapping[str, Path], stage: Mapping[str, Any], stop: int | None = None, **settings: Any
) -> Path:
    """A train stage with a checkpoint and a record at every step; `stop`: killed when that step reports."""
    directory.mkdir(parents=True, exist_ok=True)

    def report(data: Mapping[str, Any]) -> None:
        if stop is not None and round(data.get("fraction", 0) * stage["train"]["steps"]) == stop:
            raise Killed

    run_phase(stage, directory, inputs, {**EAGER, **settings}, report)
    return directory


def run_as_stage(job: Job) -> None:
    """The same of a stage that names all in its config."""
    folders = {role: Path(path) for role, path in job.config["folders"].items()}
    run_phase(job.config["phase"], job.directory, folders, job.settings, job.report)


def write_inputs(root: Path, *tasks: str, **changes: Any) -> dict[str, Path]:
    """Directories of a start stage and of prepare stages."""
    save_backbone(tiny_backbone(tokenizer=CODER.tokenizer, **changes), root / "model" / "backbone")
    write_json(root / "model" / "about.json", {"route_asked": None})
    inputs = {"model": root / "model"}
    for i, task in enumerate(tasks):
        FEATURES[task].save(root / f"data{i}" / "all")
        inputs[f"data{i}"] = root / f"data{i}"
    return inputs


def losses(directory: Path) -> np.ndarray:
    """Of all steps of a train stage."""
    return np.array([row["loss"] for _, row in read_jsonl(directory / "log.jsonl")])


def assert_close(one: Path, other: Path) -> None:
    """Two train stages of 20 steps have the same losses, weights and files, but for rounding."""
    assert len(losses(one)) == 20
    assert_alike(one, other, 2e-4)
    assert read_json(one / "summary.json") == read_json(other / "summary.json")
    assert files_of(one) == files_of(other)


def assert_alike(one: Path, other: Path, atol: float) -> None:
    """Two train stages have the same losses and weights, but for rounding."""
    np.testing.assert_allclose(losses(one), losses(other), atol=1e-5, rtol=0)
    for name in ("trained.safetensors", "heads.safetensors"):
        ours, theirs = load_file(one / name), load_file(other / name)
        assert ours.keys() == theirs.keys()
        for tensor in (name for name in ours if not name.endswith("key.bias")):  # softmax is blind to it: noise alone
            torch.testing.assert_close(ours[tensor], theirs[tensor], atol=atol, rtol=0)


def files_of(directory: Path) -> list[str]:
    """All but what ranks print."""
    return sorted(path.name for path in directory.iterdir() if path.name != "log.txt")
