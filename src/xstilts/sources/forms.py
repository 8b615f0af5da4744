"""From rows of the hub's Parquet back to the official form that a task's own reader reads.

Columns and class names are those of the public dataset cards. A row that does not fit is refused with its number.
"""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from xstilts.core.errors import DataError
from xstilts.data.readers.pairs import NLI_LABELS, PARAPHRASE_LABELS, TOPICS

Record = dict[str, Any]
Write = Callable[[Sequence[Record], str, Sequence[str]], str]
"""(Rows, language, columns) -> the file's text."""


@dataclass(frozen=True)
class HubForm:
    """An official form and the columns it is made of.

    Attributes:
        columns: columns that are read, separated by blanks; all are required and none may be null.
        classes: column -> names of its class numbers, in the order of the card unless the file gives another.
        unlabelled: what is written for class -1, no label; empty: refused. Columns without classes stay numbers.
    """

    columns: str
    write: Write
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unlabelled: str = ""


def written(name: str, rows: Sequence[Record], given: Mapping[str, Sequence[str]], language: str) -> str:
    """The text of the official file, by its `name` in `FORMS`. Raises `DataError` naming the row that does not fit.

    `given`: column -> names of its class numbers, as the Parquet file has them.
    """
    form = FORMS[name]
    names = {column: tuple(given.get(column, known)) for column, known in form.classes.items()}
    if not rows:
        raise DataError("the Parquet files hold no rows")
    for column, known in form.classes.items():
        if sorted(names[column]) != sorted(known):
            raise DataError(f"column {column} has the classes {', '.join(names[column])}, not {', '.join(known)}")
    try:
        named = [_named(row, names, form, number) for number, row in enumerate(rows, start=1)]
        return form.write(named, language, form.columns.split())
    except DataError:
        raise
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise DataError(f"the columns do not hold the values of form {name} ({type(error).__name__})") from None


def _named(row: Record, names: Mapping[str, Sequence[str]], form: HubForm, number: int) -> Record:
    """The row with names for class numbers."""
    if empty := [column for column, value in row.items() if value is None]:
        raise DataError(f"row {number}: {empty[0]} is null")

    def name(value: Any, known: Sequence[str]) -> Any:
        if isinstance(value, list):
            return [name(one, known) for one in value]
        if value == -1 and not form.unlabelled:
            raise DataError(f"row {number}: no label")
        if value in known:
            return str(value)
        if not isinstance(value, int) or not -1 <= value < len(known):
            raise DataError(f"row {number}: class {value!r} is none of {', '.join(known)}")
        return form.unlabelled if value == -1 else known[value]

    return {**row, **{column: name(row[column], known) for column, known in names.items()}}


def _jsonl(line: Callable[[Record], Record] = dict) -> Write:
    return lambda rows, _, columns: "".join(json.dumps(line(row), ensure_ascii=False) + "\n" for row in rows)


_TABS: dict[str, Any] = {"delimiter": "\t", "lineterminator": "\n", "quoting": csv.QUOTE_NONE, "quotechar": None}
"""Tab-separated lines without quoting."""


def _cells(rows: Sequence[Sequence[Any]], first: int = 1, **dialect: Any) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, **dialect)
    for number, row in enumerate(rows, start=first):
        try:
            writer.writerow(row)
        except csv.Error:
            raise DataError(f"row {number}: a tab or line end inside a text, which this form cannot hold") from None
    return stream.getvalue()


def _table(
    rows: Sequence[Record], language: str, columns: Sequence[str], header: str | None = "", **dialect: Any
) -> str:
    """The columns under their own names, under those of `header`, or without header (None)."""
    cells = [[row[column] for column in columns] for row in rows]
    return _cells(cells, **dialect) if header is None else _cells([header.split() or columns, *cells], 0, **dialect)


def _squad(rows: Sequence[Record], language: str, columns: Sequence[str], version: str = "1.1") -> str:
    paragraphs: list[Record] = []  # neighbouring questions about one passage share it
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


def _wikiann(rows: Sequence[Record], language: str, columns: Sequence[str]) -> str:
    sentences = []
    for number, row in enumerate(rows, start=1):
        words, tags = row["tokens"], row["ner_tags"]
        if len(words) != len(tags):
            raise DataError(f"row {number}: {len(words)} words and {len(tags)} tags")
        if any("\t" in word or "\n" in word for word in words):
            raise DataError(f"row {number}: a tab or line end inside a word")
        sentences.append("".join(f"{language}:{word}\t{tag}\n" for word, tag in zip(words, tags)))
    return "\n".join(sentences) + "\n"


def _commonsense_qa(row: Record) -> Record:
    pairs = zip(row["choices"]["label"], row["choices"]["text"], strict=True)
    question = {"stem": row["question"], "choices": [{"label": label, "text": text} for label, text in pairs]}
    return {**({"answerKey": row["answerKey"]} if row["answerKey"] else {}), "id": row["id"], "question": question}


def _social_iqa(row: Record) -> Record:
    label = int(row.pop("label"))
    return {**row, "correct": "ABC"[label - 1]}


def _anli(row: Record) -> Record:
    return {"uid": row["uid"], "context": row["premise"], "hypothesis": row["hypothesis"], "label": row["label"][0]}


def _withheld(mark: Any) -> Callable[[Record], Record]:
    """The row with its label as a number, or without label where it is the mark of withheld gold."""
    return lambda row: {
        key: int(value) if key == "label" else value for key, value in row.items() if (key, value) != ("label", mark)
    }


_NLI, _CLASSES = "premise hypothesis label", {"label": NLI_LABELS}
_SQUAD = "id context question answers"
_WIKIANN = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")

FORMS: Mapping[str, HubForm] = {
    "xtreme_nli": HubForm(_NLI, partial(_table, header=None, delimiter="\t"), _CLASSES),
    "xnli_mt": HubForm(_NLI, partial(_table, header="premise hypo label", **_TABS), _CLASSES),
    "nli": HubForm(_NLI, _jsonl(), _CLASSES, unlabelled="-"),
    "anli": HubForm(f"uid {_NLI}", _jsonl(_anli), _CLASSES),
    "pawsx": HubForm("id sentence1 sentence2 label", partial(_table, **_TABS), {"label": PARAPHRASE_LABELS}),
    "qqp": HubForm(
        "idx question1 question2 label", partial(_table, header="id question1 question2 is_duplicate", **_TABS)
    ),
    "squad": HubForm(_SQUAD, _squad),
    "squad_v2": HubForm(_SQUAD, partial(_squad, version="v2.0")),
    "wikiann": HubForm("tokens ner_tags", _wikiann, {"ner_tags": _WIKIANN}),
    "hellaswag": HubForm("ind activity_label ctx_a ctx_b ctx endings label", _jsonl(_withheld(""))),
    "commonsense_qa": HubForm("id question choices answerKey", _jsonl(_commonsense_qa)),
    "social_iqa": HubForm("context question answerA answerB answerC label", _jsonl(_social_iqa), {"label": "123"}),
    "copa": HubForm("premise choice1 choice2 question idx label", _jsonl(_withheld(-1))),
    "cosmos_qa": HubForm("id context question answer0 answer1 answer2 answer3 label", _table),
    "sib200": HubForm(
        "index_id category text", partial(_table, delimiter="\t", lineterminator="\n"), {"category": TOPICS}
    ),
}
"""Form -> how it is written; the names are those of `hub.tsv`."""
