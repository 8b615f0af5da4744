"""Task types for backbones that read and write text: inputs become prompts, and the possible answers are scored.

Prompts name their fields and the possible answers, always in English, and end in `answer:`. They do not name the task,
so MultiNLI and XNLI have the same prompts. Limits count the texts, without the words of the prompt. Types whose answers
are generated are in `generated`. Shape suffixes: N answers, A tokens of all answers.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from string import ascii_uppercase
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from xstilts.backbones.backbone import Backbone
from xstilts.backbones.coder import Coder, Ids, Segment
from xstilts.backbones.text import log_probabilities, pack_answers
from xstilts.core.errors import BackboneError, DataError
from xstilts.data.examples import ChoiceExample, Encoding, TextExample
from xstilts.task_types import classification
from xstilts.task_types.base import Batch, Labels, Outputs, Prediction, Rng, TaskType, indices
from xstilts.task_types.features import Array, Features, FeaturesBuilder


class TextHead(nn.Module):
    """Backbone, coder and labels for answering. It has no layers, since the backbone's output layer answers."""

    def __init__(self, backbone: Backbone, labels: Labels) -> None:
        super().__init__()
        self._held = (backbone,)  # in a tuple, so that its weights are not the head's
        self.coder = Coder(backbone.tokenizer)
        self.labels = tuple(labels)

    @property
    def backbone(self) -> Backbone:
        return self._held[0]


class WritingType(TaskType):
    """A type that trains the backbone's own output layer; the loss is cross-entropy per token of `token_A`."""

    def head(self, backbone: Backbone, labels: Labels, dropout: float) -> nn.Module:
        return TextHead(backbone, labels)

    def loss(self, head: nn.Module, states_TH: Tensor, batch: Batch) -> Tensor:
        assert isinstance(head, TextHead)
        return -log_probabilities(head.backbone, states_TH, batch.packed, batch.targets).sum()


@dataclass(frozen=True)
class TextType(WritingType):
    """A task type in text; the loss is that of the right answer's tokens, with the end token.

    The first segment of an instance is its prompt, the others are answers. Column `label` is the index of the right
    answer, or -1. A `decoder` reads prompt and answer as one text.
    """

    decoder: bool = True

    def suited(self, backbone: Backbone) -> Self:
        return replace(self, decoder=backbone.decoder)

    def micro_batches(self, features: Features, rows: Array, groups: Sequence[Array], rng: Rng) -> Iterator[Batch]:
        """Prompts with their right answers, for training."""
        for positions in groups:
            instances = [features.instance(int(row)) for row in rows[positions]]
            labels = features.columns["label"][rows[positions]]
            answers = [parts[1 + label] for parts, label in zip(instances, labels, strict=True)]
            yield self._batch([parts[0] for parts in instances], answers, range(len(answers)), rows[positions])

    def collate(self, features: Features, rows: Array, rng: Rng) -> Batch:
        """Prompts with all their answers, for prediction."""
        instances = [features.instance(int(row)) for row in rows]
        answers = [answer for _, *given in instances for answer in given]
        owner = [place for place, parts in enumerate(instances) for _ in parts[1:]]
        return self._batch([parts[0] for parts in instances], answers, owner, rows)

    def score(
        self, head: TextHead, prompts: Sequence[Ids], given: Sequence[Sequence[Sequence[int]]]
    ) -> list[list[float]]:
        """Log probabilities of the answers to each prompt, given without the end token."""
        end, backbone = head.coder.end_id, head.backbone
        answers = [np.asarray([*tokens, end]) for own in given for tokens in own]
        owner = [place for place, own in enumerate(given) for _ in own]
        batch = self._batch(prompts, answers, owner, np.arange(len(prompts))).to(backbone.embeddings.device)
        flat = iter(answer_scores(head, backbone(batch.packed), batch).tolist())
        return [[next(flat) for _ in own] for own in given]

    def _batch(self, prompts: Sequence[Ids], answers: Sequence[Ids], owner: Sequence[int], rows: Array) -> Batch:
        packed, targets = pack_answers(prompts, answers, owner, self.decoder)
        return Batch(packed, {**targets, "owner_N": indices(list(owner))}, len(targets["token_A"]), rows)


def answer_scores(head: nn.Module, states_TH: Tensor, batch: Batch) -> Tensor:
    """The log probability of each answer, [N]."""
    assert isinstance(head, TextHead)
    scores_A = log_probabilities(head.backbone, states_TH, batch.packed, batch.targets)
    answers = len(batch.targets["owner_N"])
    return scores_A.new_zeros(answers).index_add(0, batch.targets["answer_A"], scores_A)


