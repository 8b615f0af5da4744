"""One phase on several devices: each computes a share of every step, and all end with the same weights.

Every device holds the whole model (DDP), or a part of every layer (FSDP2, `Machine.shard`). The plan's batches do not
depend on the number of devices, and a loss is divided by the items of the whole step, so the result is that of one
device up to rounding.

Ranks are started by `xstilts.stages.ranks`, with RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import CPUOffloadPolicy, OffloadPolicy, fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

from xstilts.backbones.adapters import layer_stack
from xstilts.backbones.backbone import Backbone
from xstilts.core.machine import Machine
from xstilts.task_types import Batch

NO_LIMIT = timedelta(days=365)


@dataclass(frozen=True)
class Team:
    """The processes that train together, seen from this one.

    `words` is a group of all of them on the CPU that may wait without limit: NCCL gives up after ten minutes, and makes
    the device wait too.
    """

    rank: int = 0
    size: int = 1
    words: dist.ProcessGroup | None = None

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that writes and reports."""
        return self.rank == 0

    def share(self, batches: Sequence[Batch]) -> list[tuple[Batch, float]]:
        """This rank's micro-batches with the factors of their losses; every rank gets the same number.

        Where the batches do not divide evenly, several ranks compute the same one, each for a part of its loss. No
        factor is 0, which would make NaN of an infinite loss.
        """
        even = len(batches) - len(batches) % self.size
        own = [(batch, 1.0) for batch in batches[self.rank : even : self.size]]
        if left := batches[even:]:
            place = self.rank % len(left)
            own.append((left[place], 1 / len(range(place, self.size, len(left)))))
        return own

    def sum(self, value: Tensor) -> Tensor:
        if self.size > 1:
            dist.all_reduce(value)
        return value

    def leading(self, value: int) -> int:
        """The leading rank's value, on all ranks: they wait for the leading rank, but for no device."""
        if self.size == 1:
            return value
        said = torch.tensor(value)
        dist.broadcast(said, 0, group=self.words)
        return int(said)

    def joined(self, own: Mapping[str, str]) -> dict[str, str]:
        """The entries of all ranks, on all ranks."""
        parts: list[Mapping[str, str]] = [own] * self.size
        if self.size > 1:
            dist.all_gather_object(parts, own, group=self.words)
        return {name: value for part in parts for name, value in part.items()}


_TEAM: ContextVar[Team] = ContextVar("team")


def team() -> Team:
    """The processes that were assembled, or only this one."""
    return _TEAM.get(Team())


@contextmanager
def assembled(device: str) -> Iterator[str]:
    """Join the process group of the environment's variables; yields this rank's device."""
    kind = torch.device(device).type
    own = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if kind == "cuda" else device
    if kind == "cuda":
        torch.cuda.set_device(own)
    dist.init_process_group(backends(kind))
    words = dist.new_group(timeout=NO_LIMIT, backend="gloo")
    before = _TEAM.set(Team(dist.get_rank(), dist.get_world_size(), words))
    try:
        yield own
    finally:
        _TEAM.reset(before)
        dist.destroy_process_group()


def backends(kind: str) -> str:
    """The backends of collectives: with --offload they sum and gather tensors of the CPU beside a GPU's."""
    return "cpu:gloo,cuda:nccl" if kind == "cuda" else "gloo"


def spread(module: nn.Module, backbone: Backbone, machine: Machine) -> nn.Module:
    """The module as every rank runs it, on its device; its parameters are the ones to optimise.

    FSDP2 moves layer by layer what it shards: no device holds the whole.
    """
    if machine.recompute:
        recompute_layers(backbone)
    size = team().size
    if size == 1:
        return module.to(machine.device)
    if not machine.shard:
        return DistributedDataParallel(module.to(machine.device), find_unused_parameters=True)
    mesh = init_device_mesh(torch.device(machine.device).type, (size,))
    offload = CPUOffloadPolicy(pin_memory=mesh.device_type == "cuda") if machine.offload else OffloadPolicy()
    for layer in layer_stack(backbone):
        fully_shard(layer, mesh=mesh, offload_policy=offload)
    fully_shard(module, mesh=mesh, offload_policy=offload)
    return module


def recompute_layers(backbone: Backbone) -> None:
    """Activation checkpointing: keep only each layer's input, and compute the layer again for its gradient."""
    for layer in layer_stack(backbone):
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)


def whole(value: Tensor) -> Tensor:
    """A tensor with all its shards; all ranks must call it."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def own_part(value: Tensor) -> Tensor:
    """This rank's shard of a tensor, or all of it."""
    return value.to_local() if isinstance(value, DTensor) else value


def is_sharded(model: nn.Module) -> bool:
    """Whether ranks hold parts of the model's parameters."""
    return any(isinstance(parameter, DTensor) for parameter in model.parameters())


def gather(model: nn.Module) -> None:
    """Give the leading rank whole weights again, on the CPU; other ranks keep none."""
    done: dict[int, nn.Parameter] = {}
    for module in model.modules():
        parameters: dict[str, Any] = module._parameters
        for name, parameter in parameters.items():
            if not isinstance(parameter, DTensor):
                continue
            if id(parameter) not in done:
                full = whole(parameter.detach())
                kept = full.cpu() if team().is_main else full.new_empty(0)
                done[id(parameter)] = nn.Parameter(kept, parameter.requires_grad)
            parameters[name] = done[id(parameter)]
