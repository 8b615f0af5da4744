"""Leaks: test texts that stand in training data.

A test text leaks when thirteen of its words in a row occur in a training text (as Brown et al. 2020, appendix C,
filter), or, where it has fewer, when the whole of it is a whole training text; texts below five words are not looked
at. Case, punctuation and Unicode's several ways to write a letter with its marks do not count. A text whose script sets
no blanks between words (Chinese, Japanese, Thai ...) is compared by characters: thirty for thirteen words, twelve for
five.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from unicodedata import normalize

import regex

from xstilts.data.examples import Example, texts_of

WORDS, SHORTEST_WORDS = 13, 5
CHARACTERS, SHORTEST_CHARACTERS = 30, 12
_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")
_UNSPACED = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}\p{Javanese}\p{Balinese}]"
)


@dataclass(frozen=True)
class Leaks:
    """How many of the test examples that have a text long enough leak; the ids of those that do."""

    examples: int
    ids: tuple[str, ...]


def find_leaks(training: Iterable[Example], test: Iterable[Example]) -> Leaks:
    """Test examples with a text that stands in the training data; training examples are read once, one by one."""
    wanted: dict[tuple[str, ...], list[str]] = {}
    long_enough = 0
    for example in test:
        pieces = [piece for text in texts_of(example) for piece in _pieces(text)]
        long_enough += bool(pieces)
        for piece in pieces:
            wanted.setdefault(piece, []).append(example.id)
    found: set[str] = set()
    seen: set[str] = set()
    for example in training:
        for text in texts_of(example):
            if text not in seen:  # a passage has many questions
                seen.add(text)
                found.update(name for piece in _pieces(text) if piece in wanted for name in wanted[piece])
    return Leaks(long_enough, tuple(sorted(found)))


def _pieces(text: str) -> Iterator[tuple[str, ...]]:
    """Every run of thirteen words, or the whole of a shorter text (told from a run by its length)."""
    units, size, shortest = _WORD.findall(normalize("NFC", text.casefold())), WORDS, SHORTEST_WORDS
    letters = "".join(units)
    if 2 * len(_UNSPACED.findall(letters)) > len(letters):
        units, size, shortest = list(letters), CHARACTERS, SHORTEST_CHARACTERS
    if len(units) >= size:
        yield from (tuple(units[i : i + size]) for i in range(len(units) - size + 1))
    elif len(units) >= shortest:
        yield tuple(units)
