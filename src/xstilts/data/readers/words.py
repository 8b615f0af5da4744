"""Lines of words and tags, one word per line, whatever the file is called; CoNLL-U is recognised by its content.

Columns are separated by tabs, or by blanks where there are no tabs; an empty line ends a sentence. Where the first
column numbers the words of every sentence (1, 2, 3 ...), multiword ranges (`2-3`) and empty nodes (`4.1`) are no words,
and a line that begins with `#` is a comment. Elsewhere `#` may be a word: comments are lines without tab among lines
with tabs, and `# key = value` before a sentence. A file without empty lines between its sentences is refused: its
numbers begin again at 1 within a sentence, or a sentence has more than 1,000 words.
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
"""A line's number and its columns."""


def blocks(path: Path) -> Iterator[list[tuple[int, str]]]:
    """Runs of lines that are not empty, with their numbers."""
    for filled, lines in groupby(enumerate(lines_of(path), start=1), key=lambda line: bool(line[1])):
        if filled:
            yield list(lines)


def numbered_words(lines: Sequence[Line], path: Path) -> list[Line]:
    """The words of a sentence whose first column numbers them; ranges and empty nodes are left out.

    Raises:
        DataError: a word is missing, or the numbers begin again.
    """
    words: list[Line] = []
    for line, fields in lines:
        name, number = fields[0], len(words) + 1
        if name == str(number):
            words.append((line, fields))
        elif not re.fullmatch(rf"{number}-[0-9]+|{number - 1}\.[0-9]+", name):  # `3-4` is before word 3, `3.1` behind
            again = re.fullmatch(r"1(-[0-9]+)?", name)
            problem = f"expected word {number}, found {shown(name)}"
            raise DataError(f"the words are numbered from 1 again: {NO_EMPTY_LINE}" if again else problem, path, line)
    return words


def sentences(path: Path, columns: Sequence[int]) -> Iterator[list[Line]]:
    """The sentences of a file, each the lines of its words; `-DOCSTART-` alone is none.

    Args:
        columns: the numbers of the columns that will be used, that of the words first.

    Raises:
        DataError: lines of different length, a missing column, words numbered out of order, CoNLL-U whose first column
            is taken for the words, sentences without an empty line between them.
    """
    texts = lines_of(path)
    tabs = "\t" in next((text for text in texts if text.strip() and not text.startswith("#")), "")
    split = (text.split("\t") if tabs else re.split(" +", text.strip(" ")) for text in texts)
    lines = [(line, fields if any(map(str.strip, fields)) else []) for line, fields in enumerate(split, start=1)]
    groups = [list(group) for filled, group in groupby(lines, key=lambda line: bool(line[1])) if filled]
    numbered = _numbered(groups, columns[0], path)
    width = 0
    for group in groups:
        words: list[Line] = []
        for line, fields in group:
            text = texts[line - 1]
            if fields[0].startswith("#") and (
                numbered or (tabs and "\t" not in text) or (not words and _METADATA.match(text))
            ):
                continue
            width = width or len(fields)
            if len(fields) != width or max(columns) > width:
                found = f"found {len(fields)}, separated by " + ("tabs" if tabs else "blanks")
                raise DataError(f"expected {max(width, *columns)} columns, {found}", path, line)
            if numbered and columns[0] == 1:
                problem = "column 1 numbers the words, as in CoNLL-U: say where the words are"
                raise DataError(f"{problem}, `columns: {{words: 2, tags: 4}}`", path, line)
            words.append((line, fields))
        words = numbered_words(words, path) if numbered else words
        if len(words) > MOST_WORDS:
            raise DataError(f"a sentence of {len(words):,} words: {NO_EMPTY_LINE}", path, words[0][0])
        forms = {fields[columns[0] - 1] for _, fields in words}
        hidden = numbered and width == CONLLU and forms == {"_"}  # of a treebank that is released without its text
        if words and forms != {"-DOCSTART-"} and not hidden:
            yield words


def _numbered(groups: Sequence[Sequence[Line]], words: int, path: Path) -> bool:
    """Whether the first column numbers the words of each sentence, perhaps with faults."""
    rows = [[fields for _, fields in group if not fields[0].startswith("#")] for group in groups]
    rows = [sentence for sentence in rows if sentence]
    names = [fields[0] for sentence in rows for fields in sentence]
    if not all(re.fullmatch(r"1(-[0-9]+)?", sentence[0][0]) for sentence in rows):
        return False
    if len(names) == len(rows) and kind_of(path) not in ("conllu", "conllup"):  # sentences of one word show nothing
        return False
    numbers = sum(bool(_NUMBER.fullmatch(name)) for name in names)
    return 2 * numbers > len(names) if words > 1 else numbers == len(names) > 0 and len(rows[0][0]) > 2


def is_conllu(path: Path) -> bool:
    """Whether a file is CoNLL-U: ten columns separated by tabs, the first a number, range or empty node."""
    first = next((line for line in lines_of(path) if line.strip() and not line.startswith("#")), "")
    fields = first.split("\t")
    return len(fields) == CONLLU and bool(_NUMBER.fullmatch(fields[0]))
