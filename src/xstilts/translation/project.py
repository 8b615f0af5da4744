"""Projection of spans and tags from a text to its translation.

Marker insertion first; where the marks are lost, words are aligned, and a span is the smallest range over the words
aligned with its own. What neither finds is not projected. Tags of single words (parts of speech) go along the alignment
alone: a word that is aligned with several takes the tag of the first, and one that is aligned with none that of the
nearest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from xstilts.translation.markers import mark, unmark
from xstilts.translation.spec import Markers
from xstilts.translation.texts import Range, words_of


class Translated(NamedTuple):
    """A sentence's translation, and the mean log-probability of its tokens where the engine tells it."""

    text: str
    score: float | None = None


Translate = Callable[[Sequence[str]], Sequence[Translated | None]]
"""Sentences -> their translations; None where one is too long for the engine."""


class Alignment(NamedTuple):
    """Of two sentences in words: the pairs (word of the first, word of the second) that are aligned, and for each word
    of the second the nearest of the first, aligned or not."""

    links: frozenset[tuple[int, int]]
    nearest: tuple[int, ...]


Words = Sequence[str]
Align = Callable[[Sequence[tuple[Words, Words]]], Sequence[Alignment]]
"""Pairs of sentences in words, none empty -> their alignments."""


class Sentence(NamedTuple):
    """An English sentence, and the spans in it, in order, with what they are called."""

    text: str
    spans: tuple[Range, ...] = ()
    labels: tuple[str, ...] = ()


class Projected(NamedTuple):
    """A translated sentence, its spans in the order of the source, and by which method they were found ("": none)."""

    text: str
    spans: tuple[Range, ...]
    method: str
    score: float | None


@dataclass
class Projector:
    """Translates sentences with their spans; what was translated once is remembered.

    Args:
        language: of the translations.
        align: None where there is no encoder to align with.
    """

    language: str
    translate: Translate
    align: Align | None = None
    markers: Markers = "tags"
    _known: dict[str, Translated | None] = field(default_factory=dict)

    def forget(self) -> None:
        """Drop what is remembered."""
        self._known.clear()

    def plain(self, texts: Iterable[str]) -> Mapping[str, Translated | None]:
        """Sentences and their translations."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        self._known.update(zip(new, self.translate(new) if new else [], strict=True))
        return self._known

    def __call__(self, sentences: Sequence[Sentence]) -> list[Projected | None]:
        """One entry a sentence: None where it was too long, or its spans were not found."""
        marked = [mark(one.text, one.spans, one.labels, self.markers) for one in sentences]
        self.plain(text or one.text for text, one in zip(marked, sentences))
        found: list[Projected | None] = []
        for one, text in zip(sentences, marked):
            translated = self._known[text or one.text]
            if translated is None:
                found.append(None)
            elif not one.spans:
                found.append(Projected(translated.text, (), "", translated.score))
            else:
                clean = unmark(translated.text, len(one.spans), self.markers) if text else None
                found.append(clean and Projected(clean[0], tuple(clean[1]), "markers", translated.score))
        lost = [number for number, one in enumerate(sentences) if one.spans and found[number] is None]
        for number, projected in zip(lost, self._aligned([sentences[number] for number in lost])):
            found[number] = projected
        return found

    def lost(self, sentence: Sentence) -> str:
        """Why there is nothing for a sentence, when it was just asked for."""
        marked = mark(sentence.text, sentence.spans, sentence.labels, self.markers)
        tried = [self._known[text] for text in (marked, sentence.text) if text in self._known]
        return "not projected" if any(tried) else "too long"

    def _aligned(self, sentences: Sequence[Sentence]) -> list[Projected | None]:
        if self.align is None:
            return [None] * len(sentences)
        known = self.plain(one.text for one in sentences)
        texts = [translated.text if (translated := known[one.text]) else "" for one in sentences]
        places = [(words_of(one.text, "en"), words_of(text, self.language)) for one, text in zip(sentences, texts)]
        pairs = [
            (cut(one.text, source), cut(text, target)) for one, text, (source, target) in zip(sentences, texts, places)
        ]
        links = iter(self.align([pair for pair in pairs if all(pair)]))
        found: list[Projected | None] = []
        for one, text, pair, (source, target) in zip(sentences, texts, pairs, places):
            spans = along(one.spans, source, target, next(links).links) if all(pair) else None
            translated = known[one.text]
            found.append(Projected(text, spans, "alignment", translated.score) if spans and translated else None)
        return found


def cut(text: str, places: Sequence[Range]) -> list[str]:
    """The words at their places."""
    return [text[one.start : one.end] for one in places]


def along(
    spans: Sequence[Range], source: Sequence[Range], target: Sequence[Range], links: Iterable[tuple[int, int]]
) -> tuple[Range, ...] | None:
    """Each span's smallest range over the words aligned with its own; None if one has none, or two overlap."""
    pairs = list(links)
    found = []
    for span in spans:
        own = {i for i, word in enumerate(source) if word.overlaps(span)}
        there = [j for i, j in pairs if i in own]
        if not there:
            return None
        found.append(Range(target[min(there)].start, target[max(there)].end))
    ordered = sorted(found)
    return None if any(one.overlaps(other) for one, other in pairwise(ordered)) else tuple(found)


def tags_along(tags: Sequence[str], alignment: Alignment) -> tuple[list[str], float]:
    """A tag for each word of the translation, and the share of them that are aligned."""
    first: dict[int, int] = {}
    for i, j in sorted(alignment.links):
        first.setdefault(j, i)
    found = [tags[first.get(j, nearest)] for j, nearest in enumerate(alignment.nearest)]
    return found, len(first) / len(found)


def entities(tags: Sequence[str]) -> list[tuple[int, int, str]]:
    """(first word, last word + 1, type) of the entities that BIO tags say; an `I-` without a beginning begins one."""
    found: list[tuple[int, int, str]] = []
    for i, tag in enumerate(tags):
        kind = tag[2:] if tag[:2] in ("B-", "I-") else ""
        goes_on = tag.startswith("I-") and found and found[-1][1] == i and found[-1][2] == kind
        if goes_on:
            found[-1] = (found[-1][0], i + 1, kind)
        elif kind:
            found.append((i, i + 1, kind))
    return found
