"""How well words' alignment projects spans and tags, where the truth is known: on items of a microworld.

The exact translation is aligned with its English by an encoder, and what is projected from English is compared with
what the world says. The items are training items of the world, drawn anew; no default was chosen by these figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from xstilts.data.examples import Example, SpanExample, TaggedExample
from xstilts.microworld import DEFAULT, LANGUAGES, write_translations
from xstilts.tasks import TASKS
from xstilts.translation.carry import Carrier
from xstilts.translation.project import Align, Projector, Sentence, Translated
from xstilts.translation.texts import Range, running_text

MEASURED = {"micro_qa": "qa", "micro_ner": "ner", "micro_tagging": "tagging"}


@dataclass(frozen=True)
class Accuracy:
    """Of some projections, in percent.

    Attributes:
        projected: examples that were kept.
        right: of all examples those whose span, or all of whose entities, are exactly right; of tags of single words,
            the right ones among the words of the examples that were kept.
    """

    projected: float
    right: float


def items(folder: Path, world: int, task: str, count: int) -> dict[str, list[Example]]:
    """The first training items of one task of a world in every language, parallel."""
    size = replace(DEFAULT, **{MEASURED[task]: count, "test": 0, "validation": 0})
    manifest = {"seed": world, "size": asdict(size)}
    write_translations(folder, manifest, MEASURED[task], list(LANGUAGES))
    return {code: TASKS.get(task).load(folder, "train", code) for code in LANGUAGES}


def accuracy(english: Sequence[Example], other: Sequence[Example], language: str, align: Align) -> Accuracy:
    """Projects from English to its exact translation, and compares."""
    told = {_text(source): _text(target) for source, target in zip(english, other, strict=True)}

    def exact(texts: Sequence[str]) -> list[Translated | None]:
        return [Translated(told[text]) for text in texts]

    projector = Projector(language, exact, align, "none")
    if isinstance(english[0], SpanExample):
        wanted = [_span(one) for one in other]
        asked = [Sentence(_text(one), (_span(one),), ("",)) for one in english]
        found = [one and one.spans[0] for one in projector(asked)]
        right = sum(ours == theirs for ours, theirs in zip(found, wanted))
        return Accuracy(100 * sum(one is not None for one in found) / len(found), 100 * right / len(found))
    carried = [one.example for one in Carrier(projector)(english)]
    pairs = [
        (ours.tags or (), theirs.tags or ())
        for ours, theirs in zip(carried, other)
        if isinstance(ours, TaggedExample) and isinstance(theirs, TaggedExample)
    ]
    projected = 100 * len(pairs) / len(english)
    if any(tag[:2] in ("B-", "I-") for one in other if isinstance(one, TaggedExample) for tag in one.tags or ()):
        return Accuracy(projected, 100 * sum(ours == theirs for ours, theirs in pairs) / len(english))
    words = [(a, b) for ours, theirs in pairs for a, b in zip(ours, theirs, strict=True)]
    return Accuracy(projected, 100 * sum(a == b for a, b in words) / max(1, len(words)))


def _text(example: Example) -> str:
    if isinstance(example, TaggedExample):
        return running_text(example.words)[0]
    assert isinstance(example, SpanExample)
    return example.passage


def _span(example: Example) -> Range:
    assert isinstance(example, SpanExample)
    assert example.answers
    start = example.answers[0].start
    return Range(start, start + len(example.answers[0].text))
