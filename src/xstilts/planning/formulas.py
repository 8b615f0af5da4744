"""The planner's arithmetic. Sources stand beside the formulae; `docs/planning.md` derives them.

N parameters of linear layers, L layers, A attention width (heads x head size), H hidden size, F feed-forward size,
T tokens, S keys that a token attends to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xstilts.core.machine import Machine

NF4_BYTES = 0.5 + 0.127 / 8
"""A weight in 4 bits with its doubly quantised constants, 0.127 bits (Dettmers et al. 2023, section 3)."""
RECOMPUTED = 4 / 3
"""Work with activation checkpointing over work without: one more forward pass beside 1 + 2 (Korthikanti et al.)."""


@dataclass(frozen=True)
class Tuning:
    """How a model is trained, as far as it costs.

    Attributes:
        rank: of low-rank adapters; 0: none, all weights are trained.
        targets: names of adapted layers; none: every linear one. `dropout`: of what enters the adapters.
        quantized: frozen weights in 4 bits.
        held: nothing is trained, and weights are held as if under adapters.
        frozen_layers: lowest layers that are not trained; `frozen_embeddings`: nor the embeddings.
    """

    rank: int = 0
    targets: tuple[str, ...] = ()
    dropout: float = 0.05
    quantized: bool = False
    held: bool = False
    frozen_layers: int = 0
    frozen_embeddings: bool = False


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


@dataclass(frozen=True)
class Attention:
    """The attention of one layer: heads x head size, and what a token may see.

    `relative`: vectors of positions that each query and key is multiplied with besides, as in DeBERTa (He et al. 2021).
    """

    width: int
    causal: bool = False
    window: int | None = None
    relative: int = 0

    def keys(self, keys: float) -> float:
        """Keys per token under a kernel that skips what is masked; |i - j| < window, half of it if causal."""
        if self.window is None:
            return keys
        return min(keys, float(self.window if self.causal else 2 * self.window - 1))


@dataclass(frozen=True)
class Counts:
    """Parameters of a model by what becomes of them.

    Attributes:
        total: all, the library's unused pooler included; `unused`: parameters that never get a gradient (the pooler).
        linear: weights of linear layers that every token passes, biases not counted.
        trained: parameters that are trained; `adapters`: those of them in low-rank adapters.
        trained_linear: weights of linear layers (adapters not counted) that are trained.
        embeddings: input embeddings, V x E; `vocabulary`: V.
        largest_layer: parameters of the largest transformer layer.
    """

    total: int
    unused: int
    linear: int
    trained: int
    adapters: int
    trained_linear: int
    embeddings: int
    vocabulary: int
    largest_layer: int


def forward_flops(linear: float, attention: Sequence[Attention], keys: float, skips: bool = False) -> float:
    """FLOPs of one token through the model: 2 N + sum over layers of 4 A S.

    Kaplan et al. 2020, section 2.1 and table 1 (embeddings, norms and biases left out); the attention term twice theirs
    because no key is masked in a segment. Causal attention counts all keys, as in Chowdhery et al. 2022, appendix B.

    Args:
        keys: mean over tokens of the length of their segment: packing makes it sum(n^2) / sum(n).
        skips: whether the kernel skips keys outside a sliding window (`varlen` does, `segments` masks them).
    """
    products = sum(
        layer.width * (4.0 * (layer.keys(keys) if skips else keys) + 2.0 * layer.relative) for layer in attention
    )
    return 2.0 * linear + products


def training_flops(counts: Counts, attention: Sequence[Attention], keys: float, skips: bool = False) -> float:
    """Model FLOPs of one trained token: forward, gradients of activations, gradients of trained weights.

    Full: 6 N + 12 L A S (Chowdhery et al. 2022, appendix B). Frozen weights under adapters need no gradient of their
    own: 4 N + 6 N_adapters + 12 L A S. Backward stops below the lowest trained layer; that is not counted as saved.
    """
    both = 2.0 * (2.0 * counts.linear + 2.0 * counts.adapters)
    own = 2.0 * (counts.trained_linear + counts.adapters)
    return both + own + 3.0 * forward_flops(0, attention, keys, skips)


def softmax_flops(counts: Counts, hidden: int, share: float) -> float:
    """Forward FLOPs per token of a masked-LM head: dense layer and tied output for the share of tokens predicted."""
    size = counts.embeddings // counts.vocabulary
    return share * 2.0 * (hidden * size + counts.embeddings)


def layer_bytes(hidden: int, width: int, feed_forward: int, heads: int, bf16: bool, dropout: bool = False) -> float:
    """Bytes per token that one BERT-like layer keeps for the backward pass, in closed form.

    Korthikanti et al. 2022, section 4.1, count 34 H + 5 a S bytes (a heads) in 16 bits with dropout. Here there is no
    S term (a fused kernel keeps query, key, value, output and one number a head), the residual stream is fp32, and
    autocast keeps a 16-bit copy of the layer's input for each of the three projections:

        fp32: 4 (4 H + 5 A + 2 F);  bf16: 8 H (inputs of two norms) + 2 (4 H + 5 A + 2 F);  + 2 H with dropout (masks)
    """
    masks = 2 * hidden if dropout else 0
    rest = 4 * hidden + 5 * width + 2 * feed_forward
    return (8 * hidden + 2 * rest if bf16 else 4 * rest) + 4 * heads + 16 + masks


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


@dataclass(frozen=True)
class Kept:
    """What a forward pass keeps for its backward pass, in bytes.

    Attributes:
        per_token: all layers together; `layers`: how many there are; `hidden`: the width of the residual stream.
        copies: independent of the tokens: 16-bit copies of weights.
    """

    per_token: float
    copies: float
    layers: int
    hidden: int

    @property
    def per_layer(self) -> float:
        return self.per_token / max(1, self.layers)

    def activations(self, tokens: float, recompute: bool) -> float:
        """Bytes for a micro-batch; when recomputed, each layer's input in fp32, and one layer whole."""
        if not recompute:
            return tokens * self.per_token
        return tokens * (4.0 * self.hidden * self.layers + self.per_layer)


