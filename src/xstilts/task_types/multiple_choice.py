"""Multiple choice: HellaSwag, CommonsenseQA, Social IQA, COPA, XCOPA.

One segment per choice: `context question </s> choice`. Head: RoBERTa's pooler (dense, tanh), dropout, projection to one
score, on the first token of each choice (of decoders the last); softmax over the choices of a question. Shape suffixes:
S segments (choices of all questions), B questions, K most choices.
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
from xstilts.data.examples import ChoiceExample
from xstilts.task_types.base import Batch, Limits, Prediction, TaskType, head_std, indices, init_linear, token_of
from xstilts.task_types.features import Array, Features, FeaturesBuilder


class ChoiceHead(nn.Module):
    """Dense, tanh, dropout, projection to one score; reads the states of one token a segment, [S, H], gives [S]."""

    def __init__(self, hidden: int, dropout: float, token: Token = "first") -> None:
        super().__init__()
        self.token: Token = token
        self.dense = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, 1)
        self.dropout = Dropout(dropout)

    def forward(self, states_SH: Tensor, place_S: Tensor | None = None) -> Tensor:
        """`place_S`: which tokens of the pack are read."""
        scores: Tensor = self.out(self.dropout(torch.tanh(self.dense(states_SH)), place_S))
        return scores.squeeze(-1)


class MultipleChoice(TaskType):
    """Multiple choice; the loss is cross-entropy over the choices of each question."""

    name: ClassVar[str] = "multiple_choice"

    def encode(
        self, examples: Sequence[ChoiceExample], coder: Coder, limits: Limits, labels: Sequence[str]
    ) -> Features:
        builder = FeaturesBuilder()
        contexts = coder.pieces([f"{e.context} {e.question}".strip() for e in examples])
        choices = iter(coder.pieces([choice for e in examples for choice in e.choices]))
        for example, context in zip(examples, contexts, strict=True):
            segments = [coder.two(context, next(choices), limits.max_length) for _ in example.choices]
            index = builder.record(id=example.id, gold=example.label, choices=len(example.choices))
            builder.add(index, segments, label=-1 if example.label is None else example.label)
        return builder.build()

    def head(self, backbone: Backbone, labels: Sequence[str], dropout: float) -> nn.Module:
        return init_linear(ChoiceHead(backbone.hidden_size, dropout, backbone.summary), head_std(backbone))

    def collate(self, features: Features, rows: Array, rng: np.random.Generator) -> Batch:
        packed, offsets = features.packed(rows)
        sizes = np.diff(offsets)
        grid = np.full((len(rows), int(sizes.max())), -1, dtype=np.int64)
        for i, size in enumerate(sizes):
            grid[i, :size] = np.arange(offsets[i], offsets[i + 1])
        targets = {"label_B": indices(features.column("label")[rows]), "segment_BK": indices(grid)}
        return Batch(packed, targets, len(rows), rows)

    def logits(self, head: nn.Module, states_TH: Tensor, batch: Batch) -> Tensor:
        """[B, K]; -inf where a question has fewer choices."""
        place_S = batch.packed.place_S(token_of(head))
        scores_S: Tensor = head(states_TH[place_S], place_S).float()
        segment_BK = batch.targets["segment_BK"]
        return scores_S[segment_BK.clamp(min=0)].masked_fill(segment_BK < 0, float("-inf"))

    def loss(self, head: nn.Module, states_TH: Tensor, batch: Batch) -> Tensor:
        return F.cross_entropy(self.logits(head, states_TH, batch), batch.targets["label_B"], reduction="sum")

    def labelled_states(self, head: nn.Module, states_TH: Tensor, batch: Batch) -> tuple[Tensor, Tensor] | None:
        """Each choice, right (1) or wrong (0)."""
        segment_BK, label_B = batch.targets["segment_BK"], batch.targets["label_B"]
        right_BK = torch.arange(segment_BK.shape[1], device=label_B.device) == label_B[:, None]
        classes_BK = right_BK.long().masked_fill(label_B[:, None] < 0, -1)
        states_SH = states_TH[batch.packed.place_S(token_of(head))]
        return states_SH[segment_BK[segment_BK >= 0]], classes_BK[segment_BK >= 0]

    def outputs(self, head: nn.Module, states: Sequence[Tensor], batch: Batch) -> list[Any]:
        return list(self.logits(head, states[-1], batch).cpu().numpy())

    def decode(
        self, features: Features, outputs: Sequence[Any], labels: Sequence[str], limits: Limits
    ) -> list[Prediction]:
        return chosen(features, outputs)


def chosen(features: Features, rows: Sequence[Array]) -> list[Prediction]:
    """The choices of the highest score, from the scores of all."""
    predictions = []
    for record, row in zip(features.records, rows, strict=True):
        scores = row[: record["choices"]]
        extra = {"scores": [round(float(score), 4) for score in scores]}
        predictions.append(Prediction(record["id"], int(np.argmax(scores)), extra=extra))
    return predictions
