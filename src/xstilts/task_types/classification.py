"""Text classification, multiple choice and tagging, by the state of one token of each segment or word.

In tagging (UD-POS, PAN-X) the first sub-word of a word has its tag. A sentence over the limit is cut between words into
several instances, whose tags are joined: no word loses its prediction (XTREME splits sentences too, jiant truncated
them). A single word over the limit keeps its first pieces.
Shape suffixes: T tokens, H hidden, B examples, C classes or tags, S segments, K most choices, W words.
"""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xstilts.backbones.backbone import Backbone
from xstilts.backbones.coder import Coder, Ids, Segment
from xstilts.backbones.dropout import Dropout
from xstilts.backbones.packing import Packed
from xstilts.data.examples import ChoiceExample, Encoding, TaggedExample, TextExample
from xstilts.task_types.base import Batch, Labels, Outputs, Prediction, Rng, TaskType, indices, init_head
from xstilts.task_types.features import Array, Features, FeaturesBuilder


class PooledHead(nn.Module):
    """Dense, tanh, dropout and projection of one token of each segment, from [T, H] to [S, C]: RoBERTa's pooler.

    For `classes`, a dropout comes before the dense layer too, as in RoBERTa and in BERT with its pooler; else C is 1.
    """

    def __init__(self, backbone: Backbone, dropout: float, classes: int = 0) -> None:
        super().__init__()
        self.token = backbone.summary
        self.dense = nn.Linear(backbone.hidden_size, backbone.hidden_size)
        self.out = nn.Linear(backbone.hidden_size, classes or 1)
        self.dropout = Dropout(dropout)
        self.dropout_pooled = Dropout(dropout) if classes else None

    def forward(self, states_TH: Tensor, packed: Packed) -> Tensor:
        place_S = packed.summary_S(self.token)
        if self.dropout_pooled is None:
            states_SH = self.dropout(torch.tanh(self.dense(states_TH[place_S])), place_S)
        else:
            pooled_SH = torch.tanh(self.dense(self.dropout(states_TH[place_S], place_S)))
            states_SH = self.dropout_pooled(pooled_SH, place_S)
        logits_SC: Tensor = self.out(states_SH)
        return logits_SC


class Classification(TaskType):
    """Classification of a text or a pair (XNLI, PAWS-X, SIB-200) by its first token, of decoders by the last."""

    def encode(self, examples: Sequence[TextExample], coder: Coder, limits: Encoding, labels: Labels) -> Features:
        builder, number, most = FeaturesBuilder(), numbers_of(labels), limits.max_length
        for example, first, second in with_pieces(examples, coder):
            segment = coder.one(first, most) if second is None else coder.two(first, second, most)
            index = builder.record(id=example.id, gold=example.label)
            builder.add(index, [segment], label=number[example.label])
        return builder.build()

    def head(self, backbone: Backbone, labels: Labels, dropout: float) -> nn.Module:
        return init_head(PooledHead(backbone, dropout, len(labels)), backbone)

    def collate(self, features: Features, rows: Array, rng: Rng) -> Batch:
        packed, _ = features.packed(rows)
        return Batch(packed, {"label_B": indices(features.columns["label"][rows])}, len(rows), rows)

    def logits(self, head: nn.Module, states_TH: Tensor, batch: Batch) -> Tensor:
        """[B, C]."""
        logits_BC: Tensor = head(states_TH, batch.packed).float()
        return logits_BC

    def loss(self, head: nn.Module, states_TH: Tensor, batch: Batch) -> Tensor:
        return F.cross_entropy(self.logits(head, states_TH, batch), batch.targets["label_B"], reduction="sum")

    def outputs(self, head: nn.Module, states: Sequence[Tensor], batch: Batch) -> list[Any]:
        return list(self.logits(head, states[-1], batch).log_softmax(-1).cpu().numpy())

    def decode(self, features: Features, outputs: Outputs, labels: Labels, limits: Encoding) -> list[Prediction]:
        return most_probable(features, outputs, labels)


def with_pieces(examples: Sequence[TextExample], coder: Coder) -> Iterator[tuple[TextExample, Ids, Ids | None]]:
    """Each example with the pieces of its text and, for a pair, of the second text."""
    firsts = coder.pieces([example.text for example in examples])
    seconds = iter(coder.pieces([example.pair for example in examples if example.pair is not None]))
    for example, first in zip(examples, firsts, strict=True):
        yield example, first, None if example.pair is None else next(seconds)


