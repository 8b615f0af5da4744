"""Texts as translation needs them: sentences, words with their places, and running text from words.

Translation models are made for sentences, and English is what is split here: after a full stop, question or exclamation
mark before a blank and a capital, digit or opening mark, unless an abbreviation stands there. A wrong split costs
context, never an offset. Words of a translation are runs of letters, marks and digits; scripts that are written without
blanks are cut into characters, as PAN-X and WikiAnn have them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from xstilts.core.languages import LANGUAGES

_END = re.compile(r"(?<![.!?])[.!?]+[\"'\u2019\u201d)\]]*\s+(?=[\"'\u2018\u201c(\[]*[A-Z0-9])|\n\s*")
_ABBREVIATIONS = frozenset(
    "mr mrs ms dr prof st no vs etc jr sr gen col sgt capt lt rev hon inc ltd co corp e.g i.e u.s".split()
)
_UNSPACED = frozenset("Hans Hant Hani Jpan Thai Laoo Khmr Mymr Tibt".split())
_CLOSING, _OPENING = frozenset(".,;:!?%)]}\u2019\u201d'"), frozenset("([{\u2018\u201c$#")


class Range(NamedTuple):
    """Characters `start` to `end` (exclusive) of a text, in code points."""

    start: int
    end: int

    def overlaps(self, other: Range) -> bool:
        return self.start < other.end and other.start < self.end


def sentences(text: str, whole: Iterable[Range] = ()) -> list[Range]:
    """The sentences of an English text, without the blanks around them; none ends inside a range of `whole`."""
    held = list(whole)
    cuts = [0]
    for match in _END.finditer(text):
        before = text[cuts[-1] : match.start()].rpartition(" ")[2].lower().strip("(\"'")
        short = match.group().startswith(".") and (before in _ABBREVIATIONS or re.fullmatch(r"[a-z]", before))
        if not short and not any(one.start < match.end() and match.start() < one.end for one in held):
            cuts.append(match.end())
    found = []
    for start, end in zip(cuts, [*cuts[1:], len(text)]):
        piece = text[start:end]
        if piece.strip():
            found.append(Range(start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())))
    return found


def words_of(text: str, language: str) -> list[Range]:
    """The words of a text, left to right; every mark of punctuation is one."""
    unspaced = language in LANGUAGES and LANGUAGES[language].script in _UNSPACED
    found: list[Range] = []
    open_word = False
    for place, character in enumerate(text):
        joins = unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Mc", "Cf")
        letter = character.isalnum() or character == "_"
        if character.isspace():
            open_word = False
        elif found and found[-1].end == place and (joins or (letter and open_word and not _alone(character, unspaced))):
            found[-1] = Range(found[-1].start, place + 1)
        else:
            found.append(Range(place, place + 1))
            open_word = letter and not _alone(character, unspaced)
    return found


def _alone(character: str, unspaced: bool) -> bool:
    """Whether a letter is a word of its own; Latin names and digits stay whole in any text."""
    return unspaced and not character.isascii()


def running_text(words: Sequence[str]) -> tuple[str, list[Range]]:
    """English words as running text, and the place of each: marks stand at their words, as models were trained on."""
    text, places = "", []
    glued = True
    for word in words:
        attached = word in _CLOSING or word in ("n't", "...") or (len(word) > 1 and word[0] in "'\u2019")
        text += "" if glued or attached else " "
        places.append(Range(len(text), len(text) + len(word)))
        text += word
        glued = word in _OPENING
    return text, places
