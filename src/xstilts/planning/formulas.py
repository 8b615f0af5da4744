"""The planner's arithmetic. Sources stand beside the formulae; `docs/planning.md` derives them.

N parameters of linear layers, L layers, A attention width (heads x head size), H hidden size, F feed-forward size,
T tokens, S keys that a token attends to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xstilts.core.machine import Machine
from xstilts.planning.counts import Counts, Tuning

NF4_BYTES = 0.5 + 0.127 / 8
"""A weight in 4 bits with its doubly quantised constants, 0.127 bits (Dettmers et al. 2023, section 3)."""
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
"""Bytes that a forward pass keeps over those of `layer_bytes`, in fp32 and in bf16, by `model_type`; 1 for others.

Measured on real forward passes by `python -m benchmarks.activations`: gates, rotated queries, norms in fp32.
"""
ADAPTED = 1.75
"""The same under adapters on every linear layer, over full training: each keeps its input in fp32 after dropout."""


@dataclass(frozen=True)
class MicroBatch:
    """What is computed at one time on a device.

    Attributes:
        several: whether a step takes more than one.
        predicted: tokens that a masked LM predicts; each has logits over the vocabulary.
    """

    tokens: float
    several: bool = False
    predicted: float = 0.0


def forward_flops(counts: Counts, keys: float, linear: float | None = None) -> float:
    """FLOPs of one token through the model: 2 N + 4 L A S.

    Kaplan et al. 2020, section 2.1 and table 1 (embeddings, norms and biases left out); the attention term twice theirs
    because no key is masked in a segment. Causal attention counts all keys, as in Chowdhery et al. 2022, appendix B.

    Args:
        keys: mean over tokens of the length of their segment: packing makes it sum(n^2) / sum(n).
        linear: N, if not that of `counts`.
    """
    products = counts.layers * counts.width * (4.0 * keys + 2.0 * counts.relative)
    return 2.0 * (counts.linear if linear is None else linear) + products


def training_flops(counts: Counts, keys: float) -> float:
    """Model FLOPs of one trained token: forward, gradients of activations, gradients of trained weights.

    Full: 6 N + 12 L A S (Chowdhery et al. 2022, appendix B). Frozen weights under adapters need no gradient of their
    own: 4 N + 6 N_adapters + 12 L A S. Backward stops below the lowest trained layer; that is not counted as saved.
    """
    both = 2.0 * (2.0 * counts.linear + 2.0 * counts.adapters)
    own = 2.0 * (counts.trained_linear + counts.adapters)
    return both + own + 3.0 * forward_flops(counts, keys, linear=0.0)


def softmax_flops(counts: Counts, share: float) -> float:
    """Forward FLOPs per token of a masked-LM head: dense layer and tied output for the share of tokens predicted."""
    return share * 2.0 * (counts.hidden * counts.embeddings // counts.vocabulary + counts.embeddings)


def layer_bytes(counts: Counts, bf16: bool) -> float:
    """Bytes per token that one layer keeps for the backward pass.

    Korthikanti et al. 2022, section 4.1, count 34 H + 5 a S bytes (a heads) in 16 bits with dropout. Here there is no
    S term (a fused kernel keeps query, key, value, output and one number a head), the residual stream is fp32, and
    autocast keeps a 16-bit copy of the layer's input for each of the three projections:

        fp32: 4 (4 H + 5 A + 2 F);  bf16: 8 H (inputs of two norms) + 2 (4 H + 5 A + 2 F);  + 2 H for dropout masks

    That is a BERT-like layer; `KEPT` corrects it for others.
    """
    rest = 4 * counts.hidden + 5 * counts.width + 2 * counts.feed_forward
    one = (8 * counts.hidden + 2 * rest if bf16 else 4 * rest) + 4 * counts.heads + 16 + 2 * counts.hidden
    return one * KEPT.get(counts.model_type, (1.0, 1.0))[bf16]


@dataclass(frozen=True)
class Memory:
    """Bytes on each device at the peak of a stage.

    Attributes:
        weights: as they are held; `copies`: 16-bit copies of them that autocast keeps until the backward pass.
        gradients, moments: of trained parameters, fp32; AdamW has two moments.
        activations: kept for the backward pass by one micro-batch.
        buffers: what lives for a moment: gradients of a layer's activations, logits, gathered shards.
        together: whether gradients and activations are whole at one time (second micro-batch of a step); in a step
            of one micro-batch one grows while the other is freed.
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
        names = ("weights", "copies", "gradients", "moments", "activations", "buffers", "total")
        return {name: round(getattr(self, name)) for name in names}


