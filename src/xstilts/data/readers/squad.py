"""SQuAD's JSON: SQuAD 1.1 and 2.0, SQuADShifts, XQuAD, MLQA, TyDiQA-GoldP.

Offsets are code points, and every answer must be at its offset. Passages and questions are never stripped.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from xstilts.core.files import read_json
from xstilts.core.languages import LANGUAGES, meant
from xstilts.data.examples import Answer, SpanExample
from xstilts.data.readers.common import FileRow, Placed, checked, shown


@checked
def squad(path: Path, language: str) -> Placed:
    """All questions of one file, with the file's own ids.

    Gold: `is_impossible` gives no answers; missing answers, and XTREME's blanked ones (`{"answer_start": 0, "text":
    ""}`), give `None`. Raises `DataError` for another layout, an answer that is not at its offset, an impossible
    question with answers, gold in some questions only, and an id that occurs twice.
    """
    return ((None, question) for _, questions in paragraphs(path) for question in questions)


@checked
def tydiqa(path: Path, language: str) -> Placed:
    """TyDiQA-GoldP: the official file of nine languages, or XTREME's file of one.

    Official ids begin with the English name of the language (`swahili--821...`); questions of other languages are left
    out. XTREME's training files keep only the end of the id, so that most occur several times: the second `12` is
    `12#2`.
    """
    count: Counter[str] = Counter()
    for question in (question for _, questions in paragraphs(path) for question in questions):
        head, dash, _ = question.id.partition("-")
        if dash and meant(head) in LANGUAGES and meant(head) != language:
            continue
        count[question.id] += 1
        again = f"{question.id}#{count[question.id]}"
        yield None, question if count[question.id] == 1 else replace(question, id=again)


def paragraphs(path: Path) -> Iterator[tuple[FileRow, list[SpanExample]]]:
    """Paragraphs as the file has them, each with its questions. Raises as `squad` does."""
    withheld: bool | None = None
    document = FileRow({"the file": read_json(path)}, path, None).row("the file")
    for paragraph in (paragraph for article in document.rows("data") for paragraph in article.rows("paragraphs")):
        passage = paragraph.text("context")
        questions = []
        for question in paragraph.rows("qas"):
            name = question.text("id")
            answers = _gold(question, passage, who := f"question {shown(name)}")
            if withheld not in (None, answers is None):
                raise question.error(f"{who}: has {'a' if withheld else 'no'} gold answer, unlike those before")
            withheld = answers is None
            questions.append(SpanExample(name, question.text("question"), passage, answers))
        yield paragraph, questions


def _gold(question: FileRow, passage: str, who: str) -> tuple[Answer, ...] | None:
    impossible = question.record.get("is_impossible", "not said")
    if not isinstance(impossible, bool) and impossible != "not said":
        raise question.error(f"{who}: 'is_impossible' should be true or false")
    if "answers" not in question.record:
        return None
    answers = tuple(Answer(entry.text("text"), entry.part("answer_start", int)) for entry in question.rows("answers"))
    if impossible is True and answers:
        raise question.error(f"{who}: is impossible and has answers")
    if impossible is False and not answers:
        raise question.error(f"{who}: is possible and has no answer")
    if impossible is True:
        return ()
    if all(answer == Answer("", 0) for answer in answers):
        return None
    for text, start in ((answer.text, answer.start) for answer in answers):
        found = passage[max(start, 0) : max(start, 0) + len(text)]
        if start < 0 or not text or found != text:
            problem = f"answer {text[:40]!r} is not at offset {shown(start)}, but {found[:40]!r} is"
            raise question.error(f"{who}: {problem}")
    return answers
