"""The form `1 NOUN 2 VERB`: how tags are written, and what may follow while they are generated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from xstilts.backbones.coder import Coder, Ids
from xstilts.core.errors import BackboneError


@dataclass(frozen=True)
class Form:
    """Pieces of numbers and tags as they stand in running text."""

    coder: Coder
    labels: tuple[str, ...]
    tags: tuple[tuple[int, ...], ...]
    _numbers: dict[int, Ids] = field(default_factory=dict)

    @classmethod
    def of(cls, coder: Coder, labels: Sequence[str]) -> Form:
        return cls(coder, tuple(labels), tuple(tuple(ids.tolist()) for ids in label_pieces(coder, labels)))

    def number(self, word: int) -> Ids:
        """Pieces of the number of a word; the first word, 0, has number 1."""
        if word not in self._numbers:
            self._numbers[word] = self.coder.continued(str(word + 1))
        return self._numbers[word]

    def written(self, tags: Sequence[str]) -> Ids:
        """The tags of all words of a sentence."""
        own = dict(zip(self.labels, self.tags, strict=True))
        parts = [part for word, tag in enumerate(tags) for part in (self.number(word), np.asarray(own[tag]))]
        return np.concatenate(parts).astype(np.int32)


def label_pieces(coder: Coder, labels: Sequence[str]) -> list[Ids]:
    """Each label as it is written behind other words.

    Raises:
        BackboneError: two labels of the same pieces, as when both are of characters that the tokenizer does not have.
    """
    pieces = [coder.continued(label) for label in labels]
    seen: dict[tuple[int, ...], str] = {}
    for label, ids in zip(labels, pieces, strict=True):
        other = seen.setdefault(tuple(ids.tolist()), label)
        if other != label:
            raise BackboneError(f"the tokenizer cannot tell the labels '{other}' and '{label}' apart: rename them")
    return pieces


class State(NamedTuple):
    """A reading of what was written: the tags of finished words, a tag for the next one, and pieces of it read."""

    done: tuple[int, ...]
    tag: int
    read: int


class Reader:
    """Follows an answer to a sentence as it is written.

    Several readings are kept while one tag's pieces begin another's.

    Args:
        words: of the sentence.
        end: the token that ends an answer.
    """

    def __init__(self, form: Form, words: int, end: int) -> None:
        self.form, self.words, self.end = form, words, end
        self._read: list[int] = []
        self._states = self._next(())

    @property
    def longest(self) -> int:
        """Most tokens of an answer, the end token included."""
        numbers = sum(len(self.form.number(word)) for word in range(self.words))
        return numbers + self.words * max(len(tag) for tag in self.form.tags) + 1

    def after(self, written: Sequence[int]) -> list[int]:
        """What may follow."""
        self._follow(written)
        wanted = {self.end if len(s.done) == self.words else self._piece(s) for s in self._states}
        return sorted(wanted) or [self.end]

    def tags(self, written: Sequence[int]) -> tuple[int, ...]:
        """The number of each word's tag, from a whole answer."""
        self._follow(written)
        return next(state.done for state in self._states if len(state.done) == self.words)

    def _follow(self, written: Sequence[int]) -> None:
        known = len(self._read)
        if list(written[:known]) != self._read:
            self._read, self._states, known = [], self._next(()), 0
        for token in written[known:]:
            self._states = [after for state in self._states for after in self._step(state, token)]
        self._read = list(written)

    def _step(self, state: State, token: int) -> list[State]:
        if len(state.done) == self.words:
            return []
        if self._piece(state) != token:
            return []
        if state.read + 1 < len(self.form.number(len(state.done))) + len(self.form.tags[state.tag]):
            return [state._replace(read=state.read + 1)]
        return self._next((*state.done, state.tag))

    def _next(self, done: tuple[int, ...]) -> list[State]:
        tags = range(len(self.form.tags)) if len(done) < self.words else (0,)
        return [State(done, tag, 0) for tag in tags]

    def _piece(self, state: State) -> int:
        """What comes next in a reading: a piece of the word's number, then of its tag."""
        number = self.form.number(len(state.done))
        return int(
            number[state.read] if state.read < len(number) else self.form.tags[state.tag][state.read - len(number)]
        )
