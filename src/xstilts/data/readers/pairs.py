"""Two sentences with a label: NLI (SNLI, MultiNLI, ANLI, XNLI, AmericasNLI) and paraphrase (PAWS-X, QQP).

Two families of files: with a header or named fields (the official archives, GLUE, JSON lines), never quoted when
tab-separated; and XTREME's own form: no header, CRLF, Python's csv quoting, two columns where gold is withheld, else
three.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from xstilts.core.errors import DataError, UnknownName
from xstilts.core.languages import code_of
from xstilts.data.examples import Example, TextExample
from xstilts.data.readers.common import Ids, Record, checked, csv_rows, lines_of, one_of, records, shown, text

NLI_LABELS = ("entailment", "neutral", "contradiction")
PARAPHRASE_LABELS = ("0", "1")

NLI_SPELLINGS: Mapping[str, str] = {
    "e": "entailment",  # ANLI
    "n": "neutral",
    "c": "contradiction",
    "contradictory": "contradiction",  # XNLI's translated training files
}


@checked
def nli(path: Path, language: str) -> Iterator[Example]:
    """NLI files with named fields: the official JSON lines and tables, GLUE's, and premise/hypothesis/label.

    Where there is a `language` field, other languages are left out. Rows whose label is `-` (no majority among the
    annotators; 785 of 550,152 in SNLI's training split) are left out, as in every published result. The id is ANLI's
    `uid`, else XNLI's `pairID`, else the line's number. Which of these fields there are, the first row says.
    """
    ids, first = Ids(path), None
    for line, record in records(path):
        first = record if first is None else first
        if "language" in first and _code(text(record, ["language"], path, line), path, line) != language:
            continue
        label = text(record, ["gold_label", "label"], path, line)
        if label == "-":
            continue
        yield TextExample(
            ids.new(_nli_id(first, record, path, line), line),
            text(record, ["premise", "sentence1", "context"], path, line),
            text(record, ["hypothesis", "sentence2", "hypo", "statement"], path, line),
            one_of(NLI_SPELLINGS.get(label, label), NLI_LABELS, path, line),
        )


@checked
def xnli(path: Path, language: str) -> Iterator[Example]:
    """XNLI: the official file of 15 languages, or XTREME's file of one (test labels are in a file of their own)."""
    if _first(path).startswith("language\t") or ".jsonl" in path.suffixes:
        yield from nli(path, language)
    else:
        yield from _headerless(path, NLI_LABELS)


@checked
def pawsx(path: Path, language: str) -> Iterator[Example]:
    """PAWS-X: the official four columns with header, or XTREME's form.

    Rows whose sentence is the placeholder `NS` (not translated) are kept, as the official scripts do.
    """
    if not _first(path).startswith("id\t"):
        yield from _headerless(path, PARAPHRASE_LABELS)
        return
    ids = Ids(path)
    for line, record in records(path):
        first, second = text(record, ["sentence1"], path, line), text(record, ["sentence2"], path, line)
        label = one_of(text(record, ["label"], path, line), PARAPHRASE_LABELS, path, line)
        yield TextExample(ids.new(text(record, ["id"], path, line), line), first, second, label)


@checked
def qqp(path: Path, language: str) -> Iterator[Example]:
    """QQP in GLUE's form: a header, six columns, never quoted. The id is the line's number."""
    for line, record in records(path):
        first, second = text(record, ["question1"], path, line), text(record, ["question2"], path, line)
        label = one_of(text(record, ["is_duplicate"], path, line), PARAPHRASE_LABELS, path, line)
        yield TextExample(str(line), first, second, label)


def _headerless(path: Path, labels: Sequence[str]) -> Iterator[Example]:
    """XTREME's form; the id is the row's number. All rows have a label or none has."""
    columns = 0
    for number, (line, row) in enumerate(csv_rows(path, "\t"), start=1):
        columns = columns or len(row)
        if len(row) != columns or columns not in (2, 3):
            raise DataError(
                f"expected {columns if columns in (2, 3) else '2 or 3'} columns, found {len(row)}", path, line
            )
        label = one_of(row[2], labels, path, line) if columns == 3 else None
        yield TextExample(str(number), row[0], row[1], label)


def _first(path: Path) -> str:
    return next(iter(lines_of(path)), "")


def _code(form: str, path: Path, line: int) -> str:
    try:
        return code_of(form)
    except UnknownName:
        raise DataError(f"unknown language {shown(form)}", path, line) from None


def _nli_id(first: Record, record: Record, path: Path, line: int) -> str:
    if "uid" in first:
        return text(record, ["uid"], path, line)
    return text(record, ["pairID"], path, line) if "language" in first and "pairID" in first else str(line)