def numbers_of(labels: Labels) -> dict[str | None, int]:
    """Label -> its index; None, a withheld label, -> -1."""
    return {None: -1, **{label: number for number, label in enumerate(labels)}}


def most_probable(features: Features, rows: Sequence[Array], labels: Labels) -> list[Prediction]:
    """The most probable labels, from the log probabilities of all labels."""
    return [
        Prediction(record["id"], labels[int(np.argmax(row))], extra={"log_probabilities": _rounded(row)})
        for record, row in zip(features.records, rows, strict=True)
    ]


def _rounded(values: Array) -> list[float]:
    return [round(float(value), 4) for value in values]


class MultipleChoice(TaskType):
    """Multiple choice (HellaSwag, CommonsenseQA, Social IQA, COPA, XCOPA).

    Each choice is a segment, `context question </s> choice`. The head reads its first token, of decoders the last.
    """

    def encode(self, examples: Sequence[ChoiceExample], coder: Coder, limits: Encoding, labels: Labels) -> Features:
        builder = FeaturesBuilder()
        for example, context, choices in choices_with_pieces(examples, coder):
            add_choices(builder, example, [coder.two(context, choice, limits.max_length) for choice in choices])
        return builder.build()

    def head(self, backbone: Backbone, labels: Labels, dropout: float) -> nn.Module:
        return init_head(PooledHead(backbone, dropout), backbone)

    def collate(self, features: Features, rows: Array, rng: Rng) -> Batch:
        packed, offsets = features.packed(rows)
        sizes = np.diff(offsets)
        column = np.arange(sizes.max())
        grid = np.where(column < sizes[:, None], offsets[:-1, None] + column, -1)
        targets = {"label_B": indices(features.columns["label"][rows]), "segment_BK": indices(grid)}
        return Batch(packed, targets, len(rows), rows)

    def logits(self, head: nn.Module, states_TH: Tensor, batch: Batch) -> Tensor:
        """[B, K]; -inf if a question has fewer choices."""
        scores_S: Tensor = head(states_TH, batch.packed).squeeze(-1).float()
        segment_BK = batch.targets["segment_BK"]
        return scores_S[segment_BK.clamp(min=0)].masked_fill(segment_BK < 0, float("-inf"))

    def loss(self, head: nn.Module, states_TH: Tensor, batch: Batch) -> Tensor:
        return F.cross_entropy(self.logits(head, states_TH, batch), batch.targets["label_B"], reduction="sum")

    def outputs(self, head: nn.Module, states: Sequence[Tensor], batch: Batch) -> list[Any]:
        return list(self.logits(head, states[-1], batch).cpu().numpy())

    def decode(self, features: Features, outputs: Outputs, labels: Labels, limits: Encoding) -> list[Prediction]:
        return best_choices(features, outputs)


def choices_with_pieces(
    examples: Sequence[ChoiceExample], coder: Coder
) -> Iterator[tuple[ChoiceExample, Ids, list[Ids]]]:
    """Each example with the pieces of its context with question, and of its choices."""
    contexts = coder.pieces([f"{e.context} {e.question}".strip() for e in examples])
    choices = iter(coder.pieces([choice for e in examples for choice in e.choices]))
    for example, context in zip(examples, contexts, strict=True):
        yield example, context, [next(choices) for _ in example.choices]


def add_choices(builder: FeaturesBuilder, example: ChoiceExample, segments: Sequence[Segment]) -> None:
    """Add a question with the segments of its instance."""
    index = builder.record(id=example.id, gold=example.label, choices=len(example.choices))
    builder.add(index, segments, label=-1 if example.label is None else example.label)


def best_choices(features: Features, rows: Sequence[Array]) -> list[Prediction]:
    """The choices with the highest scores."""
    scored = [(record["id"], row[: record["choices"]]) for record, row in zip(features.records, rows, strict=True)]
    return [Prediction(name, int(np.argmax(scores)), extra={"scores": _rounded(scores)}) for name, scores in scored]


