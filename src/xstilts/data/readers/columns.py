"""A user's own files, by column: JSON lines, CSV, tab-separated tables, and lines of words and tags.

A value says which column holds which field of an example, so that it can go to workers and into keys. Skipped: empty
rows, rows of other languages where a column says the language, blank raw text, and `-DOCSTART-`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from xstilts.core.errors import DataError
from xstilts.core.files import kind_of
from xstilts.core.languages import meant
from xstilts.data.examples import Example, TaggedExample, gold_of
from xstilts.data.readers.common import Placed, check, lines_of
from xstilts.data.readers.dialects import RECORDS, TABLES, dialect_of
from xstilts.data.readers.labels import doubt
from xstilts.data.readers.tables import Header, Name, languages_told, listed, spellings, table_rows
from xstilts.data.readers.tagging import sentences
from xstilts.data.readers.text import plain_lines
from xstilts.data.readers.types import TYPES, Gold

_MOST_LABELS = 200
_WORDS, _TAGS = "word words token tokens form".split(), "tag tags pos upos xpos ner label labels".split()


@dataclass(frozen=True)
class ColumnReader:
    """A reader `(path, language) -> examples`, as a value.

    Attributes:
        type: the task type, which has `fields`.
        columns: field -> names of its column, of which the first that exists counts; several for `choices` mean one
            column per choice. Besides the type's fields `id` and `language`.
        labels: classes or tags, or the names of the choices in their order; empty: any (numbers from 0 for choices).
        quoted: whether tables are in CSV quoting; None: by their content.
        separator: what separates columns of tables; empty: by name and content.
        count_from: the number of the first choice, where labels are numbers; None: 0, if the files confirm it.
    """

    type: str
    columns: Mapping[str, tuple[Name, ...]]
    optional: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    no_answer: bool = False
    quoted: bool | None = None
    separator: str = ""
    count_from: int | None = None

    def __call__(self, path: Path, language: str) -> Iterator[Example]:
        """All examples of one file; without `id` column the id is the line's number, of words and tags the sentence's.

        Raises `DataError` with file and line for a missing column, an unknown label, an answer that is not at its
        place, or another value that does not fit.
        """
        return (example for _, example in self.placed(path, language))

    def placed(self, path: Path, language: str, cleaned: Counter[str] | None = None) -> Placed:
        """Examples with their lines; `cleaned` counts labels read without the blanks around them, as in the file."""
        kind = TYPES.get(self.type)
        if kind.raw and kind_of(path) not in TABLES and self.columns["text"] == kind.fields["text"]:
            return ((None, example) for example in plain_lines(path, language))  # of any size: no ids are remembered
        return check(self._examples(path, language, Counter() if cleaned is None else cleaned), path, language)

    def _examples(self, path: Path, language: str, cleaned: Counter[str]) -> Placed:
        kind = TYPES.get(self.type)
        gold = Gold(self.labels, self.no_answer, self.count_from, cleaned)
        if self.type == "tagging" and not self._is_table(path):
            yield from self._sentences(path, gold)
        else:
            assert kind.make is not None
            for row in table_rows(path, self.header, language):
                if example := kind.make(row, gold):
                    yield row.line, example
            gold.check_counting(path)

    def _sentences(self, path: Path, gold: Gold) -> Placed:
        """Lines of words and tags; the id is the sentence's number."""
        if "language" in self.columns:
            problem = "lines of words and tags have no column for language; put {language} into the file's name"
            raise DataError(problem, path)
        if kind_of(path) == "csv" and re.fullmatch(r"[^ \t]+,[^ \t]+", next(iter(lines_of(path)), "")):
            raise DataError("tagging reads JSON, Parquet or tagged words (one per line), not CSV", path)
        columns = [next((name for name in self.columns[one] if isinstance(name, int)), 0) for one in ("words", "tags")]
        if not all(columns):
            field = "tags" if columns[0] else "words"
            problem = f"columns of words and tags have numbers here (`columns: {{{field}: 2}}`), not names"
            raise DataError(problem, path)
        for count, sentence in enumerate(sentences(path, columns), start=1):
            words: list[str] = []
            tags: list[str] = []
            for line, fields in sentence:
                word, tag = (fields[number - 1] for number in columns)
                if not words and count == 1 and word.lower() in _WORDS and tag.lower() in _TAGS:
                    raise DataError(f"the first line is a header ({word}, {tag}): remove it", path, line)
                tag = gold.label(tag, path, line) if columns[0] != columns[1] else tag
                if not word or not tag:
                    raise DataError("an empty word or tag", path, line)
                words.append(word)
                tags.append(tag)
            yield sentence[0][0], TaggedExample(str(count), tuple(words), tuple(tags))

    @property
    def header(self) -> Header:
        """The column names of a table, and how it is written."""
        return Header(self.columns, self.optional, self.quoted, self.separator)

    def to_json(self) -> dict[str, Any]:
        """The value for keys and workers."""
        told = {**asdict(self), "quoted": "no" if self.quoted is False else bool(self.quoted)}  # keys: false is None
        told = {name: value for name, value in told.items() if value not in (None, "") or name == "quoted"}
        rules = TYPES.get(self.type).rules
        return {**told, "rules": rules} if rules > 1 else told

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ColumnReader:
        """The inverse of `to_json`, from parsed JSON."""
        columns = {field: tuple(names) for field, names in value["columns"].items()}
        told: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in value.items()}
        told |= {"columns": columns, "quoted": {"no": False, True: True}.get(value["quoted"])}
        told.pop("rules", None)
        return cls(**told)

    def dialect(self, path: Path) -> str:
        """The format of a table beyond what its name says: `semicolons, UTF-16`; may be empty."""
        return dialect_of(path, self.quoted, self.separator) if self._is_table(path) else ""

    def _is_table(self, path: Path) -> bool:
        """Whether a file has rows with named columns; tagged words in lines may be called `.tsv` or `.csv`."""
        return kind_of(path) in (RECORDS if self.type == "tagging" else TABLES)

    def columns_told(self, path: Path, language: str) -> str:
        """Which columns of a table hold what, and which are not read; empty for lines."""
        if not self._is_table(path) or (row := next(table_rows(path, self.header, language), None)) is None:
            return ""
        read = [field if field == name else f"{field} from '{name}'" for field, name in row.columns.items()]
        other = [f"'{name}'" for name in row.record if name not in row.columns.values()]
        return ", ".join(read) + (f"; not read: {', '.join(other)}" if other else "")

    def parts(self, path: Path, language: str) -> frozenset[str]:
        """Which of the texts that files may lack (pair, context, question) are in the first row of a table."""
        if not self._is_table(path) or (row := next(table_rows(path, self.header, language), None)) is None:
            return frozenset()
        return frozenset(row.columns) & {"pair", "context", "question"}.intersection(self.optional)

    def spoken(self, paths: Sequence[Path], languages: Sequence[str]) -> list[str]:
        """The languages that files have rows in by their `language` column; all of them without that column."""
        if "language" not in self.columns or not all(map(self._is_table, paths)):
            return list(languages)
        said = {said for path in paths for said in spellings(path, self.header)}
        said |= {meant(one) for one in said}
        return [code for code in languages if code in said]

    def languages_told(self, path: Path, languages: Collection[str], read: Collection[str]) -> list[str]:
        """Notes on a table's `language` column, as of `tables.languages_told`, and on one that is not listed."""
        if "language" in self.columns:
            return languages_told(path, self.header, languages, read)
        said = Counter[str]()
        if self._is_table(path):
            columns, optional = {**self.columns, "language": ("language",)}, (*self.optional, "language")
            with suppress(DataError):  # in some rows alone, or no text: then it is something else
                said = spellings(path, replace(self.header, columns=columns, optional=optional))
        others = Counter({one: number for one, number in said.items() if (code := meant(one)) and code not in read})
        problem = f"the column 'language' is not listed, so all rows count as {', '.join(sorted(read))}"
        return [f"{problem}, even {listed(others)}; say `columns: {{language: language}}`"] * bool(others)


