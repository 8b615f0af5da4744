"""The one training loop: a generator of step records. Its caller decides when to log, save or stop."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import AdamW, Optimizer

from xstilts.backbones.backbone import Backbone, autocast
from xstilts.backbones.controlled import control_dropout
from xstilts.backbones.packing import halved_budget, micro_batches
from xstilts.core.errors import FailedRun, OutOfMemory
from xstilts.core.machine import Machine
from xstilts.core.seeds import derive_seed, generator
from xstilts.task_types import Batch, TaskType
from xstilts.task_types.features import Features
from xstilts.training.config import TrainConfig
from xstilts.training.distributed import own_part, team, whole
from xstilts.training.mixture import Part
from xstilts.training.model import TaskModel, clip_gradients
from xstilts.training.plan import Plan


@dataclass(frozen=True)
class StepRecord:
    """One optimizer step.

    Attributes:
        loss, grad_norm: stay on the device until they are read.
        count: items of the loss.
        at_once: token budget of a micro-batch: the machine's, until memory runs short.
    """

    step: int
    task: str
    loss: Tensor
    grad_norm: Tensor
    rate: float
    tokens: int
    count: int
    at_once: int

    def row(self) -> dict[str, Any]:
        """A flat JSON object; `loss` is the mean per item."""
        read = {"loss": round(float(self.loss), 6), "grad_norm": round(float(self.grad_norm), 5)}
        rest = {"rate": self.rate, "tokens": self.tokens, "count": self.count}
        return {"step": self.step, "task": self.task, **read, **rest}


@dataclass(frozen=True)
class Phase:
    """A phase of training: a mixture with its data and its plan, whose seed is the phase's."""

    parts: tuple[Part, ...]
    types: tuple[TaskType, ...]
    features: tuple[Features, ...]
    plan: Plan
    config: TrainConfig

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(part.task for part in self.parts)

    def suited(self, backbone: Backbone) -> Self:
        """A copy of the phase with task types adapted to this backbone."""
        return replace(self, types=tuple(each.suited(backbone) for each in self.types))


def make_optimizer(model: torch.nn.Module, config: TrainConfig) -> Optimizer:
    """Fused AdamW; biases and norms (everything of one dimension) are not decayed."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    used = [group for group in groups if group["params"]]
    return AdamW(used, lr=config.learning_rate, betas=config.betas, eps=config.epsilon, fused=True)


class Losses(nn.Module):
    """Model and phase as one module whose forward is the loss of a micro-batch: DDP and FSDP wrap it."""

    def __init__(self, model: TaskModel, phase: Phase) -> None:
        super().__init__()
        self.model = model
        self.phase = phase
        control_dropout(model.backbone, {task: model.heads[task] for task in phase.tasks})

    def forward(self, source: int, batch: Batch) -> Tensor:
        """The sum over the batch's items, a scalar."""
        task_type, head = self.phase.types[source], self.model.heads[self.phase.tasks[source]]
        with autocast(self.phase.config.precision, batch.packed.ids_T.device.type):
            return task_type.loss(head, self.model.backbone(batch.packed, task_type.right_context), batch)


