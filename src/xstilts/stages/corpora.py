"""Raw text of any size to features on disk: read line by line, tokenised in chunks, appended. Memory does not grow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, TypeGuard

from xstilts.backbones.coder import Coder
from xstilts.core.files import write_json
from xstilts.data.examples import PlainText
from xstilts.data.locate import Root
from xstilts.task_types import TaskType
from xstilts.task_types.features import FeaturesWriter
from xstilts.task_types.raw_text import RawText
from xstilts.tasks import Task


def streams(task_type: TaskType, task: Task, config: Mapping[str, Any]) -> TypeGuard[RawText]:
    """Whether a prepare stage is one pass over raw text for training."""
    return isinstance(task_type, RawText) and task.type == "masked_lm" and config["combined"] and not config["holdout"]


def write_corpus(
    task_type: RawText,
    task: Task,
    root: Root,
    config: Mapping[str, Any],
    coder: Coder,
    directory: Path,
    report: Callable[[dict[str, Any]], None],
) -> None:
    """What `run_prepare` writes of raw text, byte for byte as if it were held in memory."""
    languages = config["languages"]
    with FeaturesWriter(directory / "all") as writer:
        for done, language in enumerate(languages):
            # Framing as pairs draws by the number of texts, which takes a pass of its own.
            count = sum(1 for _ in _texts(task, root, config, language)) if task.encoding.paired else 0
            for features in task_type.stream(_texts(task, root, config, language), count, coder, task.encoding):
                writer.append(features, done)
            report({"fraction": (done + 1) / len(languages), "message": language})
    write_json(directory / "languages.json", languages)
    write_json(directory / "encoding.json", config["encoding"])


def _texts(task: Task, root: Root, config: Mapping[str, Any], language: str) -> Iterator[PlainText]:
    for example in islice(task.stream(root, config["split"], language), config["limit"] or None):
        assert isinstance(example, PlainText)
        yield example
