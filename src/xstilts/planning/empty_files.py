"""Empty files in place of official data, so that an experiment can be expanded before its data are fetched.

Stages of such a plan have other keys than those of the real data, so none of them is finished.
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
    """Write the empty files of every task of an experiment; the size of raw text is assumed.

    Raises `ConfigError` for a task whose labels or size only its files tell.
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
    """One path per split and language: the first pattern, with `*` and the language filled in."""
    codes = dict.fromkeys([*task.languages, "en"])
    for pattern in (part for patterns in task.files.values() for part in patterns[0].split(" + ")):
        fields = _FIELD.findall(pattern)
        for code in codes if fields else ("en",):
            if forms := any_language(code).forms(fields[0]) if fields else ("",):
                yield _FIELD.sub(forms[0], pattern).replace("*", "any")
