"""Sentence vectors: retrieval of translations (no training) and contrastive training on translation pairs.

By default a sentence vector is the mean of the hidden states of all tokens, with special tokens, as in jiant and in
XTREME's script. Retrieval reads every layer in one pass and scores each, raw and centred on the mean of its language.
The layer of averages is that of the backbone, or chosen on languages set apart for it, else `protocol_layer`. Nearest
neighbours are found among any number of vectors, by cosine or by margin, in blocks.
Shape suffixes: T tokens, H hidden, S sentences, B pairs, N further texts, Q queries, C candidates, K neighbours.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xstilts.backbones.backbone import Backbone
from xstilts.backbones.coder import Coder
from xstilts.backbones.names import Pooling, Similarity
from xstilts.backbones.packing import Packed
from xstilts.data.examples import Encoding
from xstilts.task_types.base import Batch, Labels, Outputs, Prediction, Rng, TaskType, indices
from xstilts.task_types.features import Array, Features, FeaturesBuilder

NEIGHBOURS = 4
"""k of the ratio margin in Artetxe and Schwenk 2019 (arXiv 1811.01136) and in XTREME's BUCC."""
CELLS, ROWS = 1 << 28, 1024
"""The largest number of similarities (1 GiB) and of queries in a block."""


def unit(vectors: Array, centred: bool = False) -> Tensor:
    """Vectors of length 1, float32 on the CPU, [Q, H]; `centred` subtracts their mean first."""
    made = torch.from_numpy(np.ascontiguousarray(vectors, dtype=np.float32))
    return F.normalize(made - made.mean(0) if centred else made, dim=-1)


