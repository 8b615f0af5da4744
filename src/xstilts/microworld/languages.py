"""The languages: English and five constructed ones, each at a known distance on separate axes.

Codes are ISO 639-3 private-use codes. `distance` was fixed before any score was seen: the lexical distance plus a tenth
for each structural feature in which a language differs from English.
"""

from __future__ import annotations

from dataclasses import dataclass


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
