"""Predict stages: one model load, every language, one file each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from xstilts.backbones.backbone import Backbone
from xstilts.backbones.load import Weights
from xstilts.core.errors import BackboneError
from xstilts.core.files import read_json, write_json, write_jsonl
from xstilts.core.machine import Machine
from xstilts.core.scores import COLLAPSED, RESTARTS
from xstilts.evaluation.predict import AT_ONCE, Predictor
from xstilts.graph.perform import Report
from xstilts.stages.accidents import tell
from xstilts.stages.models import open_backbone, open_head
from xstilts.task_types import TASK_TYPES, Prediction, TaskType
from xstilts.task_types.features import Features, tokens_of
from xstilts.task_types.neighbours import NEIGHBOURS
from xstilts.tasks import Encoding
from xstilts.training.model import HeadSpec


def run_predict(
    config: Mapping[str, Any],
    directory: Path,
    inputs: Mapping[str, Path],
    settings: Mapping[str, Any],
    report: Report,
) -> None:
    """Write `predictions/{language}.jsonl` for every language of the data, and `protocol.json` with what was chosen."""
    machine = Machine(**settings)
    task_type = TASK_TYPES.get(config["type"])
    if "retrieval" in config:
        task_type = replace(task_type, **config["retrieval"])  # type: ignore[type-var]
    held = Weights(**config["held"], device=machine.device) if "held" in config else None
    languages: list[str] = read_json(inputs["data"] / "languages.json")
    folders = [inputs["data"] / name for name in (*languages, "pool")]
    tokens = tokens_of([Features.load(folder) for folder in folders if folder.is_dir()])
    backbone = open_backbone(inputs["model"], weights=held, tokens=torch.from_numpy(tokens))
    task_type = task_type.suited(backbone)
    _write_protocol(directory, backbone, task_type, config, read_json(inputs["model"] / "about.json"))
    head = open_head(inputs["model"], HeadSpec(config["head"], config["type"], tuple(config["labels"])), backbone)
    at_once = max(machine.micro_batch_tokens, AT_ONCE)
    predictor = Predictor(backbone, head, task_type, config["labels"], machine.device, at_once, config["precision"])
    for done, (language, predictions) in enumerate(answers(predictor, inputs["data"])):
        if predictor.tokens < at_once:
            tell(report, f"out of memory: going on with {predictor.tokens} tokens at a time, not {at_once}")
            at_once = predictor.tokens
            write_json(directory / "environment.json", {"tokens_at_once": at_once})
        path = directory / "predictions" / f"{language}.jsonl"
        write_jsonl(path, (prediction.row() for prediction in predictions))
        report({"fraction": (done + 1) / len(languages), "message": language})


def answers(predictor: Predictor, data: Path) -> Iterator[tuple[str, list[Prediction]]]:
    """Pairs (language, predictions) for every language of a prepare stage."""
    limits = Encoding(**read_json(data / "encoding.json"))
    rank = predictor.ranker(Features.load(data / "pool")) if predictor.task_type.pooled else None
    for language in read_json(data / "languages.json"):
        features = Features.load(data / language)
        yield language, rank(features) if rank else predictor(features, limits)


SAID: Mapping[tuple[str, Any], str] = {
    ("special_tokens", False): "special_tokens=false",
    ("similarity", "margin"): f"similarity=ratio margin k={NEIGHBOURS}",
}
"""Choices that are put in other words than their name and value."""


def _write_protocol(
    directory: Path, backbone: Backbone, task_type: TaskType, config: Mapping[str, Any], about: Mapping[str, Any]
) -> None:
    """What scores must say of these predictions: a decoder's attention, what was chosen against the protocol, which
    weights were kept, and accidents of their training.

    Args:
        about: what the train stage says of its model.

    Raises:
        BackboneError: a layer that the model does not have.
    """
    chosen = config.get("retrieval", {})
    layer = chosen.get("layer")
    if layer is not None and layer > backbone.layers:
        raise BackboneError(f"retrieval at layer {layer}: {type(backbone.model).__name__} has {backbone.layers}")
    notes = [SAID.get(choice) or "=".join(map(str, choice)) for choice in chosen.items()]
    if task_type.protocol:
        notes.append(task_type.protocol)
    elif backbone.decoder:
        notes.append(f"attention={backbone.sees(task_type.right_context)}")
    if selection := about.get("selection"):
        notes.append(f"checkpoint={selection}")
    if config["head"] in about.get("collapsed", ()):
        notes.append(COLLAPSED)
    if restarts := about.get("restarts"):
        notes.append(f"{RESTARTS}{restarts}")
    if notes:
        write_json(directory / "protocol.json", {"notes": notes, "layer": layer})
