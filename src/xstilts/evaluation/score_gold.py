"""Gold for `score_files`: labels alone, or out of a task's official files in the layout that they are released in.

Where an official file can only be told by the task's own reader (treebanks, Universal NER, MasakhaNER, XQuAD-R), that
reader reads it. Every fault is named with the file, and with the line where there is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from xstilts.core.errors import DataError, UnknownName
from xstilts.core.files import read_json, read_jsonl
from xstilts.core.languages import code_of
from xstilts.data.examples import ParallelExample, asked, gold_of
from xstilts.data.readers.common import csv_rows, shown
from xstilts.data.readers.pairs import NLI_LABELS, NLI_SPELLINGS
from xstilts.data.readers.pools import answer_sentences, lareqa
from xstilts.data.readers.tagging import relations, treebank, udpos
from xstilts.data.readers.words import is_conllu
from xstilts.evaluation.score_inputs import Item, is_json_lines, lines_of, rankings, scalar, sentences
from xstilts.tasks import TASKS, Task

LABEL_COLUMNS = ("gold_label", "label", "category", "is_duplicate", "correct", "answerKey")
ID_COLUMNS = ("uid", "pairID", "id", "index_id", "idx")
NO_MAJORITY = "-"
"""SNLI's and MultiNLI's label of pairs on which the annotators did not agree; published results leave them out."""

Cells = dict[str, Any]


class Gold(NamedTuple):
    """What a file says is right.

    Attributes:
        values: labels as `Item`s, or sentences of them, in the order of the file.
        ids: the file's own, as many; none where it has none.
        respelled: whether the file spells labels in a way of its own (ANLI's `e`), so that predictions may too.
    """

    values: list[Any]
    ids: list[str]
    respelled: bool = False


def labels(path: Path, task: str, language: str) -> Gold:
    """Labels of one language: one per line, the label column of a table with or without header, or JSON lines.

    Choices are numbered from 0, also where the file has letters or, as `.lst` files do, counts from 1.

    Raises:
        DataError: a table of two columns (XTREME's test files, whose labels are taken away), or of ragged rows.
    """
    found = TASKS.get(task)
    if (rows := _rows(path)) is None:
        values = _column(path, found, language)
        return Gold(spelled(found, values), [], spelled(found, values) != values)
    spoken: set[str] = set()
    kept: list[tuple[int, Cells, str]] = []
    for line, cells in rows:
        column = next((name for name in LABEL_COLUMNS if name in cells), None)
        if column is None:
            raise DataError("no label in this row", path, line)
        spoken.add(said := _language(cells, path, line) if "language" in cells else language)
        if said == language:
            kept.append((line, cells, scalar(cells[column], "the label", path, line)))
    if not kept and spoken:
        there = ", ".join(sorted(spoken))
        raise DataError(f"holds no gold for {task} in language '{language}'; it has {there[:200]}", path)
    named = next((name for name in ID_COLUMNS if kept and all(name in cells for _, cells, _ in kept)), None)
    ids = [str(cells[named]).strip() for _, cells, _ in kept] if named else []
    values = [Item(line, label) for line, _, label in kept]
    ids = ids if len(set(ids)) == len(kept) else []
    return Gold(spelled(found, values), ids, spelled(found, values) != values)


def spelled(task: Task, items: list[Item]) -> list[Item]:
    """The items in the task's own spelling: ANLI's `e` is `entailment`, the choice `A` is 0."""
    if task.labels == NLI_LABELS:
        return [Item(line, NLI_SPELLINGS.get(label, label)) for line, label in items]
    if task.type == "multiple_choice":
        return [
            Item(line, str(ord(label) - ord("A")) if re.fullmatch("[A-E]", label) else label) for line, label in items
        ]
    return items


def from_zero(path: Path, items: list[Item]) -> list[Item]:
    """Numbers of choices, which official `.lst` files count from 1. Raises `DataError` for what is no such number."""
    if path.suffix != ".lst":
        return items
    for line, number in items:
        if not re.fullmatch("[1-9]", number):
            raise DataError(f"a .lst file counts choices from 1, found {shown(number)}", path, line)
    return [Item(line, str(int(number) - 1)) for line, number in items]


def _rows(path: Path) -> Iterator[tuple[int, Cells]] | None:
    """(line, fields) of JSON lines, of a `.csv`, or of a tab-separated table whose header names a label column."""
    if is_json_lines(path):
        return ((line, row if isinstance(row, dict) else {}) for line, row in read_jsonl(path))
    if path.name.removesuffix(".gz").endswith(".csv"):
        return _named(path, ((line, cells) for line, cells in csv_rows(path, ",") if cells))
    lines = lines_of(path)
    header = lines[0].value.split("\t")
    if len(header) < 2 or not set(header).intersection(LABEL_COLUMNS):
        return None
    return _named(path, ((line or 0, text.split("\t")) for line, text in lines))


def _named(path: Path, rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, Cells]]:
    header = next(rows, (1, []))[1]
    for line, cells in rows:
        _check_width(path, line, len(cells), len(header))
        yield line, dict(zip(header, cells))


def _check_width(path: Path, line: int | None, found: int, first: int) -> None:
    if found != first:
        raise DataError(f"{found} columns, but {first} in the first line", path, line)


def _language(cells: Cells, path: Path, line: int) -> str:
    """The row's language by XTREME's code; AmericasNLI says `aym` and `quy`."""
    name = scalar(cells["language"], "the language", path, line)
    try:
        return code_of(name)
    except UnknownName:
        return name


def _column(path: Path, task: Task, language: str) -> list[Item]:
    """The last column of a table without header, or labels alone."""
    lines = lines_of(path)
    columns = len(lines[0].value.split("\t"))
    if columns == 2:
        raise DataError("no label column: XTREME's test files are without gold, take the official labels", path, 1)
    if task.type == "multiple_choice" and _most(" " in text for _, text in lines):  # HellaSwag as text
        return [Item(None, str(gold_of(one))) for one in task.read(path, language)]
    items = []
    for line, text in lines:
        cells = text.split("\t")
        _check_width(path, line, len(cells), columns)
        items.append(Item(line, scalar(cells[-1], "the label", path, line)))
    return items


def tagged(path: Path, task: str, language: str) -> Gold:
    """Sentences of tags: of one or two columns, of JSON lines, or of the task's own official layout."""
    found = TASKS.get(task)
    if is_json_lines(path) or not _most(_beyond_columns(text) for _, text in lines_of(path) if text):
        return Gold(sentences(path), [])
    read = treebank if found.read is udpos else found.read
    examples = list(read(path, language))
    return Gold([[Item(None, tag) for tag in gold_of(one)] for one in examples], [one.id for one in examples])


def predicted_tags(path: Path, task: str, language: str) -> list[list[Item]]:
    """Sentences of predicted tags: as `sentences` reads them, or CoNLL-U, as taggers of treebanks write it."""
    if not is_json_lines(path) and TASKS.get(task).read in (udpos, relations) and is_conllu(path):
        return tagged(path, task, language).values
    return sentences(path)


def _beyond_columns(text: str) -> bool:
    """Whether a line is neither a tag nor a word, a tab and a tag."""
    cells = text.split("\t")
    return len(cells) > 2 or " " in cells[-1].strip() or text.startswith("# ")


def _most(found: Iterator[bool]) -> bool:
    kinds = list(found)
    return sum(kinds) * 2 > len(kinds)


def relevant(path: Path, task: str, language: str) -> tuple[dict[str, list[str]], str]:
    """Query id -> ids of what it wants, and a note: Mewsli-X's gold or its mentions, or XQuAD-R's questions."""
    if is_json_lines(path):
        rows = list(read_jsonl(path))
        if rows and isinstance(rows[0][1], dict) and {"mentions", "contextual_mention"}.intersection(rows[0][1]):
            return _mentions(path, rows, language), ""
        return rankings(path), ""
    document, read = read_json(path), TASKS.get(task).read
    if read not in (lareqa, answer_sentences) or not isinstance(document, dict) or "data" not in document:
        return rankings(path), ""
    if task == "lareqa" and (name := path.name.partition(".")[0]) != language:
        problem = (
            f"is not called {language}.json as in the release, and candidates are named after their files: {name}_1_0"
        )
        raise DataError(problem, path)
    examples = list(read(path, language))
    pool = {one.id.partition("_")[0] for one in examples if not asked(one)}
    note = f" | candidates of {len(pool)} languages" if task == "lareqa" else ""
    return {one.id: list(gold_of(one)) for one in examples if asked(one)}, note


def _mentions(path: Path, rows: list[tuple[int, Any]], language: str) -> dict[str, list[str]]:
    """Mention -> its entity, of the files that Mewsli-X is released in; articles' texts need not be filled in."""
    found: dict[str, list[str]] = {}
    spoken: set[str] = set()
    for line, row in rows:
        try:
            whole = row.get("contextual_mention", row)
            spoken.add(here := str(whole["context"].get("language", language)))
            mentions = whole["mentions"] if "mentions" in whole else [whole["mention"]]
            pairs = [(mention["example_id"], mention["entity_id"]) for mention in mentions if here == language]
        except (KeyError, TypeError, AttributeError):
            raise DataError(
                "expected an article's context, and mentions with example_id and entity_id", path, line
            ) from None
        for pair in pairs:
            name, entity = (scalar(one, "an id", path, line) for one in pair)
            if name in found:
                raise DataError(f"mention {shown(name)} occurs twice", path, line)
            found[name] = [entity]
    if not found:
        raise DataError(f"holds no mentions in language '{language}'; it has {', '.join(sorted(spoken))[:200]}", path)
    return found


def is_text(path: Path) -> bool:
    """Whether a file holds sentences, as Tatoeba's official files do, and (nearly) no numbers of candidates."""
    if is_json_lines(path):
        return False
    numbers = [bool(re.fullmatch(r"\W*[0-9]+\W*", text)) for _, text in lines_of(path)]
    return sum(numbers) * 10 < len(numbers)


def translated(path: Path, task: str, language: str) -> tuple[list[str], list[int]]:
    """Of official text files: ids, of which each translates itself, and the places of the English sentences sorted.

    XTREME asks with the English sentences in sorted order; the answer is the line of the other language, from 0.
    """
    examples = [one for one in TASKS.get(task).read(path, language) if isinstance(one, ParallelExample)]
    order = sorted(range(len(examples)), key=lambda number: examples[number].target.strip())
    return [one.id for one in examples], order
