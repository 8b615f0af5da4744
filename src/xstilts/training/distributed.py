"""One phase on several devices: each computes a share of every step, and all end with the same weights.

Either every device holds the whole model (DDP), or each a part of every layer (FSDP2, `Machine.shard`). The batch of a
step is the plan's, whatever the number of devices; a loss is divided by the items of the whole step, so that the result
is that of one device up to rounding (and to dropout, whose draws depend on who computes what).

Ranks are started by `xstilts.stages.ranks`, with RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import CPUOffloadPolicy, OffloadPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

from xstilts.backbones.adapters import layer_stack
from xstilts.backbones.backbone import Backbone
from xstilts.core.machine import Machine
from xstilts.task_types import Batch

T = TypeVar("T")


@dataclass(frozen=True)
class Team:
    """This process among those that train together."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether it is the one that writes and reports."""
        return self.rank == 0

    def share(self, batches: Sequence[Batch]) -> list[tuple[Batch, float]]:
        """This rank's micro-batches with the factors of their losses; every rank gets equally many.

        A batch that cannot be divided is computed by all, each for its part of the loss; where there are fewer than
        ranks, the last ones compute one that does not count.
        """
        if self.size == 1:
            return [(batch, 1.0) for batch in batches]
        if len(batches) == 1:
            return [(batches[0], 1.0 / self.size)]
        own = [(batch, 1.0) for batch in batches[self.rank :: self.size]]
        rounds = -(-len(batches) // self.size)
        return own + [(batches[0], 0.0)] * (rounds - len(own))

    def sum(self, value: Tensor) -> Tensor:
        """The sum over all ranks."""
        if self.size > 1:
            dist.all_reduce(value)
        return value

    def leading(self, value: T) -> T:
        """The leading rank's value, on all ranks."""
        said = [value]
        if self.size > 1:
            dist.broadcast_object_list(said, src=0)
        return said[0]


def team() -> Team:
    """The running process group, or this process alone."""
    return Team(dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else Team()


@contextmanager
def assembled(device: str) -> Iterator[str]:
    """Join the process group that the environment names; yields this rank's device."""
    kind = torch.device(device).type
    own = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if kind == "cuda" else device
    if kind == "cuda":
        torch.cuda.set_device(own)
    dist.init_process_group("nccl" if kind == "cuda" else "gloo")
    try:
        yield own
    finally:
        dist.destroy_process_group()


def spread(module: nn.Module, backbone: Backbone, settings: Machine) -> nn.Module:
    """The module as every rank runs it, on its device; its parameters are the ones to optimise, whichever way.

    FSDP2 moves what it shards layer by layer: no device holds the whole.
    """
    if settings.recompute:
        recompute_layers(backbone)
    size = team().size
    if size == 1:
        return module.to(settings.device)
    if not settings.shard:
        return DistributedDataParallel(module.to(settings.device), find_unused_parameters=True)
    mesh = init_device_mesh(torch.device(settings.device).type, (size,))
    offload = CPUOffloadPolicy() if settings.offload else OffloadPolicy()
    for layer in layer_stack(backbone):
        fully_shard(layer, mesh=mesh, offload_policy=offload)
    fully_shard(module, mesh=mesh, offload_policy=offload)
    return module


def unsynchronised(module: nn.Module) -> AbstractContextManager[Any]:
    """For all micro-batches of a step but the last: gradients are summed here before they are summed over ranks."""
    return module.no_sync() if isinstance(module, DistributedDataParallel) else nullcontext()


def recompute_layers(backbone: Backbone) -> None:
    """Activation checkpointing: keep each layer's input alone, and compute the layer again for its gradient."""
    for layer in layer_stack(backbone):
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)


def whole(value: Tensor) -> Tensor:
    """A tensor with all its shards; all ranks must ask for it."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def fill(target: Tensor, value: Tensor) -> None:
    """Copy whole weights into a tensor that may be sharded."""
    if isinstance(target, DTensor):
        value = distribute_tensor(value.to(target.device), target.device_mesh, target.placements)
    target.copy_(value)


def shard_like(parameter: Tensor, value: Tensor) -> Tensor:
    """A whole tensor, sharded as the parameter is where it has its shape."""
    if isinstance(parameter, DTensor) and value.shape == parameter.shape:
        return distribute_tensor(value.to(parameter.device), parameter.device_mesh, parameter.placements)
    return value


def gather(model: nn.Module) -> None:
    """Give the leading rank whole weights again, on the CPU; the others need theirs no longer."""
    done: dict[int, nn.Parameter] = {}
    for module in model.modules():
        parameters: dict[str, Any] = module._parameters
        for name, parameter in parameters.items():
            if not isinstance(parameter, DTensor):
                continue
            if id(parameter) not in done:
                full = whole(parameter.detach()).cpu()
                done[id(parameter)] = nn.Parameter(full, parameter.requires_grad)
            parameters[name] = done[id(parameter)]
