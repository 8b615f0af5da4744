"""Filters for translations: empty, of odd length, copied, in the wrong language, or with a low score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import py3langid

from xstilts.translation.spec import SOURCE, Quality
from xstilts.translation.texts import cut, words_of

_FEW_WORDS, _FEW_LETTERS = 3, 20
"""Shorter translations are never copies (names are the same in both languages); shorter texts are not identified."""


class Judge:
    """Gives the reason why a translation into a language is left out, or "" to keep it."""

    def __init__(self, quality: Quality, language: str) -> None:
        self.quality, self.languages = quality, [SOURCE, language]
        self.identifies = quality.identify and language != SOURCE
        try:
            py3langid.set_languages(self.languages)
        except ValueError:
            self.identifies = False

    def __call__(self, pairs: Sequence[tuple[str, str]], score: float | None = None) -> str:
        """The first fault of the (source, translation) pairs of an example; `score` is that of its worst sentence."""
        if any(source.strip() and not target.strip() for source, target in pairs):
            return "empty"
        least = self.quality.min_score
        if score is not None and least is not None and score < least:
            return "low score"
        for source, target in pairs:
            shorter, longer = sorted((len(source) + 10, len(target) + 10))
            if longer > self.quality.length_ratio * shorter:
                return "length"
            if _copied(source, target) > self.quality.copied:
                return "copied"
        text = " ".join(target for _, target in pairs)
        if not self.identifies or len(text) < _FEW_LETTERS:
            return ""
        py3langid.set_languages(self.languages)  # one setting for all judges
        return "language" if py3langid.classify(text)[0] == SOURCE else ""


def _copied(source: str, target: str) -> float:
    """The share of the translation's words, with letters or digits, that stand in the source as often."""
    ours, theirs = (
        Counter(word.lower() for word in cut(text, words_of(text, SOURCE)) if word[0].isalnum())
        for text in (target, source)
    )
    total = ours.total()
    return (ours & theirs).total() / total if total >= _FEW_WORDS else 0.0
