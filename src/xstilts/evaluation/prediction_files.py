"""Readers of prediction files; every error has file and line.

Predictions have one of two forms: JSON lines `{"id": ..., "prediction": ...}`, as `xstilts predict` and predict stages
write them, or the form of an XTREME submission, which depends on the type of task. XTREME's label files have the second
form too. The readers keep what a file says; `score_checks` compares it with gold.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from xstilts.core.errors import DataError
from xstilts.core.files import kind_of, read_text
from xstilts.core.json_text import parse, rows, value_or_none
from xstilts.data.readers import common
from xstilts.data.readers.common import shown
from xstilts.evaluation.evaluate import default_variant, protocol_of

_FORM = '{"id": ..., "prediction": ...}'


class Entry(NamedTuple):
    """A value, the line where it starts (1-based; None in a JSON document), and its id where the form has ids.

    The id of a tag is its word, if the file has words.
    """

    line: int | None
    value: Any
    id: str | None = None


def values_of(items: Iterable[Entry]) -> list[Any]:
    """The values without their lines."""
    return [item.value for item in items]


def is_json_lines(path: Path) -> bool:
    """Whether each line of a file is a JSON object: the name says so (`.jsonl`), else the first line.

    A single line with an object is a row if it has `prediction`, else an object of all answers by id.
    """
    if kind_of(path) in ("jsonl", "ndjson"):
        return True
    first, _, rest = read_text(path).lstrip().partition("\n")
    row = value_or_none(first)
    return isinstance(row, dict) and ("prediction" in row or bool(rest.strip()))


def json_rows(path: Path) -> list[Entry]:
    """The rows of JSON lines, no id twice; of several variants (layers of retrieval) the one that enters means."""
    chosen, ids, found = variant_of(path), common.Ids(path), []
    for line, _, row in rows(read_text(path), path):
        if not isinstance(row, dict) or not {"id", "prediction"} <= row.keys():
            raise DataError(f"expected {_FORM}", path, line)
        if not chosen or row.get("variant") == chosen:
            found.append(Entry(line, row["prediction"], ids.add(scalar(row["id"], "the id", path, line), line)))
    return found


def variant_of(path: Path) -> str:
    """The variant that enters means in a predict stage's file with several variants; else empty."""
    if not is_json_lines(path):
        return ""
    found = [row.get("variant") for _, _, row in rows(read_text(path), path) if isinstance(row, dict)]
    variants = [*dict.fromkeys(name for name in found if isinstance(name, str))]
    if len(variants) < 2:
        return ""
    chosen = default_variant(variants, protocol_of(path.parent.parent)[1])
    if chosen not in variants:
        raise DataError(f"has no variant {shown(chosen)}, only {', '.join(variants)[:200]}", path)
    return chosen


