"""From rows of tables to examples, for every task type; what does not fit is an error with file and line.

Without `Gold`, the gold of a row is not read: what a finished model is asked has none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from xstilts.data.examples import (
    Answer,
    ChoiceExample,
    Example,
    ParallelExample,
    PlainText,
    SpanExample,
    TaggedExample,
    TextExample,
)
from xstilts.data.readers.common import index, one_of
from xstilts.data.readers.tables import Row, missing


class Gold(NamedTuple):
    """What gold may be.

    Attributes:
        labels: classes or tags; for choices their names in order; empty: any (for choices numbers from 0).
        no_answer: whether a question may have none.
    """

    labels: tuple[str, ...] = ()
    no_answer: bool = False


def _text(row: Row, gold: Gold | None) -> Example:
    pair = row.text("pair") if "pair" in row.columns else None
    return TextExample(row.id(), row.text("text"), pair, row.label(gold.labels) if gold else None)


def _choice(row: Row, gold: Gold | None) -> Example:
    several = [field for field in row.columns if re.fullmatch("choices[0-9]+", field)]
    choices = tuple(row.text(field) for field in several) if several else row.texts("choices")
    if len(choices) < 2 or not all(choices):
        raise row.error("choices should be two or more texts, none of them empty")
    context, question = (row.text(field) if field in row.columns else "" for field in ("context", "question"))
    if not context and not question:
        raise row.error("neither context nor question")
    label = None
    if gold and not gold.labels:
        label = index(row.value("label"), len(choices), row.path, row.line)
    elif gold:
        label = gold.labels.index(row.label(gold.labels[: len(choices)]))
    return ChoiceExample(row.id(), context, question, choices, label)


def _span(row: Row, gold: Gold | None) -> Example:
    passage = row.text("passage")
    if gold is None:
        return SpanExample(row.id(), row.text("question"), passage, None)
    answers = tuple(_answer(row, text, start, passage) for text, start in _answers(row))
    if not answers and not gold.no_answer:
        raise row.error("a question without answer; `metric: squad_v2` is for such data")
    return SpanExample(row.id(), row.text("question"), passage, answers)


def _answers(row: Row) -> list[tuple[Any, Any]]:
    """Pairs (text, start): of a list of objects, of an object of two lists, or of two columns, empty for no answer."""
    if "answers" not in row.columns:
        for field in ("answer", "answer_start"):
            if field not in row.columns:
                raise missing("answers", ("answers", "answer", "answer_start"), row.record, row.path, row.line)
        pair = (row.value("answer"), row.value("answer_start"))
        return [] if pair[0] in ("", None) else [pair]
    value = row.value("answers")
    if isinstance(value, dict):
        texts, starts = value.get("text"), value.get("answer_start", value.get("start"))
        if isinstance(texts, list) and isinstance(starts, list) and len(texts) == len(starts):
            return list(zip(texts, starts))
    elif isinstance(value, list) and all(isinstance(entry, dict) for entry in value):
        return [(entry.get("text"), entry.get("start", entry.get("answer_start"))) for entry in value]
    raise row.error("answers should be a list of {text, start}")


def _answer(row: Row, text: Any, start: Any, passage: str) -> Answer:
    """An answer that is at its place, in code points."""
    if isinstance(start, str) and start.isascii() and start.isdigit() and len(start) < 10:
        start = int(start)
    if not isinstance(text, str) or not text or not isinstance(start, int) or isinstance(start, bool):
        raise row.error(f"an answer is text and a start in code points, found {str(text)[:40]!r} and {start!r}")
    if start < 0 or passage[start : start + len(text)] != text:
        place = passage.find(text)
        found = f"it is at {place}" if place >= 0 else "the passage does not have it"
        raise row.error(f"answer {text[:40]!r} is not at {start} of the passage; {found}")
    return Answer(text, start)


def _words(row: Row, gold: Gold | None) -> Example:
    words = row.texts("words")
    if gold is None:
        if not words or not all(words):
            raise row.error("words should be a list of texts, none of them empty")
        return TaggedExample(row.id(), words, None)
    tags = row.texts("tags")
    if len(words) != len(tags) or not words or not all(words):
        raise row.error(f"expected a tag for every word, found {len(words)} words, none of them empty, and {len(tags)}")
    for tag in tags if gold.labels else ():
        one_of(tag, gold.labels, row.path, row.line)
    return TaggedExample(row.id(), words, tags)


def _parallel(row: Row, gold: Gold | None) -> Example:
    source, target = row.text("source"), row.text("target")
    if not source.strip() or not target.strip():
        raise row.error("an empty sentence")
    return ParallelExample(row.id(), source, target)


def _raw(row: Row, gold: Gold | None) -> Example | None:
    text = row.text("text")
    return PlainText(row.id(), text) if text.strip() else None


MAKERS: Mapping[str, Callable[[Row, Gold | None], Example | None]] = {
    "classification": _text,
    "multiple_choice": _choice,
    "span_qa": _span,
    "tagging": _words,
    "retrieval": _parallel,
    "contrastive": _parallel,
    "masked_lm": _raw,
}
"""Task type -> what makes an example of a row; none of blank raw text. Each raises `DataError`."""
