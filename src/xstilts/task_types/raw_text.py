"""Raw text as a stream that may be larger than memory; causal language modelling and span corruption.

Shape suffixes: T tokens, A tokens predicted.
"""

import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, takewhile
from typing import Any, Self

import numpy as np
import torch

from xstilts.backbones.backbone import Backbone
from xstilts.backbones.coder import Coder, Ids, Segment
from xstilts.backbones.text import pack_answers
from xstilts.core.errors import BackboneError
from xstilts.data.examples import Encoding, PlainText
from xstilts.task_types.base import Batch, Labels, Rng, TaskType
from xstilts.task_types.features import Array, Features, FeaturesBuilder
from xstilts.task_types.text import WritingType

_SENTINEL = re.compile("(\u2581?)<extra_id_([0-9]+)>")
CHARACTERS = 2**20
"""Characters to tokenise at a time."""
INSTANCES = 4096
"""Instances in one part of a stream."""


class RawText(TaskType):
    """A type that reads raw text in one pass; all instances of a language are one example."""

    def record(self, coder: Coder) -> dict[str, Any]:
        """Facts about the tokenizer that collating needs. Raises `BackboneError` if the tokenizer does not suit."""
        return {}

    @abstractmethod
    def instances(self, lines: Iterable[Ids], count: int, coder: Coder, limits: Encoding) -> Iterator[list[Segment]]:
        """The segments of each instance; `lines`: pieces of each text; `count`: number of texts, a seed."""

    def encode(self, examples: Sequence[PlainText], coder: Coder, limits: Encoding, labels: Labels) -> Features:
        (features,) = self.stream(examples, len(examples), coder, limits, split=False)
        return features

    def stream(
        self, texts: Iterable[PlainText], count: int, coder: Coder, limits: Encoding, split: bool = True
    ) -> Iterator[Features]:
        """The features, in parts of `INSTANCES` with `split`. Only the first has the record of the example."""
        builder = FeaturesBuilder()
        index = builder.record(id="text", gold=None, **self.record(coder))
        for segments in self.instances(pieces_of(texts, coder), count, coder, limits):
            if split and len(builder) == INSTANCES:
                yield builder.build()
                builder = FeaturesBuilder()
            builder.add(index, segments)
        yield builder.build()


def blocks(lines: Iterable[Ids], budget: int, join: bool) -> Iterator[Ids]:
    """Blocks of at most `budget` pieces: with `join`, lines are joined while they fit; longer lines are cut."""
    current: list[Ids] = []
    used = 0
    for line in lines:
        for begin in range(0, len(line), budget):
            part = line[begin : begin + budget]
            if current and (not join or used + len(part) > budget):
                yield np.concatenate(current)
                current, used = [], 0
            current.append(part)
            used += len(part)
    if current:
        yield np.concatenate(current)


def pieces_of(texts: Iterable[PlainText], coder: Coder) -> Iterator[Ids]:
    """The pieces of each text, tokenised about a million characters at a time."""
    waiting: list[str] = []
    size = 0
    for example in texts:
        waiting.append(example.text)
        size += len(example.text)
        if size >= CHARACTERS:
            yield from coder.pieces(waiting)
            waiting, size = [], 0
    yield from coder.pieces(waiting)


@dataclass(frozen=True)
class CausalLM(WritingType, RawText):
    """Causal language modelling: each token is predicted from the tokens before it (Radford et al. 2018).

    A segment is a block of lines in the tokenizer's frame, with the end token. The loss is cross-entropy per token,
    except for the first token of a segment.
    """

    def suited(self, backbone: Backbone) -> Self:
        if not (backbone.writes and backbone.decoder):
            name = type(backbone.model).__name__
            raise BackboneError(f"causal_lm is for decoders with `output: text`, and {name} is not one")
        return self

    def record(self, coder: Coder) -> dict[str, Any]:
        return {"end": coder.end_id}

    def instances(self, lines: Iterable[Ids], count: int, coder: Coder, limits: Encoding) -> Iterator[list[Segment]]:
        for block in blocks(lines, limits.max_length - coder.single.tokens, limits.join):
            yield [coder.one(block, limits.max_length)]

    def collate(self, features: Features, rows: Array, rng: Rng) -> Batch:
        """`place_A`: places whose states predict the next token, `token_A`."""
        packed, _ = features.packed(rows)
        before_T = torch.ones(len(packed.ids_T), dtype=torch.bool)
        before_T[packed.ends_S] = False
        place_A = before_T.nonzero().squeeze(1)
        targets = {"place_A": place_A, "token_A": packed.ids_T[place_A + 1]}
        return Batch(packed, targets, len(place_A), rows)


