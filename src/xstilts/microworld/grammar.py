"""Grammar: meaning to words, in the order and with the function words of one language.

Orders: SVO subject verb object oblique time; SOV subject time oblique object verb; VSO verb subject object oblique
time. Question words stand in situ. The adposition is a phrase of its own, so that an answer is the noun phrase alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from xstilts.microworld.concepts import ENTITY_OF
from xstilts.microworld.lexicon import Lexicon, Word
from xstilts.microworld.meaning import NP, Clause, Utterance

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
        self.noun_phrase = cache(self._noun_phrase)

    def _noun_phrase(self, np: NP, accusative: bool = False) -> Words:
        """Words of a noun phrase; with `accusative`, its head takes the suffix where the language has one."""
        lexicon, language = self.lexicon, self.language
        if np.noun in _BARE:
            return lexicon.bare[np.noun, accusative]
        noun = (lexicon.nouns[np.noun, np.number > 1, accusative],)
        adjective = (lexicon.words[np.adjective],) if np.adjective else ()
        words = adjective + noun if language.adjective_first else noun + adjective
        if np.number > 1:
            words = (Word(str(np.number), "NUM"), *words)
        if language.articles and np.definite:
            return (lexicon.words["the"], *words)
        if language.articles and np.number == 1:
            an = language.code == "en" and words[0].form[0] in "aeiou"
            return (Word("an", "DET") if an else lexicon.words["a"], *words)
        return words

    def _role(self, clause: Clause, role: str) -> list[Phrase]:
        """The phrases of one role; none where the clause does not have it."""
        words = self.lexicon.words
        if role == "subject":
            return [(role, self.noun_phrase(clause.subject))]
        if role == "verb":
            return [(role, (self.lexicon.negated if clause.negated else self.lexicon.affirmed)[clause.verb])]
        if role == "object" and clause.object is not None:
            return [(role, self.noun_phrase(clause.object, clause.verb != "is"))]
        if role == "oblique":
            noun: list[Phrase] = [(role, self.noun_phrase(clause.oblique))] if clause.oblique is not None else []
            adposition: list[Phrase] = (
                [("adposition", (words[clause.adposition],))] if noun and clause.adposition else []
            )
            return noun + adposition if self.language.cases else adposition + noun
        word = clause.state if role == "object" else clause.time
        return [(role, (words[word],))] if word else []

    def clause(self, clause: Clause) -> list[Phrase]:
        """Phrases of a clause, without its final stop."""
        front = (clause.front,) if clause.front else ()
        roles = (*front, *(role for role in ORDERS[self.language.order] if role != clause.front))
        return [phrase for role in roles for phrase in self._role(clause, role)]

    def phrases(self, sentence: Utterance) -> list[Phrase]:
        """Phrases of a sentence with link and stop."""
        phrases = self.clause(sentence.first)
        if sentence.second is not None:
            phrases.append(("link", (self.lexicon.words[sentence.link],)))
            phrases += self.clause(sentence.second)
        return [*phrases, ("stop", (Word("?" if sentence.question else ".", "PUNCT"),))]

    def words(self, sentences: Iterable[Utterance]) -> list[Word]:
        """All words of some sentences."""
        return [word for sentence in sentences for _, words in self.phrases(sentence) for word in words]

    def text(self, *sentences: Utterance) -> str:
        """Sentences as text: words and stops set apart by single blanks."""
        return " ".join([word.form for word in self.words(sentences)])
