"""The one prediction loop: all instances of a data set in packed micro-batches of similar length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from xstilts.backbones.backbone import Backbone, autocast
from xstilts.backbones.packing import micro_batches
from xstilts.core.seeds import generator
from xstilts.task_types import Prediction, TaskType
from xstilts.task_types.base import Limits
from xstilts.task_types.features import Features


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
    tokens: int = 16_384
    precision: str = "fp32"

    @torch.inference_mode()
    def __call__(self, features: Features, limits: Limits) -> list[Prediction]:
        """Predictions for every example, in file order."""
        self.backbone.to(self.device).eval()
        self.head.to(self.device).eval()
        outputs: list[Any] = [None] * len(features)
        rng = generator(0, "predict")
        for rows in micro_batches(features.lengths, self.tokens):
            batch = self.task_type.collate(features, rows, rng).to(self.device)
            with autocast(self.precision, self.device):
                if self.task_type.all_layers:
                    states = self.backbone.hidden_states(batch.packed)
                else:
                    states = [self.backbone(batch.packed)]
                results = self.task_type.outputs(self.head, states, batch)
            for row, result in zip(rows, results, strict=True):
                outputs[row] = result
        return self.task_type.decode(features, outputs, self.labels, limits)
