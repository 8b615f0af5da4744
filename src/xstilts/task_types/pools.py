"""Searching a pool: mining translation pairs (BUCC 2018), and ranking candidates for queries (LAReQA, Mewsli-X).

Shape suffixes: Q queries, C candidates, H hidden, K neighbours.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from xstilts.backbones.coder import Coder, Segment
from xstilts.data.examples import Encoding, PoolExample
from xstilts.metrics.retrieval import DEPTH, protocol_layer
from xstilts.task_types.base import Batch, Labels, Outputs, Prediction
from xstilts.task_types.features import Array, Features, FeaturesBuilder
from xstilts.task_types.sentences import NEIGHBOURS, PairType, VectorType, diagonal_loss, nearest, ratio_margins, unit


@dataclass(frozen=True)
class Mining(VectorType):
    """Translation pairs between two sets of sentences, of which most have no translation.

    By default vectors are means at 7/12 of the depth (layer 14 of 24). Pairs are those of `mine` above the threshold
    that maximises F1 on the sample set. Source: google-research/xtreme, `third_party/utils_retrieve.py` (`mine_bitext`,
    `bucc_optimize`, `bucc_extract`). A sentence that occurs twice on its side is never part of a pair.
    """

    all_layers: ClassVar[bool] = True
    layer: int | None = None

    def encode(self, examples: Sequence[PoolExample], coder: Coder, limits: Encoding, labels: Labels) -> Features:
        """One instance per distinct sentence of each side."""
        builder = FeaturesBuilder()
        keys = [(example.sample, example.query, example.text) for example in examples]
        times, seen = Counter(keys), set()
        pieces = coder.pieces([example.text for example in examples])
        for example, key, ids in zip(examples, keys, pieces, strict=True):
            index = builder.record(**_record(example))
            if key not in seen:
                seen.add(key)
                cells = {"sample": example.sample, "query": example.query, "repeated": times[key] > 1}
                builder.add(index, [coder.one(ids, limits.max_length)], **cells)
        return builder.build()

    def outputs(self, head: nn.Module, states: Sequence[Tensor], batch: Batch) -> list[Any]:
        layer = protocol_layer(len(states) - 1) if self.layer is None else self.layer
        return [(layer, vector) for vector in self.vectors(states[layer], batch.packed).cpu().numpy()]

    def decode(self, features: Features, outputs: Outputs, labels: Labels, limits: Encoding) -> list[Prediction]:
        vectors = np.stack([vector for _, vector in outputs])
        variant = f"layer={outputs[0][0]} raw, {self.description}, ratio margin k={NEIGHBOURS}"
        tuned = bool(features.columns["sample"].any())
        pairs = self._pairs(features, vectors, sample=False)
        sample = self._pairs(features, vectors, sample=True) if tuned else pairs
        key = "tune" if tuned else "gold"
        gold = {(record["id"], wanted) for record in features.records for wanted in record.get(key) or ()}
        threshold = best_threshold(sample, gold)
        found: dict[str, list[str]] = {record["id"]: [] for record in features.records if "gold" in record}
        for (query, candidate), score in pairs.items():
            if score >= threshold:
                found[query].append(candidate)
        return [Prediction(name, candidates, variant, {"threshold": threshold}) for name, candidates in found.items()]

    def _pairs(self, features: Features, vectors: Array, sample: bool) -> dict[tuple[str, str], float]:
        """Mined pairs of ids -> margin, best first, without sentences that occur twice."""
        of_set = features.columns["sample"] == sample
        queries = np.flatnonzero(of_set & (features.columns["query"] == 1))
        candidates = np.flatnonzero(of_set & (features.columns["query"] == 0))
        names = [features.records[int(i)]["id"] for i in features.example]
        repeated = features.columns["repeated"]
        pairs = {}
        for i, j, score in mine(vectors[queries], vectors[candidates]):
            query, candidate = queries[i], candidates[j]
            if not repeated[query] and not repeated[candidate]:
                pairs[names[query], names[candidate]] = score
        return pairs


def _record(example: PoolExample) -> dict[str, Any]:
    """Queries have `gold`, in the sample set `tune`; candidates have neither."""
    if not example.query:
        return {"id": example.id}
    gold = None if example.gold is None else list(example.gold)
    return {"id": example.id, "tune" if example.sample else "gold": gold}


def mine(queries: Array, candidates: Array) -> list[tuple[int, int, float]]:
    """One-to-one pairs (query, candidate, ratio margin) of [Q, H] and [C, H], best first.

    Each sentence proposes the neighbour with the highest margin. Proposals are accepted greedily, each sentence once
    (`retrieval='max'`, `margin='ratio'` of the official script).
    """
    (forward, which), (backward, whose) = ratio_margins(unit(queries), unit(candidates))
    best_Q, best_C = forward.max(-1), backward.max(-1)
    rows = torch.cat([torch.arange(len(queries)), whose.gather(1, best_C.indices[:, None])[:, 0]]).tolist()
    columns = torch.cat([which.gather(1, best_Q.indices[:, None])[:, 0], torch.arange(len(candidates))]).tolist()
    scores = torch.cat([best_Q.values, best_C.values])
    taken_Q: set[int] = set()
    taken_C: set[int] = set()
    mined = []
    for i in torch.argsort(-scores, stable=True).tolist():
        query, candidate = rows[i], columns[i]
        if query not in taken_Q and candidate not in taken_C:
            taken_Q.add(query)
            taken_C.add(candidate)
            if (score := float(scores[i])) > 0:
                mined.append((query, candidate, score))
    return mined


def best_threshold(pairs: Mapping[tuple[str, str], float], gold: Collection[tuple[str, str]]) -> float:
    """The threshold with the best F1 against `gold`, midway to the next pair; 0 if no pair is right.

    If the last pair is the best cut, its margin is the threshold; the official script reads beyond its list there.
    """
    ranked = sorted(pairs.items(), key=lambda item: -item[1])
    threshold = best = 0.0
    right = 0
    for taken, (pair, score) in enumerate(ranked, start=1):
        right += pair in gold
        f1 = 2 * right / (taken + len(gold))
        if f1 > best:
            following = ranked[taken][1] if taken < len(ranked) else score
            best, threshold = f1, (score + following) / 2
    return threshold


@dataclass(frozen=True)
class Ranking(PairType):
    """Candidates for each query by cosine, among the candidates of all languages.

    A dual encoder of one backbone, trained on English pairs of query and candidate; the batch's other candidates are
    negatives. By default vectors are means of the last layer. XTREME-R's baseline (`third_party/bert.py`) uses the
    pooler's output, and learns the temperature, from 0.01.
    """

    pooled: ClassVar[bool] = True
    temperature: float = 0.01

    def encode(self, examples: Sequence[PoolExample], coder: Coder, limits: Encoding, labels: Labels) -> Features:
        """Training pairs: each query with the first of its gold candidates."""
        builder = FeaturesBuilder()
        segments = _segments(examples, coder, limits)
        by_id = {example.id: segment for example, segment in zip(examples, segments, strict=True)}
        for example, segment in zip(examples, segments, strict=True):
            if example.query and example.gold:
                builder.add(builder.record(**_record(example)), [segment, by_id[example.gold[0]]])
        return builder.build()

    def encode_apart(self, examples: Sequence[PoolExample], coder: Coder, limits: Encoding, labels: Labels) -> Features:
        """One instance for each query and candidate."""
        builder = FeaturesBuilder()
        for example, segment in zip(examples, _segments(examples, coder, limits), strict=True):
            builder.add(builder.record(**_record(example)), [segment])
        return builder.build()

    def loss(self, head: nn.Module, states_TH: Tensor, batch: Batch) -> Tensor:
        return diagonal_loss(self.cosines(states_TH, batch) / self.temperature)

    def outputs(self, head: nn.Module, states: Sequence[Tensor], batch: Batch) -> list[Any]:
        return list(self.vectors(states[-1], batch.packed).cpu().numpy())

    def rank(self, features: Features, outputs: Outputs, names: Sequence[str], y_CH: Tensor) -> list[Prediction]:
        """The ids of the 20 nearest candidates of each query, best first; `names`: the candidates' ids."""
        _, best = nearest(unit(np.stack(outputs)), y_CH, min(DEPTH, len(names)))
        variant = f"{len(names)} candidates, cosine, {self.description}"
        ids = [record["id"] for record in features.records]
        return [Prediction(ids[i], [names[j] for j in row], variant) for i, row in enumerate(best.tolist())]


def _segments(examples: Sequence[PoolExample], coder: Coder, limits: Encoding) -> list[Segment]:
    texts = coder.pieces([example.text for example in examples])
    pairs = coder.pieces([example.pair or "" for example in examples])
    return [
        coder.one(text, limits.max_question if example.query else limits.max_length)
        if example.pair is None
        else coder.two(text, pair, limits.max_length)
        for example, text, pair in zip(examples, texts, pairs, strict=True)
    ]
