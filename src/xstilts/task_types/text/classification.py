"""Text classification in text: the labels are the answers.

text: It rains. second text: The sun shines. labels: entailment, neutral, contradiction. answer: contradiction
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from xstilts.backbones.coder import Coder, Ids
from xstilts.data.examples import TextExample
from xstilts.task_types.base import Limits, Prediction
from xstilts.task_types.classification import predicted
from xstilts.task_types.features import Features, FeaturesBuilder
from xstilts.task_types.text.base import ScoredText, closed, prompt
from xstilts.task_types.text.forms import label_pieces


class ClassificationText(ScoredText):
    """Text classification by the probability of each label's name."""

    name: ClassVar[str] = "classification_text"
    protocol: ClassVar[str] = "output=text, the most probable label"

    def encode(self, examples: Sequence[TextExample], coder: Coder, limits: Limits, labels: Sequence[str]) -> Features:
        number = {label: i for i, label in enumerate(labels)}
        answers = [closed(coder, ids) for ids in label_pieces(coder, labels)]
        closing = f"labels: {', '.join(sorted(labels))}. answer:"
        builder = FeaturesBuilder()
        firsts = coder.pieces([example.text for example in examples])
        seconds = iter(coder.pieces([example.pair for example in examples if example.pair is not None]))
        for example, first in zip(examples, firsts, strict=True):
            if example.pair is None:
                parts: list[str | Ids] = ["text:", first[: limits.max_length], closing]
            else:
                one, two = coder.cut(first, next(seconds), limits.max_length)
                parts = ["text:", one, "second text:", two, closing]
            index = builder.record(id=example.id, gold=example.label)
            label = -1 if example.label is None else number[example.label]
            builder.add(index, [prompt(coder, parts), *answers], label=label)
        return builder.build()

    def decode(
        self, features: Features, outputs: Sequence[Any], labels: Sequence[str], limits: Limits
    ) -> list[Prediction]:
        return predicted(features, [row - np.logaddexp.reduce(row) for row in outputs], labels)
