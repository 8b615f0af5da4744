"""Texts with a label: NLI (SNLI, MultiNLI, ANLI, XNLI, AmericasNLI), paraphrase (PAWS-X, QQP), topics (SIB-200).

Three families of files: with a header or named fields (the official archives, GLUE, JSON lines), never quoted when
tab-separated; XTREME's own form: no header, CRLF, Python's CSV quoting, two columns where gold is withheld, else
three; and SIB-200, tab-separated with CSV quoting, as pandas writes it.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from xstilts.core.errors import DataError
from xstilts.core.languages import LANGUAGES, meant
from xstilts.data.examples import TextExample
from xstilts.data.readers.common import FileRow, Placed, checked, csv_cells, lines_of, one_of, records, shown, text_of

NLI_LABELS = ("entailment", "neutral", "contradiction")
PARAPHRASE_LABELS = ("0", "1")
TOPICS = ("science/technology", "travel", "politics", "sports", "health", "entertainment", "geography")
MICRO_TOPICS = ("farm", "food", "health", "market", "school", "sport", "travel")
NLI_SPELLINGS: Mapping[str, str] = {
    **{"e": "entailment", "n": "neutral", "c": "contradiction"},  # ANLI
    "contradictory": "contradiction",  # XNLI's translated training files
}


def _nli(path: Path, language: str) -> Placed:
    """NLI files with named fields: the official JSON lines and tables, GLUE's, and premise/hypothesis/label.

    Where there is a `language` field, other languages are left out. Rows whose label is `-` (no majority among the
    annotators; 785 of 550,152 in SNLI's training split) are left out, as in every published result. The id is ANLI's
    `uid`, else XNLI's `pairID`, else the line's number; the first row decides which of these fields there are.
    """
    first: FileRow | None = None
    for row in records(path):
        first = first or row
        if "language" in first.record:
            if (code := meant(row.text("language"))) not in LANGUAGES:
                raise row.error(f"unknown language {shown(row.text('language'))}")
            if code != language:
                continue
        label = row.text("gold_label", "label")
        if label == "-":
            continue
        named = "uid" if "uid" in first.record else "pairID" if {"language", "pairID"} <= first.record.keys() else ""
        name = row.text(named) if named else str(row.line)
        texts = row.text("premise", "sentence1", "context"), row.text("hypothesis", "sentence2", "hypo", "statement")
        yield row.line, TextExample(name, *texts, one_of(NLI_SPELLINGS.get(label, label), NLI_LABELS, path, row.line))


nli = checked(_nli)


@checked
def xnli(path: Path, language: str) -> Placed:
    """XNLI: the official file of 15 languages, or XTREME's file of one (test labels are in a file of their own)."""
    named = _first(path).startswith("language\t") or ".jsonl" in path.suffixes
    return _nli(path, language) if named else _headerless(path, NLI_LABELS)


@checked
def pawsx(path: Path, language: str) -> Placed:
    """PAWS-X: the official four columns with header, or XTREME's form. The placeholder `NS` is kept, as officially."""
    if not _first(path).startswith("id\t"):
        yield from _headerless(path, PARAPHRASE_LABELS)
        return
    for row in records(path):
        name, first, second = (row.text(field) for field in ("id", "sentence1", "sentence2"))
        yield row.line, TextExample(name, first, second, row.label(PARAPHRASE_LABELS, "label"))


@checked
def qqp(path: Path, language: str) -> Placed:
    """QQP in GLUE's form: a header, six columns, never quoted. The id is the line's number."""
    for row in records(path):
        first, second = row.text("question1"), row.text("question2")
        yield row.line, TextExample(str(row.line), first, second, row.label(PARAPHRASE_LABELS, "is_duplicate"))


def _topics(path: Path, language: str, labels: Sequence[str]) -> Placed:
    """SIB-200: columns `index_id`, `category`, `text`; ids and row order are the same in all languages."""
    cells = csv_cells(text_of(path), "\t", path)
    _, header = next(cells, (1, []))
    if header != ["index_id", "category", "text"]:
        raise DataError(f"expected the header index_id, category, text, found {', '.join(header)[:80]!r}", path, 1)
    for line, row in cells:
        if len(row) != 3:
            raise DataError(f"expected 3 columns, found {len(row)}", path, line)
        yield line, TextExample(row[0], row[2], None, one_of(row[1], labels, path, line))


sib200 = checked(partial(_topics, labels=TOPICS))
micro_topics = checked(partial(_topics, labels=MICRO_TOPICS))


def _headerless(path: Path, labels: Sequence[str]) -> Placed:
    """XTREME's form; the id is the row's number. All rows have a label or none has."""
    columns = 0
    for number, (line, row) in enumerate(csv_cells(text_of(path), "\t", path), start=1):
        columns = columns or len(row)
        if len(row) != columns or columns not in (2, 3):
            expected = columns if columns in (2, 3) else "2 or 3"
            raise DataError(f"expected {expected} columns, found {len(row)}", path, line)
        label = one_of(row[2], labels, path, line) if columns == 3 else None
        yield line, TextExample(str(number), row[0], row[1], label)


def _first(path: Path) -> str:
    return next(iter(lines_of(path)), "")
