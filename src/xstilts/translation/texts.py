"""Texts as translation needs them: sentences, words with their places, and running text from words."""

from __future__ import annotations

import re
from collections.abc import Sequence
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
