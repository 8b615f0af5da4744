"""Sentence vectors: retrieval of translations (no training) and contrastive training on translation pairs.

A sentence vector is the mean of the hidden states of all its tokens, special tokens included, as jiant pools (XTREME's
own script does the same unless told `--pool_skip_special_token`); or, where the backbone asks for it, the mean without
special tokens, or the state of the first or last token. Retrieval reads every layer in one pass and reports each, raw
and centred on the mean of its language, so that no layer is chosen in the dark; the one that enters means is the
backbone's, or chosen by evaluation on languages set apart for it, else the protocol's (`protocol_layer`).
Shape suffixes: T tokens, H hidden, S sentences, B pairs.
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
from xstilts.data.examples import ParallelExample
from xstilts.task_types.base import Batch, Limits, Prediction, TaskType, indices
from xstilts.task_types.features import Array, Features, FeaturesBuilder
from xstilts.task_types.neighbours import nearest_neighbours


def encode_pairs(examples: Sequence[ParallelExample], coder: Coder, limits: Limits) -> Features:
    """One instance of two segments per translation pair: source (the other language) first, target (English) second."""
    builder = FeaturesBuilder()
    sources = coder.pieces([example.source for example in examples])
    targets = coder.pieces([example.target for example in examples])
    for example, source, target in zip(examples, sources, targets, strict=True):
        index = builder.record(id=example.id, gold=example.id)
        builder.add(index, [coder.one(source, limits.max_length), coder.one(target, limits.max_length)])
    return builder.build()


@dataclass(frozen=True)
class VectorType(TaskType):
    """A task type that makes vectors of segments.

    Attributes:
        pooling: how.
        special_tokens: whether a mean is over them too.
        frame: their ids, where it is not (`with_tokenizer`).
    """

    pooling: Pooling = "mean"
    special_tokens: bool = True
    frame: frozenset[int] | None = None

    def suited(self, backbone: Backbone) -> Self:
        return self.with_tokenizer(backbone.tokenizer)

    def with_tokenizer(self, tokenizer: Any) -> Self:
        """The same, told which tokens are special if its vectors leave them out."""
        return self if self.special_tokens else replace(self, frame=Coder(tokenizer).frame_ids)


def sentence_vectors(states_TH: Tensor, packed: Packed, how: VectorType) -> Tensor:
    """One vector for each segment, [S, H] float32, segments as given to `pack`."""
    if how.special_tokens:
        return pool(states_TH, packed, how.pooling)
    assert how.pooling == "mean", "one token has no mean"
    assert how.frame is not None, "`with_tokenizer` tells which tokens are special"
    return mean_pool(states_TH, packed, how.frame)


def words(how: VectorType) -> str:
    """How vectors are made, for the name of a variant."""
    if how.pooling == "mean":
        return f"mean {'with' if how.special_tokens else 'without'} special tokens"
    return f"{how.pooling} token"


def pool(states_TH: Tensor, packed: Packed, pooling: Pooling) -> Tensor:
    """One vector for each segment, special tokens included, [S, H] float32, segments as given to `pack`."""
    return mean_pool(states_TH, packed) if pooling == "mean" else states_TH[packed.place_S(pooling)].float()


def mean_pool(states_TH: Tensor, packed: Packed, without: frozenset[int] = frozenset()) -> Tensor:
    """Mean over the tokens of each segment, [S, H] float32, segments as given to `pack`.

    Args:
        without: ids of tokens that are left out, but where a segment has no others.
    """
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


def collate_pairs(features: Features, rows: Array) -> Batch:
    """Instances of two segments; `source_B` says where each instance's first one is."""
    packed, offsets = features.packed(rows)
    return Batch(packed, {"source_B": indices(offsets[:-1])}, len(rows), rows)


def cosines(states_TH: Tensor, batch: Batch, how: VectorType) -> Tensor:
    """Cosine of every first segment with every second one of the batch, [B, B]; right pairs on the diagonal."""
    vectors_SH = F.normalize(sentence_vectors(states_TH, batch.packed, how), dim=-1)
    source_B = batch.targets["source_B"]
    return dots(vectors_SH[source_B], vectors_SH[source_B + 1])


def dots(x_NH: Tensor, y_MH: Tensor) -> Tensor:
    """Dot products of float32 vectors, [N, M], in float32 under autocast too.

    bf16 knows 1 and 0.996 and nothing between; over a temperature of 0.05 that is a step of 0.08 in every logit.
    """
    with torch.autocast(x_NH.device.type, enabled=False):
        return x_NH @ y_MH.T


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

    def encode(
        self, examples: Sequence[ParallelExample], coder: Coder, limits: Limits, labels: Sequence[str]
    ) -> Features:
        return encode_pairs(examples, coder, limits)

    def outputs(self, head: nn.Module, states: Sequence[Tensor], batch: Batch) -> list[Any]:
        pooled = np.stack([sentence_vectors(layer, batch.packed, self).cpu().numpy() for layer in states], axis=1)
        return list(pooled.reshape(len(batch.rows), 2, len(states), -1))

    def decode(
        self, features: Features, outputs: Sequence[Any], labels: Sequence[str], limits: Limits
    ) -> list[Prediction]:
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
class Contrastive(VectorType):
    """InfoNCE on translation pairs: cosine over temperature, the batch's other pairs as negatives, both directions.

    As InfoXLM and LaBSE train, with the temperature of SimCSE (Gao et al. 2021).
    """

    name: ClassVar[str] = "contrastive"
    splits_batches: ClassVar[bool] = False
    temperature: float = 0.05

    def encode(
        self, examples: Sequence[ParallelExample], coder: Coder, limits: Limits, labels: Sequence[str]
    ) -> Features:
        return encode_pairs(examples, coder, limits)

    def collate(self, features: Features, rows: Array, rng: np.random.Generator) -> Batch:
        return collate_pairs(features, rows)

    def loss(self, head: nn.Module, states_TH: Tensor, batch: Batch) -> Tensor:
        scores_BB = cosines(states_TH, batch, self) / self.temperature
        gold_B = torch.arange(len(scores_BB), device=scores_BB.device)
        there = F.cross_entropy(scores_BB, gold_B, reduction="sum")
        return (there + F.cross_entropy(scores_BB.T, gold_B, reduction="sum")) / 2
