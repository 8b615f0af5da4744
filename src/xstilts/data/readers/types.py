"""Task types as values (`types.toml`), without torch, and how a row of a user's table becomes an example of each.

Invalid values are errors with file and line. Without `Gold`, the gold of a row is not read: inputs of a finished model
have none.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, TypeAdapter

from xstilts.core.errors import DataError
from xstilts.core.registry import Registry
from xstilts.data import examples as ex
from xstilts.data.readers.common import FileRow, one_of, shown
from xstilts.data.readers.labels import clean
from xstilts.data.readers.tables import Name, missing


@dataclass
class Gold:
    """The gold that is allowed, and what was seen of it in one file.

    Attributes:
        labels: classes or tags; for choices their names in order; empty: any (for choices numbers and letters).
        count_from: the number of the first choice; None: 0 is expected.
        cleaned: labels as the file writes them, where they are read differently.
        numbers: choices given by number without `count_from`, as the file writes them.
    """

    labels: tuple[str, ...] = ()
    no_answer: bool = False
    count_from: int | None = None
    cleaned: Counter[str] = field(default_factory=Counter)
    numbers: Counter[int] = field(default_factory=Counter)

    def clean(self, raw: str) -> str:
        """A label or tag without the blanks around it."""
        label = clean(raw)
        if label != raw:
            self.cleaned[raw] += 1
        return label

    def label(self, raw: str, path: Path, line: int | None) -> str:
        """A label without the blanks around it, if it is allowed; it may be empty where any label is allowed."""
        label = self.clean(raw)
        return one_of(label, self.labels, path, line) if self.labels else label

    def choice(self, row: FileRow, names: Sequence[str], texts: Sequence[str]) -> int:
        """Which of the choices is right, from 0: by its name, else by letter or number."""
        label, size = self.clean(_label(row)), len(texts)
        if known := names or self.labels[:size]:
            if label in known:
                return known.index(label)
            hint = "" if names else "; leave out `labels` if choices are called by letter or number (`count_from`)"
            raise row.error(f"unknown label {shown(label)}; labels are {', '.join(known)[:200]}{hint}")
        if re.fullmatch("[A-Za-z]", label):
            found = ord(label.upper()) - ord("A")
            if found >= size:
                raise row.error(f"label {shown(label)} with {size} choices, A to {chr(ord('A') + size - 1)}")
            return self._certain(found, label, row, texts)
        first = self.count_from or 0
        if not re.fullmatch("[0-9]{1,3}", label) or not first <= int(label) < first + size:
            guess = self.count_from is None and label == str(size)
            hint = "; if they count from 1, say `count_from: 1`" * guess
            raise row.error(f"label should be a number from {first} to {first + size - 1}, found {shown(label)}{hint}")
        self.numbers[int(label)] += self.count_from is None
        return self._certain(int(label) - first, label, row, texts)

    def _certain(self, place: int, label: str, row: FileRow, texts: Sequence[str]) -> int:
        """The place that a letter or number gives, unless it is also the text of another choice."""
        others = [number for number, text in enumerate(map(clean, texts)) if number != place and text == label]
        if others and self.count_from is None and clean(texts[place]) != label and isinstance(row.value("label"), str):
            problem = f"label {shown(label)} means choice {place + 1}, and is the text of choice {others[0] + 1}"
            raise row.error(f"{problem}: say `count_from: 0` (or 1) if labels are places, else give the places")
        return place

    def check_counting(self, path: Path) -> None:
        """Refuse a file whose choices are numbered and never 0: they may count from 1. Raises `DataError`."""
        count = self.numbers.total()
        if count and not self.numbers[0]:
            rows = f"{count} rows" if count > 1 else "the only row"
            problem = f"no label is 0 in {rows}: do the choices count from 1? Say `count_from: 1`, or `count_from: 0`"
            raise DataError(f"{problem} if the first choice is never right", path)


def _label(row: FileRow) -> str:
    value = row.value("label")
    if value is None or value != value or (isinstance(value, str) and not clean(value)):
        raise row.error(f"'{row.column('label')}' is empty: leave out rows without gold")
    return row.name("label")


def make_text(row: FileRow, gold: Gold | None) -> ex.Example:
    """A text or a pair of texts, and its label."""
    pair = row.text("pair") if "pair" in row.columns else None
    label = gold.label(_label(row), row.path, row.line) if gold else None
    return ex.TextExample(row.id(), row.text("text"), pair, label)


def make_choice(row: FileRow, gold: Gold | None) -> ex.Example:
    """A context, a question and choices, of which one is right."""
    choices, names = _choices(row)
    if len(choices) < 2 or not all(map(str.strip, choices)):
        raise row.error("choices should be two or more texts; only the last ones may be empty")
    context, question = (row.text(field) if field in row.columns else "" for field in ("context", "question"))
    if not context and not question:
        raise row.error("the row has neither context nor question")
    label = gold.choice(row, names, choices) if gold else None
    return ex.ChoiceExample(row.id(), context, question, choices, label)


def _choices(row: FileRow) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The choices, and their names in the row itself: `{text: [...], label: [...]}` or `[{text, label}, ...]`."""
    if several := [field for field in row.columns if re.fullmatch("choices[0-9]+", field)]:
        while len(several) > 2 and not str(row.value(several[-1]) or "").strip():  # fewer choices than columns
            several.pop()
        return tuple(row.text(field) for field in several), ()
    value = row.value("choices")
    if isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
        value = {name: [entry.get(name) for entry in value] for name in ("text", "label")}
    if not isinstance(value, dict):
        return row.texts("choices"), ()
    texts, names = value.get("text"), value.get("label")
    if not isinstance(texts, list) or not isinstance(names, list) or len(texts) != len(names):
        raise row.error("choices should be a list of texts, or two lists `text` and `label` of the same length")
    called = tuple(clean(str(name)) for name in names)
    if len(set(called)) < len(called):
        raise row.error(f"two choices have the same label: {', '.join(called)[:60]}")
    return FileRow({"choices": texts}, row.path, row.line).texts("choices"), called


