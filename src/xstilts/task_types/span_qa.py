"""Span question answering: SQuAD 1.1 and 2.0, XQuAD, MLQA, TyDiQA-GoldP.

A segment is `question </s> window`. Windows of the passage overlap: each begins `stride` tokens after the one before. A
predicted answer begins in the window that shows most context on both sides of its first token (`most_context`). Both
rules are those of BERT's run_squad.py (`doc_stride`, `_check_is_max_context`) and of XTREME's and jiant's scripts.
Offsets are code points of the original passage. A window without the answer points to its first token, of decoders to
the last one. The softmax runs over all tokens of the window.
Shape suffixes: T tokens, B windows, L longest window.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

from xstilts.backbones.backbone import Backbone
from xstilts.backbones.coder import Coder, Ids
from xstilts.data.examples import Encoding, SpanExample
from xstilts.task_types.base import Batch, Labels, Outputs, Prediction, Rng, TaskType, indices, init_head
from xstilts.task_types.classification import TokenHead
from xstilts.task_types.features import Array, Features, FeaturesBuilder

N_BEST = 20
"""Candidates per window, as in SQuAD's scripts and jiant."""


class Candidate(NamedTuple):
    """A span of the passage in code points; `score`: start logit + end logit."""

    score: float
    start: int
    end: int


class WindowScores(NamedTuple):
    """Scores of the tokens of one window, its `first` token of the passage, and the score of no answer."""

    start: Array
    end: Array
    first: int
    nothing: float


class Window(NamedTuple):
    """A window of an example's passage.

    Attributes:
        ids: its pieces; `offsets`: their code points.
        span: first and last piece of the answer.
        begins: range of the pieces at which a predicted answer may begin.
    """

    example: int
    question: Ids
    ids: Ids
    offsets: Array
    span: tuple[int, int] | None
    begins: tuple[int, int]


