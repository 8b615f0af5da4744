"""Gold and predictions side by side, one way a kind of task; what does not belong together is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from xstilts.core.errors import DataError
from xstilts.data.readers.common import shown
from xstilts.data.readers.pairs import nli
from xstilts.data.readers.parallel import tatoeba
from xstilts.evaluation import score_gold as official
from xstilts.evaluation import score_inputs as inputs
from xstilts.evaluation.score_inputs import Item
from xstilts.metrics.retrieval import group_pairs
from xstilts.tasks import TASKS

PLACEHOLDER_ROWS = 10
"""From so many rows on, gold that is everywhere the same is a blanked file and not chance."""
TYDIQA_NAMES = {
    "ar": "arabic", "bn": "bengali", "en": "english", "fi": "finnish", "id": "indonesian",
    "ko": "korean", "ru": "russian", "sw": "swahili", "te": "telugu",
}  # fmt: skip


class Files(NamedTuple):
    """What one call of `score_files` compares."""

    task: str
    language: str
    gold: Path
    predictions: Path


class Matched(NamedTuple):
    """One gold and one prediction per example, their number as the task counts it, and what else to tell."""

    golds: list[Any]
    predictions: list[Any]
    n: int
    note: str = ""


@dataclass(frozen=True)
class Form:
    """How one task's files look and what is measured on them.

    Attributes:
        match: reads both files and puts them side by side.
        metrics: names in `METRICS`; all values of the first are scored, of others the main one under their name.
        languages: all that the data set is published in, which may be more than a task or a benchmark measures.
        labels: classes or tags, where they are known.
    """

    match: Callable[[Form, Files], Matched]
    metrics: tuple[str, ...]
    languages: tuple[str, ...]
    labels: tuple[str, ...] = ()


def _check_gold(form: Form, files: Files, items: Sequence[Item]) -> None:
    """Refuse unknown labels and files where XTREME's preprocessing has put one placeholder everywhere."""
    if not items:
        raise DataError(f"holds no gold for {files.task} in language '{files.language}'", files.gold)
    for line, label in items:
        if form.labels and label not in form.labels:
            known = ", ".join(form.labels)
            raise DataError(f"{shown(label)} is no label of {files.task} ({known}); is this gold?", files.gold, line)
    if len(items) >= PLACEHOLDER_ROWS and len({item.value for item in items}) == 1:
        same = f"all {len(items)} gold labels are {str(items[0].value)[:60]!r}"
        raise DataError(f"{same}: a test file with its gold taken away, use the official labels", files.gold)


def _unknown(form: Form, files: Files, golds: Sequence[Item], predictions: Sequence[Item]) -> str:
    """How many predicted labels the task does not have, for the signature: they count wrong, as in official scripts.

    Raises:
        DataError: none is known: predictions of another task.
    """
    known = {item.value for item in golds} | set(form.labels)
    if not known.intersection(item.value for item in predictions):
        first, there = predictions[0], shown(", ".join(sorted(known)[:5])).strip("'")
        problem = f"not one predicted label occurs in gold: {shown(first.value)} here, {there} there"
        raise DataError(problem, files.predictions, first.line)
    strange = sum(label not in form.labels for _, label in predictions) if form.labels else 0
    return f" | unknown labels={strange}" if strange else ""


def _check_count(files: Files, golds: Sequence[Any], predictions: Sequence[Any], what: str) -> None:
    if len(golds) != len(predictions):
        raise DataError(f"{len(predictions)} {what}, but {len(golds)} in {files.gold}", files.predictions)


def _values(items: Sequence[Item]) -> list[Any]:
    return [item.value for item in items]


def _in_order(files: Files, ids: Sequence[str], predicted: list[Any]) -> list[Any]:
    """Predictions of JSON lines in the order of gold, where gold has the same ids; others are in that order already.

    Raises:
        DataError: rows that are counted, in another order than they are counted, while gold has no such ids; or in
            their order, while gold has these ids in another one (as XNLI's pairs may be), so that both could be meant.
    """
    items = inputs.ids_of(files.predictions)
    said = _values(items)
    counted = _counted(said)
    upwards = counted and said == sorted(said, key=int)
    if upwards and said != list(ids) and sorted(ids) == sorted(said):
        whose = f"ids from {said[0]} to {said[-1]} may count rows, or be those of {files.gold.name}, which has them in "
        problem = f"{whose}another order: leave the ids out, or put the rows in the order of gold"
        raise DataError(problem, files.predictions, items[0].line)
    if not said or upwards:
        return predicted
    if sorted(ids) == sorted(said):
        place = {name: number for number, name in enumerate(said)}
        return [predicted[place[name]] for name in ids]
    if counted:
        moved = next(item for item, name in zip(items, sorted(said, key=int)) if item.value != name)
        problem = f"id {moved.value} is not in its place, and gold has no ids to join by: sort the rows as gold is"
        raise DataError(problem, files.predictions, moved.line)
    return predicted


