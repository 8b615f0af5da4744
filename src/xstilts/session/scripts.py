"""Data files in another script or language than their code says: copies of English, files swapped between languages."""

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice

from xstilts.core.errors import XstiltsError
from xstilts.core.languages import LANGUAGES, any_language
from xstilts.data.examples import ParallelExample, texts_of
from xstilts.data.readers.types import TYPES
from xstilts.session.reads import Read

_ROWS, _LETTERS, _LEAST = 50, 200, 0.1
"""Rows that are looked at, letters that suffice to judge, and the least share of the usual script.

All of the 532 official files that were tried are above this share.
"""
_SCRIPTS = dict(
    pair.split("=")
    for pair in """
    Arab=Arabic Armn=Armenian Beng=Bengali Cyrl=Cyrillic Deva=Devanagari Ethi=Ethiopic Geor=Georgian Grek=Greek
    Gujr=Gujarati Guru=Gurmukhi Hang=Hangul Hans=CJK Hant=CJK Hebr=Hebrew Jpan=CJK Khmr=Khmer Knda=Kannada Laoo=Lao
    Latn=Latin Mlym=Malayalam Mymr=Myanmar Nkoo=Nko Olck=Ol Orya=Oriya Sinh=Sinhala Taml=Tamil Telu=Telugu
    Tfng=Tifinagh Thaa=Thaana Thai=Thai Tibt=Tibetan
    """.split()
)
"""ISO 15924 -> the first word of the Unicode names of its letters."""
_WRONG = "check that it is the right file"
_TWO_SCRIPTS = frozenset("az ber bs ha kab kk ku ky mn ms pa sd sr tg tk tt ug uz".split())
"""Languages that are often written in another script than the table's."""


def odd_texts(found: Iterable[Read], own: Collection[str]) -> Iterator[str]:
    """A note for each file whose text is hardly in the script of its language, or in another language of the task.

    Args:
        own: names of tasks whose language is identified too, by py3langid. Of translation pairs, that of the side that
            is not English always is.
    """
    read = [*found]
    languages: dict[str, set[str]] = {}
    for one in read:
        languages.setdefault(one.task.name, {"en"}).add(one.language)
    for one in read:
        text = _text(one)
        letters = Counter(_script(letter) for letter in text if letter.isalpha())
        if letters.total() < _LETTERS or one.language not in LANGUAGES:
            continue
        usual, (most, count) = _SCRIPTS.get(LANGUAGES[one.language].script, ""), letters.most_common(1)[0]
        name = LANGUAGES[one.language].name
        if usual and letters[usual] < _LEAST * letters.total():
            share = f"{100 * count / letters.total():.0f} % of its letters are {most}"
            if one.language not in _TWO_SCRIPTS:
                yield f"{one.place}: {share}, and {name} is usually written in the {usual} script: {_WRONG}"
            elif one.task.name in own:
                yield f"{one.place}: {share}; {name} is written in the {usual} script too: check that you mean this one"
        elif one.task.name in own or TYPES.get(one.task.type).name in ("retrieval", "contrastive", "translation_lm"):
            seems = _identified(text, one.language)
            if seems != one.language and seems in (languages[one.task.name] if one.task.name in own else {"en"}):
                yield f"{one.place}: its text looks like {any_language(seems).name}, not {name}: {_WRONG}"


def _text(read: Read) -> str:
    with suppress(XstiltsError):  # a damaged file, which `check` names
        rows = islice(read.task.stream(read.roots, read.split, read.language), _ROWS)
        sides = ([row.source] if isinstance(row, ParallelExample) else texts_of(row) for row in rows)
        return " ".join(chain(*sides))
    return ""


def _script(letter: str) -> str:
    first = unicodedata.name(letter, "?").partition(" ")[0]
    return "CJK" if first in ("CJK", "HIRAGANA", "KATAKANA") else first.title()


def _identified(text: str, language: str) -> str:
    """The language that py3langid finds; `language` itself where py3langid does not know it."""
    import py3langid  # loads a model, in a second

    try:
        py3langid.set_languages([language])
    except ValueError:
        return language
    py3langid.set_languages(None)
    return str(py3langid.classify(text)[0])
