"""Text classification, of one text or a pair: XNLI, PAWS-X, SIB-200.

Shape suffixes: T tokens, H hidden, B examples, C classes. Head: dropout, dense, tanh, dropout, projection on the first
token (of decoders the last), as RoBERTa's `RobertaClassificationHead` and BERT's pooler with classifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xstilts.backbones.backbone import Backbone
from xstilts.backbones.coder import Coder
from xstilts.backbones.dropout import Dropout
from xstilts.backbones.names import Token
from xstilts.data.examples import TextExample
from xstilts.task_types.base import Batch, Limits, Prediction, TaskType, head_std, indices, init_linear, token_of
from xstilts.task_types.features import Array, Features, FeaturesBuilder


class PooledHead(nn.Module):
    """Dropout, dense, tanh, dropout, projection; reads the states of one token a segment, [N, H], gives [N, C]."""

    def __init__(self, hidden: int, classes: int, dropout: float, token: Token = "first") -> None:
        super().__init__()
        self.token: Token = token
        self.dense = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, classes)
        self.dropout, self.dropout_pooled = Dropout(dropout), Dropout(dropout)

    def forward(self, states_NH: Tensor, place_N: Tensor | None = None) -> Tensor:
        """`place_N`: which tokens of the pack are read."""
        pooled = torch.tanh(self.dense(self.dropout(states_NH, place_N)))
        logits: Tensor = self.out(self.dropout_pooled(pooled, place_N))
        return logits


class Classification(TaskType):
    """Text classification; the loss is cross-entropy per example."""

    name: ClassVar[str] = "classification"

    def encode(self, examples: Sequence[TextExample], coder: Coder, limits: Limits, labels: Sequence[str]) -> Features:
        number = {label: i for i, label in enumerate(labels)}
        builder = FeaturesBuilder()
        firsts = coder.pieces([example.text for example in examples])
        seconds = iter(coder.pieces([example.pair for example in examples if example.pair is not None]))
        for example, first in zip(examples, firsts, strict=True):
            if example.pair is None:
                segment = coder.one(first, limits.max_length)
            else:
                segment = coder.two(first, next(seconds), limits.max_length)
            index = builder.record(id=example.id, gold=example.label)
            builder.add(index, [segment], label=-1 if example.label is None else number[example.label])
        return builder.build()

    def head(self, backbone: Backbone, labels: Sequence[str], dropout: float) -> nn.Module:
        head = PooledHead(backbone.hidden_size, len(labels), dropout, backbone.summary)
        return init_linear(head, head_std(backbone))

    def collate(self, features: Features, rows: Array, rng: np.random.Generator) -> Batch:
        packed, _ = features.packed(rows)
        return Batch(packed, {"label_B": indices(features.column("label")[rows])}, len(rows), rows)

    def logits(self, head: nn.Module, states_TH: Tensor, batch: Batch) -> Tensor:
        """[B, C]."""
        place_B = batch.packed.place_S(token_of(head))
        logits_BC: Tensor = head(states_TH[place_B], place_B)
        return logits_BC

    def loss(self, head: nn.Module, states_TH: Tensor, batch: Batch) -> Tensor:
        logits_BC = self.logits(head, states_TH, batch).float()
        return F.cross_entropy(logits_BC, batch.targets["label_B"], reduction="sum")

    def labelled_states(self, head: nn.Module, states_TH: Tensor, batch: Batch) -> tuple[Tensor, Tensor] | None:
        return states_TH[batch.packed.place_S(token_of(head))], batch.targets["label_B"]

    def outputs(self, head: nn.Module, states: Sequence[Tensor], batch: Batch) -> list[Any]:
        return list(self.logits(head, states[-1], batch).float().log_softmax(-1).cpu().numpy())

    def decode(
        self, features: Features, outputs: Sequence[Any], labels: Sequence[str], limits: Limits
    ) -> list[Prediction]:
        return predicted(features, outputs, labels)


def predicted(features: Features, rows: Sequence[Array], labels: Sequence[str]) -> list[Prediction]:
    """The most probable labels, from the log probabilities of all."""
    return [
        Prediction(record["id"], labels[int(np.argmax(row))], extra={"log_probabilities": _rounded(row)})
        for record, row in zip(features.records, rows, strict=True)
    ]


def _rounded(values: Array) -> list[float]:
    return [round(float(value), 4) for value in values]
