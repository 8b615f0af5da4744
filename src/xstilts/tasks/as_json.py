"""Tasks as JSON, for keys and for workers, which know no experiment file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from xstilts.data.readers.columns import ColumnReader
from xstilts.data.readers.types import TYPES
from xstilts.tasks.base import TASKS, Encoding, Task


def form_of(task: Task) -> dict[str, Any]:
    """What a key has to say of a task of an experiment file: what it is `like`, and its columns; {} if registered."""
    form: dict[str, Any] = {"like": task.like} if task.like else {}
    return {**form, "read": task.read.to_json()} if isinstance(task.read, ColumnReader) else form


def task_to_json(task: Task, languages: Sequence[str]) -> dict[str, Any]:
    """How a task's files are found and read in some languages."""
    files = {split: list(patterns) for split, patterns in task.files.items()}
    return {"name": task.name, "files": files, "languages": list(languages), **form_of(task)}


def task_from_json(told: Mapping[str, Any]) -> Task:
    """The task of `task_to_json`, registered or not; labels and encoding of one with columns are not told."""
    files: Any = {split: tuple(patterns) for split, patterns in told["files"].items()}
    if "read" not in told and "like" not in told:
        return replace(TASKS.get(told["name"]), files=files)
    read = ColumnReader.from_json(told["read"]) if "read" in told else None
    base = TASKS.get(told["like"]) if "like" in told or read is None else column_task(read)
    return replace(base, name=told["name"], files=files, languages=tuple(told["languages"]), read=read or base.read)


def column_task(reader: ColumnReader) -> Task:
    """A task of which only its type and its reader are known."""
    encoding = Encoding(max_length=TYPES.get(reader.type).max_length, no_answer=reader.no_answer)
    return Task("", reader.type, reader, {}, languages=(), encoding=encoding, protocol="of the experiment file")
