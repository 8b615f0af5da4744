"""From rows of the hub's Parquet back to the official form that a task's own reader reads.

One function per form: `(rows, language) -> text of the file`. Columns and class names are those of the public dataset
cards; a row that does not fit is refused with its number, never mended.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from xstilts.core.errors import DataError
from xstilts.data.readers.pairs import NLI_LABELS, PARAPHRASE_LABELS
from xstilts.data.readers.tagging import NER
from xstilts.data.readers.topics import TOPICS

Record = dict[str, Any]
_WIKIANN = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")


@dataclass(frozen=True)
class Form:
    """An official form and the columns it is made of.

    Attributes:
        columns: columns that are read; all must be there and none may be null.
        classes: column -> names of its class numbers, in the order of the card unless the file itself notes another; -1
            is no label. Columns that are not here stay numbers.
        write: rows and language -> the file's text.
    """

    columns: tuple[str, ...]
    write: Callable[[Sequence[Record], str], str]
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def written(name: str, rows: Sequence[Record], given: Mapping[str, Sequence[str]], language: str) -> str:
    """The text of the official file. Raises `DataError` naming the row that does not fit."""
    form = FORMS[name]
    names = {column: tuple(given.get(column, known)) for column, known in form.classes.items()}
    if not rows:
        raise DataError("the Parquet files hold no rows")
    for column, known in form.classes.items():
        if sorted(names[column]) != sorted(known):
            raise DataError(f"column {column} has the classes {', '.join(names[column])}, not {', '.join(known)}")
    try:
        return form.write([_named(row, names, number) for number, row in enumerate(rows, start=1)], language)
    except DataError:
        raise
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise DataError(f"the columns hold other kinds of values than {name} has ({type(error).__name__})") from None


def _named(row: Record, names: Mapping[str, Sequence[str]], number: int) -> Record:
    """The row with names for class numbers; `None` for -1."""
    if empty := [column for column, value in row.items() if value is None]:
        raise DataError(f"row {number}: {empty[0]} is null")
    changed = {}
    for column, known in names.items():
        value = row[column]
        many = isinstance(value, list)
        changed[column] = [_name(each, known, number) for each in value] if many else _name(value, known, number)
    return {**row, **changed}


def _name(value: Any, known: Sequence[str], number: int) -> str | None:
    if isinstance(value, str) and value in known:
        return value
    if not isinstance(value, int) or not -1 <= value < len(known):
        raise DataError(f"row {number}: class {value!r} is none of {', '.join(known)}")
    return None if value == -1 else known[value]


def _jsonl(rows: Iterable[Record]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _quoted(rows: Iterable[Sequence[Any]], delimiter: str, end: str) -> str:
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, lineterminator=end).writerows(rows)
    return stream.getvalue()


def _unquoted(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Tab-separated lines without quoting, which cannot hold a tab or a line end."""
    lines = ["\t".join(header)]
    for number, row in enumerate(rows, start=1):
        cells = [str(cell) for cell in row]
        if any("\t" in cell or "\n" in cell for cell in cells):
            raise DataError(f"row {number}: a tab or line end inside a text, which this form cannot hold")
        lines.append("\t".join(cells))
    return "\n".join(lines) + "\n"


def _labelled(rows: Sequence[Record], column: str = "label") -> Sequence[Record]:
    """The rows, all of which have a label."""
    for number, row in enumerate(rows, start=1):
        if row[column] is None:
            raise DataError(f"row {number}: no label")
    return rows


def _xtreme_nli(rows: Sequence[Record], language: str) -> str:
    cells = ((row["premise"], row["hypothesis"], row["label"]) for row in _labelled(rows))
    return _quoted(cells, "\t", "\r\n")


def _xnli_mt(rows: Sequence[Record], language: str) -> str:
    cells = ((row["premise"], row["hypothesis"], row["label"]) for row in _labelled(rows))
    return _unquoted(("premise", "hypo", "label"), cells)


def _nli(rows: Sequence[Record], language: str) -> str:
    return _jsonl({**row, "label": row["label"] or "-"} for row in rows)


def _anli(rows: Sequence[Record], language: str) -> str:
    return _jsonl(
        {"uid": row["uid"], "context": row["premise"], "hypothesis": row["hypothesis"], "label": row["label"][0]}
        for row in _labelled(rows)
    )


def _pawsx(rows: Sequence[Record], language: str) -> str:
    names = ("id", "sentence1", "sentence2", "label")
    return _unquoted(names, ([row[name] for name in names] for row in _labelled(rows)))


def _qqp(rows: Sequence[Record], language: str) -> str:
    cells = ((row["idx"], row["question1"], row["question2"], row["label"]) for row in _labelled(rows))
    return _unquoted(("id", "question1", "question2", "is_duplicate"), cells)


