"""Words with tags: CoNLL-U (Universal Dependencies), XTREME's two columns, raw WikiANN, MasakhaNER, Universal NER, CCG.

A sentence ends at an empty line; a line of blanks or of U+200B is a word.
"""

from __future__ import annotations

import re
from pathlib import Path

from xstilts.core.errors import DataError
from xstilts.data.examples import TaggedExample
from xstilts.data.readers.common import Placed, checked, lines_of, one_of, shown
from xstilts.data.readers.words import CONLLU, blocks, is_conllu, numbered_words

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
    empty nodes (`8.1`) are no words. Forms may hold blanks. Sentences whose forms are all `_` (treebanks released
    without their text) are left out, as in XTREME's converter.
    """
    conllu = ".conllu" in path.suffixes or is_conllu(path)
    return _numbered(path, 3, UPOS) if conllu else _columns(path, "\t", UPOS, may_be_withheld=True)


@checked
def treebank(path: Path, language: str) -> Placed:
    """CoNLL-U for measuring: a word may be without part of speech, `_`, which XTREME counts as a tag like others."""
    return _numbered(path, 3, (*UPOS, "_"))


@checked
def relations(path: Path, language: str) -> Placed:
    """Universal Dependencies: each syntactic word with its relation to its head, as `nsubj` or `nmod:poss`."""
    return _numbered(path, 7, ())


@checked
def uner(path: Path, language: str) -> Placed:
    """Universal NER: five columns (number, word, tag, `-`, annotator); the id is the sentence's number."""
    return _numbered(path, 2, UNER, width=5)


def _numbered(path: Path, column: int, labels: tuple[str, ...], width: int = CONLLU) -> Placed:
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


@checked
def panx(path: Path, language: str) -> Placed:
    """PAN-X: XTREME's two columns (`.tsv`; one column where gold is withheld), or raw WikiANN (`en:word TAB tag`)."""
    if ".tsv" in path.suffixes:
        return _columns(path, "\t", NER, may_be_withheld=True)
    return _columns(path, "\t", NER, f"{language}:")


@checked
def masakhaner(path: Path, language: str) -> Placed:
    """MasakhaNER: word, blank, tag."""
    return _columns(path, " ", MASAKHANER)


def _columns(
    path: Path, separator: str, labels: tuple[str, ...], prefix: str = "", may_be_withheld: bool = False
) -> Placed:
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
        yield block[0][0], TaggedExample(str(number), tuple(words), tuple(tags) if columns == 2 else None)


def _word(form: str, path: Path, line: int) -> str:
    if not form or "\t" in form:
        raise DataError(f"a word with a tab in it, {shown(form)}" if form else "an empty word", path, line)
    return form


_LEAF = re.compile(r"<L ([^\s>]+) ([^\s>]+) ([^\s>]+) ([^\s>]+) ([^>]+)>")
"""Supertag, two parts of speech, word, category with indices."""


@checked
def ccg(path: Path, language: str) -> Placed:
    """CCG supertags: CCGbank's derivations (`.auto`, two lines a sentence), or jiant's `word word TAB tag tag`.

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
