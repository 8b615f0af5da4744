"""Gold and predictions side by side, one function for each type of task.

Gold is what the task's own reader reads, or a label file of XTREME, which has the form of a submission.
"""

from __future__ import annotations

import re
from pathlib import Path

from xstilts.core.errors import DataError
from xstilts.core.files import kind_of, read_json
from xstilts.core.languages import LANGUAGES, meant
from xstilts.data.examples import Example, ParallelExample, PoolExample, asked, gold_of
from xstilts.data.readers.common import records, shown
from xstilts.data.readers.pairs import nli
from xstilts.data.readers.tagging import treebank, udpos
from xstilts.data.readers.text import tatoeba
from xstilts.evaluation import prediction_files as forms
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
    golds, predictions = _gold_labels(files), forms.labels(files.predictions)
    if len(predictions) != len(golds) and files.task.read is nli:
        # The reader leaves out SNLI's and MultiNLI's pairs on which annotators did not agree (`-`).
        whole = [row.record.get("gold_label", row.record.get("label")) for row in records(files.gold)]
        if len(whole) == len(predictions):
            predictions = [item._replace(id=None) for item, label in zip(predictions, whole) if label != "-"]
    return _matched(files, golds, predictions, "labels")


def match_choices(files: ScoredFiles) -> Matched:
    """Numbers of choices, counted from 0, in `.lst` files from 1; letters stand for numbers too."""
    golds, predictions = _gold_labels(files), _numbered(files.predictions)
    matched = _matched(files, golds, predictions, "labels")
    said, most = {item.value for item in predictions}, max(str(item.value) for item in golds)
    beyond = [item for item in predictions if item.value.isdecimal() and item.value > most]
    if len(golds) >= 3 * PLACEHOLDER_ROWS and beyond and "1" in said and "0" not in said:
        problem = f"choice {beyond[0].value} is not in gold, which counts from 0; only a .lst file may count from 1"
        raise DataError(problem, files.predictions, beyond[0].line)
    return matched


def _matched(files: ScoredFiles, golds: list[Entry], predictions: list[Entry], what: str) -> Matched:
    check_gold(files, golds)
    check_count(files, golds, predictions, what)
    said = values_of(in_order(files, golds, predictions))
    note = count_unknown(files, golds, predictions) if what == "labels" else ""
    return Matched(values_of(golds), said, len(golds), note)


def _gold_labels(files: ScoredFiles) -> list[Entry]:
    task, path = files.task, files.gold
    choices = task.type == "multiple_choice"
    first = "" if _is_own(files) else forms.lines_of(path)[0].value.strip()
    if first not in task.labels and not re.fullmatch("[0-9A-E]", first):
        items = _read(files)
        return [item._replace(value=str(item.value)) if choices and item.value is not None else item for item in items]
    if not choices:
        return forms.labels(path)
    items = _numbered(path)
    if len(items) > PLACEHOLDER_ROWS and all(re.fullmatch("[1-9]", item.value) for item in items):
        raise DataError("no choice is 0: choices are counted from 0, except in .lst files", path)
    return items


def _numbered(path: Path) -> list[Entry]:
    """Choices counted from 0, as text. Raises `DataError` for a number in a `.lst` file that does not count from 1."""
    found = []
    for item in forms.labels(path):
        number = str(ord(item.value) - ord("A")) if re.fullmatch("[A-E]", item.value) else item.value
        if kind_of(path) == "lst":
            if not re.fullmatch("[1-9]", number):
                raise DataError(f"a .lst file counts choices from 1, found {shown(number)}", path, item.line)
            number = str(int(number) - 1)
        found.append(item._replace(value=number))
    return found


def _is_own(files: ScoredFiles) -> bool:
    return files.task.name not in TASKS


def _examples(files: ScoredFiles) -> list[Example]:
    return list(files.task.read(files.gold, files.language))


def _read(files: ScoredFiles) -> list[Entry]:
    """Gold and ids by the task's reader."""
    return [Entry(None, gold_of(one), one.id) for one in _examples(files) if asked(one)]


def match_tags(files: ScoredFiles) -> Matched:
    """A tag a word, sentence by sentence."""
    golds = _tags(files, files.gold, plain=not _is_own(files))
    predictions = _tags(files, files.predictions, plain=True)
    if len(golds) == len(predictions):
        predictions = in_order(files, golds, predictions)
    flat = [tag for sentence in golds for tag in sentence.value]
    check_gold(files, flat)
    for number, (gold, predicted) in enumerate(zip(golds, predictions, strict=False), start=1):
        if len(gold.value) != len(predicted.value):
            there = f"{files.gold.name}:{gold.line}" if gold.line else f"'{gold.id}' of {files.gold.name}"
            problem = (
                f"sentence {number} has {len(predicted.value)} tags, but {len(gold.value)} in {there}; "
                f"{len(predictions)} sentences here, {len(golds)} there; sentences must not be cut or split"
                f"{', nor words joined, as in XTREME' if files.gold.match('*.conllu*') else ''}"
            )
            raise DataError(problem, files.predictions, predicted.value[0].line)
    check_count(files, golds, predictions, "sentences")
    note = count_unknown(files, flat, [tag for sentence in predictions for tag in sentence.value])
    right, said = ([values_of(one.value) for one in side] for side in (golds, predictions))
    return Matched(right, said, len(golds), note)


