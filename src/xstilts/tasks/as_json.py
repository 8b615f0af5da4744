"""Tasks as JSON, for keys and for workers, which do not read the experiment file."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from xstilts.data.readers.columns import ColumnReader
from xstilts.data.readers.types import TYPES
from xstilts.tasks.base import TASKS, Encoding, Task


def form_of(task: Task) -> dict[str, Any]:
    """What a key says of a task of an experiment file: what it is `like`, or its columns; {} if registered."""
    if isinstance(task.read, ColumnReader):
        return {"read": task.read.to_json()}
    return {"like": task.like} if task.like else {}


def task_to_json(task: Task, languages: Sequence[str]) -> dict[str, Any]:
    """How a task's files are found and read in some languages."""
    files = {split: list(patterns) for split, patterns in task.files.items()}
    return {"name": task.name, "files": files, "languages": list(languages), **form_of(task)}


def task_from_json(told: Mapping[str, Any]) -> Task:
    """The task of `task_to_json`, registered or not, but for labels and encoding of one with columns."""
    files: Any = {split: tuple(patterns) for split, patterns in told["files"].items()}
    if "read" not in told and "like" not in told:
        return replace(TASKS.get(told["name"]), files=files)
    base = column_task(ColumnReader.from_json(told["read"])) if "read" in told else TASKS.get(told["like"])
    return replace(base, name=told["name"], files=files, languages=tuple(told["languages"]))


def column_task(reader: ColumnReader) -> Task:
    """A task of which only its type and its reader are known."""
    encoding = Encoding(max_length=TYPES.get(reader.type).max_length, no_answer=reader.no_answer)
    return Task("", reader.type, reader, {}, languages=(), encoding=encoding, protocol="of the experiment file")
