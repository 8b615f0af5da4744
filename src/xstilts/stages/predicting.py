"""Prediction in packed micro-batches, and predict stages, which load a model once for all languages."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from xstilts.backbones.backbone import Backbone, autocast
from xstilts.backbones.load import Weights
from xstilts.backbones.packing import halved_budget, micro_batches
from xstilts.core.errors import BackboneError
from xstilts.core.files import read_json, write_json, write_jsonl
from xstilts.core.scores import COLLAPSED, RESTARTS
from xstilts.core.seeds import generator
from xstilts.data.examples import Encoding
from xstilts.graph.job import Job
from xstilts.stages.accidents import tell
from xstilts.stages.models import open_backbone, open_head
from xstilts.task_types import TASK_TYPES, Prediction, TaskType
from xstilts.task_types.features import Features, tokens_of
from xstilts.task_types.pools import Ranking
from xstilts.task_types.sentences import NEIGHBOURS, unit
from xstilts.training.model import HeadSpec

AT_ONCE, AT_ONCE_ON_CPU = 16_384, 4096
"""Least tokens computed at a time; more than in training, since no activations are kept. On a CPU the most: larger
batches do not fit in its caches, and take 10 to 25 % more time (`docs/log.md`)."""


@dataclass
class Predictor:
    """A trained backbone with one head.

    Attributes:
        tokens: computed at a time, on a CPU at most `AT_ONCE_ON_CPU`; halved when the device runs out of memory.
    """

    backbone: Backbone
    head: nn.Module
    task_type: TaskType
    labels: Sequence[str]
    device: str = "cpu"
    tokens: int = AT_ONCE
    precision: str = "fp32"

    def __post_init__(self) -> None:
        if self.device == "cpu":
            self.tokens = min(self.tokens, AT_ONCE_ON_CPU)

    def __call__(self, features: Features, limits: Encoding) -> list[Prediction]:
        """Predictions for every example, in file order."""
        return self.task_type.decode(features, self.outputs(features), self.labels, limits)

    def by_language(self, data: Path) -> Iterator[tuple[str, list[Prediction]]]:
        """(language, predictions) for every language of a prepare stage; a pool of candidates is encoded once."""
        limits = Encoding(**read_json(data / "encoding.json"))
        pool = Features.load(data / "pool") if self.task_type.pooled else None
        names = [] if pool is None else [row["id"] for row in pool.records]
        candidates_CH = None if pool is None else unit(np.stack(self.outputs(pool)))
        for language in read_json(data / "languages.json"):
            features = Features.load(data / language)
            if candidates_CH is None:
                yield language, self(features, limits)
            else:
                assert isinstance(self.task_type, Ranking)
                yield language, self.task_type.rank(features, self.outputs(features), names, candidates_CH)

    @torch.inference_mode()
    def outputs(self, features: Features) -> list[Any]:
        """The task type's raw outputs for every instance, in instance order.

        Raises:
            OutOfMemory: for a single instance.
        """
        self.backbone.to(self.device).eval()
        self.head.to(self.device).eval()
        outputs: list[Any] = [None] * len(features)
        groups = micro_batches(features.lengths, self.tokens)
        while groups:
            results = self._computed(features, groups[0])
            if results is None:
                rest = np.concatenate(groups)
                self.tokens = halved_budget(features.lengths[rest], self.tokens, self.device, "prediction")
                groups = [rest[rows] for rows in micro_batches(features.lengths[rest], self.tokens)]
                continue
            for row, result in zip(groups.pop(0), results, strict=True):
                outputs[row] = result
        return outputs

    def _computed(self, features: Features, rows: np.ndarray) -> list[Any] | None:
        """Outputs of some instances; None when out of memory."""
        try:
            batch = self.task_type.collate(features, rows, generator(0, "predict")).to(self.device)
            with autocast(self.precision, self.device):
                if not self.task_type.reads_states:
                    states = []
                elif self.task_type.all_layers:
                    states = self.backbone.hidden_states(batch.packed, self.task_type.right_context)
                else:
                    states = [self.backbone(batch.packed, self.task_type.right_context)]
                return self.task_type.outputs(self.head, states, batch)
        except torch.OutOfMemoryError:
            return None


def run_predict(job: Job) -> None:
    """Write `predictions/{language}.jsonl` for every language of the data, and `protocol.json` with what was chosen."""
    config, machine, model, data = job.config, job.machine, job.inputs["model"], job.inputs["data"]
    task_type = TASK_TYPES.get(config["type"])
    if "retrieval" in config:
        task_type = replace(task_type, **config["retrieval"])  # type: ignore[type-var]
    held = Weights(**config["held"], device=machine.device) if "held" in config else None
    languages: list[str] = read_json(data / "languages.json")
    folders = [data / name for name in (*languages, "pool")]
    tokens = tokens_of([Features.load(folder) for folder in folders if folder.is_dir()])
    backbone = open_backbone(model, weights=held, tokens=torch.from_numpy(tokens))
    task_type = task_type.suited(backbone)
    if notes := _notes(job, backbone, task_type):
        protocol = {"notes": notes, "layer": config.get("retrieval", {}).get("layer")}
        write_json(job.directory / "protocol.json", protocol)
    head = open_head(model, HeadSpec(config["head"], config["type"], tuple(config["labels"])), backbone)
    at_once = max(machine.micro_batch_tokens, AT_ONCE)
    predictor = Predictor(backbone, head, task_type, config["labels"], machine.device, at_once, config["precision"])
    at_once = predictor.tokens
    for done, (language, predictions) in enumerate(predictor.by_language(data)):
        if predictor.tokens < at_once:
            tell(job.report, f"out of memory: continuing with {predictor.tokens} tokens at a time, not {at_once}")
            at_once = predictor.tokens
            write_json(job.directory / "environment.json", {"tokens_at_once": at_once})
        path = job.directory / "predictions" / f"{language}.jsonl"
        write_jsonl(path, (prediction.row() for prediction in predictions))
        job.report({"fraction": (done + 1) / len(languages), "message": language})


def _notes(job: Job, backbone: Backbone, task_type: TaskType) -> list[str]:
    """Notes for the signatures of scores: a decoder's attention, choices that differ from the protocol,
    the selection of the weights, and accidents of their training.

    Raises:
        BackboneError: the model does not have the layer.
    """
    chosen, about = job.config.get("retrieval", {}), read_json(job.inputs["model"] / "about.json")
    if (layer := chosen.get("layer")) is not None and layer > backbone.layers:
        raise BackboneError(f"retrieval at layer {layer}: {type(backbone.model).__name__} has {backbone.layers}")
    margin = f"similarity=ratio margin k={NEIGHBOURS}"
    renamed = {("special_tokens", False): "special_tokens=false", ("similarity", "margin"): margin}
    notes = [renamed.get(choice) or "=".join(map(str, choice)) for choice in chosen.items()]
    if task_type.protocol:
        notes.append(task_type.protocol)
    elif backbone.decoder:
        notes.append(f"attention={backbone.sees(task_type.right_context)}")
    if selection := about.get("selection"):
        notes.append(f"checkpoint={selection}")
    if job.config["head"] in about.get("collapsed", ()):
        notes.append(COLLAPSED)
    if restarts := about.get("restarts"):
        notes.append(f"{RESTARTS}{restarts}")
    return notes