def _counted(ids: Sequence[str]) -> bool:
    """Whether ids are whole numbers without a gap, in any order: those of rows, or of a file's lines."""
    numbers = {int(name) for name in ids if name.isdecimal() and len(name) < 10}
    return bool(ids) and len(numbers) == len(ids) == max(numbers) - min(numbers) + 1


def match_labels(form: Form, files: Files) -> Matched:
    """One label each, in the order of gold or by id."""
    golds, ids, respelled = official.labels(files.gold, files.task, files.language)
    predictions = inputs.predicted_labels(files.predictions)
    if respelled:
        predictions = official.spelled(TASKS.get(files.task), predictions)
    undecided = official.NO_MAJORITY if TASKS.get(files.task).read is nli else None
    decided = [number for number, (_, label) in enumerate(golds) if label != undecided]
    if len(predictions) == len(golds):
        predictions = _in_order(files, ids, predictions)
        predictions = [predictions[number] for number in decided]
    elif len(predictions) == len(decided):
        predictions = _in_order(files, [ids[number] for number in decided] if ids else [], predictions)
    golds = [golds[number] for number in decided]
    _check_gold(form, files, golds)
    _check_count(files, golds, predictions, "labels")
    note = _unknown(form, files, golds, predictions)
    return Matched(_values(golds), _values(predictions), len(golds), note)


def match_choices(form: Form, files: Files) -> Matched:
    """Numbers of choices, from 0 but in `.lst` files; letters stand for them too."""
    golds, ids, _ = official.labels(files.gold, files.task, files.language)
    golds = official.from_zero(files.gold, golds)
    said = official.spelled(TASKS.get(files.task), inputs.predicted_labels(files.predictions))
    predictions = official.from_zero(files.predictions, said)
    _check_gold(form, files, golds)
    _check_count(files, golds, predictions, "labels")
    _check_from_zero(files, _values(golds), predictions)
    note = _unknown(form, files, golds, predictions)
    return Matched(_values(golds), _values(_in_order(files, ids, predictions)), len(golds), note)


def _check_from_zero(files: Files, golds: Sequence[str], predictions: Sequence[Item]) -> None:
    """Refuse choices that were counted from 1: never the first one, and one beyond the last. Few rows show nothing."""
    said = set(_values(predictions))
    beyond = [item for item in predictions if item.value.isdecimal() and item.value > max(golds)]
    if len(golds) >= 3 * PLACEHOLDER_ROWS and beyond and "1" in said and "0" not in said:
        problem = f"choice {beyond[0].value} is not in gold, which counts from 0; only a .lst file may count from 1"
        raise DataError(problem, files.predictions, beyond[0].line)


def match_indices(form: Form, files: Files) -> Matched:
    """Numbers of candidates; or ids of translations, where gold is the official text."""
    if official.is_text(files.gold):
        return _match_translations(form, files)
    golds, predictions = inputs.indices(files.gold), inputs.indices(files.predictions)
    _check_gold(form, files, golds)
    _check_count(files, golds, predictions, "indices")
    return Matched(_values(golds), _values(_in_order(files, [], predictions)), len(golds))


