"""Sentence vectors: retrieval of translations (no training) and contrastive training on translation pairs.

A sentence vector is the mean of the hidden states of all its tokens, special tokens included, as jiant pools (XTREME's
own script does the same unless told otherwise); or, where the backbone asks for it, the state of its first or last
token. Retrieval reads every layer in one pass and reports each, raw and centred on the mean of its language, so that no
layer is chosen in the dark; the one that enters means is the backbone's, else the protocol's (`protocol_layer`).
Shape suffixes: T tokens, H hidden, S sentences, B pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xstilts.backbones.coder import Coder
from xstilts.backbones.names import Pooling
from xstilts.backbones.packing import Packed
from xstilts.data.examples import ParallelExample
from xstilts.task_types.base import Batch, Limits, Prediction, TaskType, indices
from xstilts.task_types.features import Array, Features, FeaturesBuilder


def encode_pairs(examples: Sequence[ParallelExample], coder: Coder, limits: Limits) -> Features:
    """One instance of two segments per translation pair: source (the other language) first, target (English) second."""
    builder = FeaturesBuilder()
    sources = coder.pieces([example.source for example in examples])
    targets = coder.pieces([example.target for example in examples])
    for example, source, target in zip(examples, sources, targets, strict=True):
        index = builder.record(id=example.id, gold=example.id)
        builder.add(index, [coder.one(source, limits.max_length), coder.one(target, limits.max_length)])
    return builder.build()


def mean_pool(states_TH: Tensor, packed: Packed) -> Tensor:
    """Mean over the tokens of each segment, [S, H] float32, segments as given to `pack`."""
    segment_T = packed.segment_T
    sums = torch.zeros(len(packed.lengths), states_TH.shape[1], dtype=torch.float32, device=states_TH.device)
    sums = sums.index_add(0, segment_T, states_TH.float())
    means = sums / torch.tensor(packed.lengths, device=sums.device, dtype=sums.dtype)[:, None]
    return means[segment_T[packed.starts_S]]


def pool(states_TH: Tensor, packed: Packed, pooling: Pooling) -> Tensor:
    """One vector for each segment, [S, H] float32, segments as given to `pack`."""
    return mean_pool(states_TH, packed) if pooling == "mean" else states_TH[packed.place_S(pooling)].float()


def collate_pairs(features: Features, rows: Array) -> Batch:
    """Instances of two segments; `source_B` says where each instance's first one is."""
    packed, offsets = features.packed(rows)
    return Batch(packed, {"source_B": indices(offsets[:-1])}, len(rows), rows)


def cosines(states_TH: Tensor, batch: Batch, pooling: Pooling = "mean") -> Tensor:
    """Cosine of every first segment with every second one of the batch, [B, B]; right pairs on the diagonal."""
    vectors_SH = F.normalize(pool(states_TH, batch.packed, pooling), dim=-1)
    source_B = batch.targets["source_B"]
    return vectors_SH[source_B] @ vectors_SH[source_B + 1].T


@dataclass(frozen=True)
class Retrieval(TaskType):
    """Nearest neighbour by cosine: each English sentence looks for its translation in the other language.

    That is the direction of XTREME (`similarity_search` of `third_party/utils_retrieve.py`) and of jiant.

    Attributes:
        layer: the one that enters means; None: the protocol's.
    """

    name: ClassVar[str] = "retrieval"
    all_layers: ClassVar[bool] = True
    pooling: Pooling = "mean"
    layer: int | None = None

    def encode(
        self, examples: Sequence[ParallelExample], coder: Coder, limits: Limits, labels: Sequence[str]
    ) -> Features:
        return encode_pairs(examples, coder, limits)

    def outputs(self, head: nn.Module, states: Sequence[Tensor], batch: Batch) -> list[Any]:
        pooled = np.stack([pool(layer, batch.packed, self.pooling).cpu().numpy() for layer in states], axis=1)
        return list(pooled.reshape(len(batch.rows), 2, len(states), -1))

    def decode(
        self, features: Features, outputs: Sequence[Any], labels: Sequence[str], limits: Limits
    ) -> list[Prediction]:
        vectors = np.stack(outputs)
        ids = [record["id"] for record in features.records]
        predictions = []
        for layer in range(vectors.shape[2]):
            for centred in (False, True):
                nearest = nearest_neighbours(vectors[:, 1, layer], vectors[:, 0, layer], centred)
                variant = f"layer={layer} {'centred' if centred else 'raw'}"
                predictions += [Prediction(ids[i], ids[j], variant) for i, j in enumerate(nearest)]
        return predictions


@dataclass(frozen=True)
class Contrastive(TaskType):
    """InfoNCE on translation pairs: cosine over temperature, the batch's other pairs as negatives, both directions.

    As InfoXLM and LaBSE train, with the temperature of SimCSE (Gao et al. 2021).
    """

    name: ClassVar[str] = "contrastive"
    splits_batches: ClassVar[bool] = False
    temperature: float = 0.05
    pooling: Pooling = "mean"

    def encode(
        self, examples: Sequence[ParallelExample], coder: Coder, limits: Limits, labels: Sequence[str]
    ) -> Features:
        return encode_pairs(examples, coder, limits)

    def collate(self, features: Features, rows: Array, rng: np.random.Generator) -> Batch:
        return collate_pairs(features, rows)

    def loss(self, head: nn.Module, states_TH: Tensor, batch: Batch) -> Tensor:
        scores_BB = cosines(states_TH, batch, self.pooling) / self.temperature
        gold_B = torch.arange(len(scores_BB), device=scores_BB.device)
        there = F.cross_entropy(scores_BB, gold_B, reduction="sum")
        return (there + F.cross_entropy(scores_BB.T, gold_B, reduction="sum")) / 2


def nearest_neighbours(queries: Array, candidates: Array, centred: bool, chunk: int = 4096) -> Array:
    """Index of the candidate with the highest cosine for each query; ties go to the first.

    Args:
        queries: [n, H]; candidates: [m, H].
        centred: subtract each side's own mean first.
        chunk: queries compared at a time.
    """
    sides = []
    for side in (queries, candidates):
        vectors = torch.from_numpy(np.ascontiguousarray(side, dtype=np.float32))
        sides.append(F.normalize(vectors - vectors.mean(0) if centred else vectors, dim=-1))
    best = [(part @ sides[1].T).argmax(-1) for part in torch.split(sides[0], chunk)]
    return torch.cat(best).numpy()
