"""What there is in the world: lexemes, written as their English citation forms, and scripts, from `concepts.toml`.

The lists are the same in every world; which words are frequent, what goes with what, and how the other languages call
things is drawn per seed. Every content lexeme is one English word; a name may have two.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import NamedTuple

_DATA = tomllib.loads(Path(__file__).with_name("concepts.toml").read_text("utf-8"))
TOPICS = ("farm", "food", "health", "market", "school", "sport", "travel")


def _words(table: str) -> dict[str, tuple[str, ...]]:
    return {name: tuple(words.split()) for name, words in _DATA[table].items()}


NOUNS = _words("nouns")
"""Noun classes; each class but `place` is named by its hypernym, itself a noun."""
HYPERNYMS = tuple(name for name in NOUNS if name != "place")
CLASS_OF = {noun: name for name, nouns in NOUNS.items() for noun in nouns}
ROLES, PLACES = _words("roles"), _words("places")
"""Persons and places by topic."""


class VerbEntry(NamedTuple):
    """A verb: English past, topic (`any` = all), what its object may be, and its oblique (adposition and class).

    `objects` lists noun classes, nouns, or the name classes `PER`, `LOC`, `ORG`; empty for an intransitive verb.
    """

    past: str
    topic: str
    objects: tuple[str, ...]
    adposition: str
    oblique: str


def _verb(past: str, topic: str, objects: str = "", adposition: str = "in", oblique: str = "place") -> VerbEntry:
    return VerbEntry(past, topic, tuple(objects.split()), adposition, oblique)


VERBS = {verb: _verb(*row) for verb, row in _DATA["verbs"].items()}

STATES = tuple(tuple(pair.split()) for pair in _DATA["states"])
"""Antonym pairs said of persons."""
QUALITIES = {tuple(pair.split()): tuple(classes.split()) for pair, classes in _DATA["qualities"].items()}
"""Antonym pairs said of things, with the noun classes they go with."""
ANTONYM = {a: b for pair in (*STATES, *QUALITIES) for a, b in (pair, pair[::-1])}

SYNONYM = {lexeme: words[0] for lexeme, words in _words("synonyms").items()}
"""Lexeme -> its synonym, which has the same meaning and the same grammar."""
SYNONYM_PAST = dict(words for words in _words("synonyms").values() if len(words) == 2)
CONCEPT = {synonym: lexeme for lexeme, synonym in SYNONYM.items()}
"""Synonym -> the lexeme whose meaning it shares."""
SWAPS = {**SYNONYM, **CONCEPT}
"""Word -> the other one of the same meaning."""
TIMES = tuple(_DATA["times"].split())

_FEMALE, _MALE, _SURNAMES = (_DATA["names"][part].split() for part in ("female", "male", "surnames"))
_FULL_NAMES = (f"{first} {last}" for first, last in zip((*_FEMALE[::3], *_MALE[::3]), _SURNAMES))
NAMES = {
    "PER": (*_FEMALE, *_MALE, *_FULL_NAMES),
    "LOC": tuple(_DATA["names"]["places"]),
    "ORG": tuple(_DATA["names"]["groups"]),
}
ENTITY_OF = {name: kind for kind, names in NAMES.items() for name in names}
PRONOUN = {name: "she" if name.split()[0] in _FEMALE else "he" for name in NAMES["PER"]}

FUNCTION_WORDS: dict[str, str] = _DATA["function_words"]
"""Function words with their universal part of speech; English adds `an` and `did`."""


class ScriptStep(NamedTuple):
    """One clause of a script: `X`, `Y` are persons, `O` the thing of both steps; see `concepts.toml`."""

    subject: str
    verb: str
    object: str = ""
    place: str = ""


class Script(NamedTuple):
    """What leads to what; `thing` is the class, or the nouns, that O is drawn from, empty where there is no O."""

    topic: str
    cause: ScriptStep
    effect: ScriptStep
    thing: str = ""


SCRIPTS = tuple(
    Script(topic, ScriptStep(*cause.split()), ScriptStep(*effect.split()), *thing)
    for topic, rows in _DATA["scripts"].items()
    for cause, effect, *thing in rows
)


def part_of_speech() -> dict[str, str]:
    """Universal part of speech of every lexeme, names apart."""
    adjectives = dict.fromkeys(ANTONYM, "ADJ")
    nouns = dict.fromkeys((*CLASS_OF, *HYPERNYMS), "NOUN")
    table = {**nouns, **adjectives, **dict.fromkeys(VERBS, "VERB"), **dict.fromkeys(TIMES, "ADV"), **FUNCTION_WORDS}
    return {**table, **{synonym: table[lexeme] for lexeme, synonym in SYNONYM.items()}}
