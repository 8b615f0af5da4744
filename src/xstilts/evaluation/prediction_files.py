"""Readers of prediction files, and of XTREME's forms of gold; every error has file and line.

They keep what the files say and judge nothing; `score_checks` compares them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from xstilts.core.errors import DataError
from xstilts.core.files import kind_of, read_json, read_text
from xstilts.core.json_text import parse_strictly, rows
from xstilts.data.readers import common
from xstilts.data.readers.common import shown


class Entry(NamedTuple):
    """A value and the line where it starts (1-based), if known."""

    line: int | None
    value: Any


Sentence = list[Entry]
_FORM = '{"id": ..., "prediction": ...}'
_ROW = frozenset({"prediction", "prediction_text", "label", "gold_label", "mentions", "contextual_mention"})
"""Keys of rows, which an object of all answers does not have."""


def is_json_lines(path: Path) -> bool:
    """Whether a file holds rows as JSON objects: named so (`.jsonl`), one a line, or in a list.

    A list of articles is SQuAD's, and a single object in one line may hold all answers by id.
    """
    if kind_of(path) in ("jsonl", "ndjson"):
        return True
    if not re.match(r"\{|\[\s*\{", text := read_text(path).lstrip()):
        return False
    line, _, rest = text.partition("\n")
    try:
        first = json.loads(line) if text[0] == "{" else json.JSONDecoder().raw_decode(text, text.index("{"))[0]
    except (ValueError, RecursionError):
        return False  # indented, or damaged, which reading it says
    return "paragraphs" not in first and (text[0] == "[" or bool(rest.strip() or _ROW & first.keys()))


def json_objects(path: Path) -> Iterator[tuple[int, int, Any]]:
    """(Line, number, value) of each row; no key twice in one."""
    return rows(read_text(path), path)


def lines_of(path: Path) -> list[Entry]:
    """All lines but empty ones at the end. Raises `DataError` for a file without any."""
    items = _written_lines(path)
    if not items:
        raise DataError("is empty", path)
    return items


def _written_lines(path: Path) -> list[Entry]:
    items = [Entry(line, text) for line, text in enumerate(common.lines_of(path), start=1)]
    while items and not items[-1].value.strip():
        items.pop()
    return items


def scalar(value: Any, what: str, path: Path, line: int | None = None) -> str:
    """A label, tag or id, which JSON may write as a number. Raises `DataError` for anything else, and for blanks."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise DataError(f"{what} should be text or a whole number, found {shown(value)}", path, line)
    if not (name := str(value).strip()):
        raise DataError(f"{what} is empty", path, line)
    return name


def json_rows(path: Path, joined: bool = False) -> list[tuple[int, str, Any]]:
    """(line, id, prediction) of our own form, and of XCOPA's, where `label` and `idx` stand for them.

    Where nothing is `joined` by it, rows may be without id, all of them; it is the line's number then.
    """
    found: list[tuple[int, str, Any]] = []
    seen: dict[str, int] = {}
    named: str | None = "id" if joined else ""
    variant = variant_of(path)
    for line, number, row in json_objects(path):
        if variant and isinstance(row, dict) and row.get("variant") != variant:
            continue
        names = ("prediction", "prediction_text", "label")
        key = next((name for name in names if isinstance(row, dict) and name in row), None)
        if key is None:
            raise DataError(f"expected {_FORM}", path, line)
        identity = next((name for name in ("id", "idx") if name in row), None)
        if identity != (named := identity if named == "" else named):
            raise DataError(f"expected {named or 'no id'}, found {identity or 'no id'}", path, line)
        name = str(number) if identity is None else scalar(row[identity], "the id", path, line)
        if name in seen:
            raise DataError(f"id {shown(name)} occurs twice (first in line {seen[name]})", path, line)
        seen[name] = line
        found.append((line, name, row[key]))
    return found


def variant_of(path: Path) -> str:
    """The variant that enters means in a predict stage's file with several (layers); else empty."""
    if not is_json_lines(path):
        return ""
    found = [row.get("variant") for _, _, row in json_objects(path) if isinstance(row, dict)]
    variants = [*dict.fromkeys(name for name in found if isinstance(name, str))]
    if len(variants) < 2:
        return ""
    from xstilts.evaluation.evaluate import default_variant, protocol_of  # Parquet: only when asked

    chosen = default_variant(variants, protocol_of(path.parent.parent)[1])
    if chosen not in variants:
        raise DataError(f"has no variant {shown(chosen)}, only {', '.join(variants)[:200]}", path)
    return chosen


def ids_of(path: Path) -> list[Entry]:
    """The ids of JSON lines, in their order; none in another form, or where rows have none."""
    if not is_json_lines(path):
        return []
    named = any(isinstance(row, dict) and ("id" in row or "idx" in row) for _, _, row in json_objects(path))
    return [Entry(line, name) for line, name, _ in json_rows(path)] if named else []


def predicted_labels(path: Path) -> list[Entry]:
    """One label per line, or JSON lines in the order of gold."""
    if is_json_lines(path):
        return [Entry(line, scalar(value, "the label", path, line)) for line, _, value in json_rows(path)]
    lines = lines_of(path)
    for line, text in lines:
        if "\t" in text:
            count = len(text.split("\t"))
            problem = f"expected one label, found {count} columns: give labels alone, or rows {_FORM} as JSON lines"
            raise DataError(problem, path, line)
    if lines[0].value.strip().lower() in ("label", "labels", "prediction", "predictions"):
        raise DataError(f"expected labels alone, found the header {shown(lines[0].value)}: leave it out", path, 1)
    return [Entry(line, scalar(text, "the label", path, line)) for line, text in lines]


