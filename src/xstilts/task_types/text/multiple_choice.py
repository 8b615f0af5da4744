"""Multiple choice in text: choices are listed under letters, and the letters are the answers.

    context: The man broke his toe. What was the cause? A: He got a hole in his sock. B: He dropped a hammer. answer: B

The list of choices follows UnifiedQA (Khashabi et al. 2020, arXiv 2005.00700); letters in place of texts, so that no
choice is preferred for being short.
"""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_uppercase
from typing import Any, ClassVar

from xstilts.backbones.coder import Coder, Ids
from xstilts.core.errors import DataError
from xstilts.data.examples import ChoiceExample
from xstilts.task_types.base import Limits, Prediction
from xstilts.task_types.features import Features, FeaturesBuilder
from xstilts.task_types.multiple_choice import chosen
from xstilts.task_types.text.base import ScoredText, closed, prompt
from xstilts.task_types.text.forms import label_pieces


class MultipleChoiceText(ScoredText):
    """Multiple choice by the probability of each choice's letter."""

    name: ClassVar[str] = "multiple_choice_text"
    protocol: ClassVar[str] = "output=text, the most probable letter"

    def encode(
        self, examples: Sequence[ChoiceExample], coder: Coder, limits: Limits, labels: Sequence[str]
    ) -> Features:
        letters = [closed(coder, ids) for ids in label_pieces(coder, ascii_uppercase)]
        builder = FeaturesBuilder()
        contexts = coder.pieces([f"{e.context} {e.question}".strip() for e in examples])
        choices = iter(coder.pieces([choice for e in examples for choice in e.choices]))
        for example, context in zip(examples, contexts, strict=True):
            if len(example.choices) > len(letters):
                raise DataError(
                    f"example '{example.id}' has {len(example.choices)} choices: letters tell {len(letters)}"
                )
            parts: list[str | Ids] = ["context:", context[: limits.max_length]]
            for letter in ascii_uppercase[: len(example.choices)]:
                parts += [f"{letter}:", next(choices)[: limits.max_length]]
            index = builder.record(id=example.id, gold=example.label, choices=len(example.choices))
            segments = [prompt(coder, [*parts, "answer:"]), *letters[: len(example.choices)]]
            builder.add(index, segments, label=-1 if example.label is None else example.label)
        return builder.build()

    def decode(
        self, features: Features, outputs: Sequence[Any], labels: Sequence[str], limits: Limits
    ) -> list[Prediction]:
        return chosen(features, outputs)
