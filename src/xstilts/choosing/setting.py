"""What is chosen among, and for what: an experiment of one backbone and one target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from xstilts.core.errors import ConfigError, UnknownName
from xstilts.experiment import Experiment, TargetSpec
from xstilts.recipes import Recipe
from xstilts.tasks import TASKS

HOLDOUT = 500
"""Training examples set apart as validation data of tasks without any, if there is no file to say another number."""


def from_names(target: str, sources: Sequence[str], backbone: str, world: int | None) -> Experiment:
    """An experiment without a file: default training options, one seed.

    Raises:
        UnknownName: an unknown task or microworld.
        ConfigError: a task that cannot be trained or measured.
    """
    for name in (target, *sources):
        if name not in TASKS:
            raise UnknownName("task", name, TASKS.names())
    return _checked(
        {
            "name": "choose",
            "seeds": [1],
            "worlds": [] if world is None else [world],
            "backbones": [{"name": backbone, "source": backbone}],
            "recipes": [[], *([name] for name in sources)],
            "targets": [target],
            "holdout": HOLDOUT if world is None else 0,
        }
    )


def setting(experiment: Experiment, target: str, sources: Sequence[str], backbone: str | None) -> Experiment:
    """The experiment with one backbone, one target and the candidates as recipes.

    Args:
        sources: candidates by task or by recipe label; if there are none, the recipes of one task, without the task
            that the target is trained on.
        backbone: its name; needed if the experiment has several.

    Raises:
        UnknownName: an unknown task or backbone.
        ConfigError: several backbones and none named, or no candidates.
    """
    known = [spec.name for spec in experiment.backbones]
    if backbone is None and len(known) > 1:
        raise ConfigError(f"'{experiment.name}' has {len(known)} backbones: name one with --backbone ({known[0]} ...)")
    if backbone is not None and backbone not in known:
        raise UnknownName("backbone", backbone, known)
    (spec,) = (one for one in experiment.backbones if backbone in (None, one.name))
    experiment.task(target)
    aimed = next((one for one in experiment.targets if one.task == target), TargetSpec(task=target))
    own = experiment.trained_on(aimed)  # to train on it first is more epochs, not transfer
    asked = (one for one in experiment.recipes if not one.control)
    singles = [one for one in asked if len(one.phases) == 1 and len(one.phases[0].tasks) == 1]
    others = [recipe for recipe in singles if recipe.phases[0].tasks[0].task != own]
    if not (recipes := [_recipe(experiment, name) for name in sources] or others):
        raise ConfigError(f"'{experiment.name}' has no recipe of one task other than {target}'s own: give --from")
    fields = experiment.model_dump() | {
        "backbones": [spec.model_dump() | {"controls": {}}],
        "recipes": [recipe.model_dump() for recipe in recipes],
        "targets": [aimed.model_dump()],
    }
    return _checked(fields).placed(experiment.file)


def _recipe(experiment: Experiment, name: str) -> Recipe:
    """The experiment's recipe of that label or of that one task; else a new one."""
    for recipe in experiment.recipes:
        if recipe.phases and name in (recipe.label, recipe.label.strip("[]")):
            return recipe
    experiment.task(name)
    return Recipe.model_validate([name])


def _checked(fields: dict[str, Any]) -> Experiment:
    try:
        return Experiment(**fields)
    except ValidationError as error:
        raise ConfigError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