def _tags(files: ScoredFiles, path: Path, plain: bool) -> list[Entry]:
    """Sentences in the forms of predictions if they are `plain` and the file begins so, else by the task's reader."""
    first = next((text for _, text, _ in forms.lines_of(path) if text.strip()), "") if plain else ""
    cells = first.split("\t")
    in_columns = len(cells) <= 2 and " " not in cells[-1].strip() and not first.startswith("# ")
    if plain and (in_columns or forms.is_json_lines(path)):
        return forms.sentences(path)
    read = treebank if files.task.read is udpos else files.task.read
    examples = read(path, files.language)
    return [Entry(None, [Entry(None, tag) for tag in gold_of(one) or [None]], one.id) for one in examples]


def match_answers(files: ScoredFiles) -> Matched:
    """Answers by the question's id."""
    said, golds = forms.answers(files.predictions), {str(one.id): one.value for one in _read(files)}
    if files.task.name == "tydiqa":  # predictions for the official file answer questions of nine languages
        others = {name for name in said.keys() - golds.keys() if meant(name.partition("-")[0]) in LANGUAGES}
        said = {name: text for name, text in said.items() if name not in others}
    for name, answers in golds.items():
        if answers is None:
            raise DataError("gold is withheld in this file: take the official file", files.gold)
        if not answers and files.task.metric != "squad_v2":
            raise DataError(f"question {shown(name)} has no answer; that is for squad_v2 only", files.gold)
        if name.endswith("#2") and name not in said:
            twice = shown(name.removesuffix("#2"))
            raise DataError(f"question id {twice} occurs twice: predictions could not be told apart", files.gold)
    return by_id(files, {name: [answer.text for answer in answers] for name, answers in golds.items()}, said, None)


def match_numbers(files: ScoredFiles) -> Matched:
    """Numbers of candidates; or ids of translations, where gold is the official text."""
    if _is_own(files) or not _mostly_numbers(files.gold):
        return _translations(files)
    return _matched(files, forms.indices(files.gold), forms.indices(files.predictions), "indices")


def _mostly_numbers(path: Path) -> bool:
    numbers = [bool(re.fullmatch(r"\W*[0-9]+\W*", text)) for _, text, _ in forms.lines_of(path)]
    return sum(numbers) * 10 >= len(numbers)


def _translations(files: ScoredFiles) -> Matched:
    """Our rows say which line translates an id, XTREME's numbers which one translates the sorted English sentences."""
    examples = [one for one in _examples(files) if isinstance(one, ParallelExample)]
    if forms.is_json_lines(files.predictions):
        rows = forms.json_rows(files.predictions)
        answers = {str(row.id): forms.scalar(row.value, "an id", files.predictions, row.line) for row in rows}
        return by_id(files, {one.id: one.id for one in examples}, answers, None)
    if files.task.read is not tatoeba:
        needed = 'give JSON lines, {"id": line, "prediction": line}'
        raise DataError(f"numbers have no fixed order in {files.task.name}: {needed}", files.predictions)
    order = sorted(range(len(examples)), key=lambda number: examples[number].target.strip())
    predictions = forms.indices(files.predictions)
    check_count(files, order, predictions, "indices")
    said = values_of(predictions)
    right, *unsorted = (
        sum(gold == number for gold, number in zip(golds, said))
        for golds in (order, range(len(said)), range(1, len(said) + 1))
    )
    if max(unsorted) > max(right, len(said) // 10):
        problem = "the numbers follow the lines of the text; XTREME sorts the English sentences and counts from 0"
        raise DataError(problem, files.predictions)
    return Matched(order, said, len(order), " | English sorted, as XTREME")


def match_rankings(files: ScoredFiles) -> Matched:
    """Candidates, best first, by the query's id."""
    name, path, note = files.task.name, files.gold, ""
    document = None if forms.is_json_lines(path) else read_json(path)
    if isinstance(document, dict) and "data" not in document:
        golds = forms.rankings(path)
    else:
        if name == "lareqa" and (called := path.name.partition(".")[0]) != files.language:
            problem = f"expected the name {files.language}.json, as in the release: candidates are named after files"
            raise DataError(f"{problem} ({called}_1_0)", path)
        examples = [one for one in _examples(files) if isinstance(one, PoolExample)]
        golds = {one.id: list(one.gold or ()) for one in examples if one.query}
        if name == "lareqa":
            pool = {one.id.partition("_")[0] for one in examples if not one.query}
            note = f" | candidates of {len(pool)} languages"
    for query, relevant in golds.items():
        if not relevant:
            raise DataError(f"query {shown(query)} has no relevant candidate", path)
    if not golds:
        raise DataError("holds no queries", path)
    matched = by_id(files, golds, forms.rankings(files.predictions), [])
    return matched._replace(note=note + matched.note)


def match_pairs(files: ScoredFiles) -> Matched:
    """Mined pairs, which are a set."""
    golds, predictions = forms.pairs(files.gold), forms.pairs(files.predictions)
    if not golds:
        raise DataError("holds no pairs", files.gold)
    sources, targets = ({pair[side] for pair in golds} for side in (0, 1))
    said = {source for source, _ in predictions}
    if said & targets and not said & sources:
        problem = "the two columns look exchanged: gold has the ids of the first in its second"
        raise DataError(problem, files.predictions)
    grouped = group_pairs(golds, predictions)
    return Matched(grouped.golds, grouped.predictions, len(set(golds)))
