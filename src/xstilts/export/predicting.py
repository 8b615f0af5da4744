"""`xstilts predict`: reads a user's file, or values from Python, and answers with a finished model.

Tables (JSON, CSV, tab-separated, Parquet) are read by column. Plain text (`.txt`) has one sentence per line. Files of
words have one word per line, and an empty line after each sentence. Gold in a file is not read.
"""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xstilts.backbones.coder import Coder
from xstilts.core.errors import ConfigError, DataError, UnknownName
from xstilts.core.files import held, kind_of
from xstilts.core.languages import any_language
from xstilts.data.examples import Example, TaggedExample, TextExample
from xstilts.data.readers.common import FileRow, Ids, lines_of
from xstilts.data.readers.dialects import RECORDS, TABLES, table_of
from xstilts.data.readers.tables import Header, Name, table_rows
from xstilts.data.readers.tagging import is_conllu, sentences
from xstilts.data.readers.types import TYPES
from xstilts.export.finished import Finished, Head
from xstilts.stages.models import open_backbone, open_head
from xstilts.stages.predicting import AT_ONCE, Predictor
from xstilts.task_types import TASK_TYPES
from xstilts.task_types.features import Features
from xstilts.training.model import HeadSpec

FORMS = (*TABLES, "txt", "words")
"""Values of `--format`."""
CHUNK = 256
"""Examples between two reports of progress."""
Answer = Callable[[Sequence[Example]], Iterator[list[dict[str, Any]]]]
"""Examples -> rows (`id`, `prediction`, scores) as in the store, in the same order, one chunk at a time."""
Columns = Mapping[str, tuple[Name, ...]]
"""Field -> the file's column; for `choices` perhaps several."""
GOLD = ("label", "answers", "answer", "answer_start", "tags")


def _fields(kind: str) -> dict[str, tuple[Name, ...]]:
    """Fields of a task type without gold -> the usual names of their columns."""
    return {"id": ("id",), **{name: names for name, names in TYPES.get(kind).fields.items() if name not in GOLD}}


def parse_columns(words: str, kind: str) -> dict[str, tuple[Name, ...]]:
    """`text=body,choices=a+b+c` as field -> columns; `words=2` gives a number. Raises `ConfigError`."""
    known = [*_fields(kind), "language"]
    columns: dict[str, tuple[Name, ...]] = {}
    for part in filter(None, words.split(",")):
        name, _, column = part.partition("=")
        if name not in known or not column:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"fields of {kind} are {', '.join(known)}"
            raise ConfigError(f"--columns: '{part}' should be FIELD=COLUMN; {hint}")
        numbered = kind == "tagging" and column.isdecimal() and len(column) < 5
        columns[name] = tuple(column.split("+")) if name == "choices" else (int(column) if numbered else column,)
    return columns


def read_examples(
    path: Path, kind: str, columns: Columns | None = None, language: str | None = None, form: str = ""
) -> list[Example]:
    """All examples of a file, or those in `language` by its column `language`, for a task type that answers.

    `form` is one of `FORMS`; by default that of the suffix, or of the content without one. Raises `DataError` and
    `UnknownName`.
    """
    if form and form not in FORMS:
        raise UnknownName("format", form, FORMS)
    language = None if language is None else any_language(language).code
    named = columns or {}
    with held():
        said = form or kind_of(path) or _guess(path, kind, named)
        if said in RECORDS or (said in TABLES and kind != "tagging"):
            wanted = {"language": ("language",), **_fields(kind), **named}
            if language is None:
                del wanted["language"]
            optional = ({"id"} | TYPES.get(kind).optional) - named.keys()
            header = Header(wanted, optional, {"csv": True, "tsv": False}.get(form), kind=said)
            examples = list(_rows(path, kind, header, language or ""))
        elif language is not None and (said or kind == "tagging"):
            raise DataError(f"has no column that says the language: leave out --language {language}", path)
        elif said == "txt" and not (kind == "tagging" and is_conllu(path)):
            examples = list(_lines(path, kind))
        elif kind == "tagging" and said == "csv":
            raise DataError("tagging reads JSON, Parquet, .txt or words, not CSV: words need --format words", path)
        elif kind == "tagging":
            examples = list(_sentences(path, named))
        else:
            formats = ", ".join(FORMS[:-1])
            raise DataError(f"the format is not clear from name or content: give --format {formats}", path)
    if not examples:
        raise DataError("holds no examples" + (f" in language '{language}'" if language else ""), path)
    return examples


def examples_of(inputs: Any, kind: str) -> list[Example]:
    """Examples of the inputs of `Model.predict`; ids default to numbers from 0. Raises `DataError`."""
    if isinstance(inputs, str | bytes | Mapping):
        raise DataError(f"the inputs are one {'mapping' if isinstance(inputs, Mapping) else 'text'}: give a list")
    if hasattr(inputs, "itertuples"):  # pandas' data frame, which iterates over its columns
        inputs = inputs.to_dict("records")
    elif hasattr(inputs, "to_pylist"):
        inputs = inputs.to_pylist()
    fields, ids, examples = _fields(kind), Ids(Path("inputs")), []
    known = {name: field for field, names in fields.items() for name in names}
    for number, given in enumerate(inputs):
        record = {"id": str(number), **_record(given, kind, number)}
        columns = {known[name]: name for name in record if name in known}
        odd = [f"unknown field '{name}'" for name in record if name not in known]
        absent = [name for name in fields if name not in columns and name not in TYPES.get(kind).optional]
        if faults := [*odd, *(f"no field '{name}'" for name in absent)]:
            raise DataError(f"input {number}: {faults[0]} ({kind} has {', '.join(fields)})")
        examples.append(_make(kind, FileRow(record, Path("inputs"), number, number, columns)))
        ids.add(examples[-1].id, None, number)
    return examples