def make_span(row: FileRow, gold: Gold | None) -> ex.Example:
    """A question and a passage, with the answers in it."""
    passage = row.text("passage")
    answers = tuple(_answer(row, text, start, passage) for text, start in _answers(row)) if gold else None
    if answers and row.record.get("is_impossible") is True:
        raise row.error("`is_impossible` is true, but there are answers: leave them out, or make it false")
    if gold and not answers and not gold.no_answer:
        raise row.error("a question without answer; `metric: squad_v2` is for such data")
    return ex.SpanExample(row.id(), row.text("question"), passage, answers)


def _answers(row: FileRow) -> list[tuple[Any, Any]]:
    """Pairs (text, start): of a list of objects, of an object of two lists, or of two columns, empty for no answer."""
    if "answers" not in row.columns:
        if not {"answer", "answer_start"} <= row.columns.keys():
            raise missing("answers", ("answers", "answer", "answer_start"), row.record, row.path, row.line)
        pair = (row.value("answer"), row.value("answer_start"))
        if pair[0] not in ("", None):
            return [pair]
        if re.fullmatch(r"0*[1-9][0-9]*(\.0*)?", str(pair[1]).strip()):
            raise row.error(f"the answer is empty, but it starts at {pair[1]}: leave both empty if there is no answer")
        return []
    value = row.value("answers")
    if isinstance(value, dict):
        texts, starts = value.get("text"), value.get("answer_start", value.get("start"))
        if isinstance(texts, list) and isinstance(starts, list) and len(texts) == len(starts):
            return list(zip(texts, starts))
    elif isinstance(value, list) and all(isinstance(entry, dict) for entry in value):
        return [(entry.get("text"), entry.get("start", entry.get("answer_start"))) for entry in value]
    raise row.error("answers should be a list of {text, start}")


