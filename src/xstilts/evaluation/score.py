"""Scores of anyone's prediction files, without a model.

Gold is a file that the task's own reader reads, or a label file of XTREME. Predictions are JSON lines `{"id": ...,
"prediction": ...}`, or in the form of an XTREME submission. Files that do not belong together (gold taken away, cut
sentences, shifted lines) are refused with file and line, where the official scripts give a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xstilts import __version__
from xstilts.core.errors import ConfigError, UnknownName
from xstilts.core.files import held
from xstilts.core.languages import LANGUAGES, meant
from xstilts.core.scores import Score
from xstilts.data.readers.types import TYPES
from xstilts.evaluation import score_match
from xstilts.evaluation.prediction_files import variant_of
from xstilts.evaluation.score_checks import Matched, ScoredFiles
from xstilts.metrics import METRICS, Metric
from xstilts.tasks import TASKS, Task

CONSTRUCTED = {code for code in LANGUAGES if code.startswith("qa")}
ALSO = {"udpos": ("span_f1_seqeval_1",)}
"""Task -> further metrics: XTREME's F1 of tags without prefixes depends on seqeval's version."""


def score_files(task: Task | str, language: str, gold: Path, predictions: Path, split: str = "test") -> list[Score]:
    """Every value of the task's metric, the main one first.

    `majority` is 0 for values without a majority baseline (precision, recall, exact match). Questions without a
    prediction count 0, as in the official scripts; the signature says how many there are.

    Args:
        task: the name of a registered task, or a task of an experiment file.
        language: code of a language of the task; of tagging, whose data sets grow, any known language.
        split: for the signature alone.

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
        matched: Matched = getattr(score_match, match)(ScoredFiles(found, code, gold, predictions))
        variant = variant_of(predictions)
    note = f" | {variant}{matched.note}" if variant else matched.note
    scores: list[Score] = []
    for name in (found.metric, *ALSO.get(found.name, ())):
        metric = METRICS.get(name)
        ratios = metric.function(matched.golds, matched.predictions, code)
        signature = f"{metric.script} | {split} | n={matched.n}{note} | xstilts {__version__}"
        for value in metric.values if name == found.metric else (metric.main,):
            row = Score(
                task=found.name, language=code, split=split, metric=value if name == found.metric else name,
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
