"""Words with tags: CoNLL-U (Universal Dependencies), XTREME's two columns, raw WikiANN, MasakhaNER, Universal NER, CCG.

Users' files have one word per line, whatever they are called; CoNLL-U is recognised by its content. Columns are
separated by tabs, or by blanks where there are no tabs; an empty line ends a sentence. Where the first column numbers
the words of every sentence (1, 2, 3 ...), multiword ranges (`2-3`) and empty nodes (`4.1`) are skipped, and lines that
begin with `#` are comments. Elsewhere `#` may be a word: comments are lines without tab among lines with tabs, and
`# key = value` before a sentence. A file without empty lines between its sentences is refused: its numbers restart at
1 within a sentence, or a sentence has more than 1,000 words. In official files, a line of blanks or of U+200B is a
word.
"""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

from xstilts.core.errors import DataError, count
from xstilts.core.files import kind_of
from xstilts.data.examples import TaggedExample
from xstilts.data.readers.common import Placed, checked, lines_of, one_of, shown

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
    """The words of a sentence whose first column numbers them, without ranges and empty nodes.

    Raises `DataError` if a word is missing, or the numbers begin again.
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

    `columns`: the numbers of those that will be used, that of the words first. Raises `DataError` for lines of
    different length, a missing column, words numbered out of order, CoNLL-U whose first column is taken for the words,
    and sentences without an empty line between them.
    """
    texts = lines_of(path)
    tabs = "\t" in next((text for text in texts if text.strip() and not text.startswith("#")), "")
    split = (text.split("\t") if tabs else re.split(" +", text.strip(" ")) for text in texts)
    lines = [(line, fields if any(map(str.strip, fields)) else []) for line, fields in enumerate(split, start=1)]
    groups = [list(group) for filled, group in groupby(lines, key=lambda line: bool(line[1])) if filled]
    numbered = _are_numbered(groups, columns[0], path)
    width = 0
    for group in groups:
        words: list[Line] = []
        for line, fields in group:
            text = texts[line - 1]
            apart = numbered or (tabs and "\t" not in text) or (not words and _METADATA.match(text))
            if fields[0].startswith("#") and apart:
                continue
            width = width or len(fields)
            if len(fields) != width or max(columns) > width:
                found = f"found {len(fields)}, separated by " + ("tabs" if tabs else "blanks")
                raise DataError(f"expected {count(max(width, *columns), 'column')}, {found}", path, line)
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


def _are_numbered(groups: Sequence[Sequence[Line]], words: int, path: Path) -> bool:
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


# fmt: off
UPOS = ("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON", "PROPN", "PUNCT", "SCONJ",
        "SYM", "VERB", "X")
