"""What a finished model is asked: a user's file in any of the forms of an own task, without gold.

JSON, CSV, tab-separated and Parquet tables by column; lines of words with an empty line behind each sentence, CoNLL-U
too; plain text (`.txt`), one sentence a line. Gold in a file is not read. Every fault is named with file and line.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from xstilts.core.decoding import decode
from xstilts.core.errors import ConfigError, DataError, UnknownName
from xstilts.core.files import held, read_bytes
from xstilts.core.languages import any_language
from xstilts.data.examples import Example, TaggedExample, TextExample
from xstilts.data.readers.columns import column_reader
from xstilts.data.readers.common import Ids, lines_of
from xstilts.data.readers.dialects import RECORDS
from xstilts.data.readers.tables import TABLES, Header, Name, Row, suffix, table_rows
from xstilts.data.readers.types import TYPES
from xstilts.data.readers.words import is_conllu
from xstilts.export.finished import Finished, Head
from xstilts.task_types.features import Features

FORMS = (*TABLES, "txt", "words")
"""What `--format` may say: tables, one text a line, one word a line."""
GOLD = ("label", "answers", "answer", "answer_start", "tags")
_OPTIONAL = ("id", "pair", "context", "question")


@dataclass(frozen=True)
class Question:
    """A file and how it is read.

    Attributes:
        form: one of `FORMS`; empty: as its suffix says, and without suffix its content.
        columns: our field -> the file's column; for `choices` perhaps several.
        language: only rows of this language, where the file has a column `language`.
    """

    path: Path
    columns: Mapping[str, tuple[Name, ...]] = field(default_factory=dict)
    language: str | None = None
    form: str = ""


def parse_columns(words: str, kind: str) -> dict[str, tuple[Name, ...]]:
    """`text=body,choices=a+b+c` as field -> names of columns; of words numbers. Raises `ConfigError`."""
    known = [name for name in (*TYPES.get(kind).fields, "id", "language") if name not in GOLD]
    columns: dict[str, tuple[Name, ...]] = {}
    for part in filter(None, words.split(",")):
        name, equals, column = part.partition("=")
        if name not in known or not column:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"fields of {kind} are {', '.join(known)}"
            raise ConfigError(f"--columns: '{part}' should be FIELD=COLUMN; {hint}" + ("" if equals else " (no '=')"))
        names = column.split("+") if name == "choices" else [column]
        columns[name] = tuple(
            int(one) if one.isdecimal() and len(one) < 5 and kind == "tagging" else one for one in names
        )
    return columns


def read_examples(asked: Question, kind: str) -> list[Example]:
    """All examples of a file, without gold.

    Raises:
        DataError: with file and line: a column that is not there, text that is none, another form, no example at all.
        UnknownName: no such language.
    """
    if asked.form and asked.form not in FORMS:
        raise UnknownName("format", asked.form, FORMS)
    with held():
        return _read(asked, kind)


def _read(asked: Question, kind: str) -> list[Example]:
    if asked.language is not None:
        asked = replace(asked, language=any_language(asked.language).code)
    if not TYPES.get(kind).answers:
        raise ConfigError(f"a model of type '{kind}' answers no questions about a file")
    form = asked.form or suffix(asked.path) or _guess(asked, kind)
    if form in RECORDS or (form in TABLES and kind != "tagging"):
        examples = list(_rows(asked, kind, form))
    elif form == "txt" and not (kind == "tagging" and is_conllu(asked.path)):
        examples = list(_lines(asked.path, kind))
    elif kind == "tagging":
        examples = list(_sentences(asked))
    else:
        raise DataError(f"neither name nor content tells the format: say --format {', '.join(FORMS[:-1])}", asked.path)
    if not examples:
        raise DataError("holds no examples" + (f" in language '{asked.language}'" * bool(asked.language)), asked.path)
    return examples


def examples_of(inputs: Iterable[str | Mapping[str, Any]], kind: str) -> list[Example]:
    """Examples of texts, or of mappings by field, numbered from 0 where they have no `id`. Raises `DataError`."""
    fields = [name for name in ("id", *TYPES.get(kind).fields) if name not in GOLD]
    examples = []
    for number, given in enumerate(inputs):
        record = {"text" if kind == "classification" else fields[-1]: given} if isinstance(given, str) else dict(given)
        if kind == "tagging" and isinstance(given, str):
            record = {"words": given.split()}
        record.setdefault("id", str(number))
        if odd := [name for name in record if name not in fields]:
            raise DataError(f"input {number}: unknown field '{odd[0]}' ({kind} has {', '.join(fields)})")
        try:
            example = _make(kind, Row(record, {name: name for name in record}, Path("inputs"), number, number))
        except KeyError as error:
            raise DataError(f"input {number}: no field {error} ({kind} has {', '.join(fields)})") from None
        examples.append(example)
    return examples


def _make(kind: str, row: Row) -> Example:
    make = TYPES.get(kind).make
    assert make is not None
    example = make(row, None)
    assert example is not None
    return example


def _guess(asked: Question, kind: str) -> str:
    """The form of a file without suffix, as a pipe is: where its content leaves no doubt."""
    raw = read_bytes(asked.path)
    if raw.startswith(b"PAR1"):
        return "parquet"
    text = decode(raw, asked.path, utf16=True)
    if re.match(r'\s*(\[\s*)?\{\s*"', text):
        return "jsonl"
    first = {separator: text.partition("\n")[0].rstrip("\r").split(separator) for separator in "\t,;"}
    wanted = {name for names in _columns(asked, kind).values() for name in names}
    known = [
        separator
        for separator, cells in first.items()
        if len(cells) > 1 and wanted.intersection(cell.strip('"') for cell in cells)
    ]
    if len(known) == 1 and kind != "tagging":
        return "tsv" if known == ["\t"] else "csv"
    return ""


def _columns(asked: Question, kind: str) -> dict[str, tuple[Name, ...]]:
    """Our field -> its column's possible names."""
    fields = {name: names for name, names in TYPES.get(kind).fields.items() if name not in GOLD}
    columns: dict[str, tuple[Name, ...]] = {"id": ("id",), "language": ("language",), **fields, **asked.columns}
    if asked.language is None:
        del columns["language"]
    return columns


