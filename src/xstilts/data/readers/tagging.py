"""Words with tags: CoNLL-U (Universal Dependencies), XTREME's two columns, raw WikiANN, MasakhaNER, Universal NER.

A sentence ends at an empty line; a line of blanks or of U+200B is a word. Sources: the official files; Nivre et al.
2020, Pan et al. 2017, Rahimi et al. 2019, Adelani et al. 2021, Mayhew et al. 2024.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from xstilts.core.errors import DataError
from xstilts.data.examples import Example, TaggedExample
from xstilts.data.readers.common import Ids, checked, lines_of, one_of, shown
from xstilts.data.readers.words import NO_EMPTY_LINE, is_conllu

# fmt: off
UPOS = ("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON", "PROPN", "PUNCT", "SCONJ",
        "SYM", "VERB", "X")
# fmt: on
NER = ("O", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-PER", "I-PER")
MASAKHANER = (*NER, "B-DATE", "I-DATE")
UNER = (*NER, "B-OTH", "I-OTH")


def blocks(path: Path) -> Iterator[list[tuple[int, str]]]:
    """Runs of non-empty lines with their numbers."""
    block: list[tuple[int, str]] = []
    for number, line in enumerate(lines_of(path), start=1):
        if line:
            block.append((number, line))
        elif block:
            yield block
            block = []
    if block:
        yield block


@checked
def udpos(path: Path, language: str) -> Iterator[Example]:
    """UD's parts of speech: a treebank in CoNLL-U, whatever the file is called, or XTREME's two columns."""
    if ".conllu" in path.suffixes or is_conllu(path):
        yield from conllu(path, language)
    else:
        yield from _columns(path, "\t", UPOS, may_be_withheld=True)


@checked
def conllu(path: Path, language: str) -> Iterator[Example]:
    """Syntactic words with UPOS; the id is `sent_id`, else the sentence's number.

    Multiword ranges (`1-2`) and empty nodes (`8.1`) are no words. Forms may hold blanks. Sentences whose forms are all
    `_` (treebanks released without their text) are left out, as XTREME's converter does.
    """
    yield from _conllu(path, 3, UPOS)


@checked
def treebank(path: Path, language: str) -> Iterator[Example]:
    """`conllu` for measuring: a word may be without part of speech, `_`, which XTREME counts as a tag like others."""
    yield from _conllu(path, 3, (*UPOS, "_"))


def _conllu(path: Path, column: int, labels: tuple[str, ...]) -> Iterator[Example]:
    """Words with the tag in one column, which is one of `labels` where there are any."""
    ids = Ids(path)
    for number, block in enumerate(blocks(path), start=1):
        words: list[str] = []
        tags: list[str] = []
        sentence_id = str(number)
        for line, text in block:
            if text.startswith("#"):
                if match := re.fullmatch(r"# *sent_id *= *(.+)", text):
                    sentence_id = match[1]
                continue
            fields = text.split("\t")
            if len(fields) != 10:
                raise DataError(f"expected CoNLL-U's 10 columns, found {len(fields)}", path, line)
            # `3-4` stands before word 3, `3.1` behind it.
            if re.fullmatch(rf"{len(words) + 1}-[0-9]+|{len(words)}\.[0-9]+", fields[0]):
                continue
            if fields[0] != str(len(words) + 1):
                raise _misnumbered(len(words) + 1, fields[0], path, line)
            words.append(_word(fields[1], path, line))
            tags.append(one_of(fields[column], labels or (fields[column] or "_",), path, line))
        if not words:
            raise DataError("a sentence without words", path, block[0][0])
        if set(words) != {"_"}:
            yield TaggedExample(ids.new(sentence_id, block[0][0]), tuple(words), tuple(tags))


@checked
def panx(path: Path, language: str) -> Iterator[Example]:
    """PAN-X: XTREME's two columns (`.tsv`; one column where gold is withheld), or raw WikiANN (`en:word TAB tag`)."""
    if ".tsv" in path.suffixes:
        yield from _columns(path, "\t", NER, may_be_withheld=True)
    else:
        yield from _columns(path, "\t", NER, f"{language}:")


@checked
def masakhaner(path: Path, language: str) -> Iterator[Example]:
    """MasakhaNER: word, blank, tag."""
    yield from _columns(path, " ", MASAKHANER)


