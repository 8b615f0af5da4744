"""The one prediction loop: all instances of a data set in packed micro-batches of similar length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from xstilts.backbones.backbone import Backbone, autocast
from xstilts.backbones.memory import halved
from xstilts.backbones.packing import micro_batches
from xstilts.core.seeds import generator
from xstilts.task_types import Prediction, TaskType
from xstilts.task_types.base import Limits
from xstilts.task_types.features import Features
from xstilts.task_types.neighbours import unit
from xstilts.task_types.pools import Ranking

AT_ONCE = 16_384
"""Tokens computed at a time unless the machine says otherwise; more than in training, since nothing is kept."""


@dataclass
class Predictor:
    """A trained backbone with one head.

    Attributes:
        tokens: tokens computed at a time; fewer once the device's memory has not sufficed.
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
        """The task type's raw outputs for every instance, in instance order.

        Raises:
            OutOfMemory: for a single instance.
        """
        self.backbone.to(self.device).eval()
        self.head.to(self.device).eval()
        outputs: list[Any] = [None] * len(features)
        groups = micro_batches(features.lengths, self.tokens)
        while groups:
            results = self._computed(features, groups[0])
            if results is None:
                rest = np.concatenate(groups)
                self.tokens = halved(features.lengths[rest], self.tokens, self.device, "prediction")
                groups = [rest[rows] for rows in micro_batches(features.lengths[rest], self.tokens)]
                continue
            for row, result in zip(groups.pop(0), results, strict=True):
                outputs[row] = result
        return outputs

    def _computed(self, features: Features, rows: np.ndarray) -> list[Any] | None:
        """Outputs of some instances; None where the memory does not suffice."""
        try:
            batch = self.task_type.collate(features, rows, generator(0, "predict")).to(self.device)
            with autocast(self.precision, self.device):
                if not self.task_type.reads_states:
                    states = []
                elif self.task_type.all_layers:
                    states = self.backbone.hidden_states(batch.packed, self.task_type.right_context)
                else:
                    states = [self.backbone(batch.packed, self.task_type.right_context)]
                return self.task_type.outputs(self.head, states, batch)
        except torch.OutOfMemoryError:
            return None
