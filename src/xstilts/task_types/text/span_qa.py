"""Span question answering in text: the answer is generated, and can only be a piece of the passage.

    question: Who won? passage: ... answer: Denver Broncos

What is generated copies pieces of the window, so that it has a place in the passage, and code points. A window without
the answer is answered by the end token at once. Beside it the model answers freely: these answers are scored by
themselves (variant `free`), and tell whether it drifts into English.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from torch import Tensor, nn

from xstilts.backbones.coder import Coder, Ids
from xstilts.backbones.packing import pack
from xstilts.backbones.text import Allowed, generate
from xstilts.core.scores import FREE
from xstilts.data.examples import SpanExample
from xstilts.task_types.base import Batch, Limits, Prediction, indices
from xstilts.task_types.features import Array, Features, FeaturesBuilder
from xstilts.task_types.span_qa import Candidate, best_answers, passage_windows
from xstilts.task_types.text.base import TextHead, TextType, closed, prompt


class WindowAnswer(NamedTuple):
    """What is written for one window.

    Attributes:
        span: first and last piece of the answer in the window; none where the window is empty.
        score: its log probability; `nothing`: that of no answer.
        free: an answer without constraint; `free_score`: its log probability.
    """

    span: tuple[int, int] | None
    score: float
    nothing: float
    free: str
    free_score: float


@dataclass(frozen=True)
class SpanQAText(TextType):
    """Question answering by constrained generation.

    Attributes:
        longest: most pieces of an answer.
    """

    name: ClassVar[str] = "span_qa_text"
    reads_states: ClassVar[bool] = False
    protocol: ClassVar[str] = "output=text, answers generated from pieces of the passage"
    longest: int = 30

    def encode(self, examples: Sequence[SpanExample], coder: Coder, limits: Limits, labels: Sequence[str]) -> Features:
        builder = FeaturesBuilder()
        for window in passage_windows(examples, builder, coder, limits, 0):
            parts: list[str | Ids] = ["question:", window.question, "passage:", window.ids]
            end = len(prompt(coder, parts).ids)
            right = window.ids[window.span[0] : window.span[1] + 1] if window.span else window.ids[:0]
            builder.add(
                window.example,
                [prompt(coder, [*parts, "answer:"]), closed(coder, right)],
                label=0,
                passage=[end - len(window.ids), end],
                offset=window.offsets.reshape(-1),
            )
        return builder.build()

    def collate(self, features: Features, rows: Array, rng: np.random.Generator) -> Batch:
        packed = pack([features.instance(int(row))[0] for row in rows])
        places = np.stack([features.ragged("passage")[int(row)] for row in rows])
        return Batch(packed, {"passage_B2": indices(places)}, len(rows), rows)

    def outputs(self, head: nn.Module, states: Sequence[Tensor], batch: Batch) -> list[Any]:
        assert isinstance(head, TextHead)
        end, prompts = head.coder.end_id, batch.packed.segments()
        places = batch.targets["passage_B2"].tolist()
        passages = [ids[first:last].tolist() for ids, (first, last) in zip(prompts, places, strict=True)]
        copied = generate(head.backbone, prompts, end, self.longest + 1, copying(passages, end, self.longest))
        free = generate(head.backbone, prompts, end, self.longest)
        scores = self.score(head, prompts, [[copy, [], own] for copy, own in zip(copied, free, strict=True)])
        return [
            WindowAnswer(_place(copy, passage), score, nothing, head.coder.text(own), free_score)
            for copy, passage, own, (score, nothing, free_score) in zip(copied, passages, free, scores, strict=True)
        ]

    def decode(
        self, features: Features, outputs: Sequence[Any], labels: Sequence[str], limits: Limits
    ) -> list[Prediction]:
        offset = features.ragged("offset")
        found: dict[int, list[Candidate]] = defaultdict(list)
        null: dict[int, float] = {}
        free: dict[int, tuple[float, str]] = {}
        for row, answer in enumerate(outputs):
            example = int(features.example[row])
            if answer.span:
                spans = offset[row].reshape(-1, 2)[answer.span[0] : answer.span[1] + 1]
                found[example].append(Candidate(answer.score, int(spans[0, 0]), int(spans[-1, 1])))
            null[example] = min(null.get(example, float("inf")), answer.nothing)
            free[example] = max(free.get(example, (-float("inf"), "")), (answer.free_score, answer.free))
        best = best_answers(features, found, null, limits)
        return [*best, *(Prediction(record["id"], free[i][1], FREE) for i, record in enumerate(features.records))]


def copying(passages: Sequence[Sequence[int]], end: int, longest: int) -> Allowed:
    """What may follow so that each answer is a piece of its passage of 1 to `longest` tokens."""

    def allowed(number: int, written: Sequence[int]) -> list[int]:
        passage, n = passages[number], len(written)
        if end in written or n >= longest or not passage:
            return [end]
        written = list(written)
        begins = [k for k in range(len(passage) - n + 1) if list(passage[k : k + n]) == written]
        follow = {passage[k + n] for k in begins if k + n < len(passage)}
        return sorted(follow | {end}) if n else sorted(follow)

    return allowed


def _place(tokens: Sequence[int], passage: Sequence[int]) -> tuple[int, int] | None:
    """Where some tokens stand in the passage first: their first and last place."""
    n = len(tokens)
    if n == 0:
        return None
    begin = next(k for k in range(len(passage) - n + 1) if list(passage[k : k + n]) == list(tokens))
    return begin, begin + n - 1
