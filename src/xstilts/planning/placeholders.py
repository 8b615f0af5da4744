"""Empty files where official data would lie, so that an experiment can be expanded before its data is fetched.

Stages of such a plan have keys of their own: nothing of it is looked up as finished.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from xstilts.core.errors import ConfigError
from xstilts.core.languages import LANGUAGES
from xstilts.experiment import Experiment
from xstilts.tasks import Task

_FIELD = re.compile(r"\{(\w+)\}")


def lay_out(experiment: Experiment, root: Path) -> None:
    """Write the empty files of every task that the experiment names.

    Raises:
        ConfigError: a task whose labels or sizes are only in its files.
    """
    for name in _names(experiment):
        own = experiment.tasks.get(name)
        task = experiment.task(name)
        if own is not None:
            raise ConfigError(
                f"experiment '{experiment.name}' has a task of its own, '{name}', whose size is only in its files: "
                "give --data DIR or XSTILTS_DATA"
            )
        if task.open_labels:
            raise ConfigError(f"the labels of '{name}' are only in its files: give --data DIR or XSTILTS_DATA")
        for path in _places(task):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).touch()


def _names(experiment: Experiment) -> list[str]:
    targets = [experiment.task(target.task) for target in experiment.targets]
    named = [name for target in experiment.targets for name in (target.task, target.train_on) if name]
    named += [task.train_on for task in targets if task.train_on]
    phases = [phase for recipe in experiment.recipes for phase in recipe.phases]
    phases += [phase for backbone in experiment.backbones for phase in backbone.pretrain]
    named += [part.task for phase in phases for part in phase.tasks]
    named += [name for backbone in experiment.backbones if backbone.tokenizer for name in backbone.tokenizer.tasks]
    return list(dict.fromkeys(named))


def _places(task: Task) -> Iterable[str]:
    """One path a split and language: the first pattern, `*` and language fields filled in."""
    codes = dict.fromkeys([*task.languages, "en"])
    for patterns in task.files.values():
        for pattern in patterns[0].split(" + "):
            fields = _FIELD.findall(pattern)
            for code in codes if fields else ("en",):
                forms = LANGUAGES[code].forms(fields[0]) if fields else ("",)
                if forms:
                    yield _FIELD.sub(forms[0], pattern).replace("*", "placeholder")
