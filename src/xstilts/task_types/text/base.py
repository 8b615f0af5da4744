"""What task types in text share: an instance is a prompt with answers, and a loss is that of the right answer's tokens.

Prompts name their fields and what may be answered, in English whatever the language of the text, and end in `answer:`.
They carry no name of the task: what is trained on MultiNLI and measured on XNLI reads the same prompt. Limits count the
texts alone; the words of the prompt come on top.
Shape suffixes as in `backbones.text`: N answers, A tokens of all answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from xstilts.backbones.backbone import Backbone
from xstilts.backbones.coder import Coder, Ids, Segment
from xstilts.backbones.text import log_probabilities, pack_answers
from xstilts.task_types.base import Batch, TaskType, indices
from xstilts.task_types.features import Array, Features


class TextHead(nn.Module):
    """No layers: the backbone's own output layer answers. Holds what answering needs: backbone, coder, labels."""

    def __init__(self, backbone: Backbone, labels: Sequence[str]) -> None:
        super().__init__()
        self._held = (backbone,)  # in a tuple it is no part of the head
        self.coder = Coder(backbone.tokenizer)
        self.labels = tuple(labels)

    @property
    def backbone(self) -> Backbone:
        return self._held[0]


@dataclass(frozen=True)
class TextType(TaskType):
    """A task type in text; the loss is cross-entropy per token of the right answer, its end token included.

    The first segment of an instance is its prompt, the others are answers; column `label` tells the right one (-1:
    withheld, or there is none among them).

    Attributes:
        decoder: whether the backbone reads prompt and answer as one text.
    """

    decoder: bool = True

    def suited(self, backbone: Backbone) -> Self:
        return replace(self, decoder=backbone.decoder)

    def head(self, backbone: Backbone, labels: Sequence[str], dropout: float) -> nn.Module:
        return TextHead(backbone, labels)

    def micro_batches(
        self, features: Features, rows: Array, groups: Sequence[Array], rng: np.random.Generator
    ) -> Iterator[Batch]:
        """Prompts with their right answers; `collate` is for prediction."""
        for positions in groups:
            instances = [features.instance(int(row)) for row in rows[positions]]
            labels = features.column("label")[rows[positions]]
            answers = [parts[1 + label] for parts, label in zip(instances, labels, strict=True)]
            yield self._batch([parts[0] for parts in instances], answers, range(len(answers)), rows[positions])

    def collate(self, features: Features, rows: Array, rng: np.random.Generator) -> Batch:
        """Prompts with all their answers."""
        prompts, answers, owner = [], [], []
        for place, row in enumerate(rows):
            prompt, *given = features.instance(int(row))
            prompts.append(prompt)
            answers += given
            owner += [place] * len(given)
        return self._batch(prompts, answers, owner, rows)

    def score(
        self, head: TextHead, prompts: Sequence[Ids], given: Sequence[Sequence[Sequence[int]]]
    ) -> list[list[float]]:
        """Log probabilities of several answers to each prompt, which come without the end token."""
        end, backbone = head.coder.end_id, head.backbone
        answers = [np.asarray([*tokens, end]) for own in given for tokens in own]
        owner = [place for place, own in enumerate(given) for _ in own]
        batch = self._batch(prompts, answers, owner, np.arange(len(prompts))).to(backbone.embeddings.device)
        flat = iter(scores(head, backbone(batch.packed), batch).tolist())
        return [[next(flat) for _ in own] for own in given]

    def _batch(self, prompts: Sequence[Ids], answers: Sequence[Ids], owner: Sequence[int], rows: Array) -> Batch:
        packed, targets = pack_answers(prompts, answers, owner, self.decoder)
        return Batch(packed, {**targets, "owner_N": indices(list(owner))}, len(targets["token_A"]), rows)

    def loss(self, head: nn.Module, states_TH: Tensor, batch: Batch) -> Tensor:
        assert isinstance(head, TextHead)
        return -log_probabilities(head.backbone, states_TH, batch.packed, batch.targets).sum()


def scores(head: TextHead, states_TH: Tensor, batch: Batch) -> Tensor:
    """The log probability of each answer, [N]: the sum over its tokens."""
    scores_A = log_probabilities(head.backbone, states_TH, batch.packed, batch.targets)
    answers = len(batch.targets["owner_N"])
    return scores_A.new_zeros(answers).index_add(0, batch.targets["answer_A"], scores_A)


class ScoredText(TextType):
    """A task type in text whose answers are given: the most probable one is predicted."""

    def outputs(self, head: nn.Module, states: Sequence[Tensor], batch: Batch) -> list[Any]:
        """Log probabilities of each instance's answers."""
        assert isinstance(head, TextHead)
        scores_N = scores(head, states[-1], batch).cpu().numpy()
        sizes = torch.bincount(batch.targets["owner_N"]).cpu().numpy()
        return np.split(scores_N, np.cumsum(sizes)[:-1])


def prompt(coder: Coder, parts: Iterable[str | Ids]) -> Segment:
    """A prompt of words of ours (strings) and pieces of the user's texts, behind what opens a text."""
    ids = [coder.continued(part) if isinstance(part, str) else part for part in parts]
    joined = np.concatenate([coder.single.before, *ids])
    return Segment(joined, len(joined))


def closed(coder: Coder, ids: Ids) -> Segment:
    """Pieces of an answer with the end token."""
    joined = np.append(ids, coder.end_id).astype(np.int32)
    return Segment(joined, len(joined))
