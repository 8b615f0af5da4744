"""Profile stages: what a model makes of a data set, in a few hundred examples. They tell how alike tasks are.

text     mean of the sentence vectors (TextEmb, Vu et al. 2020, arXiv 2005.00770, section 3.1; Poth et al. 2021), and
         how evenly these fill the sphere
labels   how well the states that a head would read fit the labels: LogME and H-score
fisher   diagonal of the empirical Fisher information of the backbone's weights under the task's loss (TaskEmb, Vu et
         al. 2020, section 3.2), the mean over the inputs of each output unit, as Task2Vec (Achille et al. 2019) takes
         one value a filter; embeddings left out

Each writes `profile.json`; the Fisher information goes to `fisher.safetensors`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from xstilts.backbones.backbone import Backbone, autocast
from xstilts.backbones.packing import micro_batches
from xstilts.core.files import write_json
from xstilts.core.machine import Machine
from xstilts.core.seeds import generator
from xstilts.graph.job import Job
from xstilts.metrics.transferability import h_score, logme, uniformity
from xstilts.stages.models import open_backbone, open_head
from xstilts.task_types.features import Array, Features
from xstilts.task_types.sentences import pool
from xstilts.training.model import HeadSpec

MOST_ITEMS = 4096
"""Labelled words or choices that are enough to fit."""


def run_profile(job: Job) -> None:
    """Write the profile that the config asks for: see `xstilts.stages.describe.profile`."""
    config, directory, inputs, machine = job.config, job.directory, job.inputs, job.machine
    features = Features.load(inputs["data"] / config["part"])
    order = generator(0, "profile").permutation(len(features))
    rows = np.sort(order[: config["examples"]])
    backbone = open_backbone(inputs["model"]).to(machine.device).eval()
    found: dict[str, Any]
    if config["measure"] == "text":
        found = _text(config, backbone, features, rows, machine)
    elif config["measure"] == "labels":
        found = _labels(config, backbone, features, rows, machine)
    else:
        spec = HeadSpec(config["head"], config["type"], tuple(config["labels"]))
        head = open_head(inputs["model"], spec, backbone).to(machine.device).eval()
        save_file(_fisher(config, (backbone, head), features, rows, machine), directory / "fisher.safetensors")
        found = {}
    tokens = int(np.asarray(features.lengths)[rows].sum())
    write_json(directory / "profile.json", {**found, "examples": len(rows), "tokens": tokens})


@torch.inference_mode()
def _text(
    config: Mapping[str, Any], backbone: Backbone, features: Features, rows: Array, machine: Machine
) -> dict[str, Any]:
    """Mean vector of the sentences; of translation pairs the English ones, which stand second; of text the prompts."""
    prompts = config.get("prompts", False)
    vectors = []
    for positions in micro_batches(features.lengths[rows], machine.micro_batch_tokens):
        packed, offsets = features.packed(rows[positions])
        with autocast(config["precision"], machine.device):
            pooled = pool(backbone(packed.to(machine.device)), packed.to(machine.device)).cpu().numpy()
        kept = offsets[1:] - 1 if config["type"] == "retrieval" else offsets[:-1] if prompts else np.arange(len(pooled))
        vectors.append(pooled[kept])
    all_SH = np.concatenate(vectors).astype(np.float64)
    return {"vector": all_SH.mean(axis=0).tolist(), "uniformity": uniformity(all_SH[:1000])}


@torch.inference_mode()
def _labels(
    config: Mapping[str, Any], backbone: Backbone, features: Features, rows: Array, machine: Machine
) -> dict[str, Any]:
    """LogME and H-score; of a fresh head only what it would read matters, not its weights."""
    spec = HeadSpec("", config["type"], tuple(config["labels"]))
    task_type = spec.task_type.suited(backbone)
    head, rng = task_type.head(backbone, spec.labels, 0.0), generator(0, "collate")
    states, classes = [], []
    for positions in micro_batches(features.lengths[rows], machine.micro_batch_tokens):
        batch = task_type.collate(features, rows[positions], rng).to(machine.device)
        with autocast(config["precision"], machine.device):
            found = task_type.labelled_states(head, backbone(batch.packed, task_type.right_context), batch)
        if found is None:
            return {}
        states.append(found[0].float().cpu().numpy())
        classes.append(found[1].cpu().numpy())
    states_NH, classes_N = np.concatenate(states), np.concatenate(classes)
    known = np.flatnonzero(classes_N >= 0)
    kept = known[np.sort(generator(0, "items").permutation(len(known))[:MOST_ITEMS])]
    states_NH, classes_N = states_NH[kept].astype(np.float64), classes_N[kept]
    return {"logme": logme(states_NH, classes_N), "h_score": h_score(states_NH, classes_N), "items": len(kept)}


def _fisher(
    config: Mapping[str, Any],
    model: tuple[Backbone, torch.nn.Module],
    features: Features,
    rows: Array,
    machine: Machine,
) -> dict[str, Tensor]:
    """Weight -> mean over examples of the squared gradient of the log-likelihood of the gold, [output units]."""
    backbone, head = model
    task_type = HeadSpec("", config["type"], ()).task_type.suited(backbone)
    rng = generator(0, "collate")
    embedded = {id(parameter) for parameter in (backbone.embeddings,)}
    weights = {n: p for n, p in backbone.named_parameters() if p.ndim == 2 and id(p) not in embedded}
    for parameter in backbone.parameters():
        parameter.requires_grad_(False)
    for parameter in weights.values():
        parameter.requires_grad_(parameter.is_floating_point())
    weights = {name: parameter for name, parameter in weights.items() if parameter.requires_grad}
    sums = {name: torch.zeros(len(parameter)) for name, parameter in weights.items()}
    for row in rows:
        batch = task_type.collate(features, np.asarray([row]), rng).to(machine.device)
        with autocast(config["precision"], machine.device):
            loss = task_type.loss(head, backbone(batch.packed, task_type.right_context), batch)
        gradients = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
        for name, gradient in zip(weights, gradients, strict=True):
            if gradient is not None:
                sums[name] += gradient.float().square().mean(dim=1).cpu()
    return {name: total / len(rows) for name, total in sums.items()}
