"""The one prediction loop: all instances of a data set in packed micro-batches of similar length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from xstilts.backbones.backbone import Backbone, autocast
from xstilts.backbones.packing import micro_batches
from xstilts.core.seeds import generator
from xstilts.task_types import Prediction, TaskType
from xstilts.task_types.base import Limits
from xstilts.task_types.features import Features
from xstilts.task_types.neighbours import unit
from xstilts.task_types.pools import Ranking

AT_ONCE = 16_384
"""Tokens computed at a time unless the machine says otherwise; more than in training, since nothing is kept."""


@dataclass(frozen=True)
class Predictor:
    """A trained backbone with one head.

    Attributes:
        tokens: tokens computed at a time.
    """

    backbone: Backbone
    head: nn.Module
    task_type: TaskType
    labels: Sequence[str]
    device: str = "cpu"
    tokens: int = AT_ONCE
    precision: str = "fp32"

    def __call__(self, features: Features, limits: Limits) -> list[Prediction]:
        """Predictions for every example, in file order."""
        return self.task_type.decode(features, self.outputs(features), self.labels, limits)

    def ranker(self, pool: Features) -> Callable[[Features], list[Prediction]]:
        """What ranks the candidates of `pool`, computed once, for any queries (types that are `pooled`)."""
        assert isinstance(self.task_type, Ranking)
        ranking, names = self.task_type, [row["id"] for row in pool.records]
        vectors = unit(np.stack(self.outputs(pool)))
        return lambda queries: ranking.rank(queries, self.outputs(queries), names, vectors)

    @torch.inference_mode()
    def outputs(self, features: Features) -> list[Any]:
        """The task type's raw outputs for every instance, in instance order."""
        self.backbone.to(self.device).eval()
        self.head.to(self.device).eval()
        outputs: list[Any] = [None] * len(features)
        rng = generator(0, "predict")
        for rows in micro_batches(features.lengths, self.tokens):
            batch = self.task_type.collate(features, rows, rng).to(self.device)
            with autocast(self.precision, self.device):
                if not self.task_type.reads_states:
                    states = []
                elif self.task_type.all_layers:
                    states = self.backbone.hidden_states(batch.packed, self.task_type.right_context)
                else:
                    states = [self.backbone(batch.packed, self.task_type.right_context)]
                results = self.task_type.outputs(self.head, states, batch)
            for row, result in zip(rows, results, strict=True):
                outputs[row] = result
        return outputs
