"""The languages of one world: their types, the forms of all words, and the rendering of meanings.

English and five constructed languages, each at a known distance on separate axes; codes are ISO 639-3 private-use.
For each lexeme a language keeps the English stem, changes its sounds (a cognate), or has a new word, with the
probabilities of its lexical distance. Inflection is regular except in English: one plural, one past and one accusative
suffix a language. Names and digits are the same in all; another script transliterates every letter.

Question words stand in situ. The adposition is a phrase of its own, so that an answer is the noun phrase alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, reduce
from typing import NamedTuple

from xstilts.microworld import concepts
from xstilts.microworld.concepts import ENTITY_OF, NP, UPOS, Clause, Utterance
from xstilts.microworld.sampler import Dice


@dataclass(frozen=True)
class LanguageType:
    """A type of language; its words are drawn for each world.

    Attributes:
        order: order of subject (S), verb (V) and object (O).
        lexical_distance: d in 0..1; a word is identical to English with probability (1 - d) / 2, a cognate with
            changed sounds with 0.3 (1 - d), else new.
        cases: objects have an accusative suffix, and adpositions follow their noun.
    """

    code: str
    name: str
    order: str = "SVO"
    lexical_distance: float = 0.0
    articles: bool = True
    cases: bool = False
    adjective_first: bool = True
    script: str = "Latin"

    @property
    def morphology(self) -> str:
        adpositions = "accusative suffix, postpositions" if self.cases else "prepositions"
        return f"{adpositions}, {'articles' if self.articles else 'no articles'}"

    @property
    def distance(self) -> float:
        """Lexical distance + 0.1 for each of: order, articles, cases, postpositions, adjective order, script."""
        axes = (self.order != "SVO", not self.articles, not self.adjective_first, self.script != "Latin")
        return round(self.lexical_distance + 0.1 * (sum(axes) + 2 * self.cases), 2)


SOURCE = LanguageType("en", "English (microworld)")
TARGETS = (
    LanguageType("qaa", "Aran", lexical_distance=0.2, adjective_first=False),
    LanguageType("qab", "Bero", lexical_distance=0.6, articles=False),
    LanguageType("qad", "Dulo", order="VSO", lexical_distance=0.6, adjective_first=False),
    LanguageType("qac", "Ceti", order="SOV", lexical_distance=0.6, articles=False, cases=True),
    LanguageType("qae", "Ekua", order="SOV", lexical_distance=1.0, articles=False, cases=True, script="Georgian"),
)
LANGUAGES: dict[str, LanguageType] = {language.code: language for language in (SOURCE, *TARGETS)}
"""Code -> language, by growing distance from English."""


ORDERS = {
    "SVO": ("subject", "verb", "object", "oblique", "time"),
    "SOV": ("subject", "time", "oblique", "object", "verb"),
    "VSO": ("verb", "subject", "object", "oblique", "time"),
}
_BARE = {*ENTITY_OF, "he", "she", "who", "what", "where"}
_GEORGIAN = {ord("a") + i: chr(0x10D0 + i) for i in range(26)}
_SHIFTS = (("p", "b"), ("t", "d"), ("k", "g"), ("s", "z"), ("o", "u"), ("e", "i"), ("a", "o"), ("r", "l"), ("c", "k"))
_ONSETS = (*"bdfghklmnprstvzj", "ch", "sh", "br", "dr", "kr", "pl", "st", "tr")
_CODAS = ("", "", "", "n", "r", "l", "s", "k", "m", "t")


class Word(NamedTuple):
    """A written word with its universal part of speech and its entity tag (`O`, `B-PER` ...)."""

    form: str
    upos: str
    entity: str = "O"


Words = tuple[Word, ...]
Phrase = tuple[str, Words]
"""(role, words); roles are those of `ORDERS` plus `adposition`, `link` and `stop`."""


class Suffixes(NamedTuple):
    """The inflection of a language, in Latin letters."""

    plural: str = ""
    past: str = ""
    accusative: str = ""


def draw_stems(language: LanguageType, seed: int, taken: set[str]) -> tuple[dict[str, str], Suffixes]:
    """Latin stems of all lexemes and the suffixes of one language; adds new words to `taken`."""
    dice = Dice(seed, "lexicon", language.code)
    onsets, vowels = dice.sample(_ONSETS, 14), dice.sample("aeiou", 4)
    shifts, ending = dice.sample(_SHIFTS, 4), dice.pick(vowels)
    consonants = dice.sample([coda for coda in dict.fromkeys(_CODAS) if coda], 3)
    suffixes = Suffixes(*(dice.pick(vowels) + consonant for consonant in consonants))
    near = 1 - language.lexical_distance
    stems: dict[str, str] = {}
    for lexeme in sorted(UPOS):
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


class Grammar:
    """Renders meanings in one language.

    Attributes:
        nouns: (lexeme, plural, accusative) -> form.
        bare: (name or function word, accusative) -> words.
        affirmed, negated: verb -> words.
    """

    def __init__(self, language: LanguageType, stems: dict[str, str], suffixes: Suffixes) -> None:
        self.language, self.stems, self.suffixes = language, stems, suffixes
        self.nouns: dict[tuple[str, bool, bool], Word] = {}
        self.bare: dict[tuple[str, bool], Words] = {}
        self.words: dict[str, Word] = {}
        ending = self.written(suffixes.accusative) if language.cases else ""
        for lexeme, kind in UPOS.items():
            form = self._past(lexeme) if kind == "VERB" else self.written(stems[lexeme])
            self.words[lexeme] = Word(form, kind)
            for accusative, end in ((False, ""), (True, ending)):
                if kind == "NOUN":
                    self.nouns[lexeme, False, accusative] = Word(form + end, kind)
                    self.nouns[lexeme, True, accusative] = Word(self._plural(lexeme) + end, kind)
                if lexeme in _BARE:
                    self.bare[lexeme, accusative] = (Word(form + end, kind),)
        for name, kind in ENTITY_OF.items():
            for accusative, end in ((False, ""), (True, ending)):
                parts = (self.written(name) + end).split()
                tags = [f"B-{kind}"] + [f"I-{kind}"] * (len(parts) - 1)
                self.bare[name, accusative] = tuple(Word(part, "PROPN", tag) for part, tag in zip(parts, tags))
        self.affirmed = {verb: (self.words[verb],) for verb, kind in UPOS.items() if kind in ("VERB", "AUX")}
        self.negated = {verb: self._negated(verb, UPOS[verb]) for verb in self.affirmed}
        self.noun_phrase = cache(self._noun_phrase)  # there are few, and they recur

    def written(self, latin: str) -> str:
        return latin.lower().translate(_GEORGIAN) if self.language.script == "Georgian" else latin

    def _plural(self, noun: str) -> str:
        if self.language.code == "en":
            return noun + ("es" if noun.endswith(("s", "sh", "ch", "x")) else "s")
        return self.written(self.stems[noun] + self.suffixes.plural)

    def _past(self, verb: str) -> str:
        if self.language.code == "en":
            return concepts.SYNONYM_PAST.get(verb) or concepts.VERBS[verb].past
        return self.written(self.stems[verb] + self.suffixes.past)

    def _negated(self, verb: str, kind: str) -> Words:
        """English `did not buy`, `was not`; elsewhere a particle before the verb, or after a final verb."""
        particle, form = self.words["not"], self.words[verb]
        if self.language.code == "en":
            return (Word("did", "AUX"), particle, Word(verb, "VERB")) if kind == "VERB" else (form, particle)
        return (form, particle) if self.language.order == "SOV" else (particle, form)

    def _noun_phrase(self, np: NP, accusative: bool = False) -> Words:
        """Words of a noun phrase; `accusative` adds the suffix to its head, if the language has one."""
        if np.noun in _BARE:
            return self.bare[np.noun, accusative]
        noun = (self.nouns[np.noun, np.number > 1, accusative],)
        adjective = (self.words[np.adjective],) if np.adjective else ()
        words = adjective + noun if self.language.adjective_first else noun + adjective
        if np.number > 1:
            words = (Word(str(np.number), "NUM"), *words)
        if self.language.articles and np.definite:
            return (self.words["the"], *words)
        if self.language.articles and np.number == 1:
            an = self.language.code == "en" and words[0].form[0] in "aeiou"
            return (Word("an", "DET") if an else self.words["a"], *words)
        return words

    def _role(self, clause: Clause, role: str) -> list[Phrase]:
        if role == "subject":
            return [(role, self.noun_phrase(clause.subject))]
        if role == "verb":
            return [(role, (self.negated if clause.negated else self.affirmed)[clause.verb])]
        if role == "object" and clause.object is not None:
            return [(role, self.noun_phrase(clause.object, clause.verb != "is"))]
        if role == "oblique":
            if clause.oblique is None:
                return []
            noun: list[Phrase] = [(role, self.noun_phrase(clause.oblique))]
            adposition: list[Phrase] = [("adposition", (self.words[clause.adposition],))] if clause.adposition else []
            return noun + adposition if self.language.cases else adposition + noun
        word = clause.state if role == "object" else clause.time
        return [(role, (self.words[word],))] if word else []

    def clause(self, clause: Clause) -> list[Phrase]:
        """Phrases of a clause, without its final stop."""
        roles = sorted(ORDERS[self.language.order], key=lambda role: role != clause.front)  # stable
        return [phrase for role in roles for phrase in self._role(clause, role)]

    def phrases(self, sentence: Utterance) -> list[Phrase]:
        """Phrases of a sentence with link and stop."""
        phrases = self.clause(sentence.first)
        if sentence.second is not None:
            phrases += [("link", (self.words[sentence.link],)), *self.clause(sentence.second)]
        return [*phrases, ("stop", (Word("?" if sentence.question else ".", "PUNCT"),))]

    def written_words(self, sentences: Iterable[Utterance]) -> list[Word]:
        return [word for sentence in sentences for _, words in self.phrases(sentence) for word in words]

    def text(self, *sentences: Utterance) -> str:
        """Sentences as text, with single blanks between words and stops."""
        return " ".join([word.form for word in self.written_words(sentences)])


def draw_grammars(seed: int) -> dict[str, Grammar]:
    """All languages of world `seed`. New words and cognates are unlike any other word of the world."""
    taken = {*UPOS, *(verb.past for verb in concepts.VERBS.values()), "an", "did"}
    taken |= {part.lower() for name in ENTITY_OF for part in name.split()}
    grammars = {"en": Grammar(LANGUAGES["en"], {lexeme: lexeme for lexeme in UPOS}, Suffixes())}
    return grammars | {one.code: Grammar(one, *draw_stems(one, seed, taken)) for one in TARGETS}
