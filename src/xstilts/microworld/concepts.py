"""The lexemes and scripts of every world, from `concepts.toml`, and meanings, from which every text is rendered.

A lexeme is named by its English citation form. Every content lexeme is one English word; a name may have two words.
Meanings are independent of any language; an empty string means 'absent'.
"""

import tomllib
from pathlib import Path
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
    """A verb.

    Attributes:
        topic: `any`: all topics.
        objects: noun classes, nouns and the name classes `PER`, `LOC`, `ORG`; empty for an intransitive verb.
        oblique: the class of what stands with the adposition.
    """

    past: str
    topic: str
    objects: str = ""
    adposition: str = "in"
    oblique: str = "place"


VERBS = {verb: VerbEntry(*row) for verb, row in _DATA["verbs"].items()}

STATES = tuple(tuple(pair.split()) for pair in _DATA["states"])
"""Antonym pairs that describe persons."""
QUALITIES = {tuple(pair.split()): tuple(classes.split()) for pair, classes in _DATA["qualities"].items()}
"""Antonym pairs that describe things -> the noun classes they go with."""
ANTONYM = {a: b for pair in (*STATES, *QUALITIES) for a, b in (pair, pair[::-1])}

SYNONYM = {lexeme: words[0] for lexeme, words in _words("synonyms").items()}
"""Lexeme -> its synonym, with the same meaning and grammar."""
SYNONYM_PAST = dict(words for words in _words("synonyms").values() if len(words) == 2)
CONCEPT = {synonym: lexeme for lexeme, synonym in SYNONYM.items()}
SWAPS = {**SYNONYM, **CONCEPT}
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
UPOS = {
    **dict.fromkeys((*CLASS_OF, *HYPERNYMS), "NOUN"),
    **dict.fromkeys(ANTONYM, "ADJ"),
    **dict.fromkeys(VERBS, "VERB"),
    **dict.fromkeys(TIMES, "ADV"),
    **FUNCTION_WORDS,
}
"""Universal part of speech of every lexeme except names."""
UPOS |= {synonym: UPOS[lexeme] for lexeme, synonym in SYNONYM.items()}


class ScriptStep(NamedTuple):
    """One clause of a script: `X` and `Y` are persons, `O` is the thing in both steps (`concepts.toml`)."""

    subject: str
    verb: str
    object: str = ""
    place: str = ""


class Script(NamedTuple):
    """A cause and its effect; `thing`: the class, or the nouns, from which O is drawn; empty without O."""

    topic: str
    cause: ScriptStep
    effect: ScriptStep
    thing: str = ""


SCRIPTS = tuple(
    Script(topic, ScriptStep(*cause.split()), ScriptStep(*effect.split()), *thing)
    for topic, rows in _DATA["scripts"].items()
    for cause, effect, *thing in rows
)


def concept(word: str) -> str:
    """The lexeme with the meaning of a word."""
    return CONCEPT.get(word, word)


def kind_of(noun: str) -> str:
    """The class of a common noun or the entity class of a name; empty for other words."""
    return CLASS_OF.get(concept(noun)) or ENTITY_OF.get(noun, "")
