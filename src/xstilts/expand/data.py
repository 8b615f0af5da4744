"""The data of cells: which files, splits and languages a task is trained or measured on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from xstilts.core.errors import ConfigError, DataError
from xstilts.data.locate import strangers
from xstilts.expand.translations import translator
from xstilts.experiment import Experiment
from xstilts.graph.stage import Stage
from xstilts.recipes import Component
from xstilts.stages import describe
from xstilts.stages.checksums import DataSource
from xstilts.stages.describe import DataRequest
from xstilts.tasks import Task
from xstilts.tasks.base import Split
from xstilts.tasks.microworld import DOMAIN
from xstilts.translation.spec import SOURCE


@dataclass(frozen=True)
class Replicate:
    """One seed with its data: on microworlds each seed has a world of its own."""

    seed: int
    world: int | None
    data: DataSource


class Files:
    """What of an experiment's files is read.

    Args:
        experiment: what to run.
        root: data folder; needed unless the experiment runs on microworlds.

    Raises:
        ConfigError: no data folder where one is needed.
        DataError: a data folder that lacks what the experiment names.
    """

    def __init__(self, experiment: Experiment, root: Path | None) -> None:
        if not experiment.worlds and root is None:
            made = any(name.startswith("micro_") for name in experiment.task_names())
            drawn = " (`worlds: [1]`, or --world 1 of choose, draws those of a microworld)" if made else ""
            reads = f"experiment '{experiment.name}' reads official files"
            raise ConfigError(f"{reads}: give --data DIR or XSTILTS_DATA{drawn}")
        if root is not None and not experiment.worlds and not root.is_dir():
            raise DataError("no such data folder", root)
        self.root = root
        self.experiment = experiment.labelled(None if experiment.worlds else root)

    def replicates(self) -> list[Replicate]:
        """The seeds in order; worlds are given to them in turn."""
        return [self._replicate(number, seed) for number, seed in enumerate(self.experiment.seeds)]

    def _replicate(self, number: int, seed: int) -> Replicate:
        if not (worlds := self.experiment.worlds):
            return Replicate(seed, None, DataSource(self.root))
        world = worlds[number % len(worlds)]
        return Replicate(seed, world, DataSource(world=_world(world)))

    def prepared(
        self,
        task: Task,
        split: Split,
        languages: tuple[str, ...],
        tokenizer: Stage,
        replicate: Replicate,
        limit: int = 0,
        combined: bool = False,
    ) -> Stage:
        """The features of a task's split; `combined`: one set over all languages, for training."""
        holdout = self._holdout(task) if split in ("train", "validation") else 0
        request = DataRequest(task, split, languages, holdout, limit, combined, labelled=task.type != "masked_lm")
        return describe.prepare(request, _source(task, replicate), tokenizer)

    def translated(self, task: Task, part: Component, tokenizer: Stage, replicate: Replicate) -> Stage:
        """The features of a task's training split in languages of which all but English are translations."""
        engine = translator(self.experiment, part.translated_by, replicate.world)
        languages = part.spoken(SOURCE)
        engine.spec.check_languages(task.name, [code for code in languages if code != SOURCE])
        stages = {code: engine.stage(task, code, replicate.data) for code in languages if code != SOURCE}
        holdout = self._holdout(task)
        request = DataRequest(task, "train", languages, holdout, combined=True, translations=stages)
        return describe.prepare(request, replicate.data, tokenizer)

    def _holdout(self, task: Task) -> int:
        """Whatever the objective: what a task holds out for its own score, no other objective trains on."""
        own = self.experiment.tasks.get(task.name)
        wanted = own.holdout if own and own.holdout else self.experiment.holdout
        scored = self.experiment.task(task.name).metric
        return 0 if "validation" in task.files or not scored else wanted

    def validation_split(self, task: Task) -> Split:
        """Where an intermediate task's own score comes from."""
        return "validation" if "validation" in task.files or self._holdout(task) else task.evaluate_on

    def own_languages(self, task: Task, part: Component, split: Split, replicate: Replicate) -> tuple[str, ...]:
        """Where an intermediate task is measured itself: in the source language, else where it was trained."""
        if (source := self.experiment.source) in task.languages:
            return (source,)
        trained = self.training_languages(task, part, replicate)
        return trained if self._holdout(task) else self.languages(task, split, trained, replicate)

    def training_languages(self, task: Task, part: Component, replicate: Replicate) -> tuple[str, ...]:
        """The component's languages; `all`: those whose files are there."""
        spoken = part.spoken(self.experiment.source)
        if spoken != ("all",):
            return spoken
        there = tuple(_available(task, replicate.data, "train"))
        if not there:
            raise DataError(
                f"{task.name} has no train files for any language{_elsewhere(task, 'train', self.root)}", self.root
            )
        return there

    def text_languages(self, tasks: Sequence[Task], wanted: Sequence[str], replicate: Replicate) -> tuple[str, ...]:
        """Languages of raw text that a vocabulary is trained on; `all`: those that any of the tasks has.

        Raises:
            ConfigError: a part of the microworld that lies elsewhere than the rest.
            DataError: a language that none of the tasks has.
        """
        if elsewhere := [task.name for task in tasks if _source(task, replicate) != replicate.data]:
            raise ConfigError(f"a vocabulary of a microworld reads its `micro_text`: leave '{elsewhere[0]}' out")
        there = dict.fromkeys(code for task in tasks for code in _available(task, replicate.data, "train"))
        absent = [code for code in wanted if code not in there and code != "all"]
        if absent or not there:
            names = ", ".join(task.name for task in tasks)
            raise DataError(f"no text in {', '.join(absent) or 'any language'} for a vocabulary: {names}", self.root)
        return tuple(there) if "all" in wanted else tuple(wanted)

    def languages(
        self, task: Task, split: Split, wanted: tuple[str, ...] | None, replicate: Replicate
    ) -> tuple[str, ...]:
        """Those to be measured whose files are there. Raises `DataError` when there are none."""
        there = _available(task, replicate.data, split)
        asked = wanted or self.experiment.languages
        languages = tuple(code for code in there if asked is None or code in asked)
        if not languages:
            place = self.root or "the microworld"
            problem = f"{task.name} has no {split} files for {', '.join(asked or ('any language',))}"
            raise DataError(problem + _elsewhere(task, split, self.root), place)
        return languages


@lru_cache(maxsize=64)
def _world(seed: int, part: str = "") -> Stage:
    from xstilts.microworld import VERSION

    return describe.world(seed, VERSION, part)


def _source(task: Task, replicate: Replicate) -> DataSource:
    """Where a task's files are: a world's domain is a part of its own."""
    if replicate.world is None or not task.name.startswith(DOMAIN):
        return replicate.data
    return DataSource(world=_world(replicate.world, "domain"))


def _elsewhere(task: Task, split: Split, root: Path | None) -> str:
    """Files that are there in languages that the table has not, or calls otherwise; empty where there are none."""
    found = strangers(root, task.files.get(split, ())) if root else {}
    return f"; there are files for {in_codes(found)}" if found else ""


def in_codes(found: Mapping[str, str]) -> str:
    """`chr (name it under `languages`), swa (here: sw)`."""
    shown = [
        f"{form} (here: {code})" if form != code else f"{form} (name it under `languages`)"
        for form, code in found.items()
    ]
    return ", ".join(shown[:6]) + (" ..." if len(shown) > 6 else "")


def _available(task: Task, data: DataSource, split: Split) -> list[str]:
    """Languages whose files are there; a world has all of its task's languages."""
    return list(task.languages) if data.root is None else task.available(data.root, split)
