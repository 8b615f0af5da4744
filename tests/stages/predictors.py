"""Predictors of tiny random models."""

from __future__ import annotations

from typing import Any

from task_types.samples import CODER, LIMITS
from training.phases import DATA, tiny_model
from xstilts.stages.predicting import Predictor
from xstilts.task_types import TASK_TYPES, Prediction
from xstilts.task_types.features import Features


def predictor(task: str, **changes: Any) -> Predictor:
    kind, _, labels = DATA[task]
    model = tiny_model(task, dropout=0.5, hidden_dropout_prob=0.3, **changes)
    return Predictor(model.backbone, model.heads[task], TASK_TYPES.get(kind), labels)


def encoded(task: str, examples: Any) -> Features:
    kind, _, labels = DATA[task]
    return TASK_TYPES.get(kind).encode(examples, CODER, LIMITS, labels)


def values(predictions: list[Prediction]) -> list[tuple[str, Any]]:
    return [(prediction.id, prediction.value) for prediction in predictions]
