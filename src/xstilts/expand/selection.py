"""What the weights of a phase are judged by: validation data of its own tasks, or of its target in all languages."""

from __future__ import annotations

from collections.abc import Sequence

from xstilts.core.errors import ConfigError, DataError
from xstilts.expand.data import Files, Replicate
from xstilts.experiment import TargetSpec
from xstilts.graph.stage import Stage
from xstilts.recipes import Component
from xstilts.stages.selection import Judge
from xstilts.tasks import Task
from xstilts.training.config import TrainConfig


def source_judges(
    files: Files, options: TrainConfig, tasks: Sequence[tuple[Component, Task]], tokenizer: Stage, replicate: Replicate
) -> tuple[Judge, ...]:
    """Validation data of every task of a mixture that has a metric, in the source language, else where it is trained.

    Raises:
        ConfigError: such a task without validation data.
    """
    judges = []
    for number, (part, task) in enumerate(tasks):
        if not task.metric:
            continue
        split = files.validation_split(task)
        if split != "validation":
            raise ConfigError(
                f"'{task.name}' has no validation split, by which to choose weights: set examples apart "
                "(`holdout: 500` or so), or keep the last ones (`train: {select: last}`, and one learning rate)"
            )
        languages = files.own_languages(task, part, split, replicate)
        data = files.prepared(task, split, languages, tokenizer, replicate, options.subset)
        judges.append(Judge(task, split, number, data))
    return tuple(judges)


def oracle_judges(
    files: Files,
    options: TrainConfig,
    target: tuple[TargetSpec, Task] | None,
    parts: Sequence[Component],
    tokenizer: Stage,
    replicate: Replicate,
) -> tuple[Judge, ...]:
    """Validation data of a target in the languages in which it is measured.

    Args:
        parts: what the phase trains on.

    Raises:
        ConfigError: a phase that is no target's, or a target without validation data in other languages.
    """
    if target is None:
        raise ConfigError(
            "`select: oracle` chooses by a target's languages, and a phase before the target has none: give it under "
            "`targets:`, as in `{task: xnli, train: {select: oracle}}`"
        )
    spec, task = target
    head, names = files.experiment.trained_on(spec), [part.name for part in parts]
    if head not in names:
        raise ConfigError(
            f"`select: oracle` chooses by '{task.name}', and its last phase trains on {', '.join(names)} alone, not on "
            f"'{head}', whose head answers for it"
        )
    measured = files.languages(task, spec.split or task.evaluate_on, spec.languages, replicate)
    try:
        found = files.languages(task, "validation", measured, replicate) if "validation" in task.files else ()
    except DataError:
        found = ()
    if not set(found) - {files.experiment.source}:
        raise ConfigError(
            f"`select: oracle` needs validation data of '{task.name}' in the languages it is measured in, and there is "
            "none: choose by the source language (`select: validation`), or keep the last weights (`select: last`)"
        )
    data = files.prepared(task, "validation", found, tokenizer, replicate, options.subset)
    return (Judge(task, "validation", names.index(head), data),)
