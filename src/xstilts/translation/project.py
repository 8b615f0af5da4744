"""Projection of spans and tags from a text to its translation; sentences, words with their places, running text.

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

import regex

from xstilts.core.languages import LANGUAGES

_END = re.compile(r"(?<![.!?])[.!?]+[\"'\u2019\u201d)\]]*\s+(?=[\"'\u2018\u201c(\[]*[A-Z0-9])|\n\s*")
_ABBREVIATIONS = frozenset(
    "mr mrs ms dr prof st no vs etc jr sr gen col sgt capt lt rev hon inc ltd co corp e.g i.e u.s".split()
)
_JOINING = r"\p{Mn}\p{Mc}\p{Cf}"
_WORD = regex.compile(rf"[\p{{L}}\p{{N}}_][\p{{L}}\p{{N}}_{_JOINING}]*|\S[{_JOINING}]*")
_LATIN_WORD = regex.compile(rf"[A-Za-z0-9_][A-Za-z0-9_{_JOINING}]*|\S[{_JOINING}]*")
_UNSPACED = frozenset("Hans Hant Hani Jpan Thai Laoo Khmr Mymr Tibt".split())
_CLOSING, _OPENING = frozenset(".,;:!?%)]}\u2019\u201d'"), frozenset("([{\u2018\u201c$#")


class Range(NamedTuple):
    """Characters `start` to `end` (exclusive) of a text, in code points."""

    start: int
    end: int

    def overlaps(self, other: Range) -> bool:
        return self.start < other.end and other.start < self.end


def cut(text: str, places: Sequence[Range]) -> list[str]:
    """The pieces of a text at some places."""
    return [text[one.start : one.end] for one in places]


def sentences(text: str, whole: Range | None = None) -> list[Range]:
    """The sentences of an English text, without the blanks around them; none ends inside `whole`.

    They end at `.`, `?` or `!` before a capital, digit or opening mark, but not after abbreviations.
    """
    cuts = [0]
    for match in _END.finditer(text):
        before = text[cuts[-1] : match.start()].rpartition(" ")[2].lower().strip("(\"'")
        short = match.group().startswith(".") and (before in _ABBREVIATIONS or re.fullmatch(r"[a-z]", before))
        if not short and not (whole and whole.overlaps(Range(*match.span()))):
            cuts.append(match.end())
    pieces = [(start, text[start:end]) for start, end in zip(cuts, [*cuts[1:], len(text)])]
    return [
        Range(start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip()))
        for start, piece in pieces
        if piece.strip()
    ]


def words_of(text: str, language: str) -> list[Range]:
    """The words of a text: runs of letters, marks and digits, and single punctuation marks.

    Scripts that are written without blanks are cut into characters, as in PAN-X, except for Latin names and digits.
    """
    unspaced = language in LANGUAGES and LANGUAGES[language].script in _UNSPACED
    return [Range(*match.span()) for match in (_LATIN_WORD if unspaced else _WORD).finditer(text)]


def running_text(words: Sequence[str]) -> tuple[str, list[Range]]:
    """English words as running text, and the place of each; punctuation is attached as in natural text."""
    text, places, glued = "", [], True
    for word in words:
        attached = word in _CLOSING or word in ("n't", "...") or (len(word) > 1 and word[0] in "'\u2019")
        text += "" if glued or attached else " "
        places.append(Range(len(text), len(text) + len(word)))
        text += word
        glued = word in _OPENING
    return text, places


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
