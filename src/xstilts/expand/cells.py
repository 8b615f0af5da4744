"""The cells of an experiment's table.

Cells share stages by content: an intermediate phase is trained once and feeds every target; a baseline's target run is
the same stage whoever asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from xstilts.core.errors import DataError
from xstilts.core.scores import Score
from xstilts.expand.data import Files, Replicate
from xstilts.expand.models import Models
from xstilts.expand.phases import Model, Phases
from xstilts.experiment import UNTRAINED, BackboneSpec, Experiment, TargetSpec
from xstilts.graph.stage import Stage
from xstilts.recipes import Component, PhaseSpec, Recipe
from xstilts.stages import describe
from xstilts.stages.resolve import JUDGED_BY, READ_BY, part_for
from xstilts.tasks import Task
from xstilts.tasks.base import Split


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


class Expansion:
    """The cells of an experiment. Arguments and errors as of `Files`."""

    def __init__(self, experiment: Experiment, root: Path | None) -> None:
        self._files = Files(experiment, root)
        self._phases = Phases(self._files)
        self._models = Models(self._phases)
        self.root, self.experiment = root, self._files.experiment
        self.replicates = self._files.replicates()
        self.controls: dict[str, str] = {}
        self.cells = list(self._cells())

    def stages(self) -> list[Stage]:
        """The evaluate stages of all cells."""
        return [cell.stage for cell in self.cells]

    def models(self, spec: BackboneSpec, replicate: Replicate) -> list[Model]:
        """A backbone and its controls."""
        return self._models.of(spec, replicate)

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
            stage = self._phases.train(stage, phase, model, replicate)
            learned.update({part.label: (stage, part) for part in phase.tasks})
        for name, (trained, part) in learned.items():
            if (scored := self._intermediate(trained, part, model, replicate)) is not None:
                yield Cell(replicate.seed, model.name, recipe.label, name, "intermediate", scored)
        number = self.replicates.index(replicate)
        for target in self.experiment.targets:
            if target.seeds is not None and number >= target.seeds:
                continue
            scored = self._target(stage, target, model, replicate)
            yield Cell(replicate.seed, model.name, recipe.label, target.task, "target", scored)

    def _intermediate(self, stage: Stage, part: Component, model: Model, replicate: Replicate) -> Stage | None:
        """The intermediate task's own score, where it has a metric."""
        task = self._phases.task(part.task, model, part.objective)
        if not task.metric:
            return None
        split = self._files.validation_split(task)
        languages = self._files.own_languages(task, part, split, replicate)
        data = self._files.prepared(task, split, languages, model.tokenizer, replicate)
        return self._score(stage, data, task, (part.task, "intermediate", split), model.retrieval)

    def _target(self, stage: Stage, target: TargetSpec, model: Model, replicate: Replicate) -> Stage:
        """English fine-tuning on the target's training task, then every language; retrieval needs no fine-tuning."""
        task = self._phases.task(target.task, model)
        head = ""
        if task.type not in UNTRAINED:
            head = target.train_on or task.train_on or task.name
            own = self.experiment.tuning.get(task.name, {}) if head != task.name else {}
            phase = PhaseSpec(tasks=(Component(task=head),), train={**own, **target.train})
            stage = self._phases.train(stage, phase, model, replicate)
        split = target.split or task.evaluate_on
        languages = self._files.languages(task, split, target.languages, replicate)
        chosen_on = part_for(JUDGED_BY, task.type, model.retrieval).get("validate_on", ())
        if absent := [code for code in chosen_on if code not in languages]:
            problem = f"{task.name} has no {split} files for {', '.join(absent)}, on which its layer is to be chosen"
            raise DataError(problem, self.root)
        data = self._files.prepared(task, split, languages, model.tokenizer, replicate, target.limit)
        return self._score(stage, data, task, (head, "target", split), model.retrieval)

    def _score(
        self, stage: Stage, data: Stage, task: Task, cell: tuple[str, str, Split], retrieval: Mapping[str, Any]
    ) -> Stage:
        """Predictions and scores of a cell: (its head, its role, what is measured)."""
        head, role, split = cell
        precision = self.experiment.options(PhaseSpec(tasks=(Component(task=head or task.name),))).precision
        predictions = describe.predict(stage, data, task, head, precision, part_for(READ_BY, task.type, retrieval))
        return describe.evaluate(predictions, data, task, split, role, part_for(JUDGED_BY, task.type, retrieval))
