"""What a training or prediction costs, given a shape, a way of training, an amount of work and a hardware."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from xstilts.core.machine import Machine
from xstilts.planning.counts import Counts, Tuning, counts_of
from xstilts.planning.devices import Device, Hours, Utilisation, device_hours
from xstilts.planning.formulas import (
    RECOMPUTED,
    Memory,
    MicroBatch,
    forward_flops,
    inference_memory,
    softmax_flops,
    training_flops,
    training_memory,
)


@dataclass(frozen=True)
class Hardware:
    """What stages run on; `use`: how; `share`: of its peak speed that is reached."""

    device: Device
    use: Machine = field(default_factory=Machine)
    share: Utilisation = field(default_factory=Utilisation)


@dataclass(frozen=True)
class Load:
    """An amount of work.

    Attributes:
        tokens: in all; `keys`: that each attends to, on average; `longest`: most tokens of an instance.
        batch: instances a step; `whole`: a batch must be computed at one time, whatever the budget.
        masked: share of the tokens that a masked LM predicts, on average; `most_masked`: in a batch of that task.
    """

    tokens: float
    keys: float
    longest: int
    steps: int = 0
    batch: int = 1
    whole: bool = False
    masked: float = 0.0
    most_masked: float = 0.0
    precision: str = "fp32"

    def at_once(self, hardware: Hardware) -> MicroBatch:
        """The largest micro-batch, and whether a device may take several of them in a step."""
        most, budget = self.batch * self.longest, hardware.use.micro_batch_tokens
        tokens, several = float(min(most, max(budget, self.longest))), most > budget * hardware.use.devices
        if self.whole:  # of a mean batch, or the longest one by a wide margin
            tokens, several = float(min(most, 2 * self.tokens / max(1, self.steps))), False
        return MicroBatch(tokens, several, self.most_masked * tokens)

    def idle(self, hardware: Hardware) -> float:
        """Device-time over that of one device: a step's micro-batches are dealt out, and some devices get none."""
        devices = hardware.use.devices
        rounds = 1.0 if self.whole else self.tokens / max(1, self.steps) / hardware.use.micro_batch_tokens
        micro_batches = max(1, math.ceil(rounds))
        return math.ceil(micro_batches / devices) * devices / micro_batches


@dataclass(frozen=True)
class Cost:
    """FLOPs, the peak of memory on each device, device-hours, and what must be said about them."""

    counts: Counts
    flops: float
    memory: Memory
    hours: Hours
    notes: tuple[str, ...] = ()


def training(shape: Mapping[str, Any], tuning: Tuning, load: Load, hardware: Hardware, route: Any = None) -> Cost:
    """The cost of a phase. Raises `BackboneError` for a shape that cannot be built."""
    counts = counts_of(shape, tuning, route)
    flops = load.tokens * (training_flops(counts, load.keys) + 3.0 * softmax_flops(counts, load.masked))
    memory = training_memory(counts, tuning, hardware.use, load.at_once(hardware), load.precision == "bf16")
    idle = load.idle(hardware)
    work = flops * idle * (RECOMPUTED if hardware.use.recompute else 1.0)
    hours = device_hours(work, hardware.device, load.precision, hardware.share)
    notes = _notes(counts)
    if idle >= 1.25:
        notes += (
            f"some steps have fewer micro-batches than {hardware.use.devices} devices can share: "
            f"lower --micro-batch-tokens {hardware.use.micro_batch_tokens}",
        )
    if hardware.use.shard:
        notes += (
            f"each of {hardware.use.devices} processes first reads all weights into the host's memory: "
            f"{4 * counts.total / 1e9:,.0f} GB",
        )
    return Cost(counts, flops, memory, hours, notes)


def inference(
    shape: Mapping[str, Any], tuning: Tuning, load: Load, hardware: Hardware, how: tuple[Any, float, bool]
) -> Cost:
    """The cost of prediction; `how` is (route, tokens at a time, whether every layer's states are read)."""
    route, tokens, all_layers = how
    counts = counts_of(shape, tuning, route)
    flops = load.tokens * (forward_flops(counts, load.keys) + 2.0 * counts.adapters)
    memory = inference_memory(counts, tuning, tokens, all_layers, load.precision == "bf16")
    hours = device_hours(flops, hardware.device, load.precision, hardware.share)
    return Cost(counts, flops, memory, hours, _notes(counts))


def _notes(counts: Counts) -> tuple[str, ...]:
    if counts.route != "padded":
        return ()
    name = counts.model_type
    return (f"{name} is padded: positions without tokens, a few per cent to half of a batch, are not counted",)
