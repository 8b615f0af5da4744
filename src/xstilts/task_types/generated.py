"""Span question answering and tagging in text, by constrained generation.

Question answering: `question: Who won? passage: ... answer: Denver Broncos`. The answer copies pieces of the window, so
its place in the passage is known. For a window without the answer the model writes the end token. Answers without
constraint are also generated and scored (variant `free`): they show whether the model drifts into English.

Tagging: `words: 1 Anna 2 sleeps 3 . tags: NOUN, PUNCT, VERB, ... answer: 1 NOUN 2 VERB 3 PUNCT`. Marks before the words
transferred best across languages in Raman et al. 2022 (arXiv 2203.08378, "sentinel + tag"). Numbers replace their
sentinel tokens, which decoders do not have. Every word gets one tag.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, NamedTuple

import numpy as np
from torch import Tensor, nn

from xstilts.backbones.coder import Coder, Ids
from xstilts.backbones.packing import pack
from xstilts.backbones.text import Allowed, generate
from xstilts.core.scores import FREE
from xstilts.data.examples import Encoding, SpanExample, TaggedExample
from xstilts.task_types.base import Batch, Labels, Outputs, Prediction, Rng, indices
from xstilts.task_types.classification import add_sentence, cut, joined_tags
from xstilts.task_types.features import Array, Features, FeaturesBuilder
from xstilts.task_types.span_qa import Candidate, best_answers, passage_windows
from xstilts.task_types.text import TextHead, TextType, closed, label_pieces, prompt


class WindowAnswer(NamedTuple):
    """The answer for one window.

    Attributes:
        span: first and last piece of the answer; None if the window is empty.
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
    """Question answering by constrained generation; `longest`: maximal pieces of an answer."""

    reads_states: ClassVar[bool] = False
    protocol: ClassVar[str] = "output=text, answers generated from pieces of the passage"
    longest: int = 30

    def encode(self, examples: Sequence[SpanExample], coder: Coder, limits: Encoding, labels: Labels) -> Features:
        builder = FeaturesBuilder()
        for window in passage_windows(examples, builder, coder, limits, 0):
            parts: list[str | Ids] = ["question:", window.question, "passage:", window.ids]
            end = len(prompt(coder, parts).ids)
            right = window.ids[window.span[0] : window.span[1] + 1] if window.span else window.ids[:0]
            segments = [prompt(coder, [*parts, "answer:"]), closed(coder, right)]
            cells = {"passage": [end - len(window.ids), end], "offset": window.offsets.reshape(-1)}
            builder.add(window.example, segments, label=0, **cells)
        return builder.build()

    def collate(self, features: Features, rows: Array, rng: Rng) -> Batch:
        packed = pack([features.instance(int(row))[0] for row in rows])
        places = np.stack([features.columns["passage"][int(row)] for row in rows])
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

    def decode(self, features: Features, outputs: Outputs, labels: Labels, limits: Encoding) -> list[Prediction]:
        offset, rows = features.columns["offset"], []
        free: dict[int, tuple[float, str]] = defaultdict(lambda: (-float("inf"), ""))
        for row, answer in enumerate(outputs):
            first, last = answer.span or (0, -1)
            spans = offset[row].reshape(-1, 2)[first : last + 1].tolist()
            rows.append(([Candidate(answer.score, spans[0][0], spans[-1][1])] if spans else [], answer.nothing))
            example = int(features.example[row])
            free[example] = max(free[example], (answer.free_score, answer.free))
        best = best_answers(features, rows, limits)
        return [*best, *(Prediction(record["id"], free[i][1], FREE) for i, record in enumerate(features.records))]


def copying(passages: Sequence[Sequence[int]], end: int, longest: int) -> Allowed:
    """The allowed next tokens, so that each answer is a part of its passage of 1 to `longest` tokens."""

    def allowed(number: int, written: Sequence[int]) -> list[int]:
        passage, n = passages[number], len(written)
        if end in written or n >= longest or not passage:
            return [end]
        follow = {passage[k + n] for k in _occurrences(written, passage) if k + n < len(passage)}
        return sorted(follow | {end}) if n else sorted(follow)

    return allowed


def _occurrences(tokens: Sequence[int], passage: Sequence[int]) -> list[int]:
    n, wanted = len(tokens), list(tokens)
    return [k for k in range(len(passage) - n + 1) if list(passage[k : k + n]) == wanted]


def _place(tokens: Sequence[int], passage: Sequence[int]) -> tuple[int, int] | None:
    """First and last place of the tokens' first occurrence in the passage."""
    begin = _occurrences(tokens, passage)[0]
    return (begin, begin + len(tokens) - 1) if tokens else None