def _answer(row: FileRow, text: Any, start: Any, passage: str) -> ex.Answer:
    """An answer that is at its place, in code points."""
    if isinstance(start, str) and start.isascii() and start.isdigit() and len(start) < 10:
        start = int(start)
    if not isinstance(text, str) or not text or type(start) is not int:
        raise row.error(f"an answer is text and a start in code points, found {str(text)[:40]!r} and {start!r}")
    if not clean(text):
        raise row.error("an answer is blank: leave it out")
    if start < 0 or passage[start : start + len(text)] != text:
        place = passage.find(text)
        found = f"it is at {place}" if place >= 0 else "the passage does not have it"
        raise row.error(f"answer {text[:40]!r} is not at {start} of the passage; {found}")
    return ex.Answer(text, start)


def make_words(row: FileRow, gold: Gold | None) -> ex.Example:
    """A sentence of words with a tag each."""
    words = row.texts("words")
    tags = tuple(gold.label(tag, row.path, row.line) for tag in row.texts("tags")) if gold else None
    if not words or not all(words):
        raise row.error("words should be a list of texts, none of them empty")
    if tags is not None and len(tags) != len(words):
        raise row.error(f"expected a tag for every word, found {len(words)} words and {len(tags)} tags")
    if tags and not all(tags):
        raise row.error("an empty tag")
    return ex.TaggedExample(row.id(), words, tags)


def make_parallel(row: FileRow, gold: Gold | None) -> ex.Example:
    """A sentence and its translation."""
    source, target = row.text("source"), row.text("target")
    if not source.strip() or not target.strip():
        raise row.error("an empty sentence")
    return ex.ParallelExample(row.id(), source, target)


def make_raw(row: FileRow, gold: Gold | None) -> ex.Example | None:
    """A line of raw text; none if it is blank."""
    text = row.text("text")
    return ex.PlainText(row.id(), text) if text.strip() else None


@dataclass(frozen=True)
class Usual:
    """A plan's assumptions about data that is not prepared yet; `types.toml` explains each number."""

    tokens: int = 64
    segments: int = 1
    instances: float = 1.0
    predicted: float = 0.0
    passes: float = 1.0
    feature: float = 4.0
    record: float = 70.0
    prediction: float = 110.0


@dataclass(frozen=True)
class Type:
    """A task type: an entry of `types.toml`, which says what each key is."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: str
    machinery: str
    fields: Mapping[str, tuple[Name, ...]] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    make: Annotated[
        Callable[[FileRow, Gold | None], ex.Example | None] | None, BeforeValidator(lambda name: globals()[name])
    ] = None
    rules: int = 1
    encoding: int = 1
    metrics: tuple[str, ...] = ()
    max_length: int = 128
    labels: str = ""
    in_text: str = ""
    asks: str = ""
    answers: str = ""
    raw: bool = False
    fills: bool = False
    trained: bool = True
    cosine: bool = False
    read_by: tuple[str, ...] = ()
    trained_by: tuple[str, ...] = ()
    judged_by: tuple[str, ...] = ()
    options: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    translated: bool = False
    projected: bool = False
    score: str = ""
    usual: Usual = Usual()

    @property
    def vectors(self) -> bool:
        """Whether it has no head and uses sentence vectors alone."""
        return bool(self.read_by or self.cosine)


TYPES: Registry[Type] = Registry("task type")


def asked_type(name: str) -> Type:
    """The type that a head would have, for one whose answers a model writes as text; else the type itself."""
    kind = TYPES.get(name)
    return TYPES.get(kind.asks) if kind.asks else kind


for _name, _row in tomllib.loads(Path(__file__).with_name("types.toml").read_text("utf-8")).items():
    TYPES.add(_name, TypeAdapter(Type).validate_python({"name": _name, **_row}))
