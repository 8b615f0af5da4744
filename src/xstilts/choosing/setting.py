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
"""Training examples set apart to judge by, of tasks without validation data and where no file says another number."""


def from_names(target: str, sources: Sequence[str], backbone: str, world: int | None) -> Experiment:
    """An experiment without a file: default training options, one seed.

    Raises:
        UnknownName: a task or a microworld that there is not.
        ConfigError: what cannot be trained or measured.
    """
    for name in (target, *sources):
        if name not in TASKS:
            raise UnknownName("task", name, TASKS.names())
    fields: dict[str, Any] = {
        "name": "choose",
        "seeds": [1],
        "worlds": [world] if world is not None else [],
        "backbones": [{"name": backbone, "source": backbone}],
        "recipes": [[], *([name] for name in sources)],
        "targets": [target],
        "holdout": 0 if world is not None else HOLDOUT,
    }
    return _checked(fields)


def setting(experiment: Experiment, target: str, sources: Sequence[str], backbone: str | None) -> Experiment:
    """The part of an experiment that a choice is about.

    Args:
        sources: candidates by task, or as a recipe of the file is called; none: the file's recipes of one task that is
            not the target's own.
        backbone: its name; needed where there are several.

    Raises:
        UnknownName: a task or backbone that there is not.
        ConfigError: several backbones and none named; no candidates.
    """
    experiment = of_backbone(experiment, backbone)
    (spec,) = experiment.backbones
    experiment.task(target)
    aimed = next((one for one in experiment.targets if one.task == target), TargetSpec(task=target))
    recipes = [_recipe(experiment, name) for name in sources] if sources else candidates(experiment, aimed)
    if not recipes:
        raise ConfigError(f"'{experiment.name}' has no recipe of one task that is not {target}'s own: give --from")
    fields = experiment.model_dump() | {
        "backbones": [spec.model_dump() | {"controls": {}}],
        "recipes": [Recipe().model_dump(), *(recipe.model_dump() for recipe in recipes)],
        "targets": [aimed.model_dump()],
    }
    return _checked(fields).placed(experiment.file)


def of_backbone(experiment: Experiment, name: str | None) -> Experiment:
    """The same with one backbone. Raises `UnknownName`, and `ConfigError` for several of which none is named."""
    known = [spec.name for spec in experiment.backbones]
    if name is None and len(known) > 1:
        raise ConfigError(f"'{experiment.name}' has {len(known)} backbones: name one with --backbone ({known[0]} ...)")
    if name is not None and name not in known:
        raise UnknownName("backbone", name, known)
    kept = tuple(one for one in experiment.backbones if name in (None, one.name))
    return experiment.model_copy(update={"backbones": kept})


def candidates(experiment: Experiment, target: TargetSpec) -> list[Recipe]:
    """The file's recipes of one task; that of the target's own data is no transfer, but more epochs."""
    own = experiment.trained_on(target)
    singles = [r for r in experiment.recipes if len(r.phases) == 1 and len(r.phases[0].tasks) == 1]
    return [recipe for recipe in singles if recipe.phases[0].tasks[0].task != own]


def _recipe(experiment: Experiment, name: str) -> Recipe:
    """The file's recipe of that label, or of that one task; else a plain one."""
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
