"""Official scores of anyone's prediction files, without a model.

Gold is XTREME's evaluation form (labels alone) or the task's official file with gold in it; predictions are XTREME's
submission form or our own JSON lines, `{"id": ..., "prediction": ...}`. Where an official script gives a number for
files that do not belong together (blanked gold, cut sentences, shifted lines), this refuses with file and line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from xstilts import __version__
from xstilts.core.errors import DataError, UnknownName
from xstilts.core.scores import Score
from xstilts.data.readers.common import shown
from xstilts.evaluation import score_inputs as inputs
from xstilts.evaluation.score_inputs import Item
from xstilts.metrics import METRICS, Metric
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
        languages: those of the official release.
        labels: classes or tags, where they are known.
    """

    match: Callable[[Form, Files], Matched]
    metrics: tuple[str, ...]
    languages: tuple[str, ...]
    labels: tuple[str, ...] = ()


def score_files(task: str, language: str, gold: Path, predictions: Path, split: str = "test") -> list[Score]:
    """Every value of the task's official metric, the main one first.

    `majority` is 0 where no constant answer is defined (precision, recall, exact match). Questions without a prediction
    count 0, as in the official scripts; the signature says how many they were.

    Args:
        task: one of `TASKS` with gold that can be in a file, or of `MORE`.
        split: only written into the scores; the files decide.

    Raises:
        UnknownName: a task or language that cannot be scored.
        DataError: files that are malformed, without gold, or do not belong together.
    """
    form = form_of(task)
    if language not in form.languages:
        raise UnknownName(f"language of {task}", language, form.languages)
    matched = form.match(form, Files(task, language, gold, predictions))
    scores: list[Score] = []
    for number, name in enumerate(form.metrics):
        metric = METRICS.get(name)
        ratios = metric.function(matched.golds, matched.predictions, language)
        signature = f"{metric.script} | {split} | n={matched.n}{matched.note} | xstilts {__version__}"
        for value in metric.values if number == 0 else (metric.main,):
            row = Score(
                task=task, language=language, split=split, metric=name if number else value, value=ratios[value].value,
                n=matched.n, majority=_majority(metric, value, matched.golds), seed=0, recipe="", backbone="",
                main=not scores, signature=signature,
            )  # fmt: skip
            scores.append(row)
    return scores


def _majority(metric: Metric, value: str, golds: Sequence[Any]) -> float:
    if value == metric.main:
        return metric.majority(golds)
    return METRICS.get(value).majority(golds) if value in METRICS else 0.0


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


def _match_labels(form: Form, files: Files) -> Matched:
    golds = inputs.gold_labels(files.gold, files.language)
    predictions = inputs.predicted_labels(files.predictions)
    _check_gold(form, files, golds)
    _check_count(files, golds, predictions, "labels")
    note = _unknown(form, files, golds, predictions)
    return Matched(_values(golds), _values(predictions), len(golds), note)


def _match_indices(form: Form, files: Files) -> Matched:
    golds, predictions = inputs.indices(files.gold), inputs.indices(files.predictions)
    _check_gold(form, files, golds)
    _check_count(files, golds, predictions, "indices")
    return Matched(_values(golds), _values(predictions), len(golds))


def _match_tags(form: Form, files: Files) -> Matched:
    golds, predictions = inputs.sentences(files.gold), inputs.sentences(files.predictions)
    flat = [item for sentence in golds for item in sentence]
    _check_gold(form, files, flat)
    for number, (gold, predicted) in enumerate(zip(golds, predictions, strict=False), start=1):
        if len(gold) != len(predicted):
            problem = (
                f"sentence {number} has {len(predicted)} tags, but {len(gold)} in {files.gold.name}:{gold[0].line}; "
                f"{len(predictions)} sentences here, {len(golds)} there; sentences must not be cut or split"
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


def _match_answers(form: Form, files: Files) -> Matched:
    golds, said = inputs.gold_answers(files.gold), inputs.predicted_answers(files.predictions)
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


def _match_rankings(form: Form, files: Files) -> Matched:
    golds, said = inputs.rankings(files.gold), inputs.rankings(files.predictions)
    for name, relevant in golds.items():
        if not relevant:
            raise DataError(f"query {shown(name)} has no relevant candidate", files.gold)
    if not golds:
        raise DataError("holds no queries", files.gold)
    return _by_id(files, golds, said, [])


def _match_pairs(form: Form, files: Files) -> Matched:
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


MATCH: dict[str, Callable[[Form, Files], Matched]] = {
    "classification": _match_labels,
    "multiple_choice": _match_labels,
    "tagging": _match_tags,
    "span_qa": _match_answers,
    "retrieval": _match_indices,
    "mining": _match_pairs,
    "ranking": _match_rankings,
}
MORE: dict[str, Form] = {
    "udpos": Form(
        # Released treebanks have words without a part of speech, marked `_`.
        _match_tags, ("span_f1", "span_f1_seqeval_1"), TASKS.get("udpos").languages, (*TASKS.get("udpos").labels, "_"),
    ),
}  # fmt: skip
"""Tasks whose files can be scored though they are not in `TASKS`, or in another way than their type says."""


def form_of(task: str) -> Form:
    """How a task's files are scored. Raises `UnknownName` with the nearest scorable tasks."""
    if task in MORE:
        return MORE[task]
    scorable = {one.name: one for one in TASKS if one.type in MATCH and one.metric}
    if task not in scorable:
        raise UnknownName("task with scorable files", task, {*scorable, *MORE})
    found = scorable[task]
    return Form(MATCH[found.type], (found.metric,), found.languages, found.labels)
