"""Settings of an experiment that are allowed but rarely intended."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from xstilts.data.readers.types import TYPES
from xstilts.experiment.file import Experiment
from xstilts.recipes import TARGET, Recipe
from xstilts.tasks import TASKS


def oddities(experiment: Experiment) -> Iterator[str]:
    """A sentence for each."""
    used = experiment.task_names()
    for name in experiment.tasks:
        if name in TASKS:
            through = [other for other in used if other != name and experiment.task(other).train_on == name]
            also = f", also as training data of {', '.join(through)}" if through else ""
            yield f"your task '{name}' replaces the registered task of that name{also}"
    for target in experiment.targets:
        trained = experiment.trained_on(target)
        again = [recipe.label for recipe in experiment.recipes if trained in _trains_on(recipe, experiment.source)]
        if again:
            said = f"target {target.task} is trained on {trained}, and so {'is' if len(again) == 1 else 'are'}"
            yield f"{said} {', '.join(again)}: this adds epochs on the same data and does not measure transfer"
    yield from with_labels(experiment)
    for place, options in _options(experiment):
        if options.get("steps") is not None and options.get("epochs") is not None:
            yield f"{place}: `steps` and `epochs` are both given: `epochs` is ignored"
    if len(set(experiment.worlds)) < len(experiment.worlds):
        yield "`worlds` names a world twice: seeds that share a world have the same data"
    for backbone in experiment.backbones:
        if "random" in backbone.controls and not (backbone.source or backbone.pretrain):
            yield f"backbone '{backbone.name}' is a random start itself: its control `random` is the same model"
        if backbone.source and backbone.revision and Path(backbone.source).is_dir():
            yield f"backbone '{backbone.name}': `revision` applies to models on the hub; it is ignored for a folder"
    for target in experiment.targets:
        if target.seeds and target.seeds > len(experiment.seeds):
            there = len(experiment.seeds)
            yield f"target {target.task}: `seeds: {target.seeds}`, but the experiment has {there}: all are used"


def with_labels(experiment: Experiment) -> Iterator[str]:
    """A sentence for each recipe and task with labels in languages that a target measures."""
    for recipe, task, codes in labelled(experiment):
        zero = f"its scores in {'these languages' if len(codes) > 1 else 'this language'} are not zero-shot"
        yield f"{recipe} is trained on labels of {task} in {', '.join(codes)}: {zero}"


def labelled(experiment: Experiment) -> Iterator[tuple[str, str, list[str]]]:
    """(recipe, task, languages) of labels in languages, other than the source, that a target measures."""
    asked = (one.languages or experiment.languages or experiment.task(one.task).languages for one in experiment.targets)
    measured = set(chain(*asked))
    for recipe in experiment.recipes:
        for part in (part for phase in recipe.phases for part in phase.tasks if part.task != TARGET):
            task = experiment.task(part.task)
            kind = TYPES.get(task.type)
            if not (part.translated_by or part.objective or kind.raw or kind.cosine):
                spoken = task.languages if "all" in part.spoken(experiment.source) else part.spoken(experiment.source)
                if codes := [code for code in spoken if code in measured and code != experiment.source]:
                    yield recipe.label, task.name, codes


def _trains_on(recipe: Recipe, source: str) -> set[str]:
    """The tasks whose data in the source language a recipe trains on before the target."""
    parts = [part for phase in recipe.divided()[0] for part in phase.tasks]
    return {part.task for part in parts if not part.objective and {source, "all"}.intersection(part.spoken(source))}


def _options(experiment: Experiment) -> Iterator[tuple[str, dict[str, object]]]:
    yield "`train`", experiment.train
    yield from ((f"`tuning` of {name}", options) for name, options in experiment.tuning.items())
    yield from ((f"target {target.task}", target.train) for target in experiment.targets)
    yield from ((f"backbone '{backbone.name}'", backbone.train) for backbone in experiment.backbones)
    phases = [phase for recipe in experiment.recipes for phase in recipe.phases]
    phases += [phase for backbone in experiment.backbones for phase in backbone.pretrain]
    yield from ((f"phase {phase.label}", phase.train) for phase in phases)
