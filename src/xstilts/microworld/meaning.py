"""Meanings, independent of any language. Every text of the world is rendered from these.

Lexemes are named by their English citation forms (`concepts`). An empty string means 'absent'.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class NP(NamedTuple):
    """A noun phrase: a noun, a name, a pronoun or a question word.

    `number` above 1 is written as a digit. Only nouns use number, definiteness and adjective.
    """

    noun: str
    number: int = 1
    definite: bool = False
    adjective: str = ""


class Clause(NamedTuple):
    """Who did what to whom, where and when.

    `verb` is a verb, or `was` with an adjective in `state`, or `is` with a noun phrase in `object`. `oblique` has an
    `adposition`, except the question word `where`. `time` may be the question word `when`. `front` is the role
    (`oblique` or `time`) that opens the clause.
    """

    verb: str
    subject: NP
    object: NP | None = None
    adposition: str = ""
    oblique: NP | None = None
    time: str = ""
    state: str = ""
    negated: bool = False
    front: str = ""


class Utterance(NamedTuple):
    """One or two clauses; `link` (`so`, `and`, `because`) joins the second. A question word stands in situ."""

    first: Clause
    link: str = ""
    second: Clause | None = None
    question: bool = False


class Item(NamedTuple):
    """An example of a task.

    Attributes:
        said: all its sentences: a pair; a context with its endings; a passage with its question; a text.
        label: class, number of the right ending, or number of the sentence with the answer.
        about: topic of a text or a context; role of an answer.
    """

    said: tuple[Utterance, ...]
    label: Any = None
    about: str = ""
