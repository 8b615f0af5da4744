"""Which translations are left out, and why: emptiness, length, copies, the wrong language, a low score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import py3langid

from xstilts.translation.spec import SOURCE, Quality
from xstilts.translation.texts import words_of

_FEW_WORDS = 3
"""Names, numbers and marks alone are rightly the same in both languages: shorter translations are no copies."""
_FEW_LETTERS = 20
"""Languages of shorter texts are not identified."""


class Judge:
    """Says why a translation is to be left out; "" where it is not.

    Args:
        language: of the translations. One that py3langid does not know is not identified.
    """

    def __init__(self, quality: Quality, language: str) -> None:
        self.quality, self.language = quality, language
        self.identifies = quality.identify and _knows(language)

    def __call__(self, pairs: Sequence[tuple[str, str]], score: float | None = None) -> str:
        """The first fault of the (source, translation) pairs of an example; `score` is that of its worst sentence."""
        if any(source.strip() and not target.strip() for source, target in pairs):
            return "empty"
        least = self.quality.min_score
        if score is not None and least is not None and score < least:
            return "low score"
        for source, target in pairs:
            longer, shorter = max(len(source), len(target)) + 10, min(len(source), len(target)) + 10
            if longer > self.quality.length_ratio * shorter:
                return "length"
            if _copied(source, target) > self.quality.copied:
                return "copied"
        text = " ".join(target for _, target in pairs)
        return "language" if self.identifies and len(text) >= _FEW_LETTERS and self._looks_english(text) else ""

    def _looks_english(self, text: str) -> bool:
        py3langid.set_languages([SOURCE, self.language])
        return bool(py3langid.classify(text)[0] == SOURCE)


def _knows(language: str) -> bool:
    try:
        py3langid.set_languages([SOURCE, language])
    except ValueError:
        return False
    return language != SOURCE


def _copied(source: str, target: str) -> float:
    """The share of the translation's words, with letters or digits, that stand in the source as often."""
    ours, theirs = (
        Counter(word for one in words_of(text, "en") if (word := text[one.start : one.end].lower())[0].isalnum())
        for text in (target, source)
    )
    total = ours.total()
    return (ours & theirs).total() / total if total >= _FEW_WORDS else 0.0
