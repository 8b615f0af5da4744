"""Gold and predictions side by side, one function for each type of task."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from xstilts.core.errors import DataError
from xstilts.core.files import kind_of, read_json
from xstilts.data.examples import ParallelExample, PoolExample, asked, gold_of
from xstilts.data.readers.common import records, shown
from xstilts.data.readers.pairs import nli
from xstilts.data.readers.tagging import relations, treebank, udpos
from xstilts.data.readers.text import tatoeba
from xstilts.data.readers.words import is_conllu
from xstilts.evaluation import prediction_files as files_of
from xstilts.evaluation.prediction_files import Entry
from xstilts.evaluation.score_checks import (
    PLACEHOLDER_ROWS,
    Matched,
    ScoredFiles,
    by_id,
    check_count,
    check_gold,
    count_unknown,
    in_order,
    values_of,
)
from xstilts.metrics.retrieval import group_pairs
from xstilts.tasks import TASKS


def match_labels(files: ScoredFiles) -> Matched:
    """One label each, in the order of gold or by id."""
    golds, ids = _gold_labels(files)
    predictions = files_of.predicted_labels(files.predictions)
    if len(predictions) != len(golds) and files.task.read is nli:
        # SNLI's and MultiNLI's pairs on which annotators did not agree (`-`) are left out, predicted or not.
        whole = [row.record.get("gold_label", row.record.get("label")) for row in records(files.gold)]
        if len(whole) == len(predictions):
            predictions = [item for item, label in zip(predictions, whole) if label != "-"]
            ids = []
    return _matched_labels(files, golds, ids, predictions)


def match_choices(files: ScoredFiles) -> Matched:
    """Numbers of choices, from 0 but in `.lst` files; letters stand for them too."""
    golds, ids = _gold_labels(files)
    predictions = _numbered(files.predictions, files_of.predicted_labels(files.predictions))
    matched = _matched_labels(files, golds, ids, predictions)
    said, most = {item.value for item in predictions}, max(str(item.value) for item in golds)
    beyond = [item for item in predictions if item.value.isdecimal() and item.value > most]
    if len(golds) >= 3 * PLACEHOLDER_ROWS and beyond and "1" in said and "0" not in said:
        problem = f"choice {beyond[0].value} is not in gold, which counts from 0; only a .lst file may count from 1"
        raise DataError(problem, files.predictions, beyond[0].line)
    return matched


def _matched_labels(files: ScoredFiles, golds: list[Entry], ids: list[str], predictions: list[Entry]) -> Matched:
    check_gold(files, golds)
    check_count(files, golds, predictions, "labels")
    ordered = values_of(in_order(files, ids, predictions))
    return Matched(values_of(golds), ordered, len(golds), count_unknown(files, golds, predictions))


def _numbered(path: Path, items: list[Entry]) -> list[Entry]:
    """Choices counted from 0, as text; `.lst` files count from 1. Raises `DataError` for what is no such number."""
    items = [Entry(line, str(ord(name) - ord("A")) if re.fullmatch("[A-E]", name) else name) for line, name in items]
    if kind_of(path) != "lst":
        return items
    for line, number in items:
        if not re.fullmatch("[1-9]", number):
            raise DataError(f"a .lst file counts choices from 1, found {shown(number)}", path, line)
    return [Entry(line, str(int(number) - 1)) for line, number in items]


def _gold_labels(files: ScoredFiles) -> tuple[list[Entry], list[str]]:
    """Labels with their lines, and ids where the file has them: labels alone, or what the task's reader reads."""
    task, path = files.task, files.gold
    if not files_of.is_json_lines(path):
        lines = files_of.lines_of(path)
        first = lines[0].value.strip()
        if first in task.labels or re.fullmatch("[0-9A-E]", first):
            items = [Entry(line, files_of.scalar(text, "the label", path, line)) for line, text in lines]
            if task.type != "multiple_choice":
                return items, []
            items = _numbered(path, items)
            if len(items) > PLACEHOLDER_ROWS and all(re.fullmatch("[1-9]", item.value) for item in items):
                raise DataError("no choice is 0: choices are counted from 0, except in .lst files", path)
            return items, []
    examples = [one for one in task.read(path, files.language) if asked(one)]
    golds = [gold_of(one) for one in examples]
    choices = task.type == "multiple_choice"
    items = [Entry(None, str(gold) if choices and gold is not None else gold) for gold in golds]
    return items, [one.id for one in examples]