def _squad(rows: Sequence[Record], language: str, version: str = "1.1") -> str:
    """SQuAD's JSON; neighbouring questions about one passage share it."""
    paragraphs: list[Record] = []
    for row in rows:
        texts, starts = row["answers"]["text"], row["answers"]["answer_start"]
        answers = [{"text": text, "answer_start": start} for text, start in zip(texts, starts, strict=True)]
        question = {"id": row["id"], "question": row["question"], "answers": answers}
        if version == "v2.0":
            question["is_impossible"] = not answers
        if not paragraphs or paragraphs[-1]["context"] != row["context"]:
            paragraphs.append({"context": row["context"], "qas": []})
        paragraphs[-1]["qas"].append(question)
    return json.dumps({"version": version, "data": [{"paragraphs": paragraphs}]}, ensure_ascii=False) + "\n"


def _squad_v2(rows: Sequence[Record], language: str) -> str:
    return _squad(rows, language, "v2.0")


def _wikiann(rows: Sequence[Record], language: str) -> str:
    sentences = []
    for number, row in enumerate(rows, start=1):
        if len(row["tokens"]) != len(row["ner_tags"]) or None in row["ner_tags"]:
            raise DataError(f"row {number}: {len(row['tokens'])} words and {len(row['ner_tags'])} tags")
        if any("\t" in word or "\n" in word for word in row["tokens"]):
            raise DataError(f"row {number}: a tab or line end inside a word")
        sentences.append("".join(f"{language}:{word}\t{tag}\n" for word, tag in zip(row["tokens"], row["ner_tags"])))
    return "\n".join(sentences) + "\n"


def _hellaswag(rows: Sequence[Record], language: str) -> str:
    return _jsonl(
        {key: int(value) if key == "label" else value for key, value in row.items() if (key, value) != ("label", "")}
        for row in rows
    )


def _commonsense_qa(rows: Sequence[Record], language: str) -> str:
    lines = []
    for row in rows:
        pairs = zip(row["choices"]["label"], row["choices"]["text"], strict=True)
        choices = [{"label": label, "text": text} for label, text in pairs]
        answer = {"answerKey": row["answerKey"]} if row["answerKey"] else {}
        lines.append({**answer, "id": row["id"], "question": {"stem": row["question"], "choices": choices}})
    return _jsonl(lines)


def _social_iqa(rows: Sequence[Record], language: str) -> str:
    lines = []
    for number, row in enumerate(rows, start=1):
        if row["label"] not in ("1", "2", "3"):
            raise DataError(f"row {number}: label {row['label']!r} is none of 1, 2, 3")
        rest = {key: value for key, value in row.items() if key != "label"}
        lines.append({**rest, "correct": "ABC"[int(row["label"]) - 1]})
    return _jsonl(lines)


def _copa(rows: Sequence[Record], language: str) -> str:
    return _jsonl({key: value for key, value in row.items() if (key, value) != ("label", -1)} for row in rows)


def _cosmos_qa(rows: Sequence[Record], language: str) -> str:
    names = _COSMOS
    return _quoted([names, *([row[name] for name in names] for row in rows)], ",", "\r\n")


def _sib200(rows: Sequence[Record], language: str) -> str:
    names = ("index_id", "category", "text")
    return _quoted([names, *([row[name] for name in names] for row in _labelled(rows, "category"))], "\t", "\n")


_NLI = {"label": NLI_LABELS}
_PAIR = {"label": PARAPHRASE_LABELS}
_SQUAD = ("id", "context", "question", "answers")
_COPA = ("premise", "choice1", "choice2", "question", "idx", "label")
_COSMOS = ("id", "context", "question", "answer0", "answer1", "answer2", "answer3", "label")
_SOCIAL = ("context", "question", "answerA", "answerB", "answerC", "label")
assert sorted(_WIKIANN) == sorted(NER)

FORMS: Mapping[str, Form] = {
    "xtreme_nli": Form(("premise", "hypothesis", "label"), _xtreme_nli, _NLI),
    "xnli_mt": Form(("premise", "hypothesis", "label"), _xnli_mt, _NLI),
    "nli": Form(("premise", "hypothesis", "label"), _nli, _NLI),
    "anli": Form(("uid", "premise", "hypothesis", "label"), _anli, _NLI),
    "pawsx": Form(("id", "sentence1", "sentence2", "label"), _pawsx, _PAIR),
    "qqp": Form(("question1", "question2", "label", "idx"), _qqp),
    "squad": Form(_SQUAD, _squad),
    "squad_v2": Form(_SQUAD, _squad_v2),
    "wikiann": Form(("tokens", "ner_tags"), _wikiann, {"ner_tags": _WIKIANN}),
    "hellaswag": Form(("ind", "activity_label", "ctx_a", "ctx_b", "ctx", "endings", "label"), _hellaswag),
    "commonsense_qa": Form(("id", "question", "choices", "answerKey"), _commonsense_qa),
    "social_iqa": Form(_SOCIAL, _social_iqa),
    "copa": Form(_COPA, _copa),
    "cosmos_qa": Form(_COSMOS, _cosmos_qa),
    "sib200": Form(("index_id", "category", "text"), _sib200, {"category": TOPICS}),
}
"""Form -> how it is written; the names are those of `hub.tsv`."""