def _record(given: Any, kind: str, number: int) -> dict[str, Any]:
    """The fields of one input: a text, its words, or a mapping."""
    if isinstance(given, str):
        given = {"words": given.split()} if kind == "tagging" else {"text": given}
    elif kind == "tagging" and isinstance(given, list | tuple):
        given = {"words": given}
    elif not isinstance(given, Mapping):
        raise DataError(f"input {number}: expected a text or a mapping by field, found {type(given).__name__}")
    return {name: list(value) if isinstance(value, tuple | np.ndarray) else value for name, value in given.items()}


def _make(kind: str, row: FileRow) -> Example:
    make: Any = TYPES.get(kind).make
    example: Example = make(row, None)
    return example


def _guess(path: Path, kind: str, named: Columns) -> str:
    """The form of a file without suffix, such as a pipe; empty if its content is not clear."""
    table = table_of(path, quoted=False, kind="csv")
    if table.form != "columns":
        return table.form
    header = [cell.strip('"') for cell in next(table.cells(), (1, [""]))[1]]
    known = {name for names in {**_fields(kind), **named}.values() for name in names}
    if kind == "tagging" or len(header) < 2 or known.isdisjoint(header):
        return ""
    return "tsv" if table.separator == "\t" else "csv"


def _rows(path: Path, kind: str, header: Header, language: str) -> Iterator[Example]:
    ids = Ids(path)
    try:
        for row in table_rows(path, header, language):
            example = _make(kind, row)
            ids.add(example.id, row.line)
            yield example
    except DataError as error:  # it names keys of an experiment file; the command line has options
        problem = re.sub(r"`columns: \{(\w+): \.\.\.\}`", r"--columns \1=...", error.problem)
        problem = re.sub(r"(for (\w+); columns here: .*); did you mean '(.*)'\?", r"\1; say --columns \2=\3", problem)
        problem = problem.replace("`quoted: false`", "--format tsv").replace("`quoted: true`", "--format csv")
        raise DataError(problem, error.path, error.line) from None


def _lines(path: Path, kind: str) -> Iterator[Example]:
    """One sentence per line, with the line's number as id; words are separated by blanks."""
    if kind not in ("classification", "tagging"):
        raise DataError(f"{kind} needs columns: give a .jsonl, .csv or .tsv file", path)
    for line, text in enumerate(lines_of(path), start=1):
        if text.strip() and kind == "tagging":
            yield TaggedExample(str(line), tuple(text.split()), None)
        elif text.strip():
            yield TextExample(str(line), text, None, None)


def _sentences(path: Path, named: Columns) -> Iterator[Example]:
    """One word per line, by default in the first column, of CoNLL-U in the second; ids number the sentences."""
    (column,) = named.get("words", (2 if is_conllu(path) else 1,))
    if not isinstance(column, int):
        raise DataError(f"columns of a file of words have numbers, such as words=2, not names such as '{column}'", path)
    for number, rows in enumerate(sentences(path, [column]), start=1):
        yield TaggedExample(str(number), tuple(cells[column - 1] for _, cells in rows), None)


def reads_pairs(found: Finished, head: Head) -> bool | None:
    """Whether the head was trained on pairs of texts; None if its data was deleted."""
    record = found.training_data(head)
    if record is None or not (record.sound().directory / "all").exists():
        return None
    features = Features.load(record.directory / "all")
    return bool((features.type_splits < np.diff(features.tokens.offsets)).any())


def check_pairs(examples: Sequence[Example], pairs: bool | None, path: Path | None) -> None:
    """Raises `DataError` for single texts and a model of pairs, and for pairs and a model of single texts.

    Args:
        pairs: as of `reads_pairs`.
        path: their file; None for values from Python.
    """
    given = [isinstance(example, TextExample) and example.pair is not None for example in examples]
    if pairs is True and not all(given):
        lacks = "no column is named 'pair': give --columns pair=..." if path else f"input {given.index(False)} has none"
        raise DataError(f"the model reads pairs of texts, and {lacks}", path)
    if pairs is False and any(given):
        has = "the file has a column 'pair'" if path else f"input {given.index(True)} has a `pair`"
        raise DataError(f"the model reads single texts, and {has}: leave it out", path)


def answering_head(found: Finished, task: str | None) -> Head:
    """The head that answers. Raises `ConfigError` if it does not answer single examples."""
    head = found.head(task)
    if not head.kind or not TYPES.get(head.kind).answers:
        has = ", ".join(f"{one.task} ({one.type})" for one in found.heads) or "none"
        types = ", ".join(kind.name for kind in TYPES if kind.answers)
        raise ConfigError(f"stage {found.model.key} has no head that can predict, of {types} (its heads: {has})")
    return head


def open_answering(found: Finished, head: Head, device: str = "cpu", tokens: int = AT_ONCE) -> Answer:
    """The model with one of its heads on a device, in the precision of its training or measurement."""
    backbone = open_backbone(found.model.directory)
    module = open_head(found.model.directory, HeadSpec(*head), backbone)
    task_type = TASK_TYPES.get(head.type).suited(backbone)
    predict = Predictor(backbone, module, task_type, head.labels, device, tokens, found.precision)
    coder, encoding = Coder(backbone.tokenizer), found.encoding(head)

    def answer(examples: Sequence[Example]) -> Iterator[list[dict[str, Any]]]:
        for begin in range(0, len(examples), CHUNK):
            features = task_type.encode(examples[begin : begin + CHUNK], coder, encoding, head.labels)
            yield [prediction.row() for prediction in predict(features, encoding)]

    return answer
