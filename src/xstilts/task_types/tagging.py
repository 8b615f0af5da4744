"""Sequence tagging (UD-POS, PAN-X): the first sub-word of a word has its tag.

A sentence over the limit is cut between words into several instances, whose tags are joined: no word loses its
prediction (XTREME splits sentences too, jiant truncated them). A single word over the limit keeps its first pieces.
Shape suffixes: T tokens, W words, C tags.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

from xstilts.backbones.backbone import Backbone
from xstilts.backbones.coder import Coder, Ids
from xstilts.backbones.dropout import Dropout
from xstilts.data.examples import Encoding, TaggedExample
from xstilts.task_types.base import Batch, Labels, Outputs, Prediction, Rng, TaskType, indices, init_head
from xstilts.task_types.classification import numbers_of
from xstilts.task_types.features import Array, Features, FeaturesBuilder


class TokenHead(nn.Module):
    """Dropout and projection, from [N, H] to [N, C], as in transformers' token classification."""

    def __init__(self, hidden: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.out = nn.Linear(hidden, classes)
        self.dropout = Dropout(dropout)

    def forward(self, states_NH: Tensor, place_N: Tensor | None = None) -> Tensor:
        """`place_N`: the places of the states in the pack."""
        logits: Tensor = self.out(self.dropout(states_NH, place_N))
        return logits


class Tagging(TaskType):
    """Sequence tagging; the loss is cross-entropy per tagged word."""

    right_context: ClassVar[bool] = True

    def encode(self, examples: Sequence[TaggedExample], coder: Coder, limits: Encoding, labels: Labels) -> Features:
        builder, number = FeaturesBuilder(), numbers_of(labels)
        budget = limits.max_length - coder.single.tokens
        for example in examples:
            index = add_sentence(builder, example)
            tags = example.tags or (None,) * len(example.words)
            pieces = [ids[:budget] for ids in coder.word_pieces(example.words)]
            for begin, end in cut(pieces, budget):
                starts = len(coder.single.before) + np.cumsum([0, *map(len, pieces[begin : end - 1])])
                segment = coder.one(np.concatenate(pieces[begin:end]), limits.max_length)
                builder.add(index, [segment], word_start=starts, tag=[number[tag] for tag in tags[begin:end]])
        return builder.build()

    def head(self, backbone: Backbone, labels: Labels, dropout: float) -> nn.Module:
        return init_head(TokenHead(backbone.hidden_size, len(labels), dropout), backbone)

    def collate(self, features: Features, rows: Array, rng: Rng) -> Batch:
        packed, offsets = features.packed(rows)
        word_start, tag = features.ragged("word_start"), features.ragged("tag")
        starts = packed.starts_S.numpy()
        words = [word_start[row] + starts[offsets[i]] for i, row in enumerate(rows)]
        targets = {
            "word_W": indices(np.concatenate(words)),
            "tag_W": indices(np.concatenate([tag[row] for row in rows])),
            "words_B": indices([len(row) for row in words]),
        }
        return Batch(packed, targets, len(targets["word_W"]), rows)

    def logits(self, head: nn.Module, states_TH: Tensor, batch: Batch) -> Tensor:
        """[W, C]."""
        word_W = batch.targets["word_W"]
        logits_WC: Tensor = head(states_TH[word_W], word_W)
        return logits_WC

    def loss(self, head: nn.Module, states_TH: Tensor, batch: Batch) -> Tensor:
        logits_WC = self.logits(head, states_TH, batch).float()
        return F.cross_entropy(logits_WC, batch.targets["tag_W"], reduction="sum")

    def outputs(self, head: nn.Module, states: Sequence[Tensor], batch: Batch) -> list[Any]:
        best_W = self.logits(head, states[-1], batch).argmax(-1).cpu().numpy()
        return np.split(best_W, np.cumsum(batch.targets["words_B"].cpu().numpy())[:-1])

    def decode(self, features: Features, outputs: Outputs, labels: Labels, limits: Encoding) -> list[Prediction]:
        return joined_tags(features, outputs, labels)


def add_sentence(builder: FeaturesBuilder, example: TaggedExample) -> int:
    """Add the record of a sentence; returns its index."""
    gold = None if example.tags is None else list(example.tags)
    return builder.record(id=example.id, gold=gold, words=len(example.words))


def joined_tags(features: Features, outputs: Sequence[Array], labels: Labels) -> list[Prediction]:
    """The tags of sentences, from the tag numbers of their instances."""
    tags: list[list[str]] = [[] for _ in features.records]
    for example, best in zip(features.example, outputs, strict=True):
        tags[int(example)].extend(labels[int(tag)] for tag in best)
    for record, row in zip(features.records, tags, strict=True):
        assert len(row) == record["words"], f"sentence {record['id']} lost words"
    return [Prediction(record["id"], row) for record, row in zip(features.records, tags, strict=True)]


def cut(pieces: Sequence[Ids], budget: int) -> Iterator[tuple[int, int]]:
    """Word ranges [begin, end) of at most `budget` tokens each, from left to right."""
    begin, used = 0, 0
    for i, ids in enumerate(pieces):
        if used + len(ids) > budget:
            yield begin, i
            begin, used = i, 0
        used += len(ids)
    yield begin, len(pieces)
