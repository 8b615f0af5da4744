"""An experiment file: backbones x recipes x targets x seeds, validated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PrivateAttr, ValidationError, field_validator, model_validator

from xstilts.core.errors import ConfigError, UnknownName, count
from xstilts.core.languages import LANGUAGES, language
from xstilts.core.strict import Code, Codes, Strict, mistake, place_of
from xstilts.data.locate import Root
from xstilts.data.readers.types import TYPES
from xstilts.experiment.specs import BackboneSpec, OwnTask, TargetSpec
from xstilts.recipes import TARGET, Component, Options, PhaseSpec, Recipe, check_translated
from xstilts.tasks import TASKS, Task
from xstilts.tasks.base import check_language
from xstilts.training.config import TrainConfig
from xstilts.translation.spec import EngineSpec

TaskName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
"""The name of a user's own task; it is part of weights' names, so it has no dot."""


class Experiment(Strict):
    """The content of an experiment file."""

    _made: dict[str, Task] = PrivateAttr(default_factory=dict)
    """Own tasks, and registered tasks whose labels `labelled` has found."""
    _file: Path | None = PrivateAttr(default=None)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$", description="name, also of the report's folder")
    title: str = Field(default="", description="title of the report")
    question: str = Field(default="", description="question that the report answers")
    description: str = Field(default="", description="what was done, for the report")
    limitations: tuple[str, ...] = Field(default=(), description="what the report does not show, one sentence per item")
    worlds: tuple[int, ...] = Field(default=(), description="microworlds, given to the seeds in turn; empty: real data")
    seeds: tuple[int, ...] = Field(default=(1, 2, 3), min_length=1, description="everything is trained once per seed")
    backbones: tuple[BackboneSpec, ...] = Field(min_length=1, description="models to start from")
    recipes: tuple[Recipe, ...] = Field(min_length=1, description="phases before the target; `[]` is added")
    targets: tuple[TargetSpec, ...] = Field(min_length=1, description="target tasks")
    tasks: dict[TaskName, OwnTask] = Field(default_factory=dict, description="your own tasks, by name")
    source: Code = Field(default="en", description="source language, of all labelled training data")
    translations: dict[TaskName, EngineSpec] = Field(default_factory=dict, description="engines, for `translated_by`")
    languages: Codes | None = Field(default=None, description="test languages; default: all that have files")
    train: Options = Field(default_factory=dict, description="training options of every phase")
    tuning: dict[str, Options] = Field(default_factory=dict, description="training options, by task")
    limit: int = Field(default=0, ge=0, description="fixed sample of each split and language; 0: all")
    holdout: int = Field(default=0, ge=0, description="training examples for validation, if a task has none")

    @property
    def file(self) -> Path | None:
        """The file that it was read from; None for an experiment made in Python."""
        return self._file

    @property
    def folder(self) -> Path:
        """Where relative paths of own tasks' files begin: the folder of its file, else the working folder."""
        return self._file.parent if self._file else Path.cwd()

    def placed(self, file: Path | None) -> Experiment:
        """This experiment as if read from a file."""
        made = self.model_copy()
        made._file = file.absolute() if file else None
        return made

    @field_validator("recipes", mode="before")
    @classmethod
    def _recipes_in_a_list(cls, value: Any) -> Any:
        if isinstance(value, str):
            raise ValueError(f"give a list of recipes, each of them a list of phases: [[{value}]]")
        return value

    @field_validator("recipes")
    @classmethod
    def _baseline_first(cls, recipes: tuple[Recipe, ...]) -> tuple[Recipe, ...]:
        """The baseline is always measured, and comes first."""
        return (Recipe(), *(recipe for recipe in recipes if recipe.phases))

    @model_validator(mode="after")
    def _checked(self) -> Experiment:
        self._check_names()
        self._check_languages()
        for target in self.targets:
            self._check_target(target)
        for phase in (phase for recipe in self.recipes for phase in recipe.phases):
            phase.runs(self.train)
            for part in (part for part in phase.tasks if part.task == TARGET and part.translated_by):
                for name in filter(None, map(self.trained_on, self.targets)):
                    check_translated(part, self.task(name), self.translations)
        for part in self._components():
            self._check_languages_of(part)
        for part in self._recipe_parts():
            self._check_own_score(part)
        for number, backbone in enumerate(self.backbones):
            if backbone.retrieval.layer and backbone.retrieval.layer.validate_on:
                self._check_choice(backbone.retrieval.layer.validate_on, number)
        return self

    def _check_names(self) -> None:
        for kind, labels in (
            ("backbone", [backbone.name for backbone in self.backbones]),
            ("recipe", [recipe.label for recipe in self.recipes]),
            ("target", [target.task for target in self.targets]),
            ("seed", [str(seed) for seed in self.seeds]),
        ):
            if twice := [label for label, count in Counter(labels).items() if count > 1]:
                hint = ": give one of them a `name`" if kind in ("backbone", "recipe") else ""
                raise ValueError(f"{kind} '{twice[0]}' occurs twice{hint}")
        for name in (*self.task_names(), *self.tasks):
            self.task(name)
        if TARGET in self.tasks:
            raise mistake(f"'{TARGET}' stands for the target in recipes: give the task another name", "tasks", TARGET)

    def _check_languages(self) -> None:
        """Every language is in the table or a language of an own task."""
        own = {"all", *(code for task in self.tasks.values() for code in task.languages or ())}
        tokenizers = [backbone.tokenizer.languages for backbone in self.backbones if backbone.tokenizer]
        targets = [codes for target in self.targets for codes in (target.languages, target.train_languages)]
        asked = [*targets, *tokenizers, *(part.languages for part in self._components()), self.languages]
        for code in (self.source, *(code for codes in asked for code in codes or ())):
            if code not in own:
                language(code)

    def _check_target(self, spec: TargetSpec) -> None:
        """Check that the target has training data, and that a head trained on it fits the target."""
        target, name = self.task(spec.task), spec.task
        source = self.task(spec.train_on or target.train_on or name)
        said = [key for key in ("train", "train_on", "train_languages") if getattr(spec, key)]
        trained = TYPES.get(target.type).trained
        if not trained and said:
            raise ValueError(f"'{name}' is measured without fine-tuning: leave `{said[0]}` out")
        if not target.metric:
            raise ValueError(f"'{name}' is for training only: it has no metric, and cannot be a target")
        absent = [code for code in spec.train_languages or (self.source,) if code not in source.languages]
        if trained and absent:
            remedy = "give `train_on`, a task of its type with the same labels, or `train_languages`"
            raise ValueError(f"'{name}' has no {_named(absent[0])} training data: {remedy}")
        classes = [task for task in (target, source) if task.type in ("classification", "tagging")]
        silent = [task.name for task in classes if not task.labels]
        if source.name != name and silent:
            raise ValueError(f"'{name}' is trained on '{source.name}': give `labels` of '{silent[0]}'")
        if (source.type, source.labels) != (target.type, target.labels):
            raise ValueError(f"'{name}' cannot be trained on '{source.name}': its type or labels are different")

    def _check_languages_of(self, part: Component) -> None:
        """Training data that are not in the source language (pairs with English, say) need their languages named."""
        task, own, spoken = self.task(part.task), self.tasks.get(part.task), part.spoken(self.source)
        if "train" in task.files and spoken == (self.source,) and self.source not in task.languages:
            problem = f"'{part.task}' has no {_named(self.source)} data: name the languages it is trained on"
            raise ValueError(f"{problem}, as in {{task: {part.task}, languages: [{task.languages[0]}]}}, or [all]")
        if part.translated_by:
            check_translated(part, task, self.translations)
            return
        one_file = own and "train" in own.files and not own.by_language("train")
        if own and one_file and spoken != ("en",) and (own.spoken != spoken or len(spoken) > 1):
            problem = f"'{part.task}' is trained on {', '.join(spoken)}: put {{language}} into the file's name"
            raise mistake(problem, "tasks", part.task, "files", "train")

    def _check_own_score(self, part: Component) -> None:
        """An intermediate task needs a score of its own, which shows whether it was learned."""
        name, task, own = part.task, self.task(part.task), self.tasks.get(part.task)
        held_out = (own and own.holdout) or self.holdout
        if task.metric and list(task.files) == ["train"] and not held_out:
            learned = f"'{name}' has no data to measure whether it was learned"
            problem = f"{learned}: hold out about a fifth of the examples (`holdout`)"
            raise mistake(problem, "tasks", name, "files", "train") if own else ValueError(problem)

    def _check_choice(self, languages: tuple[str, ...], backbone: int) -> None:
        """A layer is chosen on languages that are measured; others must be left to be zero-shot."""
        key = ("backbones", backbone, "retrieval", "layer", "validate_on")
        choosing = [target for target in self.targets if TYPES.get(self.task(target.task).type).judged_by]
        if not choosing:
            problem = "no target chooses among layers: retrieval by nearest neighbours does, as in tatoeba and ntrex"
            raise mistake(problem, *key)
        for target in choosing:
            task = self.task(target.task)
            measured = target.languages or self.languages or task.languages
            for code in languages:
                check_language(task, code)
                if code not in measured:
                    problem = f"'{task.name}' is not measured in '{code}': add it to `languages`, or leave it out"
                    raise mistake(problem, *key)
            if not set(measured) & set(task.languages) - set(languages):
                problem = f"the layer is chosen on all languages of '{task.name}': none is left to be zero-shot"
                raise mistake(problem, *key)

    def _components(self) -> list[Component]:
        phases = [phase for backbone in self.backbones for phase in backbone.pretrain]
        return [*self._recipe_parts(), *(part for phase in phases for part in phase.tasks)]

    def _recipe_parts(self) -> list[Component]:
        phases = [phase for recipe in self.recipes for phase in recipe.phases]
        return [part for phase in phases for part in phase.tasks if part.task != TARGET]

    @property
    def sampled(self) -> list[str]:
        """A note if only a sample of the data is read (`limit`)."""
        note = f"only a sample of {count(self.limit, 'example')} of each split and language is read (`limit`)"
        return [f"{note}: a trial, not a result"] if self.limit else []

    @property
    def own_names(self) -> list[str]:
        """The own tasks that stages will read."""
        return [name for name in self.task_names() if name in self.tasks]

    def task_names(self) -> Sequence[str]:
        """All tasks that stages will read. Raises `UnknownName`."""
        mixed = [part.task for part in self._components()]
        mixed += [name for engine in self.translations.values() for pair in engine.tasks.items() for name in pair]
        targets = [target.task for target in self.targets]
        targets += [on for target in self.targets if (on := target.train_on or self.task(target.task).train_on)]
        raw = [name for backbone in self.backbones if backbone.tokenizer for name in backbone.tokenizer.tasks]
        return list(dict.fromkeys([*mixed, *targets, *self.tuning, *raw]))

    def task(self, name: str) -> Task:
        """An own or registered task. Raises `UnknownName`."""
        if name in self.tasks and name not in self._made:
            self._made[name] = self.tasks[name].task(name)
        if name not in self._made and name not in TASKS:
            raise UnknownName("task", name, [*TASKS.names(), *self.tasks])
        return self._made.get(name) or TASKS.get(name)

    def trained_on(self, target: TargetSpec) -> str:
        """The task whose training data a target is trained on; empty if it is not trained."""
        task = self.task(target.task)
        return "" if not TYPES.get(task.type).trained else target.train_on or task.train_on or task.name

    def target_phase(self, phase: PhaseSpec, target: TargetSpec) -> PhaseSpec | None:
        """A phase with the target's training task in place of `target`; None if nothing is left to train.

        A phase that names that task too trains on it once. Raises `ConfigError` if their options differ.
        """
        name = self.trained_on(target)
        parts: list[Component] = []
        for part in phase.tasks:
            asked = {"task": name, "languages": part.languages or target.train_languages}
            own = part.model_copy(update=asked) if part.task == TARGET else part
            twin = next((other for other in phase.tasks if other.name == own.name), part)
            if own.task and twin is part:
                parts.append(own)
            elif own.task and (part != Component(task=TARGET) or twin.spoken(self.source) != own.spoken(self.source)):
                problem = f"'{target.task}' is trained on '{name}', which the phase names too, with other options"
                raise ConfigError(f"phase {phase.label}: {problem}: name it once")
        if not parts:
            return None
        tuned: dict[str, Any] = {}
        if all(part.task == TARGET for part in phase.tasks):
            tuned = {**(self.tuning.get(target.task, {}) if name != target.task else {}), **target.train}
        return phase.model_copy(update={"tasks": tuple(parts), "train": {**tuned, **phase.train}})

    def labelled(self, own: Root, official: Root) -> Experiment:
        """This experiment with all labels: own tasks without `labels` have those of their English training files.

        Labels are part of keys: an experiment that names them in sorted order has the same keys. `own`, `official`:
        folders of own and registered tasks' files. Raises `DataError` if one is missing or cannot be read.
        """
        silent = {name: self.tasks[name] for name in self.own_names if self.tasks[name].finds_labels}
        found = {name: spec.with_labels(name, own) for name, spec in silent.items()}
        labelled = self.model_copy(update={"tasks": {**self.tasks, **found}})
        registered = [TASKS.get(name) for name in self.task_names() if name not in self.tasks]
        untold = [task for task in registered if task.open_labels]
        labelled._made = {task.name: replace(task, labels=task.found_labels(official)) for task in untold}
        return labelled

    def options(self, phase: PhaseSpec, *more: Mapping[str, Any]) -> TrainConfig:
        """Training options of a phase: the file's, the tasks' (a mixture takes its first task's), then its own."""
        return self.runs(phase, *more)[0]

    def runs(self, phase: PhaseSpec, *more: Mapping[str, Any]) -> list[TrainConfig]:
        """Options of a phase, for each learning rate of a sweep. Raises `ConfigError` if they do not go together."""
        try:
            return phase.runs(self.train, self.tuning.get(phase.tasks[0].task, {}), *map(dict, more))
        except ValidationError as error:
            raise ConfigError(f"phase {phase.label}: {place_of(error)[0]}") from None


def _named(code: str) -> str:
    """`English`, or the code if it is not in the table."""
    return LANGUAGES[code].name if code in LANGUAGES else code