def train(
    model: TaskModel,
    phase: Phase,
    optimizer: Optimizer,
    machine: Machine,
    start: int = 0,
    losses: nn.Module | None = None,
) -> Iterator[StepRecord]:
    """Train from step `start` to the end of the plan, yielding after each optimizer step.

    If a single device runs out of memory, the step starts again with half the tokens at a time, which holds for the
    following steps too.

    `losses` are the model's `Losses`, spread over several devices; by default on this one. Raises `FailedRun` if a loss
    is not finite, and `OutOfMemory` if one of several devices is out of memory, or it does not suffice for one text.
    """
    config = phase.config
    if losses is None:
        losses = Losses(model, phase).to(machine.device)
    losses.train()
    recent: list[Tensor] = []
    finite: float | None = None
    for step in range(start, phase.plan.steps):
        rate = config.rate(step, phase.plan.steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        source = phase.plan[step].source
        while (computed := _computed(losses, phase, step, machine)) is None:
            optimizer.zero_grad(set_to_none=True)  # what its first micro-batches have left
            machine = replace(machine, micro_batch_tokens=_fewer_tokens(phase, step, machine))
        loss, batches = computed
        norm = whole(clip_gradients(losses, model.backbone, config.clip))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        record = StepRecord(
            step,
            phase.tasks[source],
            loss,
            norm,
            rate,
            sum(len(batch.packed.ids_T) for batch in batches),
            sum(batch.count for batch in batches),
            machine.micro_batch_tokens,
        )
        recent.append(loss)
        if (step + 1) % machine.log_every == 0 or step + 1 == phase.plan.steps:
            finite = _last_finite(phase, record, torch.stack(recent).tolist(), finite)
            recent.clear()
        yield record


def _computed(losses: nn.Module, phase: Phase, step: int, machine: Machine) -> tuple[Tensor, list[Batch]] | None:
    """Compute the gradients of a step; returns its mean loss and its micro-batches, None when out of memory."""
    rank = team().rank
    batches = list(collate(phase, step, machine))
    # Dropout is a function of the plan (`backbones.dropout`). Fused kernels draw by (seed, step, rank).
    torch.manual_seed(derive_seed(phase.plan.seed, "dropout", step, *([rank] if rank else [])))
    try:
        return accumulate(losses, phase, phase.plan[step].source, batches, machine.device), batches
    except torch.OutOfMemoryError:
        return None  # here the frames that hold tensors are gone


def _fewer_tokens(phase: Phase, step: int, machine: Machine) -> int:
    """The number of tokens to compute at a time after the current one was too large in this step."""
    source, rows = phase.plan[step]
    lengths = phase.features[source].lengths[rows]
    if not phase.types[source].splits_batches:
        lengths = lengths.sum(keepdims=True)
    place = f"step {step} of {phase.tasks[source]}"
    size = team().size
    tokens = halved_budget(lengths, machine.micro_batch_tokens, machine.device, place, size)
    if size > 1:  # the other ranks wait in the middle of a sum: all start again
        raise OutOfMemory(f"{machine.device} is out of memory at {place}", tokens)
    return tokens


def collate(phase: Phase, step: int, machine: Machine) -> Iterator[Batch]:
    """The micro-batches of one step that have items, for all ranks; masking draws from a generator of (seed, step).

    Each knows which of the step's segments it has, for dropout.
    """
    source, rows = phase.plan[step]
    features, task_type = phase.features[source], phase.types[source]
    rng = generator(phase.plan.seed, "collate", step)
    lengths = features.lengths[rows]
    if task_type.splits_batches:
        groups = micro_batches(lengths, machine.micro_batch_tokens, team().size)
    else:
        groups = [np.argsort(-lengths, kind="stable")]
    seed = derive_seed(phase.plan.seed, "dropout", step)
    for positions, batch in zip(groups, task_type.micro_batches(features, rows, groups, rng), strict=True):
        if not batch.count:
            continue
        sizes = np.diff(features.first_segment)[rows[positions]]
        if sizes.sum() != len(batch.packed.lengths):  # types in text read only the prompt of each instance
            sizes = np.ones_like(sizes)
        parts = np.concatenate([np.arange(size) for size in sizes])
        yield replace(batch, packed=batch.packed.planned(seed, np.repeat(positions, sizes), parts))


def accumulate(losses: nn.Module, phase: Phase, source: int, batches: Sequence[Batch], device: str) -> Tensor:
    """Backward over this rank's share of a step's micro-batches; returns the mean loss per item of the whole step.

    The gradient is that of sum(loss) / count over the whole step, whatever its micro-batches.
    """
    ours = team()
    count = max(1, sum(batch.count for batch in batches))  # masked LM of unknown tokens has nothing to predict
    total = torch.zeros((), device=device)
    own = ours.share(batches)
    for number, (batch, factor) in enumerate(own, start=1):
        # Gradients are summed over ranks in the last one.
        with losses.no_sync() if isinstance(losses, DistributedDataParallel) and number < len(own) else nullcontext():
            loss = factor * losses(source, batch.to(device))
            # DDP and FSDP take the mean over ranks.
            (loss * (ours.size * phase.parts[source].weight / count)).backward()
        total += loss.detach()
    return ours.sum(total) / count


def _last_finite(phase: Phase, record: StepRecord, losses: Sequence[float], before: float | None) -> float:
    """The last of the losses up to that of `record`; `before` is the one before. Raises `FailedRun` if not finite."""
    for step, loss in enumerate(losses, start=record.step + 1 - len(losses)):
        if not np.isfinite(loss):
            task = phase.tasks[phase.plan[step].source]
            raise _diverged(f"the loss of {task} is {loss}", step, phase.config.rate(step, phase.plan.steps), before)
        before = loss
    assert before is not None
    return before


def check_weights(model: nn.Module, record: StepRecord) -> None:
    """Raises `FailedRun` if a weight is infinite or NaN after a step; all ranks call it."""
    trained = [own_part(parameter.detach()) for parameter in model.parameters() if parameter.requires_grad]
    largest = nn.utils.get_total_norm([part for part in trained if part.numel()], float("inf"))
    if team().sum(1.0 - largest.isfinite().float()):
        what = f"a weight is infinite or NaN after an update with {record.task}"
        raise _diverged(what, record.step, record.rate, float(record.loss))


def _diverged(what: str, step: int, rate: float, finite: float | None) -> FailedRun:
    known = "" if finite is None or not np.isfinite(finite) else f" (the last finite loss was {finite:.3g})"
    remedy = f": lower the learning rate (now {rate:.2g}), use fp32, or let other seeds be tried (`restarts: 2`)"
    return FailedRun(f"{what} at step {step}{known}", "diverged", remedy)
