"""Empty files where official data would lie, so that an experiment can be expanded before its data is fetched.

Stages of such a plan have keys of their own: nothing of it is looked up as finished.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from xstilts.core.errors import ConfigError
from xstilts.core.languages import any_language
from xstilts.experiment import Experiment
from xstilts.tasks import Task

_FIELD = re.compile(r"\{(\w+)\}")


def lay_out(experiment: Experiment, root: Path) -> None:
    """Write the empty files of every task that the experiment names; of raw text a size is assumed.

    Raises `ConfigError` for a task whose labels or sizes are only in its files.
    """
    for name in experiment.task_names():
        task = experiment.task(name)
        if name in experiment.tasks and task.type != "masked_lm":
            raise ConfigError(
                f"experiment '{experiment.name}' has a task of its own, '{name}', whose size is only in its files: "
                "give --data DIR or XSTILTS_DATA"
            )
        if task.open_labels:
            raise ConfigError(f"the labels of '{name}' are only in its files: give --data DIR or XSTILTS_DATA")
        for path in _places(task):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).touch()


def _places(task: Task) -> Iterable[str]:
    """One path a split and language: the first pattern, `*` and language fields filled in."""
    codes = dict.fromkeys([*task.languages, "en"])
    for pattern in (part for patterns in task.files.values() for part in patterns[0].split(" + ")):
        fields = _FIELD.findall(pattern)
        for code in codes if fields else ("en",):
            if forms := any_language(code).forms(fields[0]) if fields else ("",):
                yield _FIELD.sub(forms[0], pattern).replace("*", "any")
