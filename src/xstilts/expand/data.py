"""The data of cells: which files, splits and languages a task is trained or measured on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xstilts.core.errors import ConfigError, DataError
from xstilts.core.languages import instead
from xstilts.data.locate import Root, folders_of, strangers
from xstilts.experiment import Experiment
from xstilts.graph.stage import Stage
from xstilts.recipes import Component
from xstilts.stages import describe
from xstilts.stages.checksums import DataSource
from xstilts.stages.describe import DataRequest
from xstilts.stages.resolve import resolve
from xstilts.stages.translations import Translator
from xstilts.tasks import Split, Task
from xstilts.tasks.base import DOMAIN
from xstilts.translation.spec import SOURCE, TRANSLATING


@dataclass(frozen=True)
class Replicate:
    """One seed with its data; on microworlds, the seed's world."""

    seed: int
    world: int | None
    data: DataSource


class DataFiles:
    """The files that an experiment reads.

    Args:
        experiment: what to run.
        root: data folder or folders; needed for registered tasks unless the experiment runs on microworlds. Files of
            own tasks are looked for beside the experiment file first.

    Raises:
        ConfigError: no data folder where one is needed, or an own task without `labels` on microworlds.
        DataError: no such data folder.
    """

    def __init__(self, experiment: Experiment, root: Root | None) -> None:
        self.roots = () if root is None or experiment.worlds else folders_of(root)
        registered = [name for name in experiment.task_names() if name not in experiment.tasks]
        if not experiment.worlds and not self.roots and registered:
            made = any(name.startswith("micro_") for name in registered)
            world = ", or `worlds: [1]` for the tasks of a microworld" if made else ""
            reads = f"experiment '{experiment.name}' reads official files of {', '.join(registered[:4])}"
            raise ConfigError(f"{reads}: give --data DIR or XSTILTS_DATA{world}")
        if odd := [name for name in registered if experiment.worlds and not name.startswith("micro_")]:
            problem = f"`worlds:` reads microworlds, and task '{odd[0]}' is not a microworld task"
            raise ConfigError(f"{problem}: leave `worlds:` out, or name tasks of `xstilts list tasks` with micro_")
        if absent := [folder for folder in self.roots if not folder.is_dir()]:
            raise DataError("no such data folder", absent[0])
        self.own_roots = (experiment.folder, *self.roots)
        silent = [name for name in experiment.own_names if experiment.tasks[name].finds_labels]
        if experiment.worlds and silent:
            raise ConfigError(f"task '{silent[0]}' needs `labels`: microworlds have no files to find labels in")
        self._prepared: dict[tuple[Any, ...], tuple[Task, Stage]] = {}
        self._there: dict[tuple[Any, ...], list[str]] = {}
        self.experiment = experiment if experiment.worlds else experiment.labelled(self.own_roots, self.roots)

    def replicates(self) -> list[Replicate]:
        """The seeds in order; worlds are given to them in turn."""
        seeds, worlds = self.experiment.seeds, self.experiment.worlds
        if not worlds:
            return [Replicate(seed, None, DataSource(self.roots)) for seed in seeds]
        drawn = [worlds[number % len(worlds)] for number in range(len(seeds))]
        sources = [DataSource(world=describe.world(world)) for world in drawn]
        return list(map(Replicate, seeds, drawn, sources))

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
        limit = min(filter(None, (limit, self.experiment.limit)), default=0)
        asked = (task.name, task.type, split, languages, tokenizer.key, replicate.world, limit, combined)
        known, stage = self._prepared.get(asked, (None, tokenizer))
        if known != task:  # a description lists all files
            request = DataRequest(task, split, languages, holdout, limit, combined)
            stage = describe.prepare(request, self.source(replicate, task), tokenizer)
            self._prepared[asked] = task, stage
        return stage

    def translated(self, task: Task, part: Component, tokenizer: Stage, replicate: Replicate) -> Stage:
        """The features of a task's training split, translated into languages other than English."""
        engine, source = self._translator(part.translated_by, replicate.world), self.source(replicate, task)
        languages = part.spoken(SOURCE)
        others = [code for code in languages if code != SOURCE]
        engine.spec.check_languages(task.name, others)
        stages = {code: engine.stage(task, code, source) for code in others}
        held, limit = self._holdout(task), self.experiment.limit
        request = DataRequest(task, "train", languages, held, limit, combined=True, translations=stages)
        return describe.prepare(request, source, tokenizer)

    def _translator(self, name: str, world: int | None) -> Translator:
        """An engine of the experiment's `translations`, with its aligner and the tasks that hold translations.

        By default the aligner is the first backbone that has a source and heads.
        """
        spec, task = self.experiment.translations[name], self.experiment.task
        sources = {one.source: one.revision for one in self.experiment.backbones if one.source}
        named = [one.source for one in self.experiment.backbones if one.source and one.output == "head"]
        source = spec.aligner or next(iter(named), None)
        aligner = resolve(source, sources.get(source), world) if source and spec.engine in TRANSLATING else None
        holders = {name: task(holder) for name, holder in spec.tasks.items()}
        for translated, holder in holders.items():
            if holder.type != task(translated).type or "train" not in holder.files:
                problem = f"'{holder.name}' cannot hold translations of '{translated}'"
                raise ConfigError(f"translation '{name}': {problem}: it has another type, or no training files")
        return Translator(name, spec, aligner, holders)

    def source(self, replicate: Replicate, *tasks: Task) -> DataSource:
        """The source of the tasks' files. Each domain of a microworld is a world of its own."""
        if replicate.world is not None:
            domain = any(task.name.startswith(DOMAIN) for task in tasks)
            return DataSource(world=describe.world(replicate.world, "domain")) if domain else replicate.data
        own = any(task.name in self.experiment.tasks for task in tasks)
        return DataSource(self.own_roots) if own else replicate.data

    def _holdout(self, task: Task) -> int:
        """Training examples held out for validation, for every objective: none is trained on."""
        own = self.experiment.tasks.get(task.name)
        wanted = own.holdout if own and own.holdout else self.experiment.holdout
        scored = self.experiment.task(task.name).metric
        return 0 if "validation" in task.files or not scored else wanted

    def validation_split(self, task: Task) -> Split:
        """The split of an intermediate task's own score."""
        return "validation" if "validation" in task.files or self._holdout(task) else task.evaluate_on

    def own_languages(self, task: Task, part: Component, split: Split, replicate: Replicate) -> tuple[str, ...]:
        """The languages of an intermediate task's own score: the source language, else those it was trained in."""
        if (source := self.experiment.source) in task.languages:
            return (source,)
        trained = self.training_languages(task, part, replicate)
        return trained if self._holdout(task) else self.languages(task, split, trained, replicate)

    def training_languages(self, task: Task, part: Component, replicate: Replicate) -> tuple[str, ...]:
        """The component's languages; `all`: those that have files."""
        spoken = part.spoken(self.experiment.source)
        if spoken != ("all",):
            return spoken
        there = tuple(self.available(task, "train", replicate))
        if not there:
            raise DataError(f"{task.name} has no train files for any language{self._elsewhere(task, 'train')}")
        return there

    def text_languages(self, tasks: Sequence[Task], wanted: Sequence[str], replicate: Replicate) -> tuple[str, ...]:
        """Languages of raw text that a vocabulary is trained on; `all`: those that any of the tasks has.

        Raises:
            ConfigError: text of the microworld's domain.
            DataError: a language that none of the tasks has.
        """
        if elsewhere := [task.name for task in tasks if replicate.world is not None and task.name.startswith(DOMAIN)]:
            raise ConfigError(f"a vocabulary of a microworld reads its `micro_text`: leave '{elsewhere[0]}' out")
        there = dict.fromkeys(code for task in tasks for code in self.available(task, "train", replicate))
        absent = [code for code in wanted if code not in there and code != "all"]
        if absent or not there:
            names = ", ".join(task.name for task in tasks)
            problem = f"no text in {', '.join(absent) or 'any language'} for a vocabulary: {names}"
            raise DataError(problem, self._place(tasks[0]))
        return tuple(there) if "all" in wanted else tuple(wanted)

    def languages(
        self, task: Task, split: Split, wanted: tuple[str, ...] | None, replicate: Replicate
    ) -> tuple[str, ...]:
        """The languages to measure that have files. Raises `DataError` when there are none."""
        there = self.available(task, split, replicate)
        asked = wanted or self.experiment.languages
        languages = tuple(code for code in there if asked is None or code in asked)
        if not languages:
            own = self.experiment.tasks.get(task.name)
            what = "files or rows" if own and "language" in own.columns else "files"
            problem = f"{task.name} has no {split} {what} for {', '.join(asked or ('any language',))}"
            if split not in task.files:
                raise DataError(f"{problem}: name them under `files:` of the task, a target is measured on them")
            looked = f" (looked for {' or '.join(task.files[split][:3])})" if task.name in self.experiment.tasks else ""
            raise DataError(problem + looked + self._elsewhere(task, split), self._place(task))
        return languages

    def available(self, task: Task, split: Split, replicate: Replicate) -> list[str]:
        """Languages that have files; a world has all languages of the task.

        Own training and validation files that are not by language are in the source language.
        """
        source, own = self.source(replicate, task), self.experiment.tasks.get(task.name)
        if source.world:
            return list(task.languages)
        asked = task.name, split, source.roots
        if asked not in self._there:
            self._there[asked] = task.available(source.roots, split)
        there = self._there[asked]
        one = own is not None and split != own.measured and split in own.files and not own.by_language(split)
        return [code for code in there if code == self.experiment.source] if one else there

    def _roots_of(self, task: Task) -> tuple[Path, ...]:
        return self.own_roots if task.name in self.experiment.tasks else self.roots

    def _place(self, task: Task) -> str:
        return ", ".join(map(str, self._roots_of(task))) or "the microworld"

    def _elsewhere(self, task: Task, split: Split) -> str:
        """A note on files in languages that the table lacks, or has under another code; empty without any."""
        found = strangers(self._roots_of(task), task.files.get(split, ())) if not self.experiment.worlds else {}
        return f"; there are files for {in_codes(found)}" if found else ""


def in_codes(found: Mapping[str, str]) -> str:
    """`chr (name it under `languages`), swa (here: sw), jp (did you mean ja?)`."""

    def advice(form: str, code: str) -> str:
        if form == code:
            return "name it under `languages`"
        near = instead(form)
        return f"here: {code}" if code else f"did you mean {near}?" if near else "not the code of one language"

    shown = [f"{form} ({advice(form, code)})" for form, code in found.items()]
    return ", ".join(shown[:6]) + (" ..." if len(shown) > 6 else "")
