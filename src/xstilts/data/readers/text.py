"""Texts without labels: plain lines, Bibles, the `# text =` lines of treebanks, and sentences with their translations.

Translations are files that are aligned line by line; the path given is the side in the language asked for, the English
side lies beside it: Tatoeba (LASER v1), NTREX-128, verse-aligned Bibles. In an example, `source` is that language and
`target` is English; the id is the line's number, or the verse.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from xstilts.core.decoding import find, unpacked_name
from xstilts.core.errors import DataError, count
from xstilts.data.examples import Example, ParallelExample, PlainText
from xstilts.data.readers.common import Ids, Placed, beside, checked, lines_in, lines_of
from xstilts.data.readers.tagging import NO_EMPTY_LINE, blocks

_RANGE = "<range>"


def plain_lines(path: Path, language: str) -> Iterator[Example]:
    """One text per line but blank ones; the id is the line's number. Not `checked`, which would remember all ids."""
    found = False
    for number, line in enumerate(lines_in(path), start=1):
        if line.strip():
            found = True
            yield PlainText(str(number), line)
    if not found:
        raise DataError(f"holds no examples for language '{language}'", path)


@checked
def ebible(path: Path, language: str) -> Placed:
    """Verses of one Bible; blank lines (the verse is missing) and `<range>` (joined to the line above) are left out."""
    for number, (verse, line) in enumerate(_verses(path), start=1):
        if line.strip() and line != _RANGE:
            yield number, PlainText(verse, line)


def _verses(path: Path) -> list[tuple[str, str]]:
    """Pairs (verse, line) of a Bible; the verse is from `vref.txt` beside it (`GEN 1:1`), else the line's number.

    Raises `DataError` if they have different numbers of lines, or a verse is named twice.
    """
    named = find(path.with_name("vref.txt"))
    if named is None:
        return [(str(number), line) for number, line in enumerate(lines_of(path), start=1)]
    ids = Ids(named)
    verses = [ids.add(name, line) for line, name in enumerate(lines_of(named), start=1)]
    return list(zip(verses, _as_many(path, verses, named)))


def _as_many(path: Path, others: list[str], beside: Path) -> list[str]:
    lines = lines_of(path)
    if len(lines) != len(others):
        raise DataError(f"has {count(len(lines), 'line')}, {beside.name} has {len(others)}", path)
    return lines


@checked
def conllu_text(path: Path, language: str) -> Placed:
    """The `# text = ...` line of every sentence of a treebank; the id is `sent_id`, else the sentence's number.

    Raises `DataError` for a sentence without that line, or with two: no empty line ends the first.
    """
    for number, block in enumerate(blocks(path), start=1):
        comments: dict[str, str] = {}
        for at, line in block:
            if match := re.fullmatch(r"# *(sent_id|text) *= ?(.*)", line):
                if match[1] in comments:
                    raise DataError(f"a second '# {match[1]} =' in a sentence: {NO_EMPTY_LINE}", path, at)
                comments[match[1]] = match[2]
        if not comments.get("text", "").strip():
            raise DataError("a sentence without its '# text =' line", path, block[0][0])
        yield block[0][0], PlainText(comments.get("sent_id", str(number)), comments["text"])


@checked
def tatoeba(path: Path, language: str) -> Placed:
    """LASER's Tatoeba pairs `tatoeba.deu-eng.deu` and `.eng`.

    Raises `DataError`, among others, if the English side is sorted, as XTREME's own copy (`de-en.en`) is: line n then
    no longer translates line n, and the right pairs cannot be recovered.
    """
    stem, _, side = unpacked_name(path).rpartition(".")
    english = beside(path, f"{stem}.{'eng' if len(side) == 3 else 'en'}", "its English side ")
    sentences = lines_of(english)
    if len(sentences) >= 10 and all(one <= two for one, two in pairwise(sentences)):
        problem = "the English side is sorted (XTREME's own copy), so its lines do not translate those beside it"
        raise DataError(f"{problem}; use LASER's data/tatoeba/v1", english)
    return _aligned(path, english)


@checked
def ntrex(path: Path, language: str) -> Placed:
    """NTREX-128: `newstest2019-ref.deu.txt` with `newstest2019-src.eng.txt` beside it."""
    return _aligned(path, beside(path, "newstest2019-src.eng.txt", "its English side "))


def _aligned(path: Path, english: Path) -> Placed:
    targets = lines_of(english)
    for number, (source, target) in enumerate(zip(_as_many(path, targets, english), targets), start=1):
        if not source.strip() or not target.strip():
            raise DataError("an empty sentence", path if not source.strip() else english, number)
        yield number, ParallelExample(str(number), source, target)


@checked
def ebible_pairs(path: Path, language: str) -> Placed:
    """Verses that both Bibles have; the English one is the first `eng-*.txt` by name.

    A verse that is joined to its neighbour in either Bible (`<range>`) is left out, with the one it is joined to.
    """
    names = sorted(entry.name for entry in path.parent.glob("eng-*.txt*"))
    if not names:
        raise DataError("no English Bible (eng-*.txt) in its folder", path)
    english = path.with_name(names[0])
    verses, targets = _verses(path), [line for _, line in _verses(english)]
    sources = _as_many(path, targets, english)
    joined = [_RANGE in pair for pair in zip(sources, targets)]
    for number, ((verse, source), target) in enumerate(zip(verses, targets)):
        if source.strip() and target.strip() and not any(joined[number : number + 2]):
            yield number + 1, ParallelExample(verse, source, target)
