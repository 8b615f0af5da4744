"""Raw text for masked-language modelling: plain lines, Bibles, the `# text =` lines of treebanks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from xstilts.core.errors import DataError
from xstilts.core.packed import find
from xstilts.data.examples import Example, PlainText
from xstilts.data.readers.common import Ids, checked, lines_in, lines_of
from xstilts.data.readers.tagging import blocks
from xstilts.data.readers.words import NO_EMPTY_LINE


def plain_lines(path: Path, language: str) -> Iterator[Example]:
    """One text a line, read one by one; the id is the line's number. Blank lines are left out.

    Not under `checked`, which remembers all ids: numbers of lines occur once.
    """
    found = False
    for number, line in enumerate(lines_in(path), start=1):
        if line.strip():
            found = True
            yield PlainText(str(number), line)
    if not found:
        raise DataError(f"holds no examples for language '{language}'", path)


@checked
def ebible(path: Path, language: str) -> Iterator[Example]:
    """Verses of one Bible; blank lines (the verse is missing) and `<range>` (joined to the line above) are left out."""
    for verse, line in verses(path):
        if line.strip() and line != "<range>":
            yield PlainText(verse, line)


def verses(path: Path) -> list[tuple[str, str]]:
    """Pairs (verse, line) of a Bible; the verse is from `vref.txt` beside it (`GEN 1:1`), else the line's number.

    Raises:
        DataError: the Bible and `vref.txt` have different numbers of lines, or a verse is named twice.
    """
    lines = lines_of(path)
    beside = find(path.with_name("vref.txt"))
    if beside is None:
        return [(str(number), line) for number, line in enumerate(lines, start=1)]
    ids = Ids(beside)
    references = [ids.new(name, line) for line, name in enumerate(lines_of(beside), start=1)]
    if len(references) != len(lines):
        raise DataError(f"has {len(lines)} lines, {beside.name} has {len(references)}", path)
    return list(zip(references, lines))


@checked
def conllu_text(path: Path, language: str) -> Iterator[Example]:
    """The `# text = ...` line of every sentence of a treebank; the id is `sent_id`, else the sentence's number.

    Raises:
        DataError: a sentence without that line, or with two: no empty line ends the first.
    """
    ids = Ids(path)
    for number, block in enumerate(blocks(path), start=1):
        comments: dict[str, str] = {}
        for at, line in block:
            if match := re.fullmatch(r"# *(sent_id|text) *= ?(.*)", line):
                if match[1] in comments:
                    raise DataError(f"a second '# {match[1]} =' in a sentence: {NO_EMPTY_LINE}", path, at)
                comments[match[1]] = match[2]
        if not comments.get("text", "").strip():
            raise DataError("a sentence without its '# text =' line", path, block[0][0])
        yield PlainText(ids.new(comments.get("sent_id", str(number)), block[0][0]), comments["text"])