def column_reader(
    kind: str,
    named: Mapping[str, Name | Sequence[str]],
    labels: Sequence[str] = (),
    no_answer: bool = False,
    count_from: int | None = None,
) -> ColumnReader:
    """A reader for a task type. Columns in `named` are required in every file; the others are the type's `fields`."""
    given = {field: (name,) if isinstance(name, str | int) else tuple(name) for field, name in named.items()}
    columns = {"id": ("id",), **TYPES.get(kind).fields, **given}
    for one, others in (("answers", ("answer", "answer_start")), ("answer", ("answers",))):
        if one in given:
            columns = {field: names for field, names in columns.items() if field in given or field not in others}
    optional = ({"id"} | TYPES.get(kind).optional) - given.keys()
    have = tuple(sorted(optional & columns.keys()))
    return ColumnReader(kind, columns, have, tuple(labels), no_answer, count_from=count_from)


def held_twice(kind: str, named: Mapping[str, Name | Sequence[str]]) -> tuple[str, str] | None:
    """A field whose column also holds another field or choice, and the problem in words."""
    holds: dict[Name, str] = {}
    for field, names in column_reader(kind, named).columns.items():
        if field not in named:  # of several usual names, the number is certain in lines
            certain = field not in TYPES.get(kind).optional | {"id"} and (len(names) == 1 or kind == "tagging")
            names = names[-1:] if certain else ()
        for name in names:
            if name in holds:
                both = f"`{holds[name]}` and `{field}`" if holds[name] != field else f"two of `{field}`"
                return field, f"column '{name}' is used for {both}: give each field its own column"
            holds[name] = field
    return None


def labels_in(reader: ColumnReader, paths: Sequence[Path], language: str) -> tuple[str, ...]:
    """The labels that occur in some files, sorted by code points.

    Raises `DataError` as reading does, for a single label, for more than classes can be, and for the first row of a
    label that looks like a typing mistake (`doubt`).
    """
    counts: Counter[str] = Counter()
    first: dict[str, tuple[Path, int | None]] = {}
    for path in paths:
        for line, example in replace(reader, labels=()).placed(path, language):
            gold = gold_of(example)
            for label in (gold,) if isinstance(gold, str) else gold or ():
                counts[label] += 1
                first.setdefault(label, (path, line))
            if len(counts) > _MOST_LABELS:
                shown = ", ".join(sorted(counts)[:3])
                raise DataError(f"more than {_MOST_LABELS} different labels ({shown} ...): give `labels:`", path)
    if found := doubt(counts, reader.type == "tagging"):
        raise DataError(found[1], *first[found[0]])
    if len(counts) < 2:
        where = f" in rows of '{language}'" * ("language" in reader.columns)
        raise DataError(f"only one label{where}, {', '.join(map(repr, counts))}: give `labels:`", paths[0])
    return tuple(sorted(counts))
