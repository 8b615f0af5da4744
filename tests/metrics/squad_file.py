"""SQuAD files for tests of prediction files."""

from __future__ import annotations

from typing import Any


def squad(*questions: tuple[str, list[str]]) -> dict[str, Any]:
    """A file of one paragraph, from pairs of a question's id and its answers (none: impossible)."""
    context = " ".join(text for _, answers in questions for text in answers)
    asked = [
        {
            "id": name,
            "question": "?",
            "answers": [{"text": text, "answer_start": context.index(text)} for text in answers],
            "is_impossible": not answers,
        }
        for name, answers in questions
    ]
    return {"version": "1.1", "data": [{"title": "t", "paragraphs": [{"context": context, "qas": asked}]}]}