def weight_bytes(counts: Counts, tuning: Tuning, bf16: bool) -> float:
    """Bytes of all weights: 4 a trained one; a frozen one under adapters has 2 in bf16, or 4 bits."""
    if not (tuning.rank or tuning.held):
        return 4.0 * counts.total
    held = 2.0 if bf16 else 4.0
    linear = counts.linear * (NF4_BYTES if tuning.quantized else held)
    return linear + (counts.total - counts.adapters - counts.linear) * held + 4.0 * counts.adapters


def training_memory(counts: Counts, tuning: Tuning, machine: Machine, micro: MicroBatch, bf16: bool) -> Memory:
    """Peak of a training stage on each device.

    Logits of predicted tokens are counted in fp32, with their gradient in fp32 and a copy in 16 bits. Recomputed, a
    layer keeps its input in fp32, and one layer is whole. Sharded, a device gathers two layers and what belongs to none
    (the embeddings) at a time, and holds their gradients before they are divided; DDP holds gradients a second time, in
    the buckets that it sends.
    """
    sharded = machine.shard and machine.devices > 1
    part = 0.0 if sharded and machine.offload else 1.0 / machine.devices if sharded else 1.0
    layer = layer_bytes(counts, bf16) * (ADAPTED if tuning.rank else 1.0)
    kept = layer * (counts.layers - tuning.frozen_layers)
    gradients = 4.0 * counts.trained
    buffers = micro.tokens * layer + micro.predicted * counts.vocabulary * 10.0
    trains_embeddings = not (tuning.rank or tuning.frozen_embeddings or tuning.frozen_layers)
    if micro.several and trains_embeddings and not sharded:
        buffers += 4.0 * counts.embeddings  # the second micro-batch's gradient, before it is added to the first's
    if tuning.quantized:
        buffers += 2.0 * counts.largest_layer  # weights of the layer at work
    if sharded:
        share, held = counts.trained / counts.total, 2.0 if tuning.rank and bf16 else 4.0
        buffers += held * (1.0 + share) * (2 * counts.largest_layer + counts.embeddings)
    elif machine.devices > 1:
        buffers += gradients
    if machine.recompute:
        kept = 4.0 * counts.hidden * counts.layers + layer
    copies = 0.0 if tuning.rank or not bf16 else 2.0 * counts.linear / (counts.layers if machine.recompute else 1)
    return Memory(
        weight_bytes(counts, tuning, bf16) * part,
        copies,
        gradients * part,
        2.0 * gradients * part,
        micro.tokens * kept,
        buffers,
        micro.several or machine.devices > 1,
    )


def inference_memory(counts: Counts, tuning: Tuning, tokens: float, all_layers: bool, bf16: bool) -> Memory:
    """Peak of prediction: weights, one layer at work, and every layer's states where a task reads them."""
    states = 4.0 * counts.hidden * (counts.layers + 1 if all_layers else 2)
    copies = 2.0 * counts.linear if bf16 and not (tuning.rank or tuning.held) else 0.0
    weights = weight_bytes(counts, tuning, bf16)
    return Memory(weights, copies, activations=tokens * states, buffers=tokens * layer_bytes(counts, bf16))


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