def _match_translations(form: Form, files: Files) -> Matched:
    """Our rows say which line translates an id, XTREME's numbers which one translates the sorted English sentences."""
    ids, order = official.translated(files.gold, files.task, files.language)
    if inputs.is_json_lines(files.predictions):
        answers = {name: inputs.scalar(answer, "an id", files.predictions, line)
                for line, name, answer in inputs.json_rows(files.predictions, joined=True)}  # fmt: skip
        return _by_id(files, {name: name for name in ids}, answers, None)
    if TASKS.get(files.task).read is not tatoeba:
        problem = f'numbers have no fixed order in {files.task}: give JSON lines, {{"id": line, "prediction": line}}'
        raise DataError(problem, files.predictions)
    predictions = inputs.indices(files.predictions)
    _check_count(files, order, predictions, "indices")
    said = _values(predictions)
    right, unsorted = _equal(order, said), max(_equal(range(first, first + len(said)), said) for first in (0, 1))
    if unsorted > max(right, len(said) // 10):
        problem = (
            "the numbers follow the lines of the text; XTREME asks with the English sentences sorted, counts from 0"
        )
        raise DataError(problem, files.predictions)
    return Matched(order, said, len(order), " | English sorted, as XTREME")


def _equal(golds: Iterable[int], predictions: Iterable[int]) -> int:
    return sum(gold == said for gold, said in zip(golds, predictions))


def match_tags(form: Form, files: Files) -> Matched:
    """A tag a word, sentence by sentence."""
    golds, ids, _ = official.tagged(files.gold, files.task, files.language)
    predictions = official.predicted_tags(files.predictions, files.task, files.language)
    if len(golds) == len(predictions):
        predictions = _in_order(files, ids, predictions)
    flat = [item for sentence in golds for item in sentence]
    _check_gold(form, files, flat)
    for number, (gold, predicted) in enumerate(zip(golds, predictions, strict=False), start=1):
        if len(gold) != len(predicted):
            there = f"'{ids[number - 1]}' of {files.gold.name}" if ids else f"{files.gold.name}:{gold[0].line}"
            problem = (
                f"sentence {number} has {len(predicted)} tags, but {len(gold)} in {there}; "
                f"{len(predictions)} sentences here, {len(golds)} there; sentences must not be cut or split"
                f"{', nor words joined, as in XTREME' if files.gold.match('*.conllu*') else ''}"
            )
            raise DataError(problem, files.predictions, predicted[0].line if predicted else None)
    _check_count(files, golds, predictions, "sentences")
    note = _unknown(form, files, flat, [item for sentence in predictions for item in sentence])
    return Matched([_values(one) for one in golds], [_values(one) for one in predictions], len(golds), note)


def _by_id(files: Files, golds: Mapping[str, Any], said: Mapping[str, Any], missing: Any) -> Matched:
    """Join by id. Raises `DataError` when nothing was predicted, or something for an id that gold does not have."""
    extra = [name for name in said if name not in golds]
    if extra:
        raise DataError(f"{len(extra)} ids are not in {files.gold}, the first is {shown(extra[0])}", files.predictions)
    if not said:
        raise DataError(f"no predictions for the {len(golds)} ids of {files.gold}", files.predictions)
    absent = len(golds) - len(said)
    note = f" | missing={absent}" if absent else ""
    return Matched(list(golds.values()), [said.get(name, missing) for name in golds], len(golds), note)


def match_answers(form: Form, files: Files) -> Matched:
    """Answers by the question's id."""
    said = inputs.predicted_answers(files.predictions)
    golds = inputs.gold_answers(files.gold, said if files.task == "tydiqa" else ())
    if files.task == "tydiqa":
        golds, said = _one_language(files, golds), _one_language(files, said)
    if not golds:
        raise DataError(f"holds no questions in language '{files.language}'", files.gold)
    if all(answer == "" for answers in golds.values() for answer in answers) and any(golds.values()):
        raise DataError("all answers are empty: XTREME's test form is without gold, take the official file", files.gold)
    if form.metrics != ("squad_v2",):
        for name, answers in golds.items():
            if not answers:
                raise DataError(f"question {shown(name)} has no answer; that is for squad_v2 only", files.gold)
    for name, answers in golds.items():
        if "" in answers:
            raise DataError(f"question {shown(name)} has an empty answer", files.gold)
    return _by_id(files, golds, said, None)


def _one_language(files: Files, questions: dict[str, Any]) -> dict[str, Any]:
    """TyDiQA's official dev file holds nine languages; the first part of an id names its own (`arabic-...`)."""
    others = tuple(f"{name}-" for code, name in TYDIQA_NAMES.items() if code != files.language)
    return {name: value for name, value in questions.items() if not name.startswith(others)}


def match_rankings(form: Form, files: Files) -> Matched:
    """Candidates, best first, by the query's id."""
    golds, note = official.relevant(files.gold, files.task, files.language)
    said = inputs.rankings(files.predictions)
    for name, relevant in golds.items():
        if not relevant:
            raise DataError(f"query {shown(name)} has no relevant candidate", files.gold)
    if not golds:
        raise DataError("holds no queries", files.gold)
    matched = _by_id(files, golds, said, [])
    return matched._replace(note=note + matched.note)


def match_pairs(form: Form, files: Files) -> Matched:
    """Mined pairs, which are a set."""
    golds, predictions = inputs.pairs(files.gold), inputs.pairs(files.predictions)
    if not golds:
        raise DataError("holds no pairs", files.gold)
    targets = {target for _, target in golds}
    sources = {source for source, _ in golds}
    said = {source for source, _ in predictions}
    if said & targets and not said & sources:
        raise DataError(
            "the two columns look exchanged: gold has the ids of the first in its second", files.predictions
        )
    grouped = group_pairs(golds, predictions)
    return Matched(grouped.golds, grouped.predictions, len(set(golds)))
