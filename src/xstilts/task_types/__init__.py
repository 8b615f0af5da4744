"""Task types: classes that make features, a head, a loss and predictions; `data.readers.types` describes each."""

from importlib import import_module

from xstilts.core.registry import Registry
from xstilts.data.readers.types import TYPES
from xstilts.task_types.base import Batch, Prediction, TaskType

TASK_TYPES: Registry[TaskType] = Registry("task type")
for _type in TYPES:
    _module, _, _class = _type.machinery.partition(":")
    TASK_TYPES.add(_type.name, getattr(import_module(f"xstilts.task_types.{_module}"), _class)())

__all__ = ["TASK_TYPES", "Batch", "Prediction", "TaskType"]
