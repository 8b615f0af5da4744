"""Words: the forms of every lexeme in every language of one world.

For each lexeme a language keeps the English stem, changes its sounds (a cognate), or has a new word, with the
probabilities of its lexical distance (`languages`). Inflection is regular except in English: one plural, one past and
one accusative suffix a language. Names and digits are shared by all; another script transliterates every letter.
"""

from __future__ import annotations

from functools import reduce
from typing import NamedTuple

from xstilts.microworld import concepts
from xstilts.microworld.dice import Dice
from xstilts.microworld.languages import LANGUAGES, TARGETS, LanguageType

_GEORGIAN = {ord("a") + i: chr(0x10D0 + i) for i in range(26)}
_SHIFTS = (("p", "b"), ("t", "d"), ("k", "g"), ("s", "z"), ("o", "u"), ("e", "i"), ("a", "o"), ("r", "l"), ("c", "k"))
_ONSETS = (*"bdfghklmnprstvzj", "ch", "sh", "br", "dr", "kr", "pl", "st", "tr")
_VOWELS = tuple("aeiou")
_CODAS = ("", "", "", "n", "r", "l", "s", "k", "m", "t")


class Word(NamedTuple):
    """A written word with its universal part of speech and its entity tag (`O`, `B-PER` ...)."""

    form: str
    upos: str
    entity: str = "O"


class Suffixes(NamedTuple):
    """The inflection of a language, in Latin letters."""

    plural: str = ""
    past: str = ""
    accusative: str = ""


def draw_stems(language: LanguageType, seed: int, taken: set[str]) -> tuple[dict[str, str], Suffixes]:
    """Latin stems of all lexemes and the suffixes of one language; new words are added to `taken`."""
    dice = Dice(seed, "lexicon", language.code)
    onsets, vowels = dice.sample(_ONSETS, 14), dice.sample(_VOWELS, 4)
    shifts, ending = dice.sample(_SHIFTS, 4), dice.pick(vowels)
    consonants = dice.sample([coda for coda in dict.fromkeys(_CODAS) if coda], 3)
    suffixes = Suffixes(*(dice.pick(vowels) + consonant for consonant in consonants))
    near = 1 - language.lexical_distance
    stems: dict[str, str] = {}
    for lexeme in sorted(concepts.part_of_speech()):
        kind = dice.random()
        if kind < 0.5 * near:
            stems[lexeme] = lexeme
            continue
        stem = ""
        if kind < 0.8 * near:  # a cognate
            stem = reduce(lambda changed, shift: changed.replace(*shift), shifts, lexeme) + ending
        while not stem or stem in taken:
            least = 1 if lexeme in concepts.FUNCTION_WORDS else 2
            count = dice.between(least, least + 1)
            stem = "".join(dice.pick(onsets) + dice.pick(vowels) for _ in range(count)) + dice.pick(_CODAS)
        taken.add(stem)
        stems[lexeme] = stem
    return stems, suffixes


class Lexicon:
    """All forms of one language as `Word`s; `bare` holds names and function words, by (lexeme, accusative)."""

    def __init__(self, language: LanguageType, stems: dict[str, str], suffixes: Suffixes) -> None:
        self.language = language
        self.stems, self.suffixes = stems, suffixes
        upos = concepts.part_of_speech()
        self.nouns: dict[tuple[str, bool, bool], Word] = {}
        self.bare: dict[tuple[str, bool], tuple[Word, ...]] = {}
        self.words: dict[str, Word] = {}
        ending = self.written(suffixes.accusative) if language.cases else ""
        for lexeme, kind in upos.items():
            form = self._past(lexeme) if kind == "VERB" else self.written(stems[lexeme])
            self.words[lexeme] = Word(form, kind)
            for accusative, end in ((False, ""), (True, ending)):
                if kind == "NOUN":
                    self.nouns[lexeme, False, accusative] = Word(form + end, kind)
                    self.nouns[lexeme, True, accusative] = Word(self._plural(lexeme) + end, kind)
                self.bare[lexeme, accusative] = (Word(form + end, kind),)
        for name, kind in concepts.ENTITY_OF.items():
            for accusative, end in ((False, ""), (True, ending)):
                parts = (self.written(name) + end).split()
                tags = [f"B-{kind}"] + [f"I-{kind}"] * (len(parts) - 1)
                self.bare[name, accusative] = tuple(Word(part, "PROPN", tag) for part, tag in zip(parts, tags))
        self.affirmed = {verb: (self.words[verb],) for verb, kind in upos.items() if kind in ("VERB", "AUX")}
        self.negated = {verb: self._negated(verb, upos[verb]) for verb in self.affirmed}

    def written(self, latin: str) -> str:
        """A Latin form in the language's script."""
        return latin.lower().translate(_GEORGIAN) if self.language.script == "Georgian" else latin

    def _plural(self, noun: str) -> str:
        if self.language.code == "en":
            return noun + ("es" if noun.endswith(("s", "sh", "ch", "x")) else "s")
        return self.written(self.stems[noun] + self.suffixes.plural)

    def _past(self, verb: str) -> str:
        if self.language.code == "en":
            return concepts.SYNONYM_PAST.get(verb) or concepts.VERBS[verb].past
        return self.written(self.stems[verb] + self.suffixes.past)

    def _negated(self, verb: str, kind: str) -> tuple[Word, ...]:
        """English `did not buy`, `was not`; elsewhere a particle before the verb, after it where the verb is last."""
        particle, form = self.words["not"], self.words[verb]
        if self.language.code == "en":
            return (Word("did", "AUX"), particle, Word(verb, "VERB")) if kind == "VERB" else (form, particle)
        return (form, particle) if self.language.order == "SOV" else (particle, form)


def draw_lexicons(seed: int) -> dict[str, Lexicon]:
    """The lexicons of all languages of world `seed`. New words and cognates are unlike any other word of the world."""
    upos = concepts.part_of_speech()
    taken = {*upos, *(verb.past for verb in concepts.VERBS.values()), "an", "did"}
    taken |= {part.lower() for name in concepts.ENTITY_OF for part in name.split()}
    lexicons = {"en": Lexicon(LANGUAGES["en"], {lexeme: lexeme for lexeme in upos}, Suffixes())}
    return lexicons | {one.code: Lexicon(one, *draw_stems(one, seed, taken)) for one in TARGETS}