class SpanQA(TaskType):
    """Span question answering; the loss is the mean of start and end cross-entropy per window."""

    right_context: ClassVar[bool] = True

    def encode(self, examples: Sequence[SpanExample], coder: Coder, limits: Encoding, labels: Labels) -> Features:
        builder = FeaturesBuilder()
        for window in passage_windows(examples, builder, coder, limits, coder.pair.tokens):
            first = len(coder.pair.before) + len(window.question) + len(coder.pair.between)
            start, end = (window.span[0] + first, window.span[1] + first) if window.span else (0, 0)
            segment = coder.two(window.question, window.ids, limits.max_length)
            cells = {"offset": window.offsets.reshape(-1), "begins": list(window.begins)}
            builder.add(window.example, [segment], start=start, end=end, first=first, **cells)
        return builder.build()

    def head(self, backbone: Backbone, labels: Labels, dropout: float) -> nn.Module:
        """Projects to start and end scores, without dropout; windows without the answer point to its `token`."""
        return init_head(TokenHead(backbone, 2, 0.0), backbone)

    def collate(self, features: Features, rows: Array, rng: Rng) -> Batch:
        packed, _ = features.packed(rows)
        lengths = features.lengths[rows]
        column = np.arange(int(lengths.max()))
        token_BL = np.where(column < lengths[:, None], packed.starts_S.numpy()[:, None] + column, -1)
        targets = {f"{name}_B": indices(features.columns[name][rows]) for name in ("start", "end", "first")}
        targets |= {"token_BL": indices(token_BL), "length_B": indices(lengths)}
        return Batch(packed, targets, len(rows), rows)

    def logits(self, head: nn.Module, states_TH: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Start and end scores, [B, L] each; -inf beyond the window."""
        token_BL = batch.targets["token_BL"]
        scores = head(states_TH).float()[token_BL.clamp(min=0)].masked_fill((token_BL < 0)[..., None], float("-inf"))
        return scores[..., 0], scores[..., 1]

    def loss(self, head: nn.Module, states_TH: Tensor, batch: Batch) -> Tensor:
        start_BL, end_BL = self.logits(head, states_TH, batch)
        start_B, end_B = batch.targets["start_B"], batch.targets["end_B"]
        if head.token == "last":
            nothing_B, last_B = (start_B == 0) & (end_B == 0), batch.targets["length_B"] - 1
            start_B, end_B = start_B.where(~nothing_B, last_B), end_B.where(~nothing_B, last_B)
        start = F.cross_entropy(start_BL, start_B, reduction="sum")
        return (start + F.cross_entropy(end_BL, end_B, reduction="sum")) / 2

    def outputs(self, head: nn.Module, states: Sequence[Tensor], batch: Batch) -> list[Any]:
        start_BL, end_BL = (scores.cpu().numpy() for scores in self.logits(head, states[-1], batch))
        lengths, firsts = batch.targets["length_B"].tolist(), batch.targets["first_B"].tolist()
        null = 0 if head.token == "first" else -1
        rows = zip(start_BL, end_BL, lengths, firsts, strict=True)
        cut = ((start[:n], end[:n], first) for start, end, n, first in rows)
        return [WindowScores(start, end, first, float(start[null] + end[null])) for start, end, first in cut]

    def decode(self, features: Features, outputs: Outputs, labels: Labels, limits: Encoding) -> list[Prediction]:
        offset, begins, rows = features.columns["offset"], features.columns["begins"], []
        for row, (start, end, first, nothing) in enumerate(outputs):
            spans, allowed = offset[row].reshape(-1, 2), range(*begins[row])
            rows.append((best_spans(start[first:], end[first:], spans, limits.max_answer, allowed), nothing))
        return best_answers(features, rows, limits)


def passage_windows(
    examples: Sequence[SpanExample], builder: FeaturesBuilder, coder: Coder, limits: Encoding, special: int
) -> Iterator[Window]:
    """All windows of all passages, with room for `special` tokens; adds a record per example."""
    questions = coder.pieces([example.question.strip() for example in examples])
    distinct = list(dict.fromkeys(example.passage for example in examples))
    passages = dict(zip(distinct, coder.pieces_with_offsets(distinct), strict=True))
    for example, asked in zip(examples, questions, strict=True):
        gold = None if example.answers is None else [answer.text for answer in example.answers]
        index = builder.record(id=example.id, gold=gold, passage=example.passage)
        ids, offsets = passages[example.passage]
        span = None
        if example.answers and (answer := example.answers[0]).text.strip():
            end = answer.start + len(answer.text)
            touching = np.flatnonzero((offsets[:, 1] > answer.start) & (offsets[:, 0] < end))
            span = (int(touching[0]), int(touching[-1])) if len(touching) else None
        question = asked[: min(limits.max_question, limits.max_length // 2)]
        cut = list(windows(len(ids), limits.max_length - len(question) - special, limits.stride))
        for (begin, end), begins in zip(cut, most_context(cut), strict=True):
            inside = span is not None and begin <= span[0] and span[1] < end
            own = (span[0] - begin, span[1] - begin) if span and inside else None
            yield Window(index, question, ids[begin:end], offsets[begin:end], own, begins)


def best_answers(
    features: Features, rows: Sequence[tuple[Sequence[Candidate], float]], limits: Encoding
) -> list[Prediction]:
    """The best span of each example; no answer if that is allowed and scores higher in every window.

    `rows`: for each instance its candidates and the score of no answer.
    """
    found: dict[int, list[Candidate]] = defaultdict(list)
    null: dict[int, float] = defaultdict(lambda: float("inf"))
    for example, (candidates, nothing) in zip(features.example.tolist(), rows, strict=True):
        found[example] += candidates
        null[example] = min(null[example], nothing)
    predictions = []
    for i, record in enumerate(features.records):
        ranked = sorted(found[i], key=lambda candidate: -candidate.score)[:N_BEST]
        texts = [record["passage"][c.start : c.end] for c in ranked]
        n_best = [[text, round(c.score, 4)] for text, c in zip(texts[:3], ranked, strict=False)]
        extra = {"null_score": round(null[i], 4), "n_best": n_best}
        silent = limits.no_answer and (not ranked or null[i] > ranked[0].score)
        predictions.append(Prediction(record["id"], "" if silent or not texts else texts[0], extra=extra))
    return predictions


def windows(length: int, size: int, stride: int) -> Iterator[tuple[int, int]]:
    """Token ranges [begin, end) of a passage; each begins `stride` tokens, at most a window, after the one before."""
    step = max(1, min(stride, size))
    return ((begin, min(begin + size, length)) for begin in range(0, max(1, length - size + step), step))


def most_context(cut: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """For each window, the range of tokens that no other window shows with more context.

    Context is the smaller number of tokens to the left or right, plus a hundredth of the window's length. The first of
    equal windows counts. So each token belongs to one window, and each window has one range.
    """
    length = cut[-1][1]
    best_T, owner_T = np.full(length, -np.inf), np.zeros(length, dtype=np.int64)
    for number, (begin, end) in enumerate(cut):
        place = np.arange(end - begin)
        context = np.minimum(place, place[::-1]) + 0.01 * (end - begin)
        better = context > best_T[begin:end]
        best_T[begin:end][better], owner_T[begin:end][better] = context[better], number
    stretches = []
    for number, (begin, _) in enumerate(cut):
        own = np.flatnonzero(owner_T == number) - begin
        stretches.append((int(own[0]), int(own[-1]) + 1) if len(own) else (0, 0))
    return stretches


def best_spans(start: Array, end: Array, offsets: Array, max_answer: int, begins: range) -> list[Candidate]:
    """The best spans of one window of at most `max_answer` tokens that begin in `begins`."""
    if not begins:
        return []
    starts = begins.start + np.argsort(-start[begins.start : begins.stop], kind="stable")[:N_BEST]
    ends = np.argsort(-end[: len(offsets)], kind="stable")[:N_BEST]  # without special tokens after the passage
    candidates = [
        Candidate(float(start[i] + end[j]), int(offsets[i, 0]), int(offsets[j, 1]))
        for i in starts
        for j in ends
        if i <= j < i + max_answer and offsets[j, 1] > offsets[i, 0]
    ]
    if not candidates:
        best = begins.start + int(np.argmax((start + end)[begins.start : begins.stop]))
        candidates = [Candidate(float(start[best] + end[best]), int(offsets[best, 0]), int(offsets[best, 1]))]
    return sorted(candidates, key=lambda candidate: -candidate.score)[:N_BEST]
