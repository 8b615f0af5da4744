"""Meaning: what a sentence says, independent of any language. Every text of the world is rendered from these.

Lexemes are named by their English citation forms (`concepts`). An empty string means 'absent'.
"""

from __future__ import annotations

from typing import NamedTuple


class NP(NamedTuple):
    """A noun phrase: a noun, a name, a pronoun or a question word.

    `number` above 1 is written as a digit; names, pronouns and question words ignore number, definiteness, adjective.
    """

    noun: str
    number: int = 1
    definite: bool = False
    adjective: str = ""


class Clause(NamedTuple):
    """Who did what to whom, where and when.

    `verb` is a verb, or `was` with an adjective in `state`, or `is` with a noun phrase in `object`. `oblique` stands
    with `adposition`, except the question word `where`, which stands alone. `time` may be the question word `when`.
    `front` names the role (`oblique` or `time`) that opens the clause.
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
    """One or two clauses; `link` (`so`, `and`, `because`) joins the second. A question holds its word in situ."""

    first: Clause
    link: str = ""
    second: Clause | None = None
    question: bool = False

    @property
    def said(self) -> tuple[Utterance, ...]:
        """All that an item says; here itself."""
        return (self,)


WHERE = NP("where")