# fmt: on
NER = ("O", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-PER", "I-PER")
MASAKHANER = (*NER, "B-DATE", "I-DATE")
UNER = (*NER, "B-OTH", "I-OTH")


@checked
def udpos(path: Path, language: str) -> Placed:
    """UD's parts of speech: a treebank in CoNLL-U, whatever the file is called, or XTREME's two columns.

    In CoNLL-U, syntactic words with UPOS; the id is `sent_id`, else the sentence's number. Multiword ranges (`1-2`) and
    empty nodes (`8.1`) are skipped. Forms may hold blanks. Sentences whose forms are all `_` (treebanks released
    without their text) are left out, as in XTREME's converter.
    """
    conllu = ".conllu" in path.suffixes or is_conllu(path)
    return _numbered(path, language, 3, UPOS) if conllu else _columns(path, language, "\t", UPOS, may_be_withheld=True)


def _numbered(path: Path, language: str, column: int, labels: tuple[str, ...], width: int = CONLLU) -> Placed:
    """CoNLL-U or fewer columns: numbered words with the tag in one column, one of `labels` if there are any."""
    conllu = width == CONLLU
    for number, block in enumerate(blocks(path), start=1):
        name, rows = str(number), []
        for line, text in block:
            if text.startswith("#"):
                match = re.fullmatch(r"# *sent_id *= *(.+)", text)
                name = match[1] if match and conllu else name
                continue
            rows.append((line, text.split("\t")))
            if len(rows[-1][1]) != width:
                what = f"CoNLL-U's {width}" if conllu else str(width)
                raise DataError(f"expected {what} columns, found {len(rows[-1][1])}", path, line)
        lines = numbered_words(rows, path)
        if not lines:
            raise DataError("a sentence without words", path, block[0][0])
        words = tuple(_word(fields[1], path, line) for line, fields in lines)
        tags = (one_of(cells[column], labels or (cells[column] or "_",), path, line) for line, cells in lines)
        if set(words) != {"_"} or not conllu:
            yield block[0][0], TaggedExample(name, words, tuple(tags))


treebank = checked(partial(_numbered, column=3, labels=(*UPOS, "_")))
"""CoNLL-U for measuring: a word may be without part of speech, `_`, which XTREME counts as a tag like others."""
relations = checked(partial(_numbered, column=7, labels=()))
"""Universal Dependencies: each syntactic word with its relation to its head, as `nsubj` or `nmod:poss`."""
uner = checked(partial(_numbered, column=2, labels=UNER, width=5))
"""Universal NER: five columns (number, word, tag, `-`, annotator); the id is the sentence's number."""


@checked
def panx(path: Path, language: str) -> Placed:
    """PAN-X: XTREME's two columns (`.tsv`; one column where gold is withheld), or raw WikiANN (`en:word TAB tag`)."""
    if ".tsv" in path.suffixes:
        return _columns(path, language, "\t", NER, may_be_withheld=True)
    return _columns(path, language, "\t", NER, f"{language}:")


def _columns(
    path: Path, language: str, separator: str, labels: tuple[str, ...], prefix: str = "", may_be_withheld: bool = False
) -> Placed:
    """Word, separator, tag; a file of words alone may have its gold withheld. The id is the sentence's number."""
    columns = 0 if may_be_withheld else 2
    for number, block in enumerate(blocks(path), start=1):
        words, tags = [], []
        for line, text in block:
            fields = text.split(separator)
            every = (one for lines in blocks(path) for _, one in lines)
            if not (columns or fields[1:]) and all(" " in one and one.split(" ")[-1] in labels for one in every):
                raise DataError("every line ends in a blank and a tag: put a tab between word and tag", path, line)
            columns = columns or len(fields)
            if len(fields) != columns or columns > 2:
                raise DataError(f"expected {count(min(columns, 2), 'column')}, found {len(fields)}", path, line)
            if not fields[0].startswith(prefix):
                raise DataError(f"expected a word after '{prefix}', found {shown(fields[0])}", path, line)
            words.append(_word(fields[0][len(prefix) :], path, line))
            if columns == 2:
                tags.append(one_of(fields[1], labels, path, line))
        yield block[0][0], TaggedExample(str(number), tuple(words), tuple(tags) if columns == 2 else None)


masakhaner = checked(partial(_columns, separator=" ", labels=MASAKHANER))


def _word(form: str, path: Path, line: int) -> str:
    if not form or "\t" in form:
        raise DataError(f"a word with a tab in it, {shown(form)}" if form else "an empty word", path, line)
    return form


_LEAF = re.compile(r"<L ([^\s>]+) ([^\s>]+) ([^\s>]+) ([^\s>]+) ([^>]+)>")
"""Supertag, two parts of speech, word, category with indices."""


@checked
def ccg(path: Path, language: str) -> Placed:
    """CCG supertags: CCGbank's derivations (`.auto`, two lines per sentence), or jiant's `word word TAB tag tag`.

    Source: CCGbank's manual (LDC2005T13). The id is the derivation's `ID=`, else the line's number.
    """
    name, auto = "", ".auto" in path.suffixes
    for line, words in enumerate(lines_of(path), start=1):
        if not auto:
            columns = [tuple(column.split(" ")) for column in words.split("\t")]
            if len(columns) != 2 or len(columns[0]) != len(columns[1]) or not all(map(all, columns)):
                raise DataError("expected words, a tab and as many tags, with one blank between them", path, line)
            yield line, TaggedExample(str(line), *columns)
        elif line % 2:
            if not (match := re.match(r"ID=(\S+)", words)):
                raise DataError("expected a line that begins with ID=", path, line)
            name = match[1]
        else:
            leaves = _LEAF.findall(words)
            if not leaves or words.count("<L ") != len(leaves):
                raise DataError("expected a derivation whose leaves have five fields", path, line)
            yield line - 1, TaggedExample(name, tuple(leaf[3] for leaf in leaves), tuple(leaf[0] for leaf in leaves))
    if auto and name and line % 2:
        raise DataError("the last derivation is missing", path, line)
