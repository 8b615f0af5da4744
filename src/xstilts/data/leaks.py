"""Leaks: test texts that occur in training data.

A test text leaks when thirteen of its words in a row occur in a training text (as the filter of Brown et al. 2020,
appendix C). A shorter text leaks when it is a whole training text; texts of fewer than five words are not compared.
Case, punctuation and Unicode's normal forms do not matter. Texts in scripts without blanks between words (Chinese, Thai
...) are compared by characters: thirty instead of thirteen words, twelve instead of five.
"""

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
    """The number of test examples with a text that is long enough, and the ids of those that leak."""

    examples: int
    ids: tuple[str, ...]


def find_leaks(training: Iterable[Example], test: Iterable[Example]) -> Leaks:
    """Find test examples with a text that occurs in the training data; training examples are read once, one by one."""
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
    """Every run of thirteen words, or the whole of a shorter text, which differs from a run by its length."""
    units, size, shortest = _WORD.findall(normalize("NFC", text.casefold())), WORDS, SHORTEST_WORDS
    letters = "".join(units)
    if 2 * len(_UNSPACED.findall(letters)) > len(letters):
        units, size, shortest = list(letters), CHARACTERS, SHORTEST_CHARACTERS
    if len(units) >= size:
        yield from (tuple(units[i : i + size]) for i in range(len(units) - size + 1))
    elif len(units) >= shortest:
        yield tuple(units)