@dataclass(frozen=True)
class TaggingText(TextType):
    """Tagging by constrained generation."""

    reads_states: ClassVar[bool] = False
    protocol: ClassVar[str] = "output=text, tags generated for numbered words"

    def encode(self, examples: Sequence[TaggedExample], coder: Coder, limits: Encoding, labels: Labels) -> Features:
        builder, answers = FeaturesBuilder(), TagAnswers(coder, labels)
        kinds = f"tags: {', '.join(sorted(labels))}. answer:"
        for example in examples:
            tags, index = example.tags, add_sentence(builder, example)
            pieces = [ids[: limits.max_length] for ids in coder.word_pieces(["a", *example.words])[1:]]
            for begin, end in cut(pieces, limits.max_length):
                parts: list[str | Ids] = ["words:"]
                for number, ids in enumerate(pieces[begin:end]):
                    parts += [answers.number(number), ids]
                right = [] if tags is None else [closed(coder, answers.written(tags[begin:end]))]
                segments = [prompt(coder, [*parts, kinds]), *right]
                builder.add(index, segments, label=-1 if tags is None else 0, words=end - begin)
        return builder.build()

    def collate(self, features: Features, rows: Array, rng: Rng) -> Batch:
        packed = pack([features.instance(int(row))[0] for row in rows])
        return Batch(packed, {"words_B": indices(features.columns["words"][rows])}, len(rows), rows)

    def outputs(self, head: nn.Module, states: Sequence[Tensor], batch: Batch) -> list[Any]:
        """The number of each word's tag."""
        assert isinstance(head, TextHead)
        words, end = batch.targets["words_B"].tolist(), head.coder.end_id
        answers = TagAnswers(head.coder, head.labels)
        parsers, prompts = [TagParser(answers, count, end) for count in words], batch.packed.segments()
        longest = max(parser.longest for parser in parsers)
        written = generate(head.backbone, prompts, end, longest, lambda i, tokens: parsers[i].after(tokens))
        return [np.asarray(parser.tags(tokens)) for parser, tokens in zip(parsers, written, strict=True)]

    def decode(self, features: Features, outputs: Outputs, labels: Labels, limits: Encoding) -> list[Prediction]:
        return joined_tags(features, outputs, labels)


class TagAnswers:
    """The pieces of numbers and tags in answers such as `1 NOUN 2 VERB`; word 0 has number 1."""

    def __init__(self, coder: Coder, labels: Labels) -> None:
        self.tags = dict(zip(labels, (tuple(ids.tolist()) for ids in label_pieces(coder, labels)), strict=True))
        self.number = cache(lambda word: coder.continued(str(word + 1)))

    def written(self, tags: Sequence[str]) -> Ids:
        """The answer for the tags of all words."""
        parts = [part for word, tag in enumerate(tags) for part in (self.number(word), np.asarray(self.tags[tag]))]
        return np.concatenate(parts).astype(np.int32)


class _Parse(NamedTuple):
    """A parse of the tokens so far: the tags, and the pieces of the last tag that are still to come."""

    tags: tuple[int, ...]
    left: tuple[int, ...]


class TagParser:
    """Parses an answer for `words` words while it is generated; `end` is the end token."""

    def __init__(self, answers: TagAnswers, words: int, end: int) -> None:
        self.answers, self.words, self.end = answers, words, end
        self._parses = cache(self._parsed)

    @property
    def longest(self) -> int:
        """Maximal tokens of an answer, with the end token."""
        numbers = sum(len(self.answers.number(word)) for word in range(self.words))
        return numbers + self.words * max(map(len, self.answers.tags.values())) + 1

    def after(self, written: Sequence[int]) -> list[int]:
        """The allowed next tokens."""
        return sorted({parse.left[0] for parse in self._parses(tuple(written))}) or [self.end]

    def tags(self, written: Sequence[int]) -> tuple[int, ...]:
        """The number of each word's tag, from a complete answer."""
        return next(parse.tags for parse in self._parses(tuple(written)) if parse.left == (self.end,))

    def _parsed(self, written: tuple[int, ...]) -> list[_Parse]:
        """All parses: several while one tag starts like another."""
        if not written:
            return self._next(())
        rest = [(one.tags, one.left[1:]) for one in self._parses(written[:-1]) if one.left[0] == written[-1]]
        return [parse for tags, left in rest for parse in ([_Parse(tags, left)] if left else self._next(tags))]

    def _next(self, tags: tuple[int, ...]) -> list[_Parse]:
        if len(tags) == self.words:
            return [_Parse(tags, (self.end,))]
        number = self.answers.number(len(tags)).tolist()
        return [_Parse((*tags, tag), (*number, *pieces)) for tag, pieces in enumerate(self.answers.tags.values())]
