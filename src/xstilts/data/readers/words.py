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
from pathlib import Path
from typing import NamedTuple

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


class Row(NamedTuple):
    """One line, in its columns."""

    line: int
    fields: list[str]


def sentences(path: Path, columns: Sequence[int]) -> Iterator[list[Row]]:
    """The sentences of a file, each the rows of its words; `-DOCSTART-` alone is none.

    Args:
        columns: the numbers of the columns that will be asked for, that of the words first.

    Raises:
        DataError: rows of different length, a column that is not there, words numbered out of order, CoNLL-U whose
            first column is taken for the words, sentences without an empty line between them.
    """
    lines = list(enumerate(lines_of(path), start=1))
    first = next((text for _, text in lines if text.strip() and not text.startswith("#")), "")
    tabs = "\t" in first
    rows = [Row(line, _split(text, tabs)) for line, text in lines]
    numbered = _numbered(rows, columns[0], path)
    width = 0
    sentence: list[Row] = []
    for row in [*rows, Row(len(rows) + 1, [])]:
        if not row.fields:
            if len(sentence) > MOST_WORDS:
                raise DataError(f"a sentence of {len(sentence):,} words: {NO_EMPTY_LINE}", path, sentence[0].line)
            if sentence and not _left_out(sentence, columns[0], numbered):
                yield sentence
            sentence = []
            continue
        if row.fields[0].startswith("#") and _comment(lines[row.line - 1][1], tabs, numbered, bool(sentence)):
            continue
        width = width or len(row.fields)
        if len(row.fields) != width or max(columns) > width:
            found = f"found {len(row.fields)}, " + ("set apart by tabs" if tabs else "set apart by blanks")
            raise DataError(f"expected {max(width, *columns)} columns, {found}", path, row.line)
        if numbered and columns[0] == 1 and width > 2:
            raise DataError(
                "column 1 numbers the words, as in CoNLL-U: say where the words are, `columns: {words: 2, tags: 4}`",
                path,
                row.line,
            )
        if not numbered or row.fields[0].isdigit():
            sentence.append(row)


def _split(text: str, tabs: bool) -> list[str]:
    if not text.strip():
        return []
    return text.split("\t") if tabs else re.split(" +", text.strip(" "))


def _comment(text: str, tabs: bool, numbered: bool, within: bool) -> bool:
    return numbered or (tabs and "\t" not in text) or (not within and bool(_METADATA.match(text)))


def _numbered(rows: Sequence[Row], words: int, path: Path) -> bool:
    """Whether the first column numbers the words of each sentence.

    Raises:
        DataError: it does in most rows, with ranges or empty nodes among them, but not in every row; or in every row
            if an empty line were added where the numbers begin again.
    """
    called = kind_of(path) in ("conllu", "conllup")
    fault: Row | None = None
    again: Row | None = None
    number = most = marks = numbers = rows_seen = 0
    for row in rows:
        if not row.fields:
            number = 0
        elif not row.fields[0].startswith("#"):
            name = row.fields[0]
            if number > (again is None) and re.fullmatch(r"1(-[0-9]+)?", name):
                again, number = again or row, 0
            number += name.isdigit()
            right = name == str(number) or bool(re.fullmatch(rf"{number + 1}-[0-9]+|{number}\.[0-9]+", name))
            most = max(most, number) if fault is None and right else most
            fault = fault or (None if right else row)
            marks += not name.isdigit() and bool(re.fullmatch(r"[0-9]+[-.][0-9]+", name))
            numbers += bool(_NUMBER.fullmatch(name))
            rows_seen += 1
    if fault is None:
        if again is not None and words > 1:
            raise DataError(f"the words are numbered from 1 again: {NO_EMPTY_LINE}", path, again.line)
        return marks > 0 or most > 1 or (called and most > 0)
    if words > 1 and most and marks and 2 * numbers > rows_seen:
        found = shown(fault.fields[0])
        raise DataError(f"the first column numbers the words, but here it is {found}", path, fault.line)
    return False


def _left_out(sentence: Sequence[Row], words: int, numbered: bool) -> bool:
    """Whether it is `-DOCSTART-`, or a sentence of a treebank that is released without its text."""
    forms = {row.fields[words - 1] for row in sentence}
    return forms == {"-DOCSTART-"} or (numbered and len(sentence[0].fields) == CONLLU and forms == {"_"})


def is_conllu(path: Path) -> bool:
    """Whether a file is CoNLL-U: ten columns set apart by tabs, the first a number, range or empty node."""
    first = next((line for line in lines_of(path) if line.strip() and not line.startswith("#")), "")
    fields = first.split("\t")
    return len(fields) == CONLLU and bool(_NUMBER.fullmatch(fields[0]))
