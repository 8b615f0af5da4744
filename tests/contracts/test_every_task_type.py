"""Every task type is one value without torch, and one class that it names."""

from __future__ import annotations

import pytest

from xstilts.data.readers.types import TYPES, Type
from xstilts.evaluation import score as scoring
from xstilts.metrics import METRICS
from xstilts.task_types import TASK_TYPES
from xstilts.task_types.base import TaskType
from xstilts.tasks import TASKS

EVERY = pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)


def test_every_value_names_a_class_of_its_own() -> None:
    assert len({kind.machinery for kind in TYPES}) == len(TYPES) == len(TASK_TYPES)
    assert all(isinstance(task_type, TaskType) for task_type in TASK_TYPES)


@EVERY
def test_other_types_metrics_and_functions_that_it_names_exist(kind: Type) -> None:
    if kind.in_text:
        assert TYPES.get(kind.in_text).asks == kind.name
    if kind.asks:
        assert kind.asks in TYPES
    assert set(kind.metrics) <= set(METRICS.names())
    assert not kind.score or callable(getattr(scoring, kind.score))


@EVERY
def test_own_files_have_fields_and_a_maker_or_neither(kind: Type) -> None:
    assert bool(kind.fields) == bool(kind.make)
    assert kind.optional <= set(kind.fields)


@EVERY
def test_what_can_be_trained_has_a_loss_and_what_is_measured_predictions(kind: Type) -> None:
    machinery = type(TASK_TYPES.get(kind.name))
    if kind.trained:
        assert machinery.loss is not TaskType.loss
    if (kind.metrics or kind.score) and not machinery.pooled:
        assert machinery.decode is not TaskType.decode


def test_every_task_has_a_type_and_every_measured_task_is_scored_from_files() -> None:
    assert {task.type for task in TASKS} <= set(TYPES.names())
    assert {task.name for task in TASKS if task.metric and not TYPES.get(task.type).score} == set()