def _rows(asked: Question, kind: str, form: str) -> Iterator[Example]:
    columns = _columns(asked, kind)
    quoted = {"csv": True, "tsv": False}.get(asked.form)
    optional = {*_OPTIONAL, "language"} - asked.columns.keys() - ({"question"} if kind == "span_qa" else set())
    ids = Ids(asked.path)
    try:
        header = Header(columns, optional & columns.keys())
        for row in table_rows(asked.path, header, asked.language or "", quoted, kind=form):
            example = _make(kind, row)
            ids.new(example.id, row.line)
            yield example
    except DataError as error:  # speaks of an experiment file
        problem = re.sub(r"`columns: \{(\w+): \.\.\.\}`", r"--columns \1=...", error.problem)
        problem = problem.replace("`quoted: false`", "--format tsv").replace("`quoted: true`", "--format csv")
        raise DataError(problem, error.path, error.line) from None


def _lines(path: Path, kind: str) -> Iterator[Example]:
    """One sentence a line, its number as id; words end at blanks. Empty lines are left out."""
    if kind not in ("classification", "tagging"):
        raise DataError(f"{kind} needs columns: give a .jsonl, .csv or .tsv file", path)
    for line, text in enumerate(lines_of(path), start=1):
        if text.strip():
            tagged, single = (
                TaggedExample(str(line), tuple(text.split()), None),
                TextExample(str(line), text, None, None),
            )
            yield tagged if kind == "tagging" else single


def _sentences(asked: Question) -> Iterator[Example]:
    """One word a line; the column of words is read as that of tags, which are dropped. Of CoNLL-U it is the second."""
    words = asked.columns.get("words", (2 if is_conllu(asked.path) else 1,))
    named: dict[str, Name | Sequence[str]] = {"words": words[0], "tags": words[0]}
    named |= {name: names[0] for name, names in asked.columns.items() if name != "words"}
    reader = column_reader("tagging", named)
    for example in reader(asked.path, asked.language or "en"):
        assert isinstance(example, TaggedExample)
        yield replace(example, tags=None)


def reads_pairs(found: Finished, head: Head) -> bool | None:
    """Whether the head was trained on pairs of texts; None where its data is no longer there."""
    record = found.training_data(head)
    if record is None or not (record.sound().directory / "all").exists():
        return None
    features = Features.load(record.directory / "all")
    return bool((features.type_splits < np.diff(features.tokens.offsets)).any())


def check_pairs(examples: Sequence[Example], pairs: bool | None, path: Path) -> None:
    """Refuse single texts for a model of pairs, and pairs for a model of single texts. Raises `DataError`."""
    given = any(isinstance(example, TextExample) and example.pair is not None for example in examples)
    if pairs is True and not given:
        raise DataError(
            "the model reads pairs of texts, and here is no column 'pair'; name it: --columns pair=...", path
        )
    if pairs is False and given:
        raise DataError("the model reads single texts, and here is a column 'pair': leave it out", path)
