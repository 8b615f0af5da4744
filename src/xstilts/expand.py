"""From an experiment to its graph: every cell of the table as an evaluate stage.

Cells share stages by content: an intermediate phase is trained once and feeds every target; a baseline's target run is
the same stage whoever asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from xstilts.backbones.names import Output, check_folder
from xstilts.core.errors import ConfigError, DataError
from xstilts.core.scores import Score
from xstilts.experiment import UNTRAINED, BackboneSpec, Experiment, TargetSpec
from xstilts.graph.stage import Stage
from xstilts.recipes import Component, PhaseSpec, Recipe
from xstilts.stages import describe
from xstilts.stages.describe import ComponentData, DataRequest, DataSource, PhaseData, Use
from xstilts.stages.resolve import JUDGED_BY, READ_BY, TRAINED_BY, check_writes, part_for, resolve, retrieval_of
from xstilts.tasks import Task
from xstilts.tasks.base import IN_TEXT, Split

CONTROL_NAMES = {"random": "random encoder", "english": "English-only pretraining"}


@dataclass(frozen=True)
class Cell:
    """One measured run of the table: what it is called, and the stage that scores it."""

    seed: int
    backbone: str
    recipe: str
    task: str
    role: str
    stage: Stage

    def name(self, score: Score) -> Score:
        """A score of the stage under this cell's labels; one stage may stand in several cells."""
        return replace(
            score, seed=self.seed, backbone=self.backbone, recipe=self.recipe, role=self.role, stage=self.stage.key
        )


@dataclass(frozen=True)
class Model:
    """A start for recipes.

    Attributes:
        tokenizer: of its data.
        name: in tables.
        retrieval: how sentences are read, where it is not the protocol's way (`retrieval_of`).
        control: its kind if it is one.
        output: whether it answers through heads or in text.
    """

    name: str
    stage: Stage
    tokenizer: Stage
    retrieval: Mapping[str, Any]
    control: str = ""
    output: Output = "head"


@dataclass(frozen=True)
class Replicate:
    """One seed with its data: on microworlds each seed has a world of its own."""

    seed: int
    world: int | None
    data: DataSource


