"""What there is in the world: lexemes, written as their English citation forms.

The lists are the same in every world; which words are frequent, what goes with what, and how the other languages call
things is drawn per seed. Every content lexeme is one English word; a name may have two.
"""

from __future__ import annotations

from typing import NamedTuple


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


TOPICS = ("farm", "food", "health", "market", "school", "sport", "travel")

_NOUNS = {
    "person": "cook guest farmer shepherd driver sailor doctor nurse teacher pupil merchant tailor coach runner",
    "food": "apple pear cake pie egg carrot melon cheese",
    "animal": "cow horse goat duck hen dog",
    "vehicle": "cart boat train bus",
    "garment": "coat shirt hat glove",
    "tool": "spoon pot spade hammer lamp pen",
    "item": "book letter map ticket bag basket coin ring ball prize pill bandage",
    "place": "kitchen inn field barn harbour station hospital school library market shop stadium park",
}
NOUNS = {name: _words(words) for name, words in _NOUNS.items()}
"""Noun classes; each class but `place` is named by its hypernym, itself a noun."""
HYPERNYMS = tuple(name for name in NOUNS if name != "place")
CLASS_OF = {noun: name for name, nouns in NOUNS.items() for noun in nouns}

ROLES = {
    "farm": ("farmer", "shepherd"),
    "food": ("cook", "guest"),
    "health": ("doctor", "nurse"),
    "market": ("merchant", "tailor"),
    "school": ("teacher", "pupil"),
    "sport": ("coach", "runner"),
    "travel": ("driver", "sailor"),
}
"""Persons by topic."""
PLACES = {
    "farm": ("field", "barn"),
    "food": ("kitchen", "inn"),
    "health": ("hospital",),
    "market": ("market", "shop"),
    "school": ("school", "library"),
    "sport": ("stadium", "park"),
    "travel": ("harbour", "station"),
}
"""Places by topic."""


class Verb(NamedTuple):
    """A verb: English past, topic (`any` = all), what its object may be, and its oblique (adposition and class).

    `objects` lists noun classes, nouns, or the name classes `PER`, `LOC`, `ORG`; empty for an intransitive verb.
    """

    past: str
    topic: str
    objects: tuple[str, ...] = ()
    adposition: str = "in"
    oblique: str = "place"
    subject: str = "person"


def _verb(past: str, topic: str, objects: str = "", adposition: str = "in", oblique: str = "place") -> Verb:
    return Verb(past, topic, _words(objects), adposition, oblique)


VERBS: dict[str, Verb] = {
    "eat": _verb("ate", "food", "food"),
    "bake": _verb("baked", "food", "cake pie egg"),
    "slice": _verb("sliced", "food", "food"),
    "taste": _verb("tasted", "food", "food"),
    "serve": _verb("served", "food", "food", "to", "person"),
    "feed": _verb("fed", "farm", "animal"),
    "chase": _verb("chased", "farm", "animal"),
    "milk": _verb("milked", "farm", "cow goat"),
    "catch": _verb("caught", "farm", "animal ball"),
    "brush": _verb("brushed", "farm", "animal"),
    "board": _verb("boarded", "travel", "vehicle"),
    "drive": _verb("drove", "travel", "vehicle", "to"),
    "pack": _verb("packed", "travel", "bag basket garment"),
    "repair": _verb("repaired", "travel", "vehicle"),
    "reach": _verb("reached", "travel", "LOC harbour station"),
    "heal": _verb("healed", "health", "person"),
    "examine": _verb("examined", "health", "person"),
    "visit": _verb("visited", "health", "person LOC"),
    "bring": _verb("brought", "health", "pill bandage", "to", "person"),
    "thank": _verb("thanked", "health", "person"),
    "read": _verb("read", "school", "book letter map"),
    "write": _verb("wrote", "school", "letter book"),
    "borrow": _verb("borrowed", "school", "book pen map", "from", "person"),
    "teach": _verb("taught", "school", "person"),
    "copy": _verb("copied", "school", "letter map book"),
    "buy": _verb("bought", "market", "food garment tool ring", "from", "person"),
    "sell": _verb("sold", "market", "food garment tool ring", "to", "person"),
    "count": _verb("counted", "market", "coin ring"),
    "steal": _verb("stole", "market", "coin ring bag basket", "from", "person"),
    "sew": _verb("sewed", "market", "garment"),
    "throw": _verb("threw", "sport", "ball", "to", "person"),
    "kick": _verb("kicked", "sport", "ball"),
    "win": _verb("won", "sport", "prize"),
    "defeat": _verb("defeated", "sport", "person"),
    "praise": _verb("praised", "sport", "person ORG"),
    "see": _verb("saw", "any", "person animal vehicle item LOC"),
    "find": _verb("found", "any", "item tool garment animal"),
    "lose": _verb("lost", "any", "item tool garment"),
    "seek": _verb("sought", "any", "item tool garment"),
    "carry": _verb("carried", "any", "item tool food"),
    "give": _verb("gave", "any", "item tool food", "to", "person"),
    "join": _verb("joined", "any", "ORG"),
    "go": _verb("went", "any", "", "to"),
    "sleep": _verb("slept", "any"),
    "cry": _verb("cried", "any"),
    "laugh": _verb("laughed", "any"),
}

