"""Translation language modelling (Conneau and Lample 2019): masked LM over a sentence and its translation together.

Which of the two stands first is drawn for each pair when features are made: neither language is always the second.
Positions go on over the border, as in any pair of texts of the tokenizer (XLM begins anew, and adds embeddings of the
language). Masking, loss and head are masked LM's: a head that was pretrained by one is trained on by the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from xstilts.backbones.coder import Coder
from xstilts.core.seeds import generator
from xstilts.data.examples import ParallelExample
from xstilts.task_types.base import Limits
from xstilts.task_types.features import Features, FeaturesBuilder
from xstilts.task_types.masked_lm import Masking


class TranslationLM(Masking):
    """Masked language modelling of translation pairs."""

    name: ClassVar[str] = "translation_lm"
    head_of: ClassVar[str] = "masked_lm"

    def encode(
        self, examples: Sequence[ParallelExample], coder: Coder, limits: Limits, labels: Sequence[str]
    ) -> Features:
        builder = FeaturesBuilder()
        index = builder.record(id="text", gold=None, **self.told(coder))
        sources = coder.pieces([example.source for example in examples])
        targets = coder.pieces([example.target for example in examples])
        turned = generator(0, "translation_lm", len(examples)).random(len(examples)) < 0.5
        for source, target, turn in zip(sources, targets, turned, strict=True):
            first, second = (target, source) if turn else (source, target)
            builder.add(index, [coder.two(first, second, limits.max_length)])
        return builder.build()
