"""Examples: untokenised instances with id and gold, one class per shape of data.

Offsets count Unicode code points. Texts are kept exactly as the official file has them: stripping a passage moves
every offset behind it. `None` as gold means the file has none (a blanked test set), never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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
    """A query, or a candidate that queries may want (BUCC 2018, LAReQA, Mewsli-X).

    Attributes:
        pair: what stands around the text (LAReQA's paragraph, an entity's description), if the task has it.
        gold: the ids of the candidates a query wants, perhaps none; `None` where gold is withheld, and for candidates.
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


def texts_of(example: Example) -> list[str]:
    """The texts of an example: no choices, and words as one text."""
    values = (getattr(example, name) for name in _TEXTS[type(example)])
    return [value if isinstance(value, str) else " ".join(value) for value in values if value is not None]


def asked(example: Example) -> bool:
    """Whether an example is trained on or measured itself; a pool's candidates and sample set only serve queries."""
    return not isinstance(example, PoolExample) or (example.query and not example.sample)


def gold_of(example: Example) -> Any:
    """The gold of an example: `None` where it is withheld, `()` where there is none to withhold."""
    match example:
        case TextExample() | ChoiceExample():
            return example.label
        case SpanExample():
            return example.answers
        case TaggedExample():
            return example.tags
        case PoolExample(query=True):
            return example.gold
    return ()
