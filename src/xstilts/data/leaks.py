"""Leaks: test texts that occur in training data.

A test text leaks when thirteen of its words in a row occur in a training text (as the filter of Brown et al. 2020,
appendix C). A shorter text leaks when it is a whole training text. Texts of fewer than five words often occur by
chance. An example with only such texts is compared as a whole: it is counted separately if a training example has the
same texts. Case, punctuation and Unicode's normal forms do not matter. Texts in scripts without blanks between words
(Chinese, Thai ...) are compared by characters: thirty instead of thirteen words, twelve instead of five.
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
    """Test examples whose text occurs in training data.

    Attributes:
        examples: number of test examples with a text that is long enough.
        ids: the ones that leak.
        repeated: test examples with shorter texts only that are also training examples.
    """

    examples: int
    ids: tuple[str, ...]
    repeated: tuple[str, ...] = ()


def find_leaks(training: Iterable[Example], test: Iterable[Example]) -> Leaks:
    """Find test examples with a text that occurs in the training data; training examples are read once, one by one."""
    wanted: dict[tuple[str, ...], list[str]] = {}
    short: dict[tuple[tuple[str, ...], ...], list[str]] = {}
    long_enough = 0
    for example in test:
        pieces = [piece for text in texts_of(example) for piece in _pieces(text)]
        long_enough += bool(pieces)
        if not pieces and any(whole := _whole(example)):
            short.setdefault(whole, []).append(example.id)
        for piece in pieces:
            wanted.setdefault(piece, []).append(example.id)
    found: set[str] = set()
    seen: set[str] = set()
    repeated: set[str] = set()
    for example in training:
        if short:
            repeated.update(short.get(_whole(example), ()))
        for text in texts_of(example):
            if text not in seen:  # a passage has many questions
                seen.add(text)
                found.update(name for piece in _pieces(text) if piece in wanted for name in wanted[piece])
    return Leaks(long_enough, tuple(sorted(found)), tuple(sorted(repeated)))


def _whole(example: Example) -> tuple[tuple[str, ...], ...]:
    """The words of each text of an example."""
    return tuple(tuple(_words(text)) for text in texts_of(example))


def _words(text: str) -> list[str]:
    found: list[str] = _WORD.findall(normalize("NFC", text.casefold()))
    return found


def _pieces(text: str) -> Iterator[tuple[str, ...]]:
    """Every run of thirteen words, or the whole of a shorter text, which differs from a run by its length."""
    units, size, shortest = _words(text), WORDS, SHORTEST_WORDS
    letters = "".join(units)
    if 2 * len(_UNSPACED.findall(letters)) > len(letters):
        units, size, shortest = list(letters), CHARACTERS, SHORTEST_CHARACTERS
    if len(units) >= size:
        yield from (tuple(units[i : i + size]) for i in range(len(units) - size + 1))
    elif len(units) >= shortest:
        yield tuple(units)
