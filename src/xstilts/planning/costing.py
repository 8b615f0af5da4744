"""The cost of training and prediction; `docs/planning.md` derives the formulae and says how they were checked.

N parameters of linear layers, L layers, A attention width (heads x head size), H hidden size, F feed-forward size,
T tokens, S keys that a token attends to: mean over tokens of the length of their segment, sum(n^2) / sum(n).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from xstilts.core.machine import Machine
from xstilts.planning.counts import Counts, Tuning, counts_of
from xstilts.planning.devices import Device, Hours, Utilisation, device_hours

TOKENIZER_PIECE = 65.0
"""Bytes of `tokenizer.json` per piece."""
NF4_BYTES = 0.5 + 0.127 / 8
"""Bytes of a weight in 4 bits with its doubly quantised constants, 0.127 bits (Dettmers et al. 2023, section 3)."""
RECOMPUTED = 4 / 3
"""Work with activation checkpointing over work without: one more forward pass (Korthikanti et al. 2022)."""
KEPT: Mapping[str, tuple[float, float]] = {
    "xlm-roberta": (0.94, 1.14),
    "rembert": (1.06, 1.04),
    "modernbert": (1.33, 1.25),
    "eurobert": (1.53, 1.57),
    "qwen3": (1.60, 1.75),
    "mt5": (2.14, 2.32),
    "deberta-v2": (2.54, 2.35),
}
"""Ratio of the bytes that a forward pass keeps to `layer_bytes`, in fp32 and in bf16, by `model_type`; 1 for others.
Measured by `python -m benchmarks.activations`: gates, rotated queries, norms in fp32."""
ADAPTED = 1.75
"""Ratio of the bytes kept with adapters on every linear layer to full training: each keeps its input in fp32."""


class MicroBatch(NamedTuple):
    """Tokens that a device computes at once; whether a step takes `several`; `predicted`: tokens with logits."""

    tokens: float
    several: bool = False
    predicted: float = 0.0


def _attention_flops(counts: Counts, keys: float) -> float:
    return counts.layers * counts.width * (4.0 * keys + 2.0 * counts.relative)


def training_flops(counts: Counts, keys: float) -> float:
    """Model FLOPs per trained token: forward, gradients of activations, gradients of trained weights.

    All weights: 6 N + 12 L A S (Chowdhery et al. 2022, appendix B). Frozen weights under adapters have no gradient:
    4 N + 6 N_adapters + 12 L A S. The backward pass ends at the lowest trained layer; this is not subtracted.
    """
    both = 2.0 * (2.0 * counts.linear + 2.0 * counts.adapters)
    own = 2.0 * (counts.trained_linear + counts.adapters)
    return both + own + 3.0 * _attention_flops(counts, keys)


def layer_bytes(counts: Counts, bf16: bool) -> float:
    """Bytes per token that one layer keeps for the backward pass (after Korthikanti et al. 2022, section 4.1).

    fp32: 4 (4 H + 5 A + 2 F); bf16: 8 H (inputs of two norms) + 2 (4 H + 5 A + 2 F); + 2 H for dropout masks. This is
    for a BERT-like layer with a fused attention kernel; `KEPT` corrects it for others.
    """
    rest = 4 * counts.hidden + 5 * counts.width + 2 * counts.feed_forward
    one = (8 * counts.hidden + 2 * rest if bf16 else 4 * rest) + 4 * counts.heads + 16 + 2 * counts.hidden
    return one * KEPT.get(counts.model_type, (1.0, 1.0))[bf16]


@dataclass(frozen=True)
class Memory:
    """Bytes on each device at the peak of a stage.

    Attributes:
        copies: 16-bit copies of weights that autocast keeps until the backward pass.
        gradients, moments: of trained parameters, fp32; AdamW has two moments.
        activations: those that one micro-batch keeps for the backward pass.
        buffers: short-lived: gradients of a layer's activations, logits, gathered shards.
        together: whether all gradients and all activations exist at the same time (second micro-batch of a step).
    """

    weights: float
    copies: float = 0.0
    gradients: float = 0.0
    moments: float = 0.0
    activations: float = 0.0
    buffers: float = 0.0
    together: bool = True

    @property
    def total(self) -> float:
        inside = self.activations + self.copies + self.buffers
        changing = inside + self.gradients if self.together else max(inside, self.gradients)
        return self.weights + self.moments + changing

    def row(self) -> dict[str, int]:
        """Whole bytes by name, the total last."""
        named = {name: round(value) for name, value in vars(self).items() if name != "together"}
        return {**named, "total": round(self.total)}


def weight_bytes(counts: Counts, tuning: Tuning, bf16: bool) -> float:
    """Bytes of all weights: 4 per trained weight; under adapters 2 per frozen weight in bf16, or 4 bits."""
    if not (tuning.rank or tuning.held):
        return 4.0 * counts.total
    held = 2.0 if bf16 else 4.0
    linear = counts.linear * (NF4_BYTES if tuning.quantized else held)
    return linear + (counts.total - counts.adapters - counts.linear) * held + 4.0 * counts.adapters


def training_memory(counts: Counts, tuning: Tuning, machine: Machine, micro: MicroBatch, bf16: bool) -> Memory:
    """Peak of a training stage on each device.

    Logits are in fp32, with their gradient and a copy in 16 bits. With shards, a device gathers two layers and the
    embeddings at a time, and their gradients until they are divided; DDP holds gradients a second time.
    """
    sharded = machine.shard and machine.devices > 1
    part = 0.0 if sharded and machine.offload else 1.0 / machine.devices if sharded else 1.0
    layer = layer_bytes(counts, bf16) * (ADAPTED if tuning.rank else 1.0)
    kept, copied = layer * (counts.layers - tuning.frozen_layers), 1
    if machine.recompute:
        kept, copied = 4.0 * counts.hidden * counts.layers + layer, counts.layers
    gradients = 4.0 * counts.trained
    buffers = micro.tokens * layer + micro.predicted * counts.vocabulary * 10.0
    if _trains_embeddings(tuning) and not sharded:
        # the second micro-batch's gradient, before it is added to the first's
        buffers += 4.0 * counts.embeddings * micro.several
        # the output layer reads the embeddings: a second gradient, in bf16 with the 16-bit copy and its gradient
        buffers += (12.0 if bf16 else 4.0) * counts.embeddings * bool(micro.predicted)
    if tuning.quantized:
        buffers += 2.0 * counts.largest_layer  # dequantised weights of one layer
    if sharded:
        share, held = counts.trained / counts.total, 2.0 if tuning.rank and bf16 else 4.0
        buffers += held * (1.0 + share) * (2 * counts.largest_layer + counts.embeddings)
    elif machine.devices > 1:
        buffers += gradients
    return Memory(
        weight_bytes(counts, tuning, bf16) * part,
        0.0 if tuning.rank or not bf16 else 2.0 * counts.linear / copied,
        gradients * part,
        2.0 * gradients * part,
        micro.tokens * kept,
        buffers,
        micro.several or machine.devices > 1,
    )


def disk_of_training(counts: Counts, tuning: Tuning, heads: int, rows: float) -> float:
    """Bytes of a finished stage: trained parameters and heads.

    Args:
        rows: rows of the word embedding that are changed.
    """
    trained: float = counts.trained + heads
    if _trains_embeddings(tuning):
        trained -= counts.embeddings - rows * counts.embeddings // counts.vocabulary
    return 4.0 * trained


def _trains_embeddings(tuning: Tuning) -> bool:
    return not (tuning.rank or tuning.frozen_embeddings or tuning.frozen_layers)


def head_parameters(kind: str, labels: int, counts: Counts) -> int:
    """Parameters of a task type's head (`xstilts.task_types`); none for types that read sentence vectors."""
    hidden = counts.hidden
    if kind in ("masked_lm", "translation_lm"):
        return (hidden + 3) * (counts.embeddings // counts.vocabulary) + counts.vocabulary
    if kind in ("classification", "multiple_choice"):
        return (hidden + 1) * (hidden + (labels if kind == "classification" else 1))
    if kind in ("tagging", "span_qa"):
        return (hidden + 1) * (labels if kind == "tagging" else 2)
    return 0


@dataclass(frozen=True)
class Hardware:
    """The device that stages run on; `use`: options; `share`: share of its peak that useful FLOPs reach."""

    device: Device
    use: Machine = field(default_factory=Machine)
    share: Utilisation = field(default_factory=Utilisation)


@dataclass(frozen=True)
class Load:
    """An amount of work.

    Attributes:
        tokens: total; `keys`: mean number that a token attends to; `longest`: most tokens of an instance.
        batch: instances per step; `whole`: a batch cannot be divided into micro-batches.
        masked: mean share of tokens that a masked LM predicts; `most_masked`: in a batch of that task.
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
        """The largest micro-batch, and whether a step may take several of them on one device."""
        most, budget = self.batch * self.longest, hardware.use.micro_batch_tokens
        if self.whole:  # a mean batch, or the longest one by a wide margin
            tokens, several = float(min(most, 2 * self.tokens / max(1, self.steps))), False
        else:
            tokens, several = float(min(most, max(budget, self.longest))), most > budget * hardware.use.devices
        return MicroBatch(tokens, several, self.most_masked * tokens)

    def idle(self, hardware: Hardware) -> float:
        """Ratio of device-hours to those on one device: in a step, some devices may have no micro-batch to compute."""
        devices = hardware.use.devices
        rounds = 1.0 if self.whole else self.tokens / max(1, self.steps) / hardware.use.micro_batch_tokens
        micro_batches = max(1, math.ceil(rounds))
        return math.ceil(micro_batches / devices) * devices / micro_batches


@dataclass(frozen=True)
class Cost:
    """Useful FLOPs, peak memory of each device, device-hours, and notes on them."""

    counts: Counts
    flops: float
    memory: Memory
    hours: Hours
    notes: tuple[str, ...] = ()


def training(shape: Mapping[str, Any], tuning: Tuning, load: Load, hardware: Hardware, route: Any = None) -> Cost:
    """The cost of a phase. Raises `BackboneError` for a shape that cannot be built."""
    counts, use = counts_of(shape, tuning, route), hardware.use
    # A masked-LM head has a dense layer and a tied output layer, for the share of predicted tokens.
    softmax = load.masked * 2.0 * (counts.hidden * counts.embeddings // counts.vocabulary + counts.embeddings)
    flops = load.tokens * (training_flops(counts, load.keys) + 3.0 * softmax)
    memory = training_memory(counts, tuning, use, load.at_once(hardware), load.precision == "bf16")
    idle = load.idle(hardware)
    work = flops * idle * (RECOMPUTED if use.recompute else 1.0)
    notes = _notes(counts)
    if idle >= 1.25:
        few = f"some steps have fewer micro-batches than {use.devices} devices can share"
        notes += (f"{few}: lower --micro-batch-tokens {use.micro_batch_tokens}",)
    if use.shard:
        size = f"{4 * counts.total / 1e9:,.0f} GB"
        notes += (f"each of {use.devices} processes first reads all weights into the host's memory: {size}",)
    return Cost(counts, flops, memory, device_hours(work, hardware.device, load.precision, hardware.share), notes)


def inference(
    shape: Mapping[str, Any],
    tuning: Tuning,
    load: Load,
    hardware: Hardware,
    route: Any,
    tokens: float,
    all_layers: bool = False,
) -> Cost:
    """The cost of prediction of so many `tokens` at a time; `all_layers`: the states of every layer are read.

    FLOPs per token: 2 N + 4 L A S (Kaplan et al. 2020, without masked keys in a segment). Memory at the peak: weights,
    one layer's activations, and the states of every layer if a task reads them.
    """
    counts, bf16 = counts_of(shape, tuning, route), load.precision == "bf16"
    flops = load.tokens * (2.0 * counts.linear + _attention_flops(counts, load.keys) + 2.0 * counts.adapters)
    states = 4.0 * counts.hidden * (counts.layers + 1 if all_layers else 2)
    copies = 2.0 * counts.linear if bf16 and not (tuning.rank or tuning.held) else 0.0
    weights, layer = weight_bytes(counts, tuning, bf16), layer_bytes(counts, bf16)
    memory = Memory(weights, copies, activations=tokens * states, buffers=tokens * layer)
    hours = device_hours(flops, hardware.device, load.precision, hardware.share)
    return Cost(counts, flops, memory, hours, _notes(counts))


def _notes(counts: Counts) -> tuple[str, ...]:
    note = f"{counts.model_type} is padded: padding, a few per cent to half of a batch, is not counted"
    return (note,) if counts.route == "padded" else ()