class TokenHead(nn.Module):
    """Dropout and projection, from [N, H] to [N, C], as in transformers' token classification."""

    def __init__(self, backbone: Backbone, classes: int, dropout: float) -> None:
        super().__init__()
        self.token = backbone.summary
        self.out = nn.Linear(backbone.hidden_size, classes)
        self.dropout = Dropout(dropout)

    def forward(self, states_NH: Tensor, place_N: Tensor | None = None) -> Tensor:
        """`place_N`: the places of the states in the pack."""
        logits: Tensor = self.out(self.dropout(states_NH, place_N))
        return logits


class Tagging(TaskType):
    """Sequence tagging; the loss is cross-entropy per tagged word."""

    right_context: ClassVar[bool] = True

    def encode(self, examples: Sequence[TaggedExample], coder: Coder, limits: Encoding, labels: Labels) -> Features:
        builder, number = FeaturesBuilder(), numbers_of(labels)
        budget = limits.max_length - coder.single.tokens
        for example in examples:
            index = add_sentence(builder, example)
            tags = example.tags or (None,) * len(example.words)
            pieces = [ids[:budget] for ids in coder.word_pieces(example.words)]
            for begin, end in cut(pieces, budget):
                starts = len(coder.single.before) + np.cumsum([0, *map(len, pieces[begin : end - 1])])
                segment = coder.one(np.concatenate(pieces[begin:end]), limits.max_length)
                builder.add(index, [segment], word_start=starts, tag=[number[tag] for tag in tags[begin:end]])
        return builder.build()

    def head(self, backbone: Backbone, labels: Labels, dropout: float) -> nn.Module:
        return init_head(TokenHead(backbone, len(labels), dropout), backbone)

    def collate(self, features: Features, rows: Array, rng: Rng) -> Batch:
        packed, offsets = features.packed(rows)
        word_start, tag = features.columns["word_start"], features.columns["tag"]
        starts = packed.starts_S.numpy()
        words = [word_start[row] + starts[offsets[i]] for i, row in enumerate(rows)]
        word_W, tag_W = indices(np.concatenate(words)), indices(np.concatenate([tag[row] for row in rows]))
        targets = {"word_W": word_W, "tag_W": tag_W, "words_B": indices([len(row) for row in words])}
        return Batch(packed, targets, len(word_W), rows)

    def logits(self, head: nn.Module, states_TH: Tensor, batch: Batch) -> Tensor:
        """[W, C]."""
        word_W = batch.targets["word_W"]
        logits_WC: Tensor = head(states_TH[word_W], word_W).float()
        return logits_WC

    def loss(self, head: nn.Module, states_TH: Tensor, batch: Batch) -> Tensor:
        return F.cross_entropy(self.logits(head, states_TH, batch), batch.targets["tag_W"], reduction="sum")

    def outputs(self, head: nn.Module, states: Sequence[Tensor], batch: Batch) -> list[Any]:
        best_W = self.logits(head, states[-1], batch).argmax(-1).cpu().numpy()
        return np.split(best_W, np.cumsum(batch.targets["words_B"].cpu().numpy())[:-1])

    def decode(self, features: Features, outputs: Outputs, labels: Labels, limits: Encoding) -> list[Prediction]:
        return joined_tags(features, outputs, labels)


def add_sentence(builder: FeaturesBuilder, example: TaggedExample) -> int:
    """Add the record of a sentence; returns its index."""
    gold = None if example.tags is None else list(example.tags)
    return builder.record(id=example.id, gold=gold, words=len(example.words))


def joined_tags(features: Features, outputs: Sequence[Array], labels: Labels) -> list[Prediction]:
    """The tags of sentences, from the tag numbers of their instances."""
    tags: list[list[str]] = [[] for _ in features.records]
    for example, best in zip(features.example, outputs, strict=True):
        tags[int(example)].extend(labels[int(tag)] for tag in best)
    for record, row in zip(features.records, tags, strict=True):
        assert len(row) == record["words"], f"sentence {record['id']} lost words"
    return [Prediction(record["id"], row) for record, row in zip(features.records, tags, strict=True)]


def cut(pieces: Sequence[Ids], budget: int) -> Iterator[tuple[int, int]]:
    """Word ranges [begin, end) of at most `budget` tokens each, from left to right."""
    begin, used = 0, 0
    for i, ids in enumerate(pieces):
        if used + len(ids) > budget:
            yield begin, i
            begin, used = i, 0
        used += len(ids)
    yield begin, len(pieces)
