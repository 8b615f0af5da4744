"""Lines of words and tags, one word a line, whatever the file is called; CoNLL-U is told by what is in it.

Columns end at tabs, without tabs at blanks; an empty line ends a sentence. Where the first column numbers the words of
every sentence (1, 2, 3 ...), multiword ranges (`2-3`) and empty nodes (`4.1`) are no words, and a line that begins with
`#` is a comment. Elsewhere `#` may be a word: comments are lines without tab among lines with tabs, and `# key = value`
before a sentence. A file whose sentences no empty line ends is refused: its numbers begin again at 1 within a sentence,
or a sentence has more than 1,000 words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from xstilts.core.errors import DataError
from xstilts.core.files import kind_of
from xstilts.data.readers.common import lines_of, shown

CONLLU = 10
"""Columns of CoNLL-U."""
MOST_WORDS = 1000
"""In a sentence: a longer one is several, with no empty line between them."""
NO_EMPTY_LINE = "put an empty line after each sentence"
_NUMBER = re.compile(r"[0-9]+(?:[-.][0-9]+)?")
_METADATA = re.compile(r"# ?\S+ = ")

Line = tuple[int, list[str]]
"""A line's number and its columns; none of an empty line."""


def blocks(path: Path) -> Iterator[list[tuple[int, str]]]:
    """Runs of lines that are not empty, with their numbers."""
    for filled, lines in groupby(enumerate(lines_of(path), start=1), key=lambda line: bool(line[1])):
        if filled:
            yield list(lines)


def sentences(path: Path, columns: Sequence[int]) -> Iterator[list[Line]]:
    """The sentences of a file, each the lines of its words; `-DOCSTART-` alone is none.

    Args:
        columns: the numbers of the columns that will be asked for, that of the words first.

    Raises:
        DataError: lines of different length, a column that is not there, words numbered out of order, CoNLL-U whose
            first column is taken for the words, sentences without an empty line between them.
    """
    texts = lines_of(path)
    tabs = "\t" in next((text for text in texts if text.strip() and not text.startswith("#")), "")
    split = [_split(text, tabs) for text in texts]
    numbered = _numbered(split, columns[0], path)
    width = 0
    sentence: list[Line] = []
    for line, fields in enumerate([*split, []], start=1):
        if not fields:
            if len(sentence) > MOST_WORDS:
                raise DataError(f"a sentence of {len(sentence):,} words: {NO_EMPTY_LINE}", path, sentence[0][0])
            if sentence and not _left_out(sentence, columns[0], numbered):
                yield sentence
            sentence = []
            continue
        text = texts[line - 1]
        if fields[0].startswith("#") and (
            numbered or (tabs and "\t" not in text) or (not sentence and _METADATA.match(text))
        ):
            continue
        width = width or len(fields)
        if len(fields) != width or max(columns) > width:
            found = f"found {len(fields)}, set apart by " + ("tabs" if tabs else "blanks")
            raise DataError(f"expected {max(width, *columns)} columns, {found}", path, line)
        if numbered and columns[0] == 1 and width > 2:
            problem = "column 1 numbers the words, as in CoNLL-U: say where the words are"
            raise DataError(f"{problem}, `columns: {{words: 2, tags: 4}}`", path, line)
        if not numbered or fields[0].isdigit():
            sentence.append((line, fields))


def _split(text: str, tabs: bool) -> list[str]:
    if not text.strip():
        return []
    return text.split("\t") if tabs else re.split(" +", text.strip(" "))


def _numbered(lines: Sequence[list[str]], words: int, path: Path) -> bool:
    """Whether the first column numbers the words of each sentence.

    Raises:
        DataError: it does in most lines, with ranges or empty nodes among them, but not in every line; or in every line
            if an empty line were added where the numbers begin again.
    """
    fault = again = 0  # lines
    number = most = marks = numbers = seen = 0
    for line, fields in enumerate(lines, start=1):
        if not fields:
            number = 0
        elif not fields[0].startswith("#"):
            name = fields[0]
            if number > (not again) and re.fullmatch(r"1(-[0-9]+)?", name):
                again, number = again or line, 0
            number += name.isdigit()
            right = name == str(number) or bool(re.fullmatch(rf"{number + 1}-[0-9]+|{number}\.[0-9]+", name))
            most = max(most, number) if not fault and right else most
            fault = fault or (0 if right else line)
            marks += not name.isdigit() and bool(_NUMBER.fullmatch(name))
            numbers += bool(_NUMBER.fullmatch(name))
            seen += 1
    if not fault:
        if again and words > 1:
            raise DataError(f"the words are numbered from 1 again: {NO_EMPTY_LINE}", path, again)
        return marks > 0 or most > (0 if kind_of(path) in ("conllu", "conllup") else 1)
    if words > 1 and most and marks and 2 * numbers > seen:
        found = shown(lines[fault - 1][0])
        raise DataError(f"the first column numbers the words, but here it is {found}", path, fault)
    return False


def _left_out(sentence: Sequence[Line], words: int, numbered: bool) -> bool:
    """Whether it is `-DOCSTART-`, or a sentence of a treebank that is released without its text."""
    forms = {fields[words - 1] for _, fields in sentence}
    return forms == {"-DOCSTART-"} or (numbered and len(sentence[0][1]) == CONLLU and forms == {"_"})


def is_conllu(path: Path) -> bool:
    """Whether a file is CoNLL-U: ten columns set apart by tabs, the first a number, range or empty node."""
    first = next((line for line in lines_of(path) if line.strip() and not line.startswith("#")), "")
    fields = first.split("\t")
    return len(fields) == CONLLU and bool(_NUMBER.fullmatch(fields[0]))
