"""Grammar: meaning to words, in the order and with the function words of one language.

Orders: SVO subject verb object oblique time; SOV subject time oblique object verb; VSO verb subject object oblique
time. Question words stand in situ. The adposition is a phrase of its own, so that an answer is the noun phrase alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from xstilts.microworld.concepts import ENTITY_OF
from xstilts.microworld.lexicon import Lexicon, Word
from xstilts.microworld.meaning import NP, Clause, Sentence

ORDERS = {
    "SVO": ("subject", "verb", "object", "oblique", "time"),
    "SOV": ("subject", "time", "oblique", "object", "verb"),
    "VSO": ("verb", "subject", "object", "oblique", "time"),
}
Words = tuple[Word, ...]
Phrase = tuple[str, Words]
"""(role, words); roles are those of `ORDERS` plus `adposition`, `link` and `stop`."""
_BARE = {*ENTITY_OF, "he", "she", "who", "what", "where"}


class Grammar:
    """Renders meanings in one language. Noun phrases are kept once built: there are few and they recur."""

    def __init__(self, lexicon: Lexicon) -> None:
        self.lexicon, self.language = lexicon, lexicon.language
        self.order = ORDERS[self.language.order]
        self._known: dict[tuple[NP, bool], Words] = {}
        self._stop = ("stop", (Word(".", "PUNCT"),))
        self._mark = ("stop", (Word("?", "PUNCT"),))

    def noun_phrase(self, np: NP, accusative: bool = False) -> Words:
        """Words of a noun phrase; with `accusative`, its head takes the suffix where the language has one."""
        key = (np, accusative)
        words = self._known.get(key)
        if words is None:
            words = self._known[key] = self._build(np, accusative)
        return words

    def _build(self, np: NP, accusative: bool) -> Words:
        lexicon, language = self.lexicon, self.language
        if np.noun in _BARE:
            return lexicon.bare[np.noun, accusative]
        noun = (lexicon.nouns[np.noun, np.number > 1, accusative],)
        adjective = (lexicon.words[np.adjective],) if np.adjective else ()
        words = adjective + noun if language.adjective_first else noun + adjective
        if np.number > 1:
            words = (lexicon.numerals[np.number], *words)
        if language.articles and np.definite:
            return (lexicon.words["the"], *words)
        if language.articles and np.number == 1:
            an = language.code == "en" and words[0].form[0] in "aeiou"
            return (Word("an", "DET") if an else lexicon.words["a"], *words)
        return words

    def _oblique(self, clause: Clause) -> list[Phrase]:
        assert clause.oblique is not None
        words = self.noun_phrase(clause.oblique)
        if not clause.adposition:
            return [("oblique", words)]
        adposition = ("adposition", (self.lexicon.words[clause.adposition],))
        return [("oblique", words), adposition] if self.language.cases else [adposition, ("oblique", words)]

    def _role(self, clause: Clause, role: str) -> list[Phrase]:
        if role == "subject":
            return [(role, self.noun_phrase(clause.subject))]
        if role == "verb":
            forms = self.lexicon.negated if clause.negated else self.lexicon.affirmed
            return [(role, forms[clause.verb])]
        if role == "object":
            if clause.object is not None:
                return [(role, self.noun_phrase(clause.object, clause.verb != "is"))]
            return [(role, (self.lexicon.words[clause.state],))] if clause.state else []
        if role == "oblique":
            return self._oblique(clause) if clause.oblique is not None else []
        return [(role, (self.lexicon.words[clause.time],))] if clause.time else []

    def clause(self, clause: Clause) -> list[Phrase]:
        """Phrases of a clause, without its final stop."""
        phrases = self._role(clause, clause.front) if clause.front else []
        for role in self.order:
            if role != clause.front:
                phrases += self._role(clause, role)
        return phrases

    def phrases(self, sentence: Sentence) -> list[Phrase]:
        """Phrases of a sentence with link and stop."""
        phrases = self.clause(sentence.first)
        if sentence.second is not None:
            phrases.append(("link", (self.lexicon.words[sentence.link],)))
            phrases += self.clause(sentence.second)
        phrases.append(self._mark if sentence.question else self._stop)
        return phrases

    def words(self, sentences: Iterable[Sentence]) -> list[Word]:
        """All words of some sentences."""
        return [word for sentence in sentences for _, words in self.phrases(sentence) for word in words]

    def text(self, *sentences: Sentence) -> str:
        """Sentences as text: words and stops set apart by single blanks."""
        return " ".join([word.form for word in self.words(sentences)])