def weight_bytes(counts: Counts, tuning: Tuning, held: float) -> float:
    """Bytes of all weights: `held` bytes a frozen one, 4 a trained one, 4 bits a quantised linear one."""
    if not (tuning.rank or tuning.held):
        return 4.0 * counts.total
    quantized = counts.linear * NF4_BYTES if tuning.quantized else counts.linear * held
    return quantized + (counts.total - counts.adapters - counts.linear) * held + 4.0 * counts.adapters


def training_memory(
    counts: Counts, kept: Kept, tuning: Tuning, machine: Machine, micro: MicroBatch, held: float
) -> Memory:
    """Peak of a training stage on each device.

    Logits of predicted tokens are counted in fp32, with their gradient in fp32 and a copy in 16 bits. `held` is the
    bytes of a frozen weight.

    Sharded, a device gathers two layers and what belongs to none (the embeddings) at a time, and holds their gradients
    before they are divided; DDP holds gradients a second time, in the buckets that it sends.
    """
    sharded = machine.shard and machine.devices > 1
    part = 0.0 if sharded and machine.offload else 1.0 / machine.devices if sharded else 1.0
    gradients = 4.0 * counts.trained
    buffers = micro.tokens * kept.per_layer + micro.predicted * counts.vocabulary * 10.0
    trains_embeddings = not (tuning.rank or tuning.frozen_embeddings or tuning.frozen_layers)
    if micro.several and trains_embeddings and not sharded:
        buffers += 4.0 * counts.embeddings  # the second micro-batch's gradient, before it is added to the first's
    if tuning.quantized:
        buffers += 2.0 * counts.largest_layer  # weights of the layer at work
    if sharded:
        share = counts.trained / counts.total
        buffers += (held if tuning.rank else 4.0) * (1.0 + share) * (2 * counts.largest_layer + counts.embeddings)
    elif machine.devices > 1:
        buffers += gradients
    copies = 0.0 if tuning.quantized else kept.copies
    return Memory(
        weight_bytes(counts, tuning, held) * part,
        copies / (kept.layers if machine.recompute else 1),
        gradients * part,
        2.0 * gradients * part,
        kept.activations(micro.tokens, machine.recompute),
        buffers,
        micro.several or machine.devices > 1,
    )


def inference_memory(weights: float, kept: Kept, tokens: float, all_layers: bool) -> Memory:
    """Peak of prediction: weights, one layer at work, and every layer's states where a task reads them."""
    states = 4.0 * kept.hidden * (kept.layers + 1 if all_layers else 2)
    return Memory(weights, kept.copies, activations=tokens * states, buffers=tokens * kept.per_layer)


def fewer_tokens(budget: int, least: int) -> list[int]:
    """Budgets below `budget`, halved as long as the longest instance fits."""
    halves = []
    while budget // 2 >= max(1, least):
        budget //= 2
        halves.append(budget)
    return halves


def head_parameters(kind: str, hidden: int, labels: int, counts: Counts) -> int:
    """Parameters of a task type's head (`xstilts.task_types`); none for types that read sentence vectors."""
    if kind in ("masked_lm", "translation_lm"):
        size = counts.embeddings // counts.vocabulary
        return (hidden + 3) * size + counts.vocabulary
    if kind in ("classification", "multiple_choice"):
        return (hidden + 1) * (hidden + (labels if kind == "classification" else 1))
    if kind in ("tagging", "span_qa"):
        return (hidden + 1) * (labels if kind == "tagging" else 2)
    return 0
