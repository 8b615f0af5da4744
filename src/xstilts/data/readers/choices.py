"""Multiple choice: HellaSwag, CommonsenseQA, Social IQa, COPA and XCOPA, Cosmos QA.

Labels count from 0; a file without gold gives `None`. Sources: the official files; Zellers et al. 2019, Talmor et al.
2019, Sap et al. 2019, Roemmele et al. 2011, Ponti et al. 2020, Huang et al. 2019.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xstilts.core.errors import DataError
from xstilts.core.files import kind_of, read_text
from xstilts.data.examples import ChoiceExample, Example
from xstilts.data.readers.common import (
    Ids,
    Record,
    checked,
    index,
    lines_of,
    one_of,
    records_with,
    shown,
    text,
    written,
)

COPA_QUESTIONS = {"cause": "What was the cause?", "effect": "What was the effect?"}
"""The wording of XTREME-R's `run_xcopa.py`, English for every language."""

BLANKED = 20
"""From so many COPA rows on, labels that are all 0 are taken for withheld ones (chance: below one in 500,000)."""


@checked
def hellaswag(path: Path, language: str) -> Iterator[Example]:
    """HellaSwag's JSON lines (no `label` in the official test), or text of six lines a row.

    The six lines are `activity: context`, the label, four endings. The id is the row's number.
    """
    if kind_of(path) == "txt" or (not kind_of(path) and not read_text(path).startswith("{")):
        yield from _six_lines(path)
        return
    rows, labelled = records_with(path, "label")
    for number, (line, record) in enumerate(rows, start=1):
        endings = _texts(record.get("endings"), path, line, "endings")
        label = index(record["label"], len(endings), path, line) if labelled else None
        yield ChoiceExample(str(number), text(record, ["ctx"], path, line), "", endings, label)


def _six_lines(path: Path) -> Iterator[Example]:
    lines = lines_of(path)
    if len(lines) % 6:
        raise DataError(f"expected six lines a row, found {len(lines) % 6} left over", path, len(lines))
    for start in range(0, len(lines), 6):
        label = index(lines[start + 1], 4, path, start + 2)
        yield ChoiceExample(str(start // 6 + 1), lines[start], "", tuple(lines[start + 2 : start + 6]), label)


@checked
def commonsense_qa(path: Path, language: str) -> Iterator[Example]:
    """CommonsenseQA's JSON lines. The answer is found by its letter: some questions have the same text twice."""
    rows, labelled = records_with(path, "answerKey")
    ids = Ids(path)
    for line, record in rows:
        question = _object(record.get("question"), path, line, "question")
        entries = question.get("choices")
        if not isinstance(entries, list):
            raise DataError("'choices' should be a list", path, line)
        choices = [_object(entry, path, line, "choice") for entry in entries]
        letters = [text(choice, ["label"], path, line) for choice in choices]
        if len(set(letters)) < len(letters):
            raise DataError(f"two choices have one letter: {shown(' '.join(letters))}", path, line)
        words = _texts([choice.get("text") for choice in choices], path, line, "choices")
        label = None
        if labelled:
            label = letters.index(one_of(text(record, ["answerKey"], path, line), letters, path, line))
        name, stem = ids.new(text(record, ["id"], path, line), line), text(question, ["stem"], path, line)
        yield ChoiceExample(name, "", stem, words, label)


@checked
def social_iqa(path: Path, language: str) -> Iterator[Example]:
    """Social IQa v1.4 with `correct` A, B, C, or the hub archive, whose labels are in a `.lst` file of their own."""
    rows, labelled = records_with(path, "correct")
    for number, (line, record) in enumerate(rows, start=1):
        choices = tuple(text(record, [f"answer{letter}"], path, line) for letter in "ABC")
        label = None
        if labelled:
            label = "ABC".index(one_of(text(record, ["correct"], path, line), tuple("ABC"), path, line))
        context, question = text(record, ["context"], path, line), text(record, ["question"], path, line)
        yield ChoiceExample(str(number), context, question, choices, label)


@checked
def copa(path: Path, language: str) -> Iterator[Example]:
    """COPA and XCOPA in SuperGLUE's JSON lines; the id is `idx`.

    XTREME's test files have label 0 in every row: a file of 20 rows or more without any 1 has its gold withheld.
    """
    rows, labelled = records_with(path, "label")
    labels = [index(record["label"], 2, path, line) if labelled else None for line, record in rows]
    withheld = len(rows) >= BLANKED and not any(labels)
    ids = Ids(path)
    for (line, record), label in zip(rows, labels):
        if isinstance(record.get("idx"), bool) or not isinstance(record.get("idx"), int):
            raise DataError("'idx' should be a whole number", path, line)
        question = COPA_QUESTIONS[one_of(text(record, ["question"], path, line), tuple(COPA_QUESTIONS), path, line)]
        choices = (text(record, ["choice1"], path, line), text(record, ["choice2"], path, line))
        gold = None if withheld else label
        name, premise = ids.new(str(record["idx"]), line), text(record, ["premise"], path, line)
        yield ChoiceExample(name, premise, question, choices, gold)


@checked
def cosmos_qa(path: Path, language: str) -> Iterator[Example]:
    """Cosmos QA: CSV with header, or the official test's JSON lines without labels."""
    rows, labelled = records_with(path, "label")
    ids = Ids(path)
    for line, record in rows:
        choices = tuple(text(record, [f"answer{number}"], path, line) for number in range(4))
        label = index(record["label"], 4, path, line) if labelled else None
        context, question = text(record, ["context"], path, line), text(record, ["question"], path, line)
        yield ChoiceExample(ids.new(text(record, ["id"], path, line), line), context, question, choices, label)


def _object(value: Any, path: Path, line: int, what: str) -> Record:
    if not isinstance(value, dict):
        raise DataError(f"'{what}' should be an object, found {type(value).__name__}", path, line)
    return value


def _texts(value: Any, path: Path, line: int, what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) < 2 or not all(isinstance(entry, str) for entry in value):
        raise DataError(f"'{what}' should be a list of two or more texts", path, line)
    return tuple(written(entry, what, path, line) for entry in value)
