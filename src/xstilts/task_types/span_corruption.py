"""Span corruption (Raffel et al. 2020, section 3.1.4 and 3.3.4; `random_spans_noise_mask` of T5's own script).

15 % of the tokens are taken out in spans of 3 on average, drawn anew for every batch. The encoder reads the text with a
sentinel in the place of each span, the decoder writes each sentinel with its span behind, and the end token. As in that
script a text begins with a token that is kept and ends with a span, the lengths of spans and of what lies between
are drawn uniformly among all that fit, and no last sentinel is written. A text of one token is one span.

Segments are blocks of lines as of masked LM, of up to `max_length` tokens before corruption (T5 took so many that the
limit holds after it). Sentinels are the tokenizer's `<extra_id_0>`, `<extra_id_1>` ...; mT5's SentencePiece model has
them with a mark of a word's start. A tokenizer trained here has them where an experiment corrupts spans.
Shape suffixes: A tokens written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from torch import Tensor, nn

from xstilts.backbones.backbone import Backbone
from xstilts.backbones.coder import Coder, Ids, Segment
from xstilts.backbones.text import log_probabilities, pack_answers
from xstilts.core.errors import BackboneError
from xstilts.data.examples import PlainText
from xstilts.task_types.base import Batch, Limits
from xstilts.task_types.features import Array, Features
from xstilts.task_types.raw_text import RawText, blocks, pieces_of
from xstilts.task_types.text.base import TextHead

_SENTINEL = re.compile("(\u2581?)<extra_id_([0-9]+)>")


@dataclass(frozen=True)
class SpanCorruption(RawText):
    """Span corruption; the loss is cross-entropy per written token: sentinels, spans, end token.

    Attributes:
        rate: share of tokens that are taken out.
        span: mean tokens of a span.
    """

    name: ClassVar[str] = "span_corruption"
    rate: float = 0.15
    span: float = 3.0

    def suited(self, backbone: Backbone) -> Self:
        if not (backbone.writes and backbone.config.is_encoder_decoder):
            name = type(backbone.model).__name__
            raise BackboneError(f"span_corruption is for encoder-decoders with `output: text`; {name} is none")
        return self

    def record(self, coder: Coder) -> dict[str, Any]:
        before = [int(token) for token in coder.single.before]
        return {"end": coder.end_id, "before": before, "sentinels": sentinels_of(coder)}

    def instances(
        self, texts: Iterable[PlainText], count: int, coder: Coder, limits: Limits
    ) -> Iterator[Sequence[Segment]]:
        room = limits.max_length - len(coder.single.before) - 1
        for block in blocks(pieces_of(texts, coder), room, limits.join):
            yield [Segment(block, len(block))]

    def head(self, backbone: Backbone, labels: Sequence[str], dropout: float) -> nn.Module:
        return TextHead(backbone, labels)

    def collate(self, features: Features, rows: Array, rng: np.random.Generator) -> Batch:
        return self._batch([self._corrupted(features, row, rng) for row in rows], features, rows)

    def micro_batches(
        self, features: Features, rows: Array, groups: Sequence[Array], rng: np.random.Generator
    ) -> Iterator[Batch]:
        """Spans are drawn for the whole batch and then cut: they must not depend on what fits the machine."""
        drawn = [self._corrupted(features, row, rng) for row in rows]
        for positions in groups:
            yield self._batch([drawn[position] for position in positions], features, rows[positions])

    def _corrupted(self, features: Features, row: int, rng: np.random.Generator) -> tuple[Ids, Ids]:
        (ids,) = features.instance(int(row))
        return corrupt(ids, spans(len(ids), self.rate, self.span, rng), features.records[0]["sentinels"])

    def _batch(self, pairs: Sequence[tuple[Ids, Ids]], features: Features, rows: Array) -> Batch:
        about = features.records[0]
        prompts = [np.concatenate([about["before"], read]).astype(np.int64) for read, _ in pairs]
        answers = [np.append(written, about["end"]) for _, written in pairs]
        packed, targets = pack_answers(prompts, answers, range(len(pairs)), decoder=False)
        return Batch(packed, targets, len(targets["token_A"]), rows)

    def loss(self, head: nn.Module, states_TH: Tensor, batch: Batch) -> Tensor:
        assert isinstance(head, TextHead)
        return -log_probabilities(head.backbone, states_TH, batch.packed, batch.targets).sum()


def sentinels_of(coder: Coder) -> list[int]:
    """The ids of `<extra_id_0>`, `<extra_id_1>` ... as far as they follow each other.

    Raises:
        BackboneError: the tokenizer has none.
    """
    found: dict[int, tuple[bool, int]] = {}
    for piece, number in coder.tokenizer.get_vocab().items():
        if match := _SENTINEL.fullmatch(piece):
            # Where a tokenizer has both, those of its SentencePiece model were trained; the others were put on top.
            found[int(match[2])] = max(found.get(int(match[2]), (False, 0)), (bool(match[1]), int(number)))
    sentinels: list[int] = []
    while len(sentinels) in found:
        sentinels.append(found[len(sentinels)][1])
    if not sentinels:
        raise BackboneError(
            "span_corruption needs a tokenizer with sentinels (<extra_id_0> ...), and this one has none: take one of "
            "T5's or mT5's, or a `tokenizer:` trained here"
        )
    return sentinels


def spans(length: int, rate: float, mean: float, rng: np.random.Generator) -> list[tuple[int, int]]:
    """The (begin, end) of the spans that are taken out of a text of `length` tokens, in order."""
    if length == 1:
        return [(0, 1)]
    out = min(max(round(length * rate), 1), length - 1)
    count = min(max(round(out / mean), 1), out, length - out)
    kept, taken = _parts(length - out, count, rng), _parts(out, count, rng)
    ends = np.cumsum(kept + taken)
    return [(int(end - size), int(end)) for size, end in zip(taken, ends, strict=True)]


def _parts(total: int, count: int, rng: np.random.Generator) -> Array:
    """`total` as a sum of `count` positive numbers, each such sum equally likely."""
    cuts = np.sort(rng.choice(total - 1, size=count - 1, replace=False)) + 1
    return np.diff(np.concatenate([[0], cuts, [total]])).astype(np.int64)


def corrupt(ids: Ids, taken: Sequence[tuple[int, int]], sentinels: Sequence[int]) -> tuple[Ids, Ids]:
    """What the encoder reads and what the decoder writes, without end tokens.

    Raises:
        BackboneError: more spans than the tokenizer has sentinels.
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
