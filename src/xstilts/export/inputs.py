"""What a finished model is asked: a user's file in any of the forms of an own task, without gold.

JSON lines, CSV and tab-separated tables by column; lines of words with an empty line behind each sentence, CoNLL-U too;
plain text (`.txt`), one sentence a line. Gold in a file is not read. Every fault is named with file and line.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from xstilts.core.errors import ConfigError, DataError
from xstilts.core.languages import code_of
from xstilts.data.examples import Example, TaggedExample, TextExample
from xstilts.data.readers.columns import FIELDS, column_reader
from xstilts.data.readers.common import Ids, lines_of
from xstilts.data.readers.shapes import MAKERS
from xstilts.data.readers.tables import TABLES, Header, Name, Row, suffix, table_rows
from xstilts.data.readers.words import is_conllu
from xstilts.export.finished import Finished, Head
from xstilts.task_types.features import Features

ANSWERING = ("classification", "tagging", "span_qa", "multiple_choice")
"""Task types of which a model answers for single examples."""
GOLD = ("label", "answers", "answer", "answer_start", "tags")
_OPTIONAL = ("id", "pair", "context", "question")


@dataclass(frozen=True)
class Question:
    """A file and how it is read.

    Attributes:
        columns: our field -> the file's column; for `choices` perhaps several.
        language: only rows of this language, where the file has a column `language`.
    """

    path: Path
    columns: Mapping[str, tuple[Name, ...]] = field(default_factory=dict)
    language: str | None = None


def parse_columns(words: str, kind: str) -> dict[str, tuple[Name, ...]]:
    """`text=body,choices=a+b+c` as field -> names of columns; of words numbers. Raises `ConfigError`."""
    known = [name for name in (*FIELDS[kind], "id", "language") if name not in GOLD]
    columns: dict[str, tuple[Name, ...]] = {}
    for part in filter(None, words.split(",")):
        name, equals, column = part.partition("=")
        if name not in known or not column:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"fields of {kind} are {', '.join(known)}"
            raise ConfigError(f"--columns: '{part}' should be FIELD=COLUMN; {hint}" + ("" if equals else " (no '=')"))
        names = column.split("+") if name == "choices" else [column]
        columns[name] = tuple(int(one) if one.isdigit() and kind == "tagging" else one for one in names)
    return columns


def read_examples(asked: Question, kind: str) -> list[Example]:
    """All examples of a file, without gold.

    Raises:
        DataError: with file and line: a column that is not there, text that is none, another form, no example at all.
        UnknownName: no such language.
    """
    if asked.language is not None:
        asked = replace(asked, language=code_of(asked.language))
    if kind not in ANSWERING:
        raise ConfigError(f"a model of type '{kind}' answers no questions about a file")
    form = suffix(asked.path)
    if form in TABLES and not (kind == "tagging" and form != "jsonl"):
        examples = list(_rows(asked, kind))
    elif form == "txt" and not (kind == "tagging" and is_conllu(asked.path)):
        examples = list(_lines(asked.path, kind))
    elif kind == "tagging":
        examples = list(_sentences(asked))
    else:
        raise DataError(
            "is read from .jsonl, .csv and .tsv (tables) or .txt (one sentence a line), .gz behind it or not",
            asked.path,
        )
    if not examples:
        raise DataError("holds no examples" + (f" in language '{asked.language}'" * bool(asked.language)), asked.path)
    return examples


def examples_of(inputs: Iterable[str | Mapping[str, Any]], kind: str) -> list[Example]:
    """Examples of texts, or of mappings by field, numbered from 0 where they have no `id`. Raises `DataError`."""
    fields = [name for name in ("id", *FIELDS[kind]) if name not in GOLD]
    examples = []
    for number, given in enumerate(inputs):
        record = {"text" if kind == "classification" else fields[-1]: given} if isinstance(given, str) else dict(given)
        if kind == "tagging" and isinstance(given, str):
            record = {"words": given.split()}
        record.setdefault("id", str(number))
        if odd := [name for name in record if name not in fields]:
            raise DataError(f"input {number}: unknown field '{odd[0]}' ({kind} has {', '.join(fields)})")
        try:
            example = MAKERS[kind](Row(record, {name: name for name in record}, Path("inputs"), number), None)
        except KeyError as error:
            raise DataError(f"input {number}: no field {error} ({kind} has {', '.join(fields)})") from None
        assert example is not None
        examples.append(example)
    return examples


def _rows(asked: Question, kind: str) -> Iterator[Example]:
    fields = {name: names for name, names in FIELDS[kind].items() if name not in GOLD}
    columns: dict[str, tuple[Name, ...]] = {"id": ("id",), "language": ("language",), **fields, **asked.columns}
    if asked.language is None:
        del columns["language"]
    optional = {*_OPTIONAL, "language"} - asked.columns.keys() - ({"question"} if kind == "span_qa" else set())
    ids = Ids(asked.path)
    try:
        for row in table_rows(asked.path, Header(columns, optional & columns.keys()), asked.language or ""):
            example = MAKERS[kind](row, None)
            assert example is not None
            ids.new(example.id, row.line)
            yield example
    except DataError as error:  # speaks of an experiment file
        problem = re.sub(r"`columns: \{(\w+): \.\.\.\}`", r"--columns \1=...", error.problem)
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