def nearest(queries_QH: Tensor, candidates_CH: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Similarities and indices, [Q, K] each, of the k candidates with the largest dot products, largest first."""
    parts = [(part @ candidates_CH.T).topk(k, dim=-1) for part in _blocks(queries_QH, candidates_CH)]
    return torch.cat([part.values for part in parts]), torch.cat([part.indices for part in parts])


def ratio_margins(x_QH: Tensor, y_CH: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """(ratio margins, indices), [Q, K] each, of the nearest candidates of queries; then [C, K] of candidates' queries.

    The margin of a pair is its cosine, divided by the mean of both sentences' mean cosines with their nearest
    neighbours on the other side (Artetxe and Schwenk 2019, arXiv 1811.01136). Vectors have length 1.
    """
    there, which = nearest(x_QH, y_CH, min(NEIGHBOURS, len(y_CH)))
    back, whose = nearest(y_CH, x_QH, min(NEIGHBOURS, len(x_QH)))
    mean_Q, mean_C = there.mean(-1), back.mean(-1)
    forward = there / ((mean_Q[:, None] + mean_C[which]) / 2)
    backward = back / ((mean_C[:, None] + mean_Q[whose]) / 2)
    return (forward, which), (backward, whose)


def nearest_neighbours(
    queries: Array, candidates: Array, centred: bool = False, similarity: Similarity = "cosine"
) -> Array:
    """Index of the most similar candidate for each query, [Q]; ties go to the first.

    Args:
        queries: [Q, H]; candidates: [C, H].
        centred: subtract the mean of each side first.
        similarity: `margin` takes the highest of `ratio_margins`.
    """
    x_QH, y_CH = unit(queries, centred), unit(candidates, centred)
    if similarity == "cosine":
        best = torch.cat([(part @ y_CH.T).argmax(-1) for part in _blocks(x_QH, y_CH)])
    else:
        (margins, which), _ = ratio_margins(x_QH, y_CH)
        highest = margins == margins.max(-1, keepdim=True).values
        best = which.where(highest, len(y_CH)).min(-1).values
    return best.numpy()


def _blocks(queries_QH: Tensor, candidates_CH: Tensor) -> tuple[Tensor, ...]:
    return torch.split(queries_QH, max(1, min(ROWS, CELLS // len(candidates_CH))))


@dataclass(frozen=True)
class VectorType(TaskType):
    """A task type that makes one vector of each segment; by default its data are translation pairs.

    Attributes:
        special_tokens: whether a mean includes them; if not, `frame` has their ids (`with_tokenizer`).
    """

    pooling: Pooling = "mean"
    special_tokens: bool = True
    frame: frozenset[int] | None = None

    def suited(self, backbone: Backbone) -> Self:
        return self.with_tokenizer(backbone.tokenizer)

    def with_tokenizer(self, tokenizer: Any) -> Self:
        """A copy of the type with the ids of special tokens, if its vectors leave them out."""
        return self if self.special_tokens else replace(self, frame=Coder(tokenizer).frame_ids)

    def encode(self, examples: Sequence[Any], coder: Coder, limits: Encoding, labels: Labels) -> Features:
        """One instance per pair: source (the other language) and target (English)."""
        builder = FeaturesBuilder()
        sources = coder.pieces([example.source for example in examples])
        targets = coder.pieces([example.target for example in examples])
        for example, source, target in zip(examples, sources, targets, strict=True):
            index = builder.record(id=example.id, gold=example.id)
            builder.add(index, [coder.one(source, limits.max_length), coder.one(target, limits.max_length)])
        return builder.build()

    def vectors(self, states_TH: Tensor, packed: Packed) -> Tensor:
        """One vector for each segment, [S, H] float32, in the order of `pack`'s arguments."""
        assert self.special_tokens or self.frame is not None, "`with_tokenizer` comes first"
        return pool(states_TH, packed, self.pooling, self.frame or frozenset())

    @property
    def description(self) -> str:
        """The kind of pooling, for the name of a variant."""
        if self.pooling == "mean":
            return f"mean {'with' if self.special_tokens else 'without'} special tokens"
        return f"{self.pooling} token"


def pool(states_TH: Tensor, packed: Packed, pooling: Pooling = "mean", without: frozenset[int] = frozenset()) -> Tensor:
    """One vector for each segment, [S, H] float32, in the order of `pack`'s arguments.

    `without`: ids of tokens that a mean leaves out, if a segment has others.
    """
    if pooling != "mean":
        return states_TH[packed.summary_S(pooling)].float()
    segment_T, lengths = packed.segment_T, torch.tensor(packed.lengths, device=states_TH.device)
    if without:
        kept_T = ~torch.isin(packed.ids_T, torch.tensor(sorted(without), device=packed.ids_T.device))
        counts = torch.zeros_like(lengths).index_add(0, segment_T, kept_T.long())
        kept_T |= (counts == 0)[segment_T]
        lengths = torch.where(counts == 0, lengths, counts)
        states_TH, segment_T = states_TH[kept_T], segment_T[kept_T]
    sums = torch.zeros(len(lengths), states_TH.shape[1], dtype=torch.float32, device=states_TH.device)
    sums = sums.index_add(0, segment_T, states_TH.float())
    return (sums / lengths.to(sums.dtype)[:, None])[packed.segment_T[packed.starts_S]]


class PairType(VectorType):
    """A type whose instances are pairs of segments; the other second segments of a batch are negatives."""

    splits_batches: ClassVar[bool] = False

    def collate(self, features: Features, rows: Array, rng: Rng) -> Batch:
        """`first_B`: index of each instance's first segment."""
        packed, offsets = features.packed(rows)
        return Batch(packed, {"first_B": indices(offsets[:-1])}, len(rows), rows)

    def cosines(self, states_TH: Tensor, batch: Batch) -> Tensor:
        """Cosines of all first segments with all second segments of a batch, [B, B]."""
        vectors_SH = F.normalize(self.vectors(states_TH, batch.packed), dim=-1)
        first_B = batch.targets["first_B"]
        return dots(vectors_SH[first_B], vectors_SH[first_B + 1])


def dots(x_NH: Tensor, y_MH: Tensor) -> Tensor:
    """Dot products of float32 vectors, [N, M], in float32 under autocast too.

    In bf16 the number below 1 is 0.996; divided by a temperature of 0.05 that is a step of 0.08 in every logit.
    """
    with torch.autocast(x_NH.device.type, enabled=False):
        return x_NH @ y_MH.T


def diagonal_loss(scores_BN: Tensor) -> Tensor:
    """The summed cross-entropy of the rows; entries [i, i] are right."""
    return F.cross_entropy(scores_BN, torch.arange(len(scores_BN), device=scores_BN.device), reduction="sum")


@dataclass(frozen=True)
class Retrieval(VectorType):
    """The nearest neighbour of each English sentence in the other language.

    XTREME (`similarity_search` of `third_party/utils_retrieve.py`) and jiant have the same direction, and cosine.

    Attributes:
        layer: the layer of averages; None: the protocol's.
    """

    all_layers: ClassVar[bool] = True
    layer: int | None = None
    similarity: Similarity = "cosine"

    def outputs(self, head: nn.Module, states: Sequence[Tensor], batch: Batch) -> list[Any]:
        pooled = np.stack([self.vectors(layer, batch.packed).cpu().numpy() for layer in states], axis=1)
        return list(pooled.reshape(len(batch.rows), 2, len(states), -1))

    def decode(self, features: Features, outputs: Outputs, labels: Labels, limits: Encoding) -> list[Prediction]:
        vectors = np.stack(outputs)
        ids = [record["id"] for record in features.records]
        predictions = []
        for layer in range(vectors.shape[2]):
            for centred in (False, True):
                nearest = nearest_neighbours(vectors[:, 1, layer], vectors[:, 0, layer], centred, self.similarity)
                variant = f"layer={layer} {'centred' if centred else 'raw'}"
                predictions += [Prediction(ids[i], ids[j], variant) for i, j in enumerate(nearest)]
        return predictions


@dataclass(frozen=True)
class Contrastive(PairType):
    """InfoNCE on translation pairs, in both directions; the batch's other pairs are negatives.

    InfoXLM and LaBSE are trained so. The temperature is that of SimCSE (Gao et al. 2021).
    """

    temperature: float = 0.05

    def loss(self, head: nn.Module, states_TH: Tensor, batch: Batch) -> Tensor:
        scores_BB = self.cosines(states_TH, batch) / self.temperature
        return (diagonal_loss(scores_BB) + diagonal_loss(scores_BB.T)) / 2
