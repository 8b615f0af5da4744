"""What a training or prediction costs, given a shape, a way of training, an amount of work and a hardware."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from xstilts.backbones.names import Backend
from xstilts.core.machine import Machine
from xstilts.planning.devices import Device, Hours, Utilisation, device_hours
from xstilts.planning.formulas import (
    RECOMPUTED,
    Memory,
    MicroBatch,
    Tuning,
    forward_flops,
    inference_memory,
    softmax_flops,
    training_flops,
    training_memory,
    weight_bytes,
)
from xstilts.planning.survey import Conditions, Survey, survey

ROUNDED = 16
"""Segment lengths are rounded up to a multiple, so that stages of like lengths share one count."""


@dataclass(frozen=True)
class Hardware:
    """What stages run on; `use`: how; `share`: of its peak speed that is reached."""

    device: Device
    use: Machine = field(default_factory=Machine)
    share: Utilisation = field(default_factory=Utilisation)

    def using(self, **changes: Any) -> Hardware:
        """The same, used in another way."""
        return replace(self, use=replace(self.use, **changes))


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
    backend: Backend = "segments"

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

    survey: Survey
    flops: float
    memory: Memory
    hours: Hours
    notes: tuple[str, ...] = ()


def training(shape: Mapping[str, Any], tuning: Tuning, load: Load, hardware: Hardware, route: Any = None) -> Cost:
    """The cost of a phase. Raises `BackboneError` for a shape that cannot be built."""
    surveyed = survey(shape, replace(tuning, quantized=False), _conditions(tuning, load, hardware, route))
    counts, kept = surveyed.counts, surveyed.kept
    head = 3.0 * softmax_flops(counts, kept.hidden, load.masked)
    flops = load.tokens * (training_flops(counts, surveyed.attention, load.keys, load.backend == "varlen") + head)
    held = _held(tuning, load.precision)
    memory = training_memory(counts, kept, tuning, hardware.use, load.at_once(hardware), held)
    idle = load.idle(hardware)
    hours = device_hours(
        flops * idle * (RECOMPUTED if hardware.use.recompute else 1.0), hardware.device, load.precision, hardware.share
    )
    return Cost(surveyed, flops, memory, hours, (*_notes(surveyed), *_dealt(idle, hardware)))


def inference(
    shape: Mapping[str, Any], tuning: Tuning, load: Load, hardware: Hardware, how: tuple[Any, float, bool]
) -> Cost:
    """The cost of prediction; `how` is (route, tokens at a time, whether every layer's states are read)."""
    route, tokens, all_layers = how
    surveyed = survey(shape, replace(tuning, quantized=False), _conditions(tuning, load, hardware, route))
    counts = surveyed.counts
    flops = load.tokens * (forward_flops(counts.linear, surveyed.attention, load.keys) + 2.0 * counts.adapters)
    weights = weight_bytes(counts, tuning, _held(tuning, load.precision))
    memory = inference_memory(weights, surveyed.kept, tokens, all_layers)
    hours = device_hours(flops, hardware.device, load.precision, hardware.share)
    return Cost(surveyed, flops, memory, hours, _notes(surveyed))


def _dealt(idle: float, hardware: Hardware) -> tuple[str, ...]:
    if idle < 1.25:
        return ()
    budget = f"--micro-batch-tokens {hardware.use.micro_batch_tokens}"
    devices = hardware.use.devices
    return (f"some steps have fewer micro-batches than {devices} devices can share: lower {budget}",)


def _held(tuning: Tuning, precision: str) -> float:
    """Bytes of a frozen weight: under adapters it is held in the precision of the products it enters."""
    return 2.0 if (tuning.rank or tuning.held) and precision == "bf16" else 4.0


def _conditions(tuning: Tuning, load: Load, hardware: Hardware, route: Any) -> Conditions:
    return Conditions(
        precision=load.precision,
        engine=not hardware.device.is_gpu or load.backend == "block_mask",
        segment=max(ROUNDED, -(-round(load.keys) // ROUNDED) * ROUNDED),
        backend=load.backend,
        route=route,
        held="bfloat16" if _held(tuning, load.precision) == 2.0 else "float32",
    )


def _notes(surveyed: Survey) -> tuple[str, ...]:
    name = surveyed.model_type
    notes = []
    if not surveyed.traced:
        notes.append(f"{name} computes on numbers as it goes: its activations are those of a BERT-like layer")
    if surveyed.route == "padded":
        notes.append(f"{name} is padded: places without tokens, a few per cent to a half of a batch, are not counted")
    return tuple(notes)
