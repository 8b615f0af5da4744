"""Sequence tagging in text: a number stands before each word, and the answer gives each number its tag.

    words: 1 Anna 2 sleeps 3 . tags: NOUN, PUNCT, VERB, ... answer: 1 NOUN 2 VERB 3 PUNCT

Raman et al. 2022 (arXiv 2203.08378) found marks before the words to transfer best across languages ("sentinel + tag");
numbers stand for their sentinel tokens, which decoders do not have. Generation is constrained to that form: every word
gets one tag, and none is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor, nn

from xstilts.backbones.coder import Coder, Ids
from xstilts.backbones.packing import pack
from xstilts.backbones.text import generate
from xstilts.data.examples import TaggedExample
from xstilts.task_types.base import Batch, Limits, Prediction, indices
from xstilts.task_types.features import Array, Features, FeaturesBuilder
from xstilts.task_types.tagging import cut, joined_tags
from xstilts.task_types.text.base import TextHead, TextType, closed, prompt
from xstilts.task_types.text.forms import Form, Reader


@dataclass(frozen=True)
class TaggingText(TextType):
    """Tagging by constrained generation."""

    name: ClassVar[str] = "tagging_text"
    reads_states: ClassVar[bool] = False
    protocol: ClassVar[str] = "output=text, tags generated for numbered words"

    def encode(
        self, examples: Sequence[TaggedExample], coder: Coder, limits: Limits, labels: Sequence[str]
    ) -> Features:
        builder = FeaturesBuilder()
        form = Form.of(coder, labels)
        kinds = f"tags: {', '.join(sorted(labels))}. answer:"
        for example in examples:
            tags = example.tags
            index = builder.record(id=example.id, gold=None if tags is None else list(tags), words=len(example.words))
            pieces = [ids[: limits.max_length] for ids in coder.word_pieces(["a", *example.words])[1:]]
            for begin, end in cut(pieces, limits.max_length):
                parts: list[str | Ids] = ["words:"]
                for number, ids in enumerate(pieces[begin:end]):
                    parts += [form.number(number), ids]
                asked = prompt(coder, [*parts, kinds])
                chosen = [] if tags is None else [closed(coder, form.written(tags[begin:end]))]
                builder.add(index, [asked, *chosen], label=-1 if tags is None else 0, words=end - begin)
        return builder.build()

    def collate(self, features: Features, rows: Array, rng: np.random.Generator) -> Batch:
        packed = pack([features.instance(int(row))[0] for row in rows])
        return Batch(packed, {"words_B": indices(features.column("words")[rows])}, len(rows), rows)

    def outputs(self, head: nn.Module, states: Sequence[Tensor], batch: Batch) -> list[Any]:
        """The number of each word's tag."""
        assert isinstance(head, TextHead)
        words, end = batch.targets["words_B"].tolist(), head.coder.end_id
        form = Form.of(head.coder, head.labels)
        readers = [Reader(form, count, end) for count in words]

        def allowed(number: int, written: Sequence[int]) -> list[int]:
            return readers[number].after(written)

        written = generate(head.backbone, batch.packed.segments(), end, max(r.longest for r in readers), allowed)
        return [np.asarray(reader.tags(tokens)) for reader, tokens in zip(readers, written, strict=True)]

    def decode(
        self, features: Features, outputs: Sequence[Any], labels: Sequence[str], limits: Limits
    ) -> list[Prediction]:
        return joined_tags(features, outputs, labels)