@checked
def uner(path: Path, language: str) -> Iterator[Example]:
    """Universal NER: five columns (number, word, tag, `-`, annotator); the id is the sentence's number."""
    for number, block in enumerate(blocks(path), start=1):
        words: list[str] = []
        tags: list[str] = []
        for line, text in block:
            if text.startswith("#"):
                continue
            fields = text.split("\t")
            if len(fields) != 5:
                raise DataError(f"expected 5 columns, found {len(fields)}", path, line)
            if fields[0] != str(len(words) + 1):
                raise _misnumbered(len(words) + 1, fields[0], path, line)
            words.append(_word(fields[1], path, line))
            tags.append(one_of(fields[2], UNER, path, line))
        if not words:
            raise DataError("a sentence without words", path, block[0][0])
        yield TaggedExample(str(number), tuple(words), tuple(tags))


def _columns(
    path: Path, separator: str, labels: tuple[str, ...], prefix: str = "", may_be_withheld: bool = False
) -> Iterator[Example]:
    """Word, separator, tag; a file of words alone may have its gold withheld. The id is the sentence's number."""
    columns = 0 if may_be_withheld else 2
    for number, block in enumerate(blocks(path), start=1):
        words, tags = [], []
        for line, text in block:
            fields = text.split(separator)
            columns = columns or len(fields)
            if len(fields) != columns or columns > 2:
                raise DataError(f"expected {min(columns, 2)} columns, found {len(fields)}", path, line)
            if not fields[0].startswith(prefix):
                raise DataError(f"expected a word after '{prefix}', found {shown(fields[0])}", path, line)
            words.append(_word(fields[0][len(prefix) :], path, line))
            if columns == 2:
                tags.append(one_of(fields[1], labels, path, line))
        yield TaggedExample(str(number), tuple(words), tuple(tags) if columns == 2 else None)


def _misnumbered(expected: int, found: str, path: Path, line: int) -> DataError:
    """The error for a word's number: at 1 a new sentence begins, and nothing has ended the one before."""
    if re.fullmatch(r"1(-[0-9]+)?", found):
        return DataError(f"the words are numbered from 1 again: {NO_EMPTY_LINE}", path, line)
    return DataError(f"expected word {expected}, found {shown(found)}", path, line)


def _word(form: str, path: Path, line: int) -> str:
    if not form or "\t" in form:
        raise DataError(f"a word with a tab in it, {shown(form)}" if form else "an empty word", path, line)
    return form


_LEAF = re.compile(r"<L ([^\s>]+) ([^\s>]+) ([^\s>]+) ([^\s>]+) ([^>]+)>")
"""Supertag, two parts of speech, word, category with indices."""


@checked
def ccg(path: Path, language: str) -> Iterator[Example]:
    """CCG supertags: CCGbank's derivations (`.auto`, two lines a sentence), or jiant's `word word TAB tag tag`.

    Source: CCGbank's manual (LDC2005T13). The id is the derivation's `ID=`, else the line's number.
    """
    name, ids = "", Ids(path)
    for line, words in enumerate(lines_of(path), start=1):
        if ".auto" not in path.suffixes:
            columns = [column.split(" ") for column in words.split("\t")]
            if len(columns) != 2 or len(columns[0]) != len(columns[1]) or not all(map(all, columns)):
                raise DataError("expected words, a tab and as many tags, with one blank between them", path, line)
            yield TaggedExample(str(line), tuple(columns[0]), tuple(columns[1]))
        elif line % 2:
            if not (match := re.match(r"ID=(\S+)", words)):
                raise DataError("expected a line that begins with ID=", path, line)
            name = ids.new(match[1], line)
        else:
            leaves = _LEAF.findall(words)
            if not leaves or words.count("<L ") != len(leaves):
                raise DataError("expected a derivation whose leaves have five fields", path, line)
            yield TaggedExample(name, tuple(leaf[3] for leaf in leaves), tuple(leaf[0] for leaf in leaves))
    if ".auto" in path.suffixes and name and line % 2:
        raise DataError("the last derivation is missing", path, line)


@checked
def relations(path: Path, language: str) -> Iterator[Example]:
    """Universal Dependencies: each syntactic word with its relation to its head, as `nsubj` or `nmod:poss`."""
    yield from _conllu(path, 7, ())