def scalar(value: Any, what: str, path: Path, line: int | None = None) -> str:
    """A label, tag or id, which JSON may write as a number. Raises `DataError` for anything else, and for blanks."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise DataError(f"{what} should be text or a whole number, found {shown(value)}", path, line)
    if not (name := str(value).strip()):
        raise DataError(f"{what} is empty", path, line)
    return name


def lines_of(path: Path, may_be_empty: bool = False) -> list[Entry]:
    """All lines but blank ones at the end. Raises `DataError` for a file without any, unless it `may_be_empty`."""
    items = [Entry(line, text) for line, text in enumerate(common.lines_of(path), start=1)]
    while items and not items[-1].value.strip():
        items.pop()
    if not items and not may_be_empty:
        raise DataError("is empty", path)
    return items


def plain_lines(path: Path, may_be_empty: bool = False) -> list[Entry]:
    """`lines_of`. Raises `DataError` for a file that is one JSON object or list."""
    items, text = lines_of(path, may_be_empty), read_text(path)
    document = value_or_none(text) if text.lstrip().startswith(("{", "[")) else None
    if isinstance(document, (dict, list)) and not re.fullmatch(r"\[ *[0-9]+ *\]\s*", text):
        kind = "object" if isinstance(document, dict) else "list"
        raise DataError(f"is one JSON {kind}: give one prediction or one {_FORM} per line", path)
    return items


def labels(path: Path) -> list[Entry]:
    """One label per line."""
    items = json_rows(path) if is_json_lines(path) else plain_lines(path)
    found = []
    for item in items:
        label = scalar(item.value, "the label", path, item.line)
        if "\t" in label:
            count = label.count("\t") + 1
            problem = f"expected one label, found {count} columns: give only labels, or rows {_FORM} as JSON lines"
            raise DataError(problem, path, item.line)
        found.append(item._replace(value=label))
    return found


def indices(path: Path) -> list[Entry]:
    """Tatoeba: one candidate number per line, also written `[12]` as the official retrieval script does."""
    found = []
    for item in labels(path):
        if (match := re.fullmatch(r"([0-9]{1,9})|\[ *([0-9]{1,9}) *\]", item.value)) is None:
            raise DataError(f"expected the number of a candidate, found {shown(item.value)}", path, item.line)
        found.append(item._replace(value=int(match[1] or match[2])))
    return found


def sentences(path: Path) -> list[Entry]:
    """Lists of tags (`Entry`): a tag, or a word and a tag, per line, with blank lines between sentences."""
    if is_json_lines(path):
        said = []
        for row in json_rows(path):
            if not isinstance(row.value, list) or not row.value:
                raise DataError("expected a list of tags as prediction", path, row.line)
            tags = [Entry(row.line, scalar(tag, "a tag", path, row.line)) for tag in row.value]
            said.append(row._replace(value=tags))
        return said
    found: list[list[Entry]] = [[]]
    for line, text, _ in plain_lines(path):
        cells = text.split("\t")
        if len(cells) > 2:
            raise DataError(f"expected a tag, or a word and a tag, found {len(cells)} columns", path, line)
        if text.strip() or len(cells) > 1:
            found[-1].append(Entry(line, scalar(cells[-1], "the tag", path, line), *cells[:-1]))
        elif found[-1]:
            found.append([])
    return [Entry(sentence[0].line, sentence) for sentence in found if sentence]


def answers(path: Path) -> dict[str, str]:
    """Question id -> answer: one JSON object."""
    for line, answer, name in (said := list(_by_id(path, "question id -> answer"))):
        if not isinstance(answer, str):
            raise DataError(f"the answer to question {shown(name)} is not a string", path, line)
    return {str(name): answer for _, answer, name in said}


def rankings(path: Path) -> dict[str, list[str]]:
    """Query id -> candidate ids, best first: one JSON object, Mewsli-X's form."""
    form = "query id -> list of candidate ids"
    found: dict[str, list[str]] = {}
    for line, ranked, name in _by_id(path, form):
        if not isinstance(ranked, list):
            raise DataError(f"expected an object of {form}; query {shown(name)} has {shown(ranked)}", path, line)
        found[str(name)] = [scalar(candidate, "a candidate's id", path, line) for candidate in ranked]
    return found


def _by_id(path: Path, form: str) -> Iterator[Entry]:
    if is_json_lines(path):
        yield from json_rows(path)
        return
    if not isinstance(document := parse(read_text(path), path, strict=True), dict):
        raise DataError(f"expected an object of {form}, or rows {_FORM}", path)
    yield from (Entry(None, value, name) for name, value in document.items())


def pairs(path: Path) -> list[tuple[str, str]]:
    """BUCC: `id<TAB>id` per line, source first; in JSON lines an id or a list of ids. May be empty."""
    found: list[tuple[str, str]] = []
    if is_json_lines(path):
        for line, ids, name in json_rows(path):
            several = ids if isinstance(ids, list) else [] if ids in (None, "") else [ids]
            found += [(str(name), scalar(other, "a sentence's id", path, line)) for other in several]
        return found
    for line, text, _ in plain_lines(path, may_be_empty=True):
        cells = text.split("\t")
        if len(cells) != 2:
            raise DataError(f"expected two sentence ids with a tab between, found {len(cells)} columns", path, line)
        if not re.fullmatch("[!-~]+", cells[1].strip() or "-"):
            problem = f"expected two sentence ids, found text ({shown(cells[1])}): gold is in the .gold file"
            raise DataError(problem, path, line)
        source, target = (scalar(cell, "a sentence's id", path, line) for cell in cells)
        found.append((source, target))
    return found