class Expansion:
    """The cells of an experiment.

    Args:
        experiment: what to run.
        root: data folder; needed unless the experiment runs on microworlds.

    Raises:
        ConfigError: no data folder where one is needed.
        DataError: a data folder that lacks what the experiment names.
    """

    def __init__(self, experiment: Experiment, root: Path | None) -> None:
        if not experiment.worlds and root is None:
            raise ConfigError(f"experiment '{experiment.name}' reads official files: give --data DIR or XSTILTS_DATA")
        if root is not None and not experiment.worlds and not root.is_dir():
            raise DataError("no such data folder", root)
        self.root = root
        self.experiment = experiment.labelled(None if experiment.worlds else root)
        self.replicates = [self._replicate(i, seed) for i, seed in enumerate(experiment.seeds)]
        self.controls: dict[str, str] = {}
        self.cells = list(self._cells())

    def _replicate(self, number: int, seed: int) -> Replicate:
        if not (worlds := self.experiment.worlds):
            return Replicate(seed, None, DataSource(self.root))
        world = worlds[number % len(worlds)]
        return Replicate(seed, world, DataSource(world=_world(world)))

    def stages(self) -> list[Stage]:
        """The evaluate stages of all cells."""
        return [cell.stage for cell in self.cells]

    def _cells(self) -> Iterator[Cell]:
        for replicate in self.replicates:
            for spec in self.experiment.backbones:
                for model in self.models(spec, replicate):
                    if model.control:
                        self.controls[model.name] = model.control
                    recipes = (Recipe(),) if model.control else self.experiment.recipes
                    for recipe in recipes:
                        yield from self._recipe(model, recipe, replicate)

    def _recipe(self, model: Model, recipe: Recipe, replicate: Replicate) -> Iterator[Cell]:
        stage = model.stage
        learned: dict[str, tuple[Stage, Component]] = {}
        for phase in recipe.phases:
            stage = self._train(stage, phase, model, replicate)
            learned.update({part.task: (stage, part) for part in phase.tasks})
        for name, (trained, part) in learned.items():
            task = self._task(name, model)
            if task.metric:
                split = self._validation_split(task)
                data = self._data(task, split, self._own_languages(task, part, split, replicate), model, replicate)
                scored = self._score(trained, data, task, (name, "intermediate", split), model.retrieval)
                yield Cell(replicate.seed, model.name, recipe.label, name, "intermediate", scored)
        number = self.replicates.index(replicate)
        for target in self.experiment.targets:
            if target.seeds is not None and number >= target.seeds:
                continue
            scored = self._target(stage, target, model, replicate)
            yield Cell(replicate.seed, model.name, recipe.label, target.task, "target", scored)

    def _target(self, stage: Stage, target: TargetSpec, model: Model, replicate: Replicate) -> Stage:
        """English fine-tuning on the target's training task, then every language; retrieval needs no fine-tuning."""
        task = self._task(target.task, model)
        head = ""
        if task.type not in UNTRAINED:
            head = target.train_on or task.train_on or task.name
            own = self.experiment.tuning.get(task.name, {}) if head != task.name else {}
            phase = PhaseSpec(tasks=(Component(task=head),), train={**own, **target.train})
            stage = self._train(stage, phase, model, replicate)
        split = target.split or task.evaluate_on
        languages = self._languages(task, split, target.languages, replicate)
        chosen_on = part_for(JUDGED_BY, task.type, model.retrieval).get("validate_on", ())
        if absent := [code for code in chosen_on if code not in languages]:
            problem = f"{task.name} has no {split} files for {', '.join(absent)}, on which its layer is to be chosen"
            raise DataError(problem, self.root)
        data = self._data(task, split, languages, model, replicate, target.limit)
        return self._score(stage, data, task, (head, "target", split), model.retrieval)

    def _task(self, name: str, model: Model) -> Task:
        """A task in the form in which this model does it."""
        task = self.experiment.task(name)
        return replace(task, type=IN_TEXT.get(task.type, task.type)) if model.output == "text" else task

    def _score(
        self, stage: Stage, data: Stage, task: Task, cell: tuple[str, str, Split], retrieval: Mapping[str, Any]
    ) -> Stage:
        """Predictions and scores of a cell: (its head, its role, what is measured)."""
        head, role, split = cell
        precision = self.experiment.options(PhaseSpec(tasks=(Component(task=head or task.name),))).precision
        predictions = describe.predict(stage, data, task, head, precision, part_for(READ_BY, task.type, retrieval))
        return describe.evaluate(predictions, data, task, split, role, part_for(JUDGED_BY, task.type, retrieval))

    def _train(
        self, stage: Stage, phase: PhaseSpec, model: Model, replicate: Replicate, seed: int | None = None
    ) -> Stage:
        options = self.experiment.options(phase)
        parts = []
        for part in phase.tasks:
            task = self._task(part.task, model)
            languages = self._training_languages(task, part, replicate)
            data = self._data(task, "train", languages, model, replicate, combined=True)
            own = {**part_for(TRAINED_BY, task.type, model.retrieval), **part.options}
            parts.append(ComponentData(task, data, part.rate, part.weight, part.exponent, own))
        sampling = {"sampling": phase.sampling, "cap": phase.cap, "temperature": phase.temperature}
        path = f"{stage.label.partition(' @')[0]} > {phase.label} @seed {replicate.seed}"
        drawn, cost = replicate.seed if seed is None else seed, 0.02 * (options.steps or 1000)
        return describe.train(stage, PhaseData(tuple(parts), sampling, options.model_dump(), drawn, path, cost))

    def _data(
        self,
        task: Task,
        split: Split,
        languages: tuple[str, ...],
        model: Model,
        replicate: Replicate,
        limit: int = 0,
        combined: bool = False,
    ) -> Stage:
        holdout = self._holdout(task) if split in ("train", "validation") else 0
        request = DataRequest(task, split, languages, holdout, limit, combined, labelled=task.type != "masked_lm")
        return describe.prepare(request, replicate.data, model.tokenizer)

    def _holdout(self, task: Task) -> int:
        own = self.experiment.tasks.get(task.name)
        wanted = own.holdout if own and own.holdout else self.experiment.holdout
        return 0 if "validation" in task.files or not task.metric else wanted

    def _validation_split(self, task: Task) -> Split:
        """Where an intermediate task's own score comes from."""
        return "validation" if "validation" in task.files or self._holdout(task) else task.evaluate_on

    def _own_languages(self, task: Task, part: Component, split: Split, replicate: Replicate) -> tuple[str, ...]:
        """Where an intermediate task is measured itself: in English, or if it has none where it was trained."""
        if "en" in task.languages:
            return ("en",)
        trained = self._training_languages(task, part, replicate)
        return trained if self._holdout(task) else self._languages(task, split, trained, replicate)

    def _training_languages(self, task: Task, part: Component, replicate: Replicate) -> tuple[str, ...]:
        if part.languages != ("all",):
            return part.languages
        there = tuple(_available(task, replicate.data, "train"))
        if not there:
            raise DataError(f"{task.name} has no train files for any language", self.root)
        return there

    def _languages(
        self, task: Task, split: Split, wanted: tuple[str, ...] | None, replicate: Replicate
    ) -> tuple[str, ...]:
        there = _available(task, replicate.data, split)
        asked = wanted or self.experiment.languages
        languages = tuple(code for code in there if asked is None or code in asked)
        if not languages:
            place = self.root or "the microworld"
            raise DataError(f"{task.name} has no {split} files for {', '.join(asked or ('any language',))}", place)
        return languages

    def models(self, spec: BackboneSpec, replicate: Replicate) -> list[Model]:
        """The backbone and its controls."""
        seed = replicate.seed if spec.seed is None else spec.seed
        use, source = Use(spec.route, spec.attention, spec.output), None
        if spec.source is not None:
            source, revision = resolve(spec.source, spec.revision, replicate.world)
            check_folder(source)
            tokenizer = describe.tokenizer_of(source, revision)
            start = describe.start_pretrained(source, revision, use, spec.name)
            random = describe.start_random_like(source, revision, tokenizer, replicate.seed, use, "random")
        else:
            assert spec.architecture is not None
            assert spec.tokenizer is not None
            config = spec.tokenizer.model_dump(exclude={"tasks"}) | ({"ascii": True} if spec.output == "text" else {})
            tasks = [self.experiment.task(name) for name in spec.tokenizer.tasks]
            tokenizer = describe.tokenizer_trained(config, replicate.data, tasks)
            random = describe.start_random(spec.architecture, spec.config, tokenizer, seed, use, "random")
            start = random
        if spec.output == "text":
            check_writes(source, spec.architecture)
        retrieval = retrieval_of(source, spec.retrieval)
        base = Model(spec.name, random, tokenizer, retrieval, output=spec.output)
        for phase in spec.pretrain:
            start = self._train(start, phase, base, replicate, seed)
        models = [replace(base, stage=start)]
        for kind, how in spec.controls.items():
            stage = random
            if kind == "english":
                stage = self._english(spec, how, base, replicate, seed)
            models.append(replace(base, name=f"{spec.name} ({CONTROL_NAMES[kind]})", stage=stage, control=kind))
        return models

    def _english(self, spec: BackboneSpec, how: str, base: Model, replicate: Replicate, seed: int) -> Stage:
        """The control pretrained on English alone: a given model, or the same phases on English text."""
        if how != "auto":
            place = resolve(how, None, replicate.world)
            return describe.start_pretrained(*place, Use(spec.route, spec.attention, spec.output), "English only")
        stage = base.stage
        for phase in spec.pretrain:
            alone = tuple(
                part.model_copy(update={"languages": ("en",)})
                for part in phase.tasks
                if "en" in self.experiment.task(part.task).languages
            )
            if not alone:
                continue
            shorter = dict(phase.train)
            if spec.english_share < 1 and phase.train.get("steps"):
                shorter["steps"] = max(1, round(phase.train["steps"] * spec.english_share))
            own = phase.model_copy(update={"tasks": alone, "train": shorter})
            stage = self._train(stage, own, base, replicate, seed)
        return stage


@lru_cache(maxsize=64)
def _world(seed: int) -> Stage:
    from xstilts.microworld import VERSION

    return describe.world(seed, VERSION)


def _available(task: Task, data: DataSource, split: Split) -> list[str]:
    """Languages whose files are there; a world has all of its task's languages."""
    return list(task.languages) if data.root is None else task.available(data.root, split)