def indices(path: Path) -> list[Entry]:
    """Tatoeba: a candidate's number per line, also written `[12]` as the official retrieval script does."""
    items: list[Entry] = []
    for line, text in predicted_labels(path):
        if (match := re.fullmatch(r"([0-9]{1,9})|\[ *([0-9]{1,9}) *\]", text)) is None:
            raise DataError(f"expected the number of a candidate, found {shown(text)}", path, line)
        items.append(Entry(line, int(match[1] or match[2])))
    return items


def sentences(path: Path) -> list[Sentence]:
    """Tags, or words and tags, one per line with blank lines between sentences; or lists of tags as JSON lines."""
    if is_json_lines(path):
        said = json_rows(path)
        for at, _, tags in said:
            if not isinstance(tags, list) or not tags:
                raise DataError("expected a list of tags as prediction", path, at)
        return [[Entry(at, scalar(tag, "a tag", path, at)) for tag in tags] for at, _, tags in said]
    found: list[Sentence] = [[]]
    for line, text in lines_of(path):
        cells = text.split("\t")
        if len(cells) > 2:
            raise DataError(f"expected a tag, or a word and a tag, found {len(cells)} columns", path, line)
        if text.strip() or len(cells) > 1:
            found[-1].append(Entry(line, scalar(cells[-1], "the tag", path, line)))
        elif found[-1]:
            found.append([])
    return [sentence for sentence in found if sentence]


def gold_answers(path: Path, named_again: Container[str] = ()) -> dict[str, list[str]]:
    """Question id -> gold answers, from SQuAD's JSON (or its `data` list alone).

    An id that occurs twice is refused, unless its second question is among those `named_again` as our reader of TyDiQA
    names it: `12#2`.
    """
    document = read_json(path)
    found: dict[str, list[str]] = {}
    count: Counter[str] = Counter()
    try:
        articles = document["data"] if isinstance(document, dict) else document
        questions = [one for article in articles for part in article["paragraphs"] for one in part["qas"]]
        for question in questions:
            name = scalar(question["id"], "a question's id", path)
            count[name] += 1
            if count[name] > 1 and f"{name}#2" in named_again:
                name = f"{name}#{count[name]}"
            if name in found:
                raise DataError(f"question id {shown(name)} occurs twice: predictions could not be told apart", path)
            found[name] = [answer["text"] for answer in question["answers"]]
            if not all(isinstance(text, str) for text in found[name]):
                raise DataError(f"question {shown(name)}: the text of an answer is no text", path)
    except KeyError as missing:
        raise DataError(f"not in SQuAD's JSON form with answers: no {missing}", path) from None
    except (TypeError, AttributeError):
        raise DataError("not in SQuAD's JSON form with answers", path) from None
    return found


def predicted_answers(path: Path) -> dict[str, str]:
    """Question id -> predicted answer, from one JSON object or JSON lines."""
    said: dict[str, str] = {}
    for line, name, answer in _by_name(path, "question id -> answer"):
        if not isinstance(answer, str):
            raise DataError(f"the answer to question {shown(name)} is not a string", path, line)
        said[name] = answer
    return said


def rankings(path: Path) -> dict[str, list[str]]:
    """Query id -> candidate ids, best first: Mewsli-X's form of gold and predictions; or JSON lines."""
    form = "query id -> list of candidate ids"
    found: dict[str, list[str]] = {}
    for line, name, ranked in _by_name(path, form):
        if not isinstance(ranked, list):
            raise DataError(f"expected an object of {form}; query {shown(name)} has {shown(ranked)}", path, line)
        found[name] = [scalar(candidate, "a candidate's id", path, line) for candidate in ranked]
    return found


def _by_name(path: Path, form: str) -> list[tuple[int | None, str, Any]]:
    """(line where there are lines, id, value) of one JSON object or JSON lines; no id twice."""
    if is_json_lines(path):
        return [*json_rows(path, joined=True)]
    if not isinstance(document := parse_strictly(read_text(path), path), dict):
        raise DataError(f"expected an object of {form}, or rows {_FORM}", path)
    return [(None, name, value) for name, value in document.items()]


def pairs(path: Path) -> list[tuple[str, str]]:
    """BUCC: `id<TAB>id` per line, source first; or JSON lines with one id or a list of ids. May be empty."""
    if is_json_lines(path):
        listed: list[tuple[str, str]] = []
        for at, name, ids in json_rows(path, joined=True):
            several = ids if isinstance(ids, list) else [] if ids in (None, "") else [ids]
            listed += [(name, scalar(other, "a sentence's id", path, at)) for other in several]
        return listed
    found: list[tuple[str, str]] = []
    for line, text in _written_lines(path):
        cells = text.split("\t")
        if len(cells) != 2:
            raise DataError(f"expected two sentence ids with a tab between, found {len(cells)} columns", path, line)
        if not re.fullmatch("[!-~]+", cells[1].strip() or "-"):
            problem = f"expected two sentence ids, found {shown(cells[1])}: text and no id; gold is in the .gold file"
            raise DataError(problem, path, line)
        source, target = (scalar(cell, "a sentence's id", path, line) for cell in cells)
        found.append((source, target))
    return found