def match_tags(files: ScoredFiles) -> Matched:
    """A tag a word, sentence by sentence."""
    golds, ids = _gold_tags(files, files.gold)
    read = files.task.read
    if not files_of.is_json_lines(files.predictions) and read in (udpos, relations) and is_conllu(files.predictions):
        predictions, _ = _gold_tags(files, files.predictions)
    else:
        predictions = files_of.sentences(files.predictions)
    if len(golds) == len(predictions):
        predictions = in_order(files, ids, predictions)
    flat = [item for sentence in golds for item in sentence]
    check_gold(files, flat)
    for number, (gold, predicted) in enumerate(zip(golds, predictions, strict=False), start=1):
        if len(gold) != len(predicted):
            there = f"'{ids[number - 1]}' of {files.gold.name}" if ids else f"{files.gold.name}:{gold[0].line}"
            problem = (
                f"sentence {number} has {len(predicted)} tags, but {len(gold)} in {there}; "
                f"{len(predictions)} sentences here, {len(golds)} there; sentences must not be cut or split"
                f"{', nor words joined, as in XTREME' if files.gold.match('*.conllu*') else ''}"
            )
            raise DataError(problem, files.predictions, predicted[0].line if predicted else None)
    check_count(files, golds, predictions, "sentences")
    note = count_unknown(files, flat, [item for sentence in predictions for item in sentence])
    return Matched([values_of(one) for one in golds], [values_of(one) for one in predictions], len(golds), note)


def _gold_tags(files: ScoredFiles, path: Path) -> tuple[list[list[Entry]], list[str]]:
    """Sentences of tags: one or two columns or JSON lines, else what the task's reader reads, with its ids."""
    if files_of.is_json_lines(path) or (not _is_own(files) and _plain_columns(path)):
        return files_of.sentences(path), []
    read = treebank if files.task.read is udpos else files.task.read
    examples = list(read(path, files.language))
    return [[Entry(None, tag) for tag in gold_of(one) or [None]] for one in examples], [one.id for one in examples]


def _is_own(files: ScoredFiles) -> bool:
    return files.task.name not in TASKS


def _plain_columns(path: Path) -> bool:
    """Whether the first line is a tag, or a word, a tab and a tag."""
    first = next((text for _, text in files_of.lines_of(path) if text.strip()), "")
    cells = first.split("\t")
    return len(cells) <= 2 and " " not in cells[-1].strip() and not first.startswith("# ")


def match_answers(files: ScoredFiles) -> Matched:
    """Answers by the question's id."""
    said = files_of.predicted_answers(files.predictions)
    if files_of.is_json_lines(files.gold) or _is_own(files):
        examples = [one for one in files.task.read(files.gold, files.language) if asked(one)]
        golds = {one.id: [answer.text for answer in gold_of(one) or ()] for one in examples}
    else:
        golds = files_of.gold_answers(files.gold, said if files.task.name == "tydiqa" else ())
    if files.task.name == "tydiqa":
        golds, said = _one_language(files, golds), _one_language(files, said)
    if not golds:
        raise DataError(f"holds no questions in language '{files.language}'", files.gold)
    if all(answer == "" for answers in golds.values() for answer in answers) and any(golds.values()):
        raise DataError("all answers are empty: XTREME's test form is without gold, take the official file", files.gold)
    for name, answers in golds.items():
        if not answers and files.task.metric != "squad_v2":
            raise DataError(f"question {shown(name)} has no answer; that is for squad_v2 only", files.gold)
        if "" in answers:
            raise DataError(f"question {shown(name)} has an empty answer", files.gold)
    return by_id(files, golds, said, None)


TYDIQA_NAMES = {
    "ar": "arabic", "bn": "bengali", "en": "english", "fi": "finnish", "id": "indonesian",
    "ko": "korean", "ru": "russian", "sw": "swahili", "te": "telugu",
}  # fmt: skip


def _one_language(files: ScoredFiles, questions: dict[str, Any]) -> dict[str, Any]:
    """TyDiQA's official dev file holds nine languages; the first part of an id names its own (`arabic-...`)."""
    others = tuple(f"{name}-" for code, name in TYDIQA_NAMES.items() if code != files.language)
    return {name: value for name, value in questions.items() if not name.startswith(others)}


