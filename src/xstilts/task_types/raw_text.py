"""Raw text: types whose instances are cut from a stream of lines, so that a corpus may be larger than memory."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from xstilts.backbones.coder import Coder, Ids, Segment
from xstilts.data.examples import PlainText
from xstilts.task_types.base import Limits, TaskType
from xstilts.task_types.features import Features, FeaturesBuilder

CHUNK = 2**20
"""Characters that are tokenised at a time."""


class RawText(TaskType):
    """A type that reads raw text in one pass; all instances of a language belong to one example."""

    @abstractmethod
    def record(self, coder: Coder) -> dict[str, Any]:
        """What collating must know of the tokenizer. Raises `BackboneError` for one that does not serve this type."""

    @abstractmethod
    def instances(
        self, texts: Iterable[PlainText], count: int, coder: Coder, limits: Limits
    ) -> Iterator[Sequence[Segment]]:
        """The segments of each instance; `count`: number of texts, where `limits.paired` makes draws depend on it."""

    def encode(self, examples: Sequence[PlainText], coder: Coder, limits: Limits, labels: Sequence[str]) -> Features:
        builder = FeaturesBuilder()
        index = builder.record(id="text", gold=None, **self.record(coder))
        for segments in self.instances(examples, len(examples), coder, limits):
            builder.add(index, segments)
        return builder.build()


def pieces_of(texts: Iterable[PlainText], coder: Coder) -> Iterator[Ids]:
    """The pieces of each text, tokenised in chunks of about a million characters."""
    chunk: list[str] = []
    size = 0
    for example in texts:
        chunk.append(example.text)
        size += len(example.text)
        if size >= CHUNK:
            yield from coder.pieces(chunk)
            chunk, size = [], 0
    yield from coder.pieces(chunk)


def blocks(lines: Iterable[Ids], room: int, join: bool) -> Iterator[Ids]:
    """Lines as blocks of at most `room` pieces: joined while they fit, a longer line cut into full blocks."""
    current: list[Ids] = []
    used = 0
    for line in lines:
        for begin in range(0, len(line), room):
            part = line[begin : begin + room]
            if current and (not join or used + len(part) > room):
                yield np.concatenate(current)
                current, used = [], 0
            current.append(part)
            used += len(part)
    if current:
        yield np.concatenate(current)
