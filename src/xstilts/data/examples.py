"""Examples: untokenised instances with id and gold, one class per shape of data, and the same as rows of JSON.

Offsets count Unicode code points. Texts stay as the official file has them: stripping a passage would move every offset
behind it. `None` as gold means that the file has none (a blanked test set).
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from xstilts.core.files import read_jsonl


@dataclass(frozen=True, slots=True)
class TextExample:
    """One text or a pair of texts with a class label (XNLI, PAWS-X, SIB-200 ...)."""

    id: str
    text: str
    pair: str | None
    label: str | None


@dataclass(frozen=True, slots=True)
class ChoiceExample:
    """A context, an optional question, and choices of which one is right (HellaSwag, CommonsenseQA, XCOPA ...)."""

    id: str
    context: str
    question: str
    choices: tuple[str, ...]
    label: int | None


@dataclass(frozen=True, slots=True)
class Answer:
    """A gold answer: `passage[start : start + len(text)] == text`."""

    text: str
    start: int


@dataclass(frozen=True, slots=True)
class SpanExample:
    """A question and a passage; `answers` is empty when the passage has no answer, `None` when gold is withheld."""

    id: str
    question: str
    passage: str
    answers: tuple[Answer, ...] | None


@dataclass(frozen=True, slots=True)
class TaggedExample:
    """A sentence of words with one tag each (UD-POS, PAN-X ...)."""

    id: str
    words: tuple[str, ...]
    tags: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class ParallelExample:
    """A sentence and its translation (Tatoeba, NTREX, parallel corpora)."""

    id: str
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class PoolExample:
    """A query, or a candidate for queries (BUCC 2018, LAReQA, Mewsli-X).

    Attributes:
        pair: the context of the text (LAReQA's paragraph), if the task has one.
        gold: ids of a query's right candidates, perhaps none; `None` where gold is withheld, and for candidates.
        sample: part of a set that serves to tune a threshold and is not measured.
    """

    id: str
    text: str
    pair: str | None
    query: bool
    gold: tuple[str, ...] | None = None
    sample: bool = False


@dataclass(frozen=True, slots=True)
class PlainText:
    """A document or line of raw text, for masked-language modelling."""

    id: str
    text: str


@dataclass(frozen=True)
class Encoding:
    """How a task's texts become inputs. Lengths are in sub-words with special tokens.

    Attributes:
        stride: tokens from the start of one window of a passage to the start of the next (`doc_stride`).
        no_answer: whether a question may have no answer (SQuAD 2.0).
        join: whether raw lines are joined up to `max_length` (masked LM); else each line is one sequence.
        paired: share of masked-LM sequences framed as two texts, as later tasks will have pairs.
    """

    max_length: int = 128
    stride: int = 128
    max_question: int = 64
    max_answer: int = 30
    no_answer: bool = False
    join: bool = True
    paired: float = 0.0


Example = TextExample | ChoiceExample | SpanExample | TaggedExample | ParallelExample | PoolExample | PlainText

_TEXTS: Mapping[type, tuple[str, ...]] = {
    **dict.fromkeys((TextExample, PoolExample), ("text", "pair")),
    ChoiceExample: ("context", "question"),
    SpanExample: ("passage", "question"),
    TaggedExample: ("words",),
    ParallelExample: ("source", "target"),
    PlainText: ("text",),
}
_GOLD = {TextExample: "label", ChoiceExample: "label", SpanExample: "answers", TaggedExample: "tags"}
_KINDS: Mapping[str, Any] = {"text": TextExample, "choice": ChoiceExample, "span": SpanExample, "tagged": TaggedExample}


def texts_of(example: Example) -> list[str]:
    """The texts of an example: no choices, and words as one text."""
    values = (getattr(example, name) for name in _TEXTS[type(example)])
    return [value if isinstance(value, str) else " ".join(value) for value in values if value is not None]


def properties(example: Example) -> dict[str, int | str]:
    """The properties by which scores are broken down: the gold label, and lengths.

    Lengths are in characters, since some languages have no spaces; those of tagged sentences are in words.
    """
    match example:
        case TextExample(_, text, None, label):
            return {"label": label or "", "text length": len(text)}
        case TextExample(_, text, str(pair), label):
            return {"label": label or "", "first text length": len(text), "second text length": len(pair)}
        case ChoiceExample(_, context, question, _, label):
            lengths = {"context length": len(context), "question length": len(question)}
            right = "" if label is None else str(label + 1)
            return {"right choice": right, **{name: length for name, length in lengths.items() if length}}
        case SpanExample(_, question, passage, answers):
            answer = answers[0].text if answers else ""
            return {"context length": len(passage), "question length": len(question), "answer length": len(answer)}
        case TaggedExample(_, words):
            return {"sentence length": len(words)}
        case ParallelExample(_, source):
            return {"sentence length": len(source)}
        case PoolExample(_, text):
            return {"query length": len(text)}
    return {}


def asked(example: Example) -> bool:
    """Whether an example is trained on or measured itself; a pool's candidates and sample set only serve queries."""
    return not isinstance(example, PoolExample) or (example.query and not example.sample)


def gold_of(example: Example) -> Any:
    """The gold of an example: `None` where it is withheld, `()` for examples that have no gold."""
    if isinstance(example, PoolExample) and example.query:
        return example.gold
    return getattr(example, _GOLD[type(example)]) if type(example) in _GOLD else ()


def to_row(example: Example) -> dict[str, Any]:
    """A text, choice, span or tagged example as a JSON object, without loss."""
    return {"kind": next(name for name, kind in _KINDS.items() if isinstance(example, kind)), **asdict(example)}


def from_row(row: Mapping[str, Any]) -> Example:
    """The inverse of `to_row`, from parsed JSON."""
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items() if name != "kind"}
    if fields.get("answers"):
        fields["answers"] = tuple(Answer(**answer) for answer in fields["answers"])
    example: Example = _KINDS[row["kind"]](**fields)
    return example


def read_examples(path: Path) -> Iterator[Example]:
    """The examples of a file of such rows."""
    return (from_row(row) for _, row in read_jsonl(path))
