"""Scores of anyone's prediction files, without a model.

Gold is a file that the task's own reader reads, or a label file of XTREME, which has the form of a submission.
Predictions are JSON lines `{"id": ..., "prediction": ...}`, or in the form of an XTREME submission. Files that do not
belong together (gold taken away, cut sentences, shifted lines) are refused with file and line, where the official
scripts give a number. `types.toml` names the function that compares the files of a type of task.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xstilts import __version__
from xstilts.core.errors import ConfigError, DataError, UnknownName
from xstilts.core.files import held, kind_of, read_json
from xstilts.core.languages import LANGUAGES, meant
from xstilts.core.scores import Score
from xstilts.data.examples import Example, ParallelExample, PoolExample, asked, gold_of
from xstilts.data.readers.common import records, shown
from xstilts.data.readers.pairs import nli
from xstilts.data.readers.tagging import treebank, udpos
from xstilts.data.readers.text import tatoeba
from xstilts.data.readers.types import TYPES
from xstilts.evaluation import prediction_files as forms
from xstilts.evaluation.prediction_files import (
    Entry,
    Matched,
    ScoredFiles,
    by_id,
    check_count,
    check_gold,
    count_unknown,
    in_order,
    values_of,
)
from xstilts.metrics import METRICS, Metric
from xstilts.metrics.retrieval import group_pairs
from xstilts.tasks import TASKS, Task

CONSTRUCTED = {code for code in LANGUAGES if code.startswith("qa")}
ALSO = {"udpos": ("span_f1_seqeval_1",)}
"""Task -> further metrics: XTREME's F1 of tags without prefixes depends on seqeval's version."""


def score_files(task: Task | str, language: str, gold: Path, predictions: Path) -> list[Score]:
    """Every value of the task's metric, the main one first.

    `majority` is 0 for values without a majority baseline (precision, recall, exact match). Questions without a
    prediction count 0, as in the official scripts; the signature says how many there are.

    Args:
        task: the name of a registered task, or a task of an experiment file.
        language: code of a language of the task; of tagging, whose data sets grow, any known language.

    Raises:
        UnknownName: a task or language that cannot be scored.
        ConfigError: prediction files of this type of task cannot be scored.
        DataError: files are malformed, have no gold, or do not belong together.
    """
    found = task if isinstance(task, Task) else registered(task)
    if not (match := TYPES.get(found.type).score):
        scorable = ", ".join(one.name for one in TYPES if one.score)
        raise ConfigError(
            f"prediction files of {found.type} tasks ('{found.name}') cannot be scored; those of {scorable} can"
        )
    code = language if language in found.languages else meant(language)
    if code not in found.languages and not (found.type == "tagging" and code in LANGUAGES.keys() - CONSTRUCTED):
        raise UnknownName(f"language of {found.name}", language, found.languages)
    with held():
        matched: Matched = globals()[match](ScoredFiles(found, code, gold, predictions))
        variant = forms.variant_of(predictions)
    note = f" | {variant}{matched.note}" if variant else matched.note
    scores: list[Score] = []
    for name in (found.metric, *ALSO.get(found.name, ())):
        metric = METRICS.get(name)
        ratios = metric.function(matched.golds, matched.predictions, code)
        signature = f"{metric.script} | test | n={matched.n}{note} | xstilts {__version__}"
        for value in metric.values if name == found.metric else (metric.main,):
            row = Score(
                task=found.name, language=code, split="test", metric=value if name == found.metric else name,
                value=ratios[value].value, n=matched.n, majority=_majority(metric, value, matched.golds), seed=0,
                recipe="", backbone="", main=not scores, signature=signature,
            )  # fmt: skip
            scores.append(row)
    return scores


def registered(name: str) -> Task:
    """A registered task whose files can be scored. Raises `UnknownName`."""
    scorable = {task.name: task for task in TASKS if TYPES.get(task.type).score and task.metric}
    if name not in scorable:
        own = " (a task of your own needs --experiment FILE)"
        raise UnknownName("task with scorable files", name, scorable, more=own)
    return scorable[name]


def _majority(metric: Metric, value: str, golds: Sequence[Any]) -> float:
    if value == metric.main:
        return metric.majority(golds)
    return METRICS.get(value).majority(golds) if value in METRICS else 0.0


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
    return _matched(files, _gold_labels(files), _numbered(files.predictions), "labels")


def _matched(files: ScoredFiles, golds: list[Entry], predictions: list[Entry], what: str) -> Matched:
    check_gold(files, golds)
    check_count(files, golds, predictions, what)
    note = count_unknown(files, golds, predictions) if what == "labels" else ""
    return Matched(values_of(golds), values_of(in_order(files, golds, predictions)), len(golds), note)


def _gold_labels(files: ScoredFiles) -> list[Entry]:
    choices = files.task.type == "multiple_choice"
    first = "" if _is_own(files) else forms.lines_of(files.gold)[0].value.strip()
    if first in files.task.labels or re.fullmatch("[0-9A-E]", first):  # a file of labels alone
        return _numbered(files.gold) if choices else forms.labels(files.gold)
    items = _read(files)
    return [item._replace(value=str(item.value)) if choices and item.value is not None else item for item in items]


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
    return by_id(files, {name: [answer.text for answer in answers] for name, answers in golds.items()}, said, None)


def match_numbers(files: ScoredFiles) -> Matched:
    """Numbers of candidates; or ids of translations, where gold is the official text.

    Our rows say which line translates an id, XTREME's numbers which one translates the sorted English sentences.
    """
    numbers = [bool(re.fullmatch(r"\W*[0-9]+\W*", text)) for _, text, _ in forms.lines_of(files.gold)]
    if not _is_own(files) and 10 * sum(numbers) >= len(numbers):
        return _matched(files, forms.indices(files.gold), forms.indices(files.predictions), "indices")
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
    return Matched(order, values_of(predictions), len(order), " | English sorted, as XTREME")


def match_rankings(files: ScoredFiles) -> Matched:
    """Candidates, best first, by the query's id."""
    document = None if forms.is_json_lines(files.gold) else read_json(files.gold)
    if isinstance(document, dict) and "data" not in document:
        golds, note = forms.rankings(files.gold), ""
    else:
        examples = [one for one in _examples(files) if isinstance(one, PoolExample)]
        golds = {one.id: list(one.gold or ()) for one in examples if one.query}
        pool = {one.id.partition("_")[0] for one in examples if not one.query}
        note = f" | candidates of {len(pool)} languages" if files.task.name == "lareqa" else ""
    for query, relevant in golds.items():
        if not relevant:
            raise DataError(f"query {shown(query)} has no relevant candidate", files.gold)
    if not golds:
        raise DataError("holds no queries", files.gold)
    matched = by_id(files, golds, forms.rankings(files.predictions), [])
    return matched._replace(note=note + matched.note)


def match_pairs(files: ScoredFiles) -> Matched:
    """Mined pairs, which are a set."""
    if not (golds := forms.pairs(files.gold)):
        raise DataError("holds no pairs", files.gold)
    return Matched(*group_pairs(golds, forms.pairs(files.predictions)), len(set(golds)))
