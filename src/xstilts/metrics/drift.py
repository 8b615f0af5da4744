"""Drift into English: in which language freely generated answers are.

A model fine-tuned on English alone may answer in English whatever it is asked (Xue et al. 2021, arXiv 2010.11934,
section 4: "accidental translation"). Languages are identified by py3langid (after Lui and Baldwin 2012, langid.py),
here between English and the language of the passage. On answers of a few words that is often wrong, names are nobody's:
the share among the right answers stands beside it, and drift is what exceeds that.
"""

from __future__ import annotations

from collections.abc import Sequence

import py3langid

from xstilts.metrics.base import Ratio, ratio


def english_shares(golds: Sequence[Sequence[str]], predictions: Sequence[str], language: str) -> dict[str, Ratio]:
    """Percent of the answers that look English: `english` of those generated, `english_gold` of the first right ones.

    Empty answers do not count. A language that the identifier does not know is any but English.
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
