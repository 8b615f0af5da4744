"""Sentence vectors: retrieval of translations (no training) and contrastive training on translation pairs.

A sentence vector is the mean of the hidden states of all its tokens, special tokens included, as jiant pools (XTREME's
own script does the same unless told `--pool_skip_special_token`); or, where the backbone asks for it, the mean without
special tokens, or the state of the first or last token. Retrieval reads every layer in one pass and reports each, raw
and centred on the mean of its language, so that no layer is chosen unseen; the one that enters means is the backbone's,
or chosen by evaluation on languages set apart for it, else the protocol's (`protocol_layer`).
Shape suffixes: T tokens, H hidden, S sentences, B pairs, N further texts.
"""

from __future__ import annotations

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
from xstilts.data.examples import Encoding, ParallelExample
from xstilts.task_types.base import Batch, Labels, Outputs, Prediction, TaskType, indices
from xstilts.task_types.features import Array, Features, FeaturesBuilder
from xstilts.task_types.neighbours import nearest_neighbours


@dataclass(frozen=True)
class VectorType(TaskType):
    """A task type that makes one vector of each segment.

    Attributes:
        pooling: how.
        special_tokens: whether a mean includes them.
        frame: their ids, where it does not (`with_tokenizer`).
    """

    pooling: Pooling = "mean"
    special_tokens: bool = True
    frame: frozenset[int] | None = None

    def suited(self, backbone: Backbone) -> Self:
        return self.with_tokenizer(backbone.tokenizer)

    def with_tokenizer(self, tokenizer: Any) -> Self:
        """The same, told which tokens are special if its vectors leave them out."""
        return self if self.special_tokens else replace(self, frame=Coder(tokenizer).frame_ids)

    def vectors(self, states_TH: Tensor, packed: Packed) -> Tensor:
        """One vector for each segment, [S, H] float32, segments as given to `pack`."""
        assert self.special_tokens or self.frame is not None, "`with_tokenizer` tells which tokens are special"
        return pool(states_TH, packed, self.pooling, self.frame or frozenset())

    @property
    def description(self) -> str:
        """How vectors are made, for the name of a variant."""
        if self.pooling == "mean":
            return f"mean {'with' if self.special_tokens else 'without'} special tokens"
        return f"{self.pooling} token"


def pool(states_TH: Tensor, packed: Packed, pooling: Pooling = "mean", without: frozenset[int] = frozenset()) -> Tensor:
    """One vector for each segment, [S, H] float32, segments as given to `pack`.

    `without`: ids of tokens that a mean leaves out, unless a segment has no others.
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
    means = sums / lengths.to(sums.dtype)[:, None]
    return means[packed.segment_T[packed.starts_S]]


class PairType(VectorType):
    """A type whose instances are pairs of segments, trained by cosine against the batch's other second segments."""

    splits_batches: ClassVar[bool] = False

    def collate(self, features: Features, rows: Array, rng: np.random.Generator) -> Batch:
        """`first_B`: number of each instance's first segment."""
        packed, offsets = features.packed(rows)
        return Batch(packed, {"first_B": indices(offsets[:-1])}, len(rows), rows)

    def cosines(self, states_TH: Tensor, batch: Batch) -> Tensor:
        """Cosine of every first segment with every second one of the batch, [B, B]; right pairs on the diagonal."""
        vectors_SH = F.normalize(self.vectors(states_TH, batch.packed), dim=-1)
        first_B = batch.targets["first_B"]
        return dots(vectors_SH[first_B], vectors_SH[first_B + 1])


def dots(x_NH: Tensor, y_MH: Tensor) -> Tensor:
    """Dot products of float32 vectors, [N, M], in float32 under autocast too.

    bf16 knows 1 and 0.996 and nothing between; over a temperature of 0.05 that is a step of 0.08 in every logit.
    """
    with torch.autocast(x_NH.device.type, enabled=False):
        return x_NH @ y_MH.T


def diagonal_loss(scores_BN: Tensor) -> Tensor:
    """Cross-entropy of each row where entry [i, i] is right, summed."""
    return F.cross_entropy(scores_BN, torch.arange(len(scores_BN), device=scores_BN.device), reduction="sum")


def encode_pairs(examples: Sequence[ParallelExample], coder: Coder, limits: Encoding) -> Features:
    """One instance of two segments per translation pair: source (the other language) first, target (English) second."""
    builder = FeaturesBuilder()
    sources = coder.pieces([example.source for example in examples])
    targets = coder.pieces([example.target for example in examples])
    for example, source, target in zip(examples, sources, targets, strict=True):
        index = builder.record(id=example.id, gold=example.id)
        builder.add(index, [coder.one(source, limits.max_length), coder.one(target, limits.max_length)])
    return builder.build()


@dataclass(frozen=True)
class Retrieval(VectorType):
    """Nearest neighbour: each English sentence looks for its translation in the other language.

    That is the direction of XTREME (`similarity_search` of `third_party/utils_retrieve.py`) and of jiant, which both
    compare by cosine; so does this unless `similarity` says `margin`.

    Attributes:
        layer: the one that enters means; None: the protocol's.
    """

    name: ClassVar[str] = "retrieval"
    all_layers: ClassVar[bool] = True
    layer: int | None = None
    similarity: Similarity = "cosine"

    def encode(self, examples: Sequence[ParallelExample], coder: Coder, limits: Encoding, labels: Labels) -> Features:
        return encode_pairs(examples, coder, limits)

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
    """InfoNCE on translation pairs: cosine over temperature, the batch's other pairs as negatives, both directions.

    As InfoXLM and LaBSE train, with the temperature of SimCSE (Gao et al. 2021).
    """

    name: ClassVar[str] = "contrastive"
    temperature: float = 0.05

    def encode(self, examples: Sequence[ParallelExample], coder: Coder, limits: Encoding, labels: Labels) -> Features:
        return encode_pairs(examples, coder, limits)

    def loss(self, head: nn.Module, states_TH: Tensor, batch: Batch) -> Tensor:
        scores_BB = self.cosines(states_TH, batch) / self.temperature
        return (diagonal_loss(scores_BB) + diagonal_loss(scores_BB.T)) / 2
