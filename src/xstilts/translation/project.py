"""Projection of spans and tags from a text to its translation.

Spans are marked by brackets, which are found again in the translation (Lee et al. 2018; Lewis et al. 2020 for MLQA's
training data; Chen et al. 2023, EasyProject, arXiv 2211.15613). Where the brackets are lost, words are aligned, and a
span is the smallest range over the words aligned with its own. Tags of single words follow the alignment alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from xstilts.translation.texts import Range, cut, words_of

_BRACKET = re.compile(r"[\[\]\uff3b\uff3d\u3010\u3011]")
_PAIR = re.compile(r"[\[\uff3b\u3010]([^\[\]\uff3b\uff3d\u3010\u3011]*)[\]\uff3d\u3011]")
TOO_LONG, NOT_PROJECTED = "too long", "not projected"


class Translated(NamedTuple):
    """A sentence's translation.

    Attributes:
        score: mean log-probability of its tokens, where the engine gives it.
        spans: places of the source's spans, in their order.
        method: how the spans were found; empty without spans.
    """

    text: str
    score: float | None = None
    spans: tuple[Range, ...] = ()
    method: str = ""


class Alignment(NamedTuple):
    """Pairs of aligned words (of the first sentence, of the second), and each second word's nearest first one."""

    links: frozenset[tuple[int, int]]
    nearest: tuple[int, ...]


class Sentence(NamedTuple):
    """An English sentence, and the spans in it, in order, with their labels."""

    text: str
    spans: tuple[Range, ...] = ()
    labels: tuple[str, ...] = ()


Words = Sequence[str]
Translate = Callable[[Sequence[str]], Sequence[Translated | None]]
"""Sentences -> their translations; None where one is too long for the engine."""
Align = Callable[[Sequence[tuple[Words, Words]]], Sequence[Alignment]]
"""Pairs of sentences in words, none empty -> their alignments."""


@dataclass(frozen=True)
class Projector:
    """Translates sentences with their spans into `language`; without an encoder `align` is None."""

    language: str
    translate: Translate
    align: Align | None = None

    def plain(self, texts: Iterable[str]) -> dict[str, Translated | None]:
        """Sentences and their translations."""
        new = list(dict.fromkeys(texts))
        return dict(zip(new, self.translate(new) if new else [], strict=True))

    def __call__(self, sentences: Sequence[Sentence]) -> list[Translated | str]:
        """One entry per sentence: its translation, or why there is none (too long, spans not found)."""
        marked = [mark(one) for one in sentences]
        known = self.plain(text or one.text for text, one in zip(marked, sentences))
        found: list[Translated | str] = []
        for one, text in zip(sentences, marked):
            translated = known[text or one.text]
            if translated is None:
                found.append(TOO_LONG)
            elif not one.spans:
                found.append(translated)
            elif text and (clean := unmark(translated.text, len(one.spans))):
                found.append(translated._replace(text=clean[0], spans=clean[1], method="markers"))
            else:
                found.append(NOT_PROJECTED)
        lost = [i for i, one in enumerate(sentences) if one.spans and isinstance(found[i], str)]
        if self.align:
            known |= self.plain(sentences[i].text for i in lost if sentences[i].text not in known)
            targets = [known[sentences[i].text] for i in lost]
            for i, aligned in zip(lost, self._aligned([sentences[i] for i in lost], targets, self.align)):
                if isinstance(aligned, Translated) or found[i] == TOO_LONG:
                    found[i] = aligned
        return found

    def _aligned(
        self, sentences: Sequence[Sentence], targets: Sequence[Translated | None], align: Align
    ) -> list[Translated | str]:
        texts = [target.text if target else "" for target in targets]
        places = [(words_of(one.text, "en"), words_of(text, self.language)) for one, text in zip(sentences, texts)]
        pairs = [(cut(one.text, a), cut(text, b)) for one, text, (a, b) in zip(sentences, texts, places)]
        links = iter(align([pair for pair in pairs if all(pair)]))
        found: list[Translated | str] = []
        for one, target, pair, own in zip(sentences, targets, pairs, places):
            spans = along(one.spans, *own, next(links).links) if all(pair) else None
            aligned = target._replace(spans=spans, method="alignment") if target and spans else None
            found.append(aligned or (NOT_PROJECTED if target else TOO_LONG))
        return found


def mark(sentence: Sentence) -> str | None:
    """The text with brackets around its spans; None where they could not be told apart afterwards."""
    if not sentence.spans or len({*sentence.labels}) > 1 or _BRACKET.search(sentence.text):
        return None
    marked, done = "", 0
    for span in sentence.spans:
        marked += f"{sentence.text[done : span.start]}[{sentence.text[span.start : span.end]}]"
        done = span.end
    return marked + sentence.text[done:]


def unmark(marked: str, count: int) -> tuple[str, tuple[Range, ...]] | None:
    """The text without its brackets, and the spans in them; None unless `count` pairs stand around something."""
    pieces = _PAIR.split(marked)  # the text before a pair, the text in it, and so on
    inside = pieces[1::2]
    if len(inside) != count or not all(map(str.strip, inside)) or any(map(_BRACKET.search, pieces)):
        return None
    clean, spans = "", []
    for i, piece in enumerate(pieces):
        piece = piece.lstrip() if not clean or clean[-1].isspace() else piece  # one blank where two met
        start = len(clean) + len(piece) - len(piece.lstrip())
        clean += piece
        if i % 2:
            spans.append(Range(start, len(clean.rstrip())))
    return clean.rstrip(), tuple(spans)


def along(
    spans: Sequence[Range], source: Sequence[Range], target: Sequence[Range], links: Iterable[tuple[int, int]]
) -> tuple[Range, ...] | None:
    """Each span's smallest range over the words aligned with its own; None if one has none, or two overlap."""
    pairs, found = list(links), []
    for span in spans:
        there = [j for i, j in pairs if source[i].overlaps(span)]
        if not there:
            return None
        found.append(Range(target[min(there)].start, target[max(there)].end))
    return None if any(one.overlaps(other) for one, other in pairwise(sorted(found))) else tuple(found)


def tags_along(tags: Sequence[str], alignment: Alignment) -> tuple[list[str], float]:
    """A tag for each word of the translation, and the share of the words that are aligned.

    A word takes the tag of the first word that it is aligned with, else of the nearest.
    """
    first: dict[int, int] = {}
    for i, j in sorted(alignment.links):
        first.setdefault(j, i)
    found = [tags[first.get(j, nearest)] for j, nearest in enumerate(alignment.nearest)]
    return found, len(first) / len(found)


def entities(tags: Sequence[str]) -> list[tuple[int, int, str]]:
    """(first word, last word + 1, type) of the entities in BIO tags; an `I-` without a beginning begins one."""
    found: list[tuple[int, int, str]] = []
    for i, tag in enumerate(tags):
        kind = tag[2:] if tag[:2] in ("B-", "I-") else ""
        if tag.startswith("I-") and found and found[-1][1:] == (i, kind):
            found[-1] = (found[-1][0], i + 1, kind)
        elif kind:
            found.append((i, i + 1, kind))
    return found
