"""Drift into English: the share of generated answers that are in English.

A model fine-tuned on English alone may answer in English whatever it is asked (Xue et al. 2021, arXiv 2010.11934,
section 4: "accidental translation"). py3langid (after Lui and Baldwin 2012, langid.py) chooses between English and the
language of the passage. It is often wrong on answers of a few words, and names belong to no language: compare with the
share among the gold answers.
"""

from __future__ import annotations

from collections.abc import Sequence

import py3langid

from xstilts.metrics.base import Ratio, ratio


def english_shares(golds: Sequence[Sequence[str]], predictions: Sequence[str], language: str) -> dict[str, Ratio]:
    """The share of English answers: `english` among predictions, `english_gold` among the first gold answers.

    Empty answers do not count. For a language unknown to the identifier, English competes with all other languages.
    """
    try:
        py3langid.set_languages(["en", language])
    except ValueError:
        py3langid.set_languages(None)
    first = [gold[0] if gold else "" for gold in golds]
    return {"english": _share(predictions), "english_gold": _share(first)}


def _share(texts: Sequence[str]) -> Ratio:
    said = [bool(text.strip()) for text in texts]
    return ratio([full and py3langid.classify(text)[0] == "en" for text, full in zip(texts, said, strict=True)], said)
