"""`xstilts predict`: what a finished model says of a user's file, in the form of the store's predictions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from xstilts.backbones.coder import Coder
from xstilts.core.errors import ConfigError
from xstilts.data.examples import Example
from xstilts.data.readers.types import TYPES
from xstilts.evaluation.predict import AT_ONCE, Predictor
from xstilts.export.finished import Finished, Head
from xstilts.stages.models import open_backbone, open_head
from xstilts.task_types import TASK_TYPES
from xstilts.tasks import Encoding
from xstilts.training.model import HeadSpec

CHUNK = 256
"""Examples predicted between two reports of progress."""


@dataclass(frozen=True)
class Answering:
    """An opened model that answers."""

    predictor: Predictor
    coder: Coder
    encoding: Encoding

    def __call__(self, examples: Sequence[Example]) -> Iterator[list[dict[str, Any]]]:
        """Rows (`id`, `prediction`, scores) in the order of the examples, some at a time."""
        for begin in range(0, len(examples), CHUNK):
            part, labels = examples[begin : begin + CHUNK], self.predictor.labels
            features = self.predictor.task_type.encode(part, self.coder, self.encoding, labels)
            yield [prediction.row() for prediction in self.predictor(features, self.encoding)]


def answering_head(found: Finished, task: str | None) -> Head:
    """The head to ask. Raises `ConfigError` where it answers nothing about single examples."""
    head = found.head(task)
    if not head.kind or not TYPES.get(head.kind).answers:
        has = ", ".join(f"{one.task} ({one.type})" for one in found.heads) or "none"
        types = ", ".join(kind.name for kind in TYPES if kind.answers)
        raise ConfigError(f"stage {found.model.key} has no head that answers for a file: {types} do (its heads: {has})")
    return head


def open_answering(found: Finished, head: Head, device: str = "cpu", tokens: int = AT_ONCE) -> Answering:
    """The model with one of its heads, on a device; computed in the precision in which it was trained."""
    backbone = open_backbone(found.model.directory)
    module = open_head(found.model.directory, HeadSpec(*head), backbone)
    task_type = TASK_TYPES.get(head.type).suited(backbone)
    predictor = Predictor(backbone, module, task_type, head.labels, device, tokens, found.precision)
    return Answering(predictor, Coder(backbone.tokenizer), found.encoding(head))
