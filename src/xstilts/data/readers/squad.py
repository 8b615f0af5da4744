"""SQuAD's JSON: SQuAD 1.1 and 2.0, SQuADShifts, XQuAD, MLQA, TyDiQA-GoldP.

Offsets are code points, and every answer must be at its offset. Passages and questions are never stripped. Sources:
the official files; Rajpurkar et al. 2016 and 2018, Miller et al. 2020, Artetxe et al. 2020, Lewis et al. 2020, Clark
et al. 2020.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from xstilts.core.errors import DataError, UnknownName
from xstilts.core.files import read_json
from xstilts.core.languages import code_of
from xstilts.data.examples import Answer, Example, SpanExample
from xstilts.data.readers.common import checked, shown, written


@checked
def squad(path: Path, language: str) -> Iterator[Example]:
    """All questions of one file, with the file's own ids.

    Gold: `is_impossible` gives no answers; missing answers, and XTREME's blanked ones (`{"answer_start": 0, "text":
    ""}`), give `None`.

    Raises:
        DataError: not SQuAD's layout, an answer that is not at its offset (the message names the question's id), an
            impossible question with answers, gold in some questions only, or an id that occurs twice.
    """
    yield from _questions(path)


@checked
def tydiqa(path: Path, language: str) -> Iterator[Example]:
    """TyDiQA-GoldP: the official file of nine languages, or XTREME's file of one.

    Official ids begin with the English name of the language (`swahili--821...`), and questions of other languages are
    left out. XTREME's training files keep only the end of the id, so that most occur several times: the second `12` is
    `12#2`.
    """
    count: Counter[str] = Counter()
    for question in _questions(path):
        head, dash, _ = question.id.partition("-")
        if dash and _names_another(head, language):
            continue
        count[question.id] += 1
        again = f"{question.id}#{count[question.id]}"
        yield question if count[question.id] == 1 else replace(question, id=again)


def _names_another(head: str, language: str) -> bool:
    try:
        return code_of(head) != language
    except UnknownName:
        return False


def _questions(path: Path) -> Iterator[SpanExample]:
    for _, questions in paragraphs(path):
        yield from questions


def paragraphs(path: Path) -> Iterator[tuple[dict[str, Any], list[SpanExample]]]:
    """Paragraphs as the file has them (their `context` is text), each with its questions. Raises as `squad` does."""
    document = _kind(read_json(path), dict, "the file", path)
    withheld: bool | None = None
    for article in _list(document, "data", path):
        for paragraph in _list(_kind(article, dict, "an article", path), "paragraphs", path):
            passage = _text(_kind(paragraph, dict, "a paragraph", path), "context", path)
            questions = []
            for question in _list(paragraph, "qas", path):
                question_id = _text(_kind(question, dict, "a question", path), "id", path)
                who = f"question {shown(question_id)}"
                answers = _gold(question, passage, path, who)
                if (withheld := answers is None if withheld is None else withheld) != (answers is None):
                    raise DataError(f"{who}: has {'a' if withheld else 'no'} gold answer, unlike those before", path)
                questions.append(SpanExample(question_id, _text(question, "question", path), passage, answers))
            yield paragraph, questions


def _gold(question: dict[str, Any], passage: str, path: Path, who: str) -> tuple[Answer, ...] | None:
    impossible = question.get("is_impossible")
    if not isinstance(impossible, bool) and "is_impossible" in question:
        raise DataError(f"{who}: 'is_impossible' should be true or false", path)
    if "answers" not in question:
        return None
    answers = []
    for entry in _list(question, "answers", path):
        fields = _kind(entry, dict, "an answer", path)
        start = fields.get("answer_start")
        if not isinstance(start, int) or isinstance(start, bool):
            raise DataError(f"{who}: 'answer_start' should be a whole number", path)
        answers.append(Answer(_text(fields, "text", path), start))
    if impossible:
        if answers:
            raise DataError(f"{who}: is impossible and has answers", path)
        return ()
    if not answers and impossible is False:
        raise DataError(f"{who}: is possible and has no answer", path)
    if all(answer == Answer("", 0) for answer in answers):
        return None
    for answer in answers:
        found = passage[max(answer.start, 0) : max(answer.start, 0) + len(answer.text)]
        if answer.start < 0 or not answer.text or found != answer.text:
            raise DataError(
                f"{who}: answer {answer.text[:40]!r} is not at offset {shown(answer.start)}, there is {found[:40]!r}",
                path,
            )
    return tuple(answers)


def _kind(value: Any, kind: type, what: str, path: Path) -> Any:
    if not isinstance(value, kind):
        raise DataError(f"not SQuAD's layout: {what} should be {kind.__name__}, found {type(value).__name__}", path)
    return value


def _list(fields: dict[str, Any], name: str, path: Path) -> list[Any]:
    entries: list[Any] = _kind(fields.get(name), list, f"'{name}'", path)
    return entries


def _text(fields: dict[str, Any], name: str, path: Path) -> str:
    words: str = _kind(fields.get(name), str, f"'{name}'", path)
    return written(words, name, path)
