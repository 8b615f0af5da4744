"""The translations of an experiment: which components may be translated, and the engines with what they need of it."""

from __future__ import annotations

from xstilts.core.errors import ConfigError
from xstilts.experiment import Experiment
from xstilts.stages.resolve import resolve
from xstilts.stages.translations import Translator
from xstilts.translation.spec import TRANSLATING


def translator(experiment: Experiment, name: str, world: int | None) -> Translator:
    """An engine of the experiment's `translations`, with its aligner and the tasks that hold translations.

    The aligner is the one it names, else the first backbone of the experiment that has a source and no text output.

    Raises:
        ConfigError: `microworld:NAME` without a world.
    """
    spec = experiment.translations[name]
    named = [one.source for one in experiment.backbones if one.source and one.output == "head"]
    revisions = {one.source: one.revision for one in experiment.backbones}
    source = spec.aligner or next(iter(named), None)
    aligner = resolve(source, revisions.get(source), world) if source and spec.engine in TRANSLATING else None
    holders = {task: experiment.task(holder) for task, holder in spec.tasks.items()}
    for task, holder in holders.items():
        if holder.type != experiment.task(task).type or "train" not in holder.files:
            raise ConfigError(
                f"translation '{name}': '{holder.name}' cannot hold translations of '{task}': "
                "it has another type, or no training files"
            )
    return Translator(name, spec, aligner, holders)
