"""Multiple choice: HellaSwag, CommonsenseQA, Social IQa, COPA and XCOPA, Cosmos QA, as their official files.

Labels count from 0; a file without gold gives `None`.
"""

from pathlib import Path

from xstilts.core.errors import DataError
from xstilts.core.files import kind_of, read_text
from xstilts.data.examples import ChoiceExample
from xstilts.data.readers.common import FileRow, Placed, checked, lines_of, records_with, shown

COPA_QUESTIONS = {"cause": "What was the cause?", "effect": "What was the effect?"}
"""The wording of XTREME-R's `run_xcopa.py`, English for every language."""
BLANKED = 20
"""From this number of COPA rows on, labels that are all 0 count as withheld (chance: below one in 500,000)."""


@checked
def hellaswag(path: Path, language: str) -> Placed:
    """JSON lines (no `label` in the official test), or six lines per row; the id is the row's number.

    The six lines are `activity: context`, the label and four endings.
    """
    if kind_of(path) == "txt" or (not kind_of(path) and not read_text(path).startswith("{")):
        lines = lines_of(path)
        if len(lines) % 6:
            raise DataError(f"expected six lines per row, found {len(lines) % 6} left over", path, len(lines))
        for start in range(0, len(lines), 6):
            context, label, *four = lines[start : start + 6]
            place = FileRow({"label": label}, path, start + 2).index("label", 4)
            yield start + 1, ChoiceExample(str(start // 6 + 1), context, "", tuple(four), place)
        return
    rows, labelled = records_with(path, "label")
    for number, row in enumerate(rows, start=1):
        endings = row.texts("endings")
        if len(endings) < 2:
            raise row.error(f"expected two or more endings, found {len(endings)}")
        right = row.index("label", len(endings)) if labelled else None
        yield row.line, ChoiceExample(str(number), row.text("ctx"), "", endings, right)


@checked
def commonsense_qa(path: Path, language: str) -> Placed:
    """JSON lines. The answer is found by its letter, since some questions have the same text twice."""
    rows, labelled = records_with(path, "answerKey")
    for row in rows:
        question = row.row("question")
        choices = question.rows("choices")
        letters = [choice.text("label") for choice in choices]
        if len(set(letters)) < max(len(letters), 2):
            raise row.error(f"expected two or more choices, each with its own letter, found {shown(' '.join(letters))}")
        label = letters.index(row.label(letters, "answerKey")) if labelled else None
        texts = tuple(choice.text("text") for choice in choices)
        yield row.line, ChoiceExample(row.text("id"), "", question.text("stem"), texts, label)


@checked
def social_iqa(path: Path, language: str) -> Placed:
    """Version 1.4 with `correct` A, B, C, or the hub archive, whose labels are in a `.lst` file of their own."""
    rows, labelled = records_with(path, "correct")
    for number, row in enumerate(rows, start=1):
        choices = tuple(row.text(f"answer{letter}") for letter in "ABC")
        label = "ABC".index(row.label(tuple("ABC"), "correct")) if labelled else None
        yield row.line, ChoiceExample(str(number), row.text("context"), row.text("question"), choices, label)


@checked
def copa(path: Path, language: str) -> Placed:
    """COPA and XCOPA in SuperGLUE's JSON lines; the id is `idx`.

    XTREME's test files have label 0 in every row: the gold of 20 rows or more without any 1 counts as withheld.
    """
    rows, labelled = records_with(path, "label")
    labels = [row.index("label", 2) if labelled else None for row in rows]
    withheld = len(rows) >= BLANKED and not any(labels)
    for row, label in zip(rows, labels):
        question = COPA_QUESTIONS[row.label(tuple(COPA_QUESTIONS), "question")]
        choices, name = (row.text("choice1"), row.text("choice2")), str(row.part("idx", int))
        yield row.line, ChoiceExample(name, row.text("premise"), question, choices, None if withheld else label)


@checked
def cosmos_qa(path: Path, language: str) -> Placed:
    """CSV with header, or the official test's JSON lines without labels."""
    rows, labelled = records_with(path, "label")
    for row in rows:
        choices = tuple(row.text(f"answer{number}") for number in range(4))
        label = row.index("label", 4) if labelled else None
        yield row.line, ChoiceExample(row.text("id"), row.text("context"), row.text("question"), choices, label)