def match_numbers(files: ScoredFiles) -> Matched:
    """Numbers of candidates; or ids of translations, where gold is the official text."""
    if not files_of.is_json_lines(files.gold) and not _mostly_numbers(files.gold):
        return _translations(files)
    golds, predictions = files_of.indices(files.gold), files_of.indices(files.predictions)
    check_gold(files, golds)
    check_count(files, golds, predictions, "indices")
    return Matched(values_of(golds), values_of(in_order(files, [], predictions)), len(golds))


def _mostly_numbers(path: Path) -> bool:
    numbers = [bool(re.fullmatch(r"\W*[0-9]+\W*", text)) for _, text in files_of.lines_of(path)]
    return sum(numbers) * 10 >= len(numbers)


def _translations(files: ScoredFiles) -> Matched:
    """Our rows say which line translates an id, XTREME's numbers which one translates the sorted English sentences."""
    examples = [one for one in files.task.read(files.gold, files.language) if isinstance(one, ParallelExample)]
    if files_of.is_json_lines(files.predictions):
        rows = files_of.json_rows(files.predictions, joined=True)
        answers = {name: files_of.scalar(answer, "an id", files.predictions, line) for line, name, answer in rows}
        return by_id(files, {one.id: one.id for one in examples}, answers, None)
    if files.task.read is not tatoeba:
        problem = (
            f'numbers have no fixed order in {files.task.name}: give JSON lines, {{"id": line, "prediction": line}}'
        )
        raise DataError(problem, files.predictions)
    order = sorted(range(len(examples)), key=lambda number: examples[number].target.strip())
    predictions = files_of.indices(files.predictions)
    check_count(files, order, predictions, "indices")
    said = values_of(predictions)
    right, *unsorted = (
        sum(gold == number for gold, number in zip(golds, said))
        for golds in (order, range(len(said)), range(1, len(said) + 1))
    )
    if max(unsorted) > max(right, len(said) // 10):
        problem = (
            "the numbers follow the lines of the text; XTREME asks with the English sentences sorted, counts from 0"
        )
        raise DataError(problem, files.predictions)
    return Matched(order, said, len(order), " | English sorted, as XTREME")


def match_rankings(files: ScoredFiles) -> Matched:
    """Candidates, best first, by the query's id."""
    said, note = files_of.rankings(files.predictions), ""
    document = None if files_of.is_json_lines(files.gold) else read_json(files.gold)
    if isinstance(document, dict) and "data" not in document:
        golds = files_of.rankings(files.gold)
    else:
        golds, note = _relevant(files)
    for name, relevant in golds.items():
        if not relevant:
            raise DataError(f"query {shown(name)} has no relevant candidate", files.gold)
    if not golds:
        raise DataError("holds no queries", files.gold)
    matched = by_id(files, golds, said, [])
    return matched._replace(note=note + matched.note)


def _relevant(files: ScoredFiles) -> tuple[dict[str, list[str]], str]:
    """Query id -> ids of what it wants, as the task's reader reads it, and a note on the pool."""
    name, path = files.task.name, files.gold
    if name == "lareqa" and (called := path.name.partition(".")[0]) != files.language:
        problem = f"is not called {files.language}.json as in the release, and candidates are named after their files: "
        raise DataError(f"{problem}{called}_1_0", path)
    examples = [one for one in files.task.read(path, files.language) if isinstance(one, PoolExample)]
    pool = {one.id.partition("_")[0] for one in examples if not one.query}
    note = f" | candidates of {len(pool)} languages" if name == "lareqa" else ""
    return {one.id: list(one.gold or ()) for one in examples if one.query}, note


def match_pairs(files: ScoredFiles) -> Matched:
    """Mined pairs, which are a set."""
    golds, predictions = files_of.pairs(files.gold), files_of.pairs(files.predictions)
    if not golds:
        raise DataError("holds no pairs", files.gold)
    sources, targets = ({pair[side] for pair in golds} for side in (0, 1))
    said = {source for source, _ in predictions}
    if said & targets and not said & sources:
        raise DataError(
            "the two columns look exchanged: gold has the ids of the first in its second", files.predictions
        )
    grouped = group_pairs(golds, predictions)
    return Matched(grouped.golds, grouped.predictions, len(set(golds)))
