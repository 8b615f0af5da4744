"""Runs of candidates toward the target: those of the full grid, and the same with a share of their steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from xstilts.core.errors import ConfigError
from xstilts.data.locate import Root
from xstilts.expand import Cell, Expansion, Replicate, StartModel
from xstilts.expand.data import DataFiles
from xstilts.expand.phases import Phases
from xstilts.experiment import Experiment
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.planning.costing import Hardware
from xstilts.planning.devices import device
from xstilts.planning.planner import Planner
from xstilts.recipes import TARGET_PHASE, Component, PhaseSpec, Recipe
from xstilts.stages import describe
from xstilts.tasks import Task
from xstilts.tasks.base import Objective, Split
from xstilts.training.config import TrainConfig


@dataclass(frozen=True)
class Run:
    """One candidate with one seed.

    Attributes:
        source: the model after the recipe, from which the target is trained.
        target: the model after the target's training, and its score on the target's English validation data; both None
            where the target is not trained.
    """

    recipe: Recipe
    seed: int
    source: Stage
    target: Stage | None = None
    scored: Cell | None = None


class Runs:
    """Describes runs of one backbone toward one target.

    Args:
        experiment: of one backbone and one target (`setting`).
        root: data folder or folders; None on microworlds.
        store: where prepared data is counted, since steps may be given as epochs.

    Raises:
        ConfigError: the target has no English examples to judge by. Others as `DataFiles`.
    """

    def __init__(self, experiment: Experiment, root: Root | None, store: Store) -> None:
        self.expansion = Expansion(experiment, root)
        self.experiment = self.expansion.experiment
        self.store = store
        (self.spec,), (self.target,) = self.experiment.backbones, self.experiment.targets
        self._files = DataFiles(self.experiment, root)
        self._phases = Phases(self._files)
        self.planner = Planner(store, Hardware(device("cpu")))
        self.head = self.experiment.trained_on(self.target)
        count = self.target.seeds or len(self.experiment.seeds)
        self.replicates: Sequence[Replicate] = self.expansion.replicates[:count]
        self._models = [self.expansion.models(self.spec, replicate)[0] for replicate in self.replicates]
        self.judge, self.split = self._judge()

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """The baseline first."""
        return self.experiment.recipes

    def _judge(self) -> tuple[Task | None, Split]:
        """The task and split whose English examples judge: of the data that the target is trained on."""
        if not self.head:
            return None, "test"
        task = self.task(self.head, self._models[0])
        split = self._files.validation_split(task)
        if split != "validation":
            raise ConfigError(
                f"'{task.name}' has no validation data, and a choice by its {split} data would be no zero-shot result: "
                "give `holdout: 500` or so in the experiment file"
            )
        return task, split

    def full(self) -> list[Stage]:
        """The score stages of the whole grid: every candidate, trained in full and measured in every language."""
        return [cell.stage for cell in self.expansion.cells if cell.role == "target"]

    def prepared(self) -> list[Stage]:
        """The data that runs read, by which they are counted."""
        found = {stage.key: stage for run in self._each(1.0, self.recipes) for stage in _data(run)}
        return list(found.values())

    def runs(self, share: float, recipes: Sequence[Recipe]) -> list[Run]:
        """Of each recipe with each seed; 1: exactly the runs of the grid."""
        return list(self._each(share, recipes))

    def _each(self, share: float, recipes: Sequence[Recipe]) -> Iterator[Run]:
        for replicate, model in zip(self.replicates, self._models, strict=True):
            for recipe in recipes:
                shared, own_phases = recipe.divided()
                if own_phases:
                    raise ConfigError(f"recipe {recipe.label} trains on the target itself: name candidates that do not")
                source = model.stage
                before: tuple[Component, ...] = ()
                for phase in shared:
                    source = self._train(source, phase, model, share, before)
                    before = (*before, *phase.tasks)
                if self.judge is None:
                    yield Run(recipe, replicate.seed, source)
                    continue
                last = self.experiment.target_phase(TARGET_PHASE, self.target)
                assert last is not None
                trained = self._train(source, last, model, share)
                yield Run(recipe, replicate.seed, source, trained, self._scored(recipe, trained, replicate, model))

    def _train(
        self, start: Stage, phase: PhaseSpec, model: StartModel, share: float, before: Sequence[Component] = ()
    ) -> Stage:
        stage = self._phases.train(start, phase, model, earlier=before)
        if share >= 1:
            return stage
        steps = self.planner.load_of(stage, TrainConfig(**stage.config["train"]))[0].steps
        short = phase.model_copy(update={"train": {**phase.train, "steps": max(1, round(share * steps))}})
        return self._phases.train(start, short, model, earlier=before)

    def _scored(self, recipe: Recipe, trained: Stage, replicate: Replicate, model: StartModel) -> Cell:
        assert self.judge is not None
        task = self.judge
        languages = self._files.own_languages(task, Component(task=task.name), self.split, replicate)
        data = self._files.prepared(task, self.split, languages, model.tokenizer, replicate)
        predicted = describe.predict(trained, data, task, self.head, TrainConfig(**trained.config["train"]))
        stage = describe.evaluate(predicted, data, task, self.split, "target")
        return Cell(replicate.seed, self.spec.name, recipe.label, task.name, "target", stage)

    def task(self, name: str, model: StartModel) -> Task:
        """A task in the form in which this model does it; `mnli:simcse`: by that objective."""
        task, _, objective = name.partition(":")
        return self._phases.task(task, model, cast("Objective", objective) if objective else None)

    def pairs(self, replicate: Replicate, model: StartModel) -> tuple[Stage, str, Task]:
        """Of a target that is not trained: prepared data with its English sentences, the set to read, and the task.

        They come from its test files; which sentences belong together is not looked at.
        """
        task = self.task(self.target.task, model)
        split = self.target.split or task.evaluate_on
        languages = self._files.languages(task, split, self.target.languages, replicate)
        data = self._files.prepared(task, split, languages, model.tokenizer, replicate, self.target.limit)
        return data, languages[0], task

    @property
    def zero_shot(self) -> Callable[[str], bool]:
        """Whether a language enters zero-shot means, as in reports: nothing of it was trained on with labels."""
        trained = {self.experiment.source, *(self.target.train_languages or ())}
        return lambda code: code not in trained

    @property
    def judged_by(self) -> str:
        """The validation data that judges, in words."""
        assert self.judge is not None
        codes = self._files.own_languages(self.judge, Component(task=self.judge.name), self.split, self.replicates[0])
        return f"{self.judge.name} {self.split}, {', '.join(codes)}"

    def starts(self) -> Iterator[tuple[Replicate, StartModel]]:
        """The backbone with each seed."""
        return zip(self.replicates, self._models, strict=True)


def _data(run: Run) -> Iterator[Stage]:
    """Prepared training data of a run's phases, from the last to the first, and what it is judged on."""
    stage = run.source if run.target is None else run.target
    while "model" in stage.inputs:
        yield from (data for role, data in stage.inputs.items() if role.startswith("data"))
        stage = stage.inputs["model"]
    if run.scored is not None:
        yield run.scored.stage.inputs["data"]