STATES = (
    ("hungry", "full"),
    ("tired", "awake"),
    ("sick", "healthy"),
    ("happy", "sad"),
    ("rich", "poor"),
    ("angry", "calm"),
)
"""Antonym pairs said of persons."""
QUALITIES: dict[tuple[str, str], tuple[str, ...]] = {
    ("big", "small"): ("food", "animal", "vehicle", "garment", "tool", "item", "place"),
    ("old", "new"): ("vehicle", "garment", "tool", "item", "place", "person"),
    ("cheap", "precious"): ("food", "garment", "tool", "item"),
    ("clean", "dirty"): ("animal", "vehicle", "garment", "tool", "place"),
    ("fresh", "rotten"): ("food",),
    ("fast", "slow"): ("animal", "vehicle", "person"),
}
"""Antonym pairs said of things, with the noun classes they go with."""
ANTONYM = {a: b for pair in (*STATES, *QUALITIES) for a, b in (pair, pair[::-1])}

SYNONYM = {
    "doctor": "physician",
    "merchant": "trader",
    "pupil": "student",
    "guest": "visitor",
    "boat": "ship",
    "coat": "jacket",
    "bag": "sack",
    "prize": "award",
    "ring": "jewel",
    "shop": "store",
    "inn": "tavern",
    "hospital": "clinic",
    "sick": "ill",
    "happy": "glad",
    "rich": "wealthy",
    "angry": "furious",
    "big": "large",
    "small": "little",
    "buy": "purchase",
    "catch": "capture",
    "repair": "mend",
    "throw": "toss",
    "defeat": "conquer",
    "seek": "pursue",
}
"""Lexeme -> its synonym, which has the same meaning and the same grammar."""
SYNONYM_PAST = {
    "purchase": "purchased",
    "capture": "captured",
    "mend": "mended",
    "toss": "tossed",
    "conquer": "conquered",
    "pursue": "pursued",
}
CONCEPT = {synonym: lexeme for lexeme, synonym in SYNONYM.items()}
"""Synonym -> the lexeme whose meaning it shares."""

TIMES = ("early", "late", "yesterday", "today", "tonight", "recently")

FEMALE = _words("Anna Mira Lena Ines Dora Kala Sofi Rosa Yuna Tea Nadia Vera Elif Maya Oda Zita")
MALE = _words("Omar Paul Ivan Luka Ravi Sami Hugo Kofi Emil Bela Timo Juan Nils Aron Gora Vito")
_SURNAMES = _words("Weber Santo Kimura Dalek Moran Ruiz Okoro Petrov Lindal Tamm")
FULL_NAMES = tuple(f"{first} {last}" for first, last in zip((*FEMALE[::3], *MALE[::3]), _SURNAMES))
PERSON_NAMES = (*FEMALE, *MALE, *FULL_NAMES)
PLACE_NAMES = (
    *_words("Belmar Tosna Kirrel Ondava Salu Brenta Mavik Dorlan Pesht Altona Ruvo Geldi"),
    "Port Salu",
    "Port Varga",
    "Mount Ondava",
    "Mount Hesk",
)
GROUP_NAMES = (
    *_words("Tavro Nexil Corda Fenix Ulmar Zandis"),
    "Orvan Union",
    "Delta Union",
    "Sorel Club",
    "Marten Club",
)
NAMES = {"PER": PERSON_NAMES, "LOC": PLACE_NAMES, "ORG": GROUP_NAMES}
ENTITY_OF = {name: kind for kind, names in NAMES.items() for name in names}
PRONOUN = {name: "she" if name.split()[0] in FEMALE else "he" for name in PERSON_NAMES}

FUNCTION_WORDS = {
    "the": "DET", "a": "DET", "he": "PRON", "she": "PRON", "who": "PRON", "what": "PRON", "where": "ADV", "when": "ADV",
    "in": "ADP", "to": "ADP", "from": "ADP", "not": "PART", "is": "AUX", "was": "AUX", "so": "CCONJ", "and": "CCONJ",
    "because": "SCONJ",
}  # fmt: skip
"""Function words with their universal part of speech; English adds `an` and `did`."""


def part_of_speech() -> dict[str, str]:
    """Universal part of speech of every lexeme, names apart."""
    adjectives = dict.fromkeys(ANTONYM, "ADJ")
    nouns = dict.fromkeys((*CLASS_OF, *HYPERNYMS), "NOUN")
    table = {**nouns, **adjectives, **dict.fromkeys(VERBS, "VERB"), **dict.fromkeys(TIMES, "ADV"), **FUNCTION_WORDS}
    return {**table, **{synonym: table[lexeme] for lexeme, synonym in SYNONYM.items()}}