@dataclass(frozen=True)
class SpanCorruption(WritingType, RawText):
    """Span corruption (Raffel et al. 2020, section 3.1.4 and 3.3.4; `random_spans_noise_mask` of T5's own script).

    15 % of the tokens are removed in spans of 3 on average, drawn for each batch. The encoder reads the text with a
    sentinel in place of each span; the decoder writes each sentinel with its span, and the end token. As in that script
    a text begins with a kept token and ends with a span, the lengths of spans and gaps are drawn uniformly among all
    that fit, and no last sentinel is written. A text of one token is one span.

    Segments are blocks of lines of up to `max_length` tokens before corruption (T5's limit holds after it). Sentinels
    are the tokenizer's `<extra_id_0>`, `<extra_id_1>` ... The loss is cross-entropy per written token.

    Attributes:
        rate: share of tokens to remove.
        span: mean tokens of a span.
    """

    rate: float = 0.15
    span: float = 3.0

    def suited(self, backbone: Backbone) -> Self:
        if not (backbone.writes and backbone.config.is_encoder_decoder):
            name = type(backbone.model).__name__
            raise BackboneError(f"span_corruption is for encoder-decoders with `output: text`, and {name} is not one")
        return self

    def record(self, coder: Coder) -> dict[str, Any]:
        before = [int(token) for token in coder.single.before]
        return {"end": coder.end_id, "before": before, "sentinels": sentinels_of(coder)}

    def instances(self, lines: Iterable[Ids], count: int, coder: Coder, limits: Encoding) -> Iterator[list[Segment]]:
        for block in blocks(lines, limits.max_length - len(coder.single.before) - 1, limits.join):
            yield [Segment(block, len(block))]

    def collate(self, features: Features, rows: Array, rng: Rng) -> Batch:
        return self._batch([self._corrupted(features, row, rng) for row in rows], features, rows)

    def micro_batches(self, features: Features, rows: Array, groups: Sequence[Array], rng: Rng) -> Iterator[Batch]:
        """Draws spans for the whole batch and then splits it: spans must not depend on the size of micro-batches."""
        drawn = [self._corrupted(features, row, rng) for row in rows]
        for positions in groups:
            yield self._batch([drawn[position] for position in positions], features, rows[positions])

    def _corrupted(self, features: Features, row: int, rng: Rng) -> tuple[Ids, Ids]:
        (ids,) = features.instance(int(row))
        return corrupt(ids, spans(len(ids), self.rate, self.span, rng), features.records[0]["sentinels"])

    def _batch(self, pairs: Sequence[tuple[Ids, Ids]], features: Features, rows: Array) -> Batch:
        about = features.records[0]
        prompts = [np.concatenate([about["before"], read]).astype(np.int64) for read, _ in pairs]
        answers = [np.append(written, about["end"]) for _, written in pairs]
        packed, targets = pack_answers(prompts, answers, range(len(pairs)), decoder=False)
        return Batch(packed, targets, len(targets["token_A"]), rows)


def sentinels_of(coder: Coder) -> list[int]:
    """The ids of `<extra_id_0>`, `<extra_id_1>` ... up to the first gap. Raises `BackboneError` if there are none."""
    found: dict[int, tuple[bool, int]] = {}
    for piece, number in coder.tokenizer.get_vocab().items():
        if match := _SENTINEL.fullmatch(piece):
            # mT5 has each twice: that of the SentencePiece model, with a word mark, was trained; the other was added.
            found[int(match[2])] = max(found.get(int(match[2]), (False, 0)), (bool(match[1]), int(number)))
    sentinels = [found[number][1] for number in takewhile(found.__contains__, count())]
    if not sentinels:
        raise BackboneError(
            "span_corruption needs a tokenizer with sentinels (<extra_id_0> ...), and this one has none: use T5's or "
            "mT5's tokenizer, or train one with `tokenizer:`"
        )
    return sentinels


def spans(length: int, rate: float, mean: float, rng: Rng) -> list[tuple[int, int]]:
    """The (begin, end) of the spans to remove from a text of `length` tokens, in order."""
    if length == 1:
        return [(0, 1)]
    out = min(max(round(length * rate), 1), length - 1)
    count = min(max(round(out / mean), 1), out, length - out)
    kept, taken = _parts(length - out, count, rng), _parts(out, count, rng)
    ends = np.cumsum(kept + taken)
    return [(int(end - size), int(end)) for size, end in zip(taken, ends, strict=True)]


def _parts(total: int, count: int, rng: Rng) -> Array:
    """`total` as a random sum of `count` positive numbers, uniform over all such sums."""
    cuts = np.sort(rng.choice(total - 1, size=count - 1, replace=False)) + 1
    return np.diff(np.concatenate([[0], cuts, [total]])).astype(np.int64)


def corrupt(ids: Ids, taken: Sequence[tuple[int, int]], sentinels: Sequence[int]) -> tuple[Ids, Ids]:
    """The encoder's input and the decoder's output, without end tokens.

    Raises `BackboneError` if there are too few sentinels.
    """
    if len(taken) > len(sentinels):
        raise BackboneError(
            f"{len(taken)} spans in a text of {len(ids)} tokens, and the tokenizer has {len(sentinels)} sentinels: "
            "give a larger `span` in the component's `options`, a smaller `rate`, or a smaller `max_length`"
        )
    read: list[Any] = []
    written: list[Any] = []
    last = 0
    for sentinel, (begin, end) in zip(sentinels, taken, strict=False):
        read += [ids[last:begin], [sentinel]]
        written += [[sentinel], ids[begin:end]]
        last = end
    return np.concatenate([*read, ids[last:]]).astype(np.int64), np.concatenate(written).astype(np.int64)
