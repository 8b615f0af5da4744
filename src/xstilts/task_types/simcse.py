"""SimCSE (Gao et al. 2021): contrastive training without translations; on English it is mSimCSE (Wang et al. 2022).

Unsupervised, on raw text: two passes of a sentence through dropout are a positive pair. Supervised, on NLI: a premise
and each hypothesis that it entails are a positive pair, and a hypothesis that contradicts the premise is a hard
negative. The loss is cross-entropy of cosines over a temperature, in one direction, against all second texts and hard
negatives of the batch. The authors have one more layer between vector and loss in training.
Shape suffixes: T tokens, H hidden, S segments, B instances, N second texts and hard negatives.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xstilts.backbones.backbone import Backbone
from xstilts.backbones.coder import Coder, Ids, Segment
from xstilts.backbones.dropout import Dropout
from xstilts.backbones.packing import pack
from xstilts.core.errors import BackboneError, DataError
from xstilts.data.examples import Encoding, PlainText, TextExample
from xstilts.task_types.base import Batch, Labels, Rng, indices
from xstilts.task_types.features import Array, Features, FeaturesBuilder
from xstilts.task_types.raw_text import RawText
from xstilts.task_types.sentences import VectorType, diagonal_loss, dots


class ViewsHead(nn.Module):
    """A dropout, and whether two passes of the backbone in training `differ`."""

    def __init__(self, differ: bool) -> None:
        super().__init__()
        self.differ = differ
        self.dropout = Dropout(0.0)  # the task type gives the probability


@dataclass(frozen=True)
class SimCSE(VectorType, RawText):
    """SimCSE; `dropout` is applied to the pooled states, for backbones without dropout."""

    splits_batches: ClassVar[bool] = False
    temperature: float = 0.05
    dropout: float = 0.0

    def instances(self, lines: Iterable[Ids], count: int, coder: Coder, limits: Encoding) -> Iterator[list[Segment]]:
        """One instance per line: the same segment twice."""
        for pieces in lines:
            if len(pieces):
                yield [coder.one(pieces, limits.max_length)] * 2

    def encode(self, examples: Sequence[Any], coder: Coder, limits: Encoding, labels: Labels) -> Features:
        texts = [example for example in examples if isinstance(example, PlainText)]
        if texts or not examples:
            return RawText.encode(self, texts, coder, limits, labels)
        builder = FeaturesBuilder()
        index = builder.record(id="text", gold=None, pairs=True)
        rows = triples([example for example in examples if isinstance(example, TextExample)])
        pieces = iter(coder.pieces([text for row in rows for text in row]))
        for row in rows:
            builder.add(index, [coder.one(next(pieces), limits.max_length) for _ in row])
        return builder.build()

    def head(self, backbone: Backbone, labels: Labels, dropout: float) -> nn.Module:
        return ViewsHead(views_differ(backbone))

    def collate(self, features: Features, rows: Array, rng: Rng) -> Batch:
        ids, splits, offsets = features.segments(rows)
        first = offsets[:-1]
        hard = np.setdiff1d(np.arange(offsets[-1]), [first, first + 1])
        pairs = bool(features.records[0].get("pairs"))  # in NLI a hypothesis may repeat its premise
        twice = [not pairs and np.array_equal(ids[place], ids[place + 1]) for place in first]
        second = np.concatenate([first + 1, hard])
        targets = {"first_B": indices(first), "second_N": indices(second), "twice_B": torch.tensor(twice)}
        return Batch(pack(ids, splits), targets, len(rows), rows)

    def loss(self, head: nn.Module, states_TH: Tensor, batch: Batch) -> Tensor:
        assert isinstance(head, ViewsHead)
        if not (head.differ or self.dropout) and bool(batch.targets["twice_B"].any()):
            raise BackboneError(
                "simcse on raw text compares two passes through dropout, and this backbone has no dropout: give "
                "`options: {dropout: 0.1}` beside the task, a dropout in the backbone's `config`, or an NLI task"
            )
        states_TH = head.dropout(states_TH, slice(None), self.dropout)
        vectors_SH = F.normalize(self.vectors(states_TH, batch.packed), dim=-1)
        first_BH, second_NH = vectors_SH[batch.targets["first_B"]], vectors_SH[batch.targets["second_N"]]
        return diagonal_loss(dots(first_BH, second_NH) / self.temperature)


@torch.no_grad()
def views_differ(backbone: Backbone) -> bool:
    """Whether dropout makes two passes over one text in training differ."""
    training, probe = backbone.training, pack([np.arange(5, 9)]).to(backbone.embeddings.device)
    with torch.random.fork_rng():
        backbone.train()
        one, two = backbone(probe), backbone(probe)
    backbone.train(training)
    return not torch.equal(one, two)


def triples(examples: Sequence[TextExample]) -> list[tuple[str, ...]]:
    """(premise, entailed hypothesis), with a contradiction of the same premise while there are any left.

    Raises `DataError` if no hypothesis is entailed.
    """
    entailed: dict[str, list[str]] = defaultdict(list)
    denied: dict[str, list[str]] = defaultdict(list)
    for example in examples:
        if example.pair is not None and example.label in ("entailment", "contradiction"):
            (entailed if example.label == "entailment" else denied)[example.text].append(example.pair)
    rows = [
        (premise, hypothesis, *([] if negative is None else [negative]))
        for premise, hypotheses in entailed.items()
        for hypothesis, negative in zip_longest(hypotheses, denied[premise][: len(hypotheses)])
    ]
    if not rows:
        raise DataError("simcse on NLI needs pairs with the label 'entailment', and there are none")
    return rows
