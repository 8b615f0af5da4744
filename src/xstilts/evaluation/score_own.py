"""Scores of anyone's predictions for a task of an experiment file: gold as the task reads it, its own metric."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xstilts.core.errors import ConfigError, DataError
from xstilts.core.scores import Score
from xstilts.data.examples import Answer, asked, gold_of
from xstilts.evaluation.evaluate import Question, measure
from xstilts.evaluation.score_inputs import is_json_lines, json_rows, predicted_answers, predicted_labels, sentences
from xstilts.tasks import Task

SCORED = ("classification", "multiple_choice", "span_qa", "tagging")


def score_own(task: Task, language: str, gold: Path, predictions: Path) -> list[Score]:
    """Every value of the task's metric, the main one first.

    Args:
        task: as the experiment declares it.
        gold: a file in the form of the task's own files.
        predictions: JSON lines of `{"id": ..., "prediction": ...}`; or in the order of gold one label a line, words
            and tags; or an object of question id -> answer.

    Raises:
        ConfigError: a type that no file of predictions can be scored for.
        DataError: with file and line: what is malformed, or does not belong together.
    """
    if task.type not in SCORED:
        raise ConfigError(f"'{task.name}' is of type {task.type}: files of {', '.join(SCORED)} can be scored")
    examples = [example for example in task.read(gold, language) if asked(example)]
    golds = [{"id": example.id, "gold": _plain(gold_of(example))} for example in examples]
    said = _predicted(task, [row["id"] for row in golds], predictions)
    if unknown := sorted(said.keys() - {row["id"] for row in golds}):
        raise DataError(f"prediction for '{unknown[0]}', which is not in {gold}", predictions)
    rows = [{"id": name, "prediction": value} for name, value in said.items()]
    found = measure(Question(task.name, language, "test", task.metric, task.main), golds, rows)
    return [one.score for one in sorted(found, key=lambda one: not one.score.main)]


def _plain(gold: Any) -> Any:
    """Gold as metrics take it: texts of answers, lists of tags, labels and numbers of choices as they are."""
    if isinstance(gold, tuple):
        return [one.text if isinstance(one, Answer) else one for one in gold]
    return gold


def _predicted(task: Task, ids: list[str], path: Path) -> Mapping[str, Any]:
    if is_json_lines(path):
        return {name: value for _, name, value in json_rows(path, joined=True)}
    if task.type == "span_qa":
        return predicted_answers(path)
    values: list[Any]
    if task.type == "tagging":
        values = [[tag.value for tag in sentence] for sentence in sentences(path)]
    else:
        values = [item.value for item in predicted_labels(path)]
    if len(values) != len(ids):
        raise DataError(f"{len(values)} predictions for {len(ids)} examples of gold", path)
    if task.type == "multiple_choice":
        values = [int(value) if value.isdigit() else value for value in values]
    return dict(zip(ids, values, strict=True))
