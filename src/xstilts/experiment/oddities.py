"""Settings of an experiment that are allowed but rarely intended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from xstilts.experiment.file import Experiment
from xstilts.recipes import Recipe
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
        again = [recipe.label for recipe in experiment.recipes if trained in _trains_on(recipe)]
        if again:
            said = f"target {target.task} is trained on {trained}, and so {'is' if len(again) == 1 else 'are'}"
            yield f"{said} {', '.join(again)}: the same data twice, more epochs rather than transfer"
    for place, options in _options(experiment):
        if options.get("steps") is not None and options.get("epochs") is not None:
            yield f"{place}: `steps` and `epochs` are both given: `epochs` is ignored"
    if len(set(experiment.worlds)) < len(experiment.worlds):
        yield "`worlds` names a world twice: seeds that share a world have the same data"
    for backbone in experiment.backbones:
        if backbone.source and backbone.revision and Path(backbone.source).is_dir():
            yield f"backbone '{backbone.name}': `revision` applies to models on the hub; it is ignored for a folder"
    for target in experiment.targets:
        if target.seeds and target.seeds > len(experiment.seeds):
            there = len(experiment.seeds)
            yield f"target {target.task}: `seeds: {target.seeds}`, but the experiment has {there}: all are used"


def _trains_on(recipe: Recipe) -> set[str]:
    """The tasks that a recipe trains on before the target."""
    return {part.task for phase in recipe.divided()[0] for part in phase.tasks if not part.objective}


def _options(experiment: Experiment) -> Iterator[tuple[str, dict[str, object]]]:
    yield "`train`", experiment.train
    yield from ((f"`tuning` of {name}", options) for name, options in experiment.tuning.items())
    yield from ((f"target {target.task}", target.train) for target in experiment.targets)
    yield from ((f"backbone '{backbone.name}'", backbone.train) for backbone in experiment.backbones)
    phases = [phase for recipe in experiment.recipes for phase in recipe.phases]
    phases += [phase for backbone in experiment.backbones for phase in backbone.pretrain]
    yield from ((f"phase {phase.label}", phase.train) for phase in phases)