class ScoredText(TextType):
    """A task type in text that predicts the most probable of the possible answers."""

    def outputs(self, head: nn.Module, states: Sequence[Tensor], batch: Batch) -> list[Any]:
        """Log probabilities of the answers of each instance."""
        scores_N = answer_scores(head, states[-1], batch).cpu().numpy()
        sizes = torch.bincount(batch.targets["owner_N"]).cpu().numpy()
        return np.split(scores_N, np.cumsum(sizes)[:-1])


def prompt(coder: Coder, parts: Iterable[str | Ids]) -> Segment:
    """A prompt of words of our own (strings) and pieces of texts, after the tokens that open a text."""
    ids = [coder.continued(part) if isinstance(part, str) else part for part in parts]
    joined = np.concatenate([coder.single.before, *ids])
    return Segment(joined, len(joined))


def closed(coder: Coder, ids: Ids) -> Segment:
    """Pieces of an answer with the end token."""
    joined = np.append(ids, coder.end_id).astype(np.int32)
    return Segment(joined, len(joined))


def label_pieces(coder: Coder, labels: Labels) -> list[Ids]:
    """The pieces of each label after another word. Raises `BackboneError` if two have the same pieces."""
    pieces = [coder.continued(label) for label in labels]
    seen: dict[tuple[int, ...], str] = {}
    for label, ids in zip(labels, pieces, strict=True):
        other = seen.setdefault(tuple(ids.tolist()), label)
        if other != label:
            raise BackboneError(f"the tokenizer cannot tell the labels '{other}' and '{label}' apart: rename them")
    return pieces


class ClassificationText(ScoredText):
    """Text classification by the probability of each label's name.

    text: It rains. second text: The sun shines. labels: entailment, neutral, contradiction. answer: contradiction
    """

    protocol: ClassVar[str] = "output=text, the most probable label"

    def encode(self, examples: Sequence[TextExample], coder: Coder, limits: Encoding, labels: Labels) -> Features:
        builder, number = FeaturesBuilder(), classification.numbers_of(labels)
        answers = [closed(coder, ids) for ids in label_pieces(coder, labels)]
        closing = f"labels: {', '.join(sorted(labels))}. answer:"
        for example, first, second in classification.with_pieces(examples, coder):
            parts: list[str | Ids] = ["text:", first[: limits.max_length], closing]
            if second is not None:
                one, two = coder.cut(first, second, limits.max_length)
                parts = ["text:", one, "second text:", two, closing]
            index = builder.record(id=example.id, gold=example.label)
            builder.add(index, [prompt(coder, parts), *answers], label=number[example.label])
        return builder.build()

    def decode(self, features: Features, outputs: Outputs, labels: Labels, limits: Encoding) -> list[Prediction]:
        probable = [row - np.logaddexp.reduce(row) for row in outputs]
        return classification.most_probable(features, probable, labels)


class MultipleChoiceText(ScoredText):
    """Multiple choice by the probability of each choice's letter.

    context: The man broke his toe. What was the cause? A: He got a hole in his sock. B: He dropped a hammer. answer: B

    The list of choices follows UnifiedQA (Khashabi et al. 2020, arXiv 2005.00700). The answer is a letter, so that
    short choices are not preferred.
    """

    protocol: ClassVar[str] = "output=text, the most probable letter"

    def encode(self, examples: Sequence[ChoiceExample], coder: Coder, limits: Encoding, labels: Labels) -> Features:
        builder, most = FeaturesBuilder(), limits.max_length
        letters = [closed(coder, ids) for ids in label_pieces(coder, ascii_uppercase)]
        for example, context, choices in classification.choices_with_pieces(examples, coder):
            if len(choices) > len(letters):
                raise DataError(f"example '{example.id}' has {len(choices)} choices: there are {len(letters)} letters")
            parts: list[str | Ids] = ["context:", context[:most]]
            for letter, choice in zip(ascii_uppercase, choices, strict=False):
                parts += [f"{letter}:", choice[:most]]
            segments = [prompt(coder, [*parts, "answer:"]), *letters[: len(choices)]]
            classification.add_choices(builder, example, segments)
        return builder.build()

    def decode(self, features: Features, outputs: Outputs, labels: Labels, limits: Encoding) -> list[Prediction]:
        return classification.best_choices(features, outputs)
