"""The one training loop: a generator of step records. Who iterates decides to log, save or stop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from xstilts.backbones.backbone import Backbone, autocast
from xstilts.backbones.packing import micro_batches
from xstilts.core.errors import StageError
from xstilts.core.machine import Machine
from xstilts.core.seeds import derive_seed, generator
from xstilts.task_types import Batch, TaskType
from xstilts.task_types.features import Features
from xstilts.training.config import TrainConfig
from xstilts.training.distributed import team, unsynchronised, whole
from xstilts.training.model import Model
from xstilts.training.plan import Plan


@dataclass(frozen=True)
class StepRecord:
    """What happened in one optimizer step. `loss` and `grad_norm` stay on the device until they are read."""

    step: int
    task: str
    loss: Tensor
    grad_norm: Tensor
    rate: float
    tokens: int
    count: int

    def row(self) -> dict[str, Any]:
        """A flat JSON object; `loss` is the mean per item."""
        return {
            "step": self.step,
            "task": self.task,
            "loss": round(float(self.loss), 6),
            "grad_norm": round(float(self.grad_norm), 5),
            "rate": self.rate,
            "tokens": self.tokens,
            "count": self.count,
        }


@dataclass(frozen=True)
class Phase:
    """All that a phase of training is: data by source, plan, configuration, seed."""

    tasks: tuple[str, ...]
    types: tuple[TaskType, ...]
    features: tuple[Features, ...]
    weights: tuple[float, ...]
    plan: Plan
    config: TrainConfig
    seed: int

    def suited(self, backbone: Backbone) -> Phase:
        """The same phase with task types as this backbone needs them."""
        return replace(self, types=tuple(each.suited(backbone) for each in self.types))


def make_optimizer(model: torch.nn.Module, config: TrainConfig) -> Optimizer:
    """Fused AdamW; biases and norms (everything of one dimension) are not decayed."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups: Sequence[Mapping[str, Any]] = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return AdamW(
        [dict(group) for group in groups if group["params"]],
        lr=config.learning_rate,
        betas=config.betas,
        eps=config.epsilon,
        fused=True,
    )


class Losses(nn.Module):
    """Model and phase as one module, whose forward is the loss of a micro-batch: where DDP and FSDP take hold."""

    def __init__(self, model: Model, phase: Phase) -> None:
        super().__init__()
        self.model = model
        self.phase = phase

    def forward(self, source: int, batch: Batch) -> Tensor:
        """The sum over the batch's items, a scalar."""
        task_type, head = self.phase.types[source], self.model.heads[self.phase.tasks[source]]
        with autocast(self.phase.config.precision, batch.packed.ids_T.device.type):
            return task_type.loss(head, self.model.backbone(batch.packed, task_type.right_context), batch)


def train(
    model: Model,
    phase: Phase,
    optimizer: Optimizer,
    settings: Machine,
    start: int = 0,
    losses: nn.Module | None = None,
) -> Iterator[StepRecord]:
    """Train from step `start` to the end of the plan, yielding after each optimizer step.

    Args:
        losses: the model's `Losses`, spread over several devices; if not given, on this one.

    Raises:
        StageError: a loss that is not finite.
    """
    config, rank = phase.config, team().rank
    if losses is None:
        losses = Losses(model, phase).to(settings.device)
    losses.train()
    for step in range(start, phase.plan.steps):
        rate = config.rate(step, phase.plan.steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        planned = phase.plan[step]
        batches = list(collate(phase, step, settings))
        # Dropout of step k is a function of (seed, k) and of the rank, whatever ran before.
        torch.manual_seed(derive_seed(phase.seed, "dropout", step, *([rank] if rank else [])))
        loss = accumulate(losses, phase, planned.source, batches, settings.device)
        norm = whole(torch.nn.utils.clip_grad_norm_(losses.parameters(), config.clip))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        record = StepRecord(
            step,
            phase.tasks[planned.source],
            loss,
            norm,
            rate,
            sum(len(batch.packed.ids_T) for batch in batches),
            sum(batch.count for batch in batches),
        )
        if (step + 1) % settings.log_every == 0 or step + 1 == phase.plan.steps:
            _check_finite(record)
        yield record


def collate(phase: Phase, step: int, settings: Machine) -> Iterator[Batch]:
    """The micro-batches of one step, for all ranks; masking draws from a generator of (seed, step)."""
    source, rows = phase.plan[step]
    features, task_type = phase.features[source], phase.types[source]
    rng = generator(phase.seed, "collate", step)
    lengths = features.lengths[rows]
    if task_type.splits_batches:
        groups = micro_batches(lengths, settings.micro_batch_tokens, team().size)
    else:
        groups = [np.argsort(-lengths, kind="stable")]
    yield from task_type.micro_batches(features, rows, groups, rng)


def accumulate(losses: nn.Module, phase: Phase, source: int, batches: Sequence[Batch], device: str) -> Tensor:
    """Backward over this rank's share of a step's micro-batches; returns the mean loss per item of all.

    The gradient is that of sum(loss) / count over the whole step, however it was cut.
    """
    ours = team()
    count = max(1, sum(batch.count for batch in batches))  # masked LM of unknown tokens alone has nothing to predict
    total = torch.zeros((), device=device)
    own = ours.share(batches)
    for number, (batch, factor) in enumerate(own, start=1):
        with unsynchronised(losses) if number < len(own) else nullcontext():
            loss = factor * losses(source, batch.to(device))
            # DDP and FSDP take the mean over ranks.
            (loss * (ours.size * phase.weights[source] / count)).backward()
        total += loss.detach()
    return ours.sum(total) / count


def _check_finite(record: StepRecord) -> None:
    if not np.isfinite(float(record.loss)):
        raise StageError(
            f"the loss of {record.task} is {float(record.loss)} at step {record.step}: lower the learning rate "
            f"(now {record.rate:.2g}) or use fp32"
        )
