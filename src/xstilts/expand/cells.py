"""The cells of an experiment's table.

Cells share stages by content: an intermediate phase is trained once and feeds every target; a baseline's target run is
the same stage whoever asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from xstilts.core.errors import ConfigError, DataError
from xstilts.core.scores import Score
from xstilts.data.locate import Root, listed_once
from xstilts.data.readers.types import TYPES
from xstilts.expand.data import DataFiles, Replicate
from xstilts.expand.models import Models
from xstilts.expand.phases import Phases, StartModel
from xstilts.experiment import BackboneSpec, Experiment, TargetSpec
from xstilts.graph.stage import Stage
from xstilts.recipes import TARGET_PHASE, Component, PhaseSpec, Recipe
from xstilts.stages import describe
from xstilts.stages.leaks import describe_leaks
from xstilts.stages.resolve import part_for
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
        names = {"seed": self.seed, "backbone": self.backbone, "recipe": self.recipe, "role": self.role}
        return replace(score, **names, stage=self.stage.key)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Trained:
    """A model in the middle of a recipe: its stage, and for each task of its phases the stage that learned it."""

    stage: Stage
    learned: Mapping[str, tuple[Stage, Component]] = field(default_factory=dict)

    @property
    def parts(self) -> tuple[Component, ...]:
        return tuple(part for _, part in self.learned.values())


class Expansion:
    """The cells of an experiment. Arguments and errors as of `DataFiles`."""

    def __init__(self, experiment: Experiment, root: Root | None = None) -> None:
        self._files = DataFiles(experiment, root)
        self._phases = Phases(self._files)
        self._models = Models(self._phases)
        self.roots, self.experiment = self._files.roots, self._files.experiment
        self.replicates = self._files.replicates()
        self.controls: dict[str, str] = {}
        with listed_once():
            self.cells = list(self._cells())

    def stages(self) -> list[Stage]:
        """The evaluate stages of all cells."""
        return [cell.stage for cell in self.cells]

    def checks(self) -> list[Stage]:
        """Leak checks: all labelled or parallel data on the way to a target against what the target is measured on."""
        pairs: dict[tuple[str, str], tuple[Stage, Stage]] = {}
        for cell in self.cells:
            if cell.role == "target":
                test, model = cell.stage.inputs["data"], cell.stage.inputs["predictions"].inputs["model"]
                pairs |= {(data.key, test.key): (data, test) for data in training_data(model)}
        stages = [describe_leaks(*pair) for pair in pairs.values()]
        return list({stage.key: stage for stage in stages if stage is not None}.values())

    def models(self, spec: BackboneSpec, replicate: Replicate) -> list[StartModel]:
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
                        yield from self._recipe(model, recipe)

    def _recipe(self, model: StartModel, recipe: Recipe) -> Iterator[Cell]:
        shared, own = recipe.divided()
        trained = Trained(model.stage)
        for phase in shared:
            trained = self._trained(trained, phase, model)
        number = self.replicates.index(model.replicate)
        targets = [t for t in self.experiment.targets if t.seeds is None or number < t.seeds]
        finished = [self._through(trained, own, target, model) for target in targets]
        learned = {**trained.learned, **(finished[0][0].learned if finished else {})}
        for name, (stage, part) in learned.items():
            if (scored := self._intermediate(stage, part, model)) is not None:
                yield Cell(model.replicate.seed, model.name, recipe.label, name, "intermediate", scored)
        for target, (end, head) in zip(targets, finished, strict=True):
            scored = self._target(end.stage, target, head, model)
            yield Cell(model.replicate.seed, model.name, recipe.label, target.task, "target", scored)

    def _trained(
        self, trained: Trained, phase: PhaseSpec, model: StartModel, target: tuple[TargetSpec, Task] | None = None
    ) -> Trained:
        stage = self._phases.train(trained.stage, phase, model, earlier=trained.parts, target=target)
        now = {part.name: (stage, part) for part in phase.without_idle().tasks}
        return Trained(stage, {**trained.learned, **now})

    def _through(
        self, trained: Trained, own: Sequence[PhaseSpec], target: TargetSpec, model: StartModel
    ) -> tuple[Trained, str]:
        """The rest of the recipe for one target, and the name of its head; fine-tuning where the recipe has no more.

        Retrieval needs no fine-tuning. What was learned leaves the target itself out: it is measured anyway.
        """
        task = self._phases.task(target.task, model)
        head = self.experiment.trained_on(target)
        phases = [self.experiment.target_phase(phase, target) for phase in own or (TARGET_PHASE,)]
        for number, phase in enumerate(phases, start=1):
            if phase is not None:
                trained = self._trained(trained, phase, model, (target, task) if number == len(phases) else None)
        last = [part["task"] for part in trained.stage.config.get("components", ())]
        if head and head not in last:
            raise ConfigError(
                f"a recipe trains on {last[0]} after the target's '{head}', whose head is gone by then: put `target` "
                "into the last phase, or replay it there (`replay: 0.1`)"
            )
        learned = {name: place for name, place in trained.learned.items() if name != head}
        return Trained(trained.stage, learned), head

    def _intermediate(self, stage: Stage, part: Component, model: StartModel) -> Stage | None:
        """The intermediate task's own score, where it has a metric."""
        task = self._phases.task(part.task, model, part.objective)
        if not task.metric:
            return None
        split = self._files.validation_split(task)
        languages = self._files.own_languages(task, part, split, model.replicate)
        data = self._files.prepared(task, split, languages, model.tokenizer, model.replicate)
        return self._score(stage, data, task, (part.name, "intermediate", split), model)

    def _target(self, stage: Stage, target: TargetSpec, head: str, model: StartModel) -> Stage:
        """Every language of a target, measured on a finished model."""
        task = self._phases.task(target.task, model)
        split = target.split or task.evaluate_on
        languages = self._files.languages(task, split, target.languages, model.replicate)
        named = [code for code in target.languages or () if code != self.experiment.source]
        chosen_on = part_for(TYPES.get(task.type).judged_by, model.retrieval).get("validate_on", ())
        needed = {"which `languages` of the target names": named, "on which its layer is to be chosen": chosen_on}
        for why, codes in needed.items():
            if absent := [code for code in codes if code not in languages]:
                raise DataError(f"{task.name} has no {split} files for {', '.join(absent)}, {why}")
        data = self._files.prepared(task, split, languages, model.tokenizer, model.replicate, target.limit)
        return self._score(stage, data, task, (head, "target", split), model)

    def _score(self, stage: Stage, data: Stage, task: Task, cell: tuple[str, str, Split], model: StartModel) -> Stage:
        """Predictions and scores of a cell: (its head, its role, what is measured)."""
        (head, role, split), retrieval = cell, model.retrieval
        options = self.experiment.options(PhaseSpec(tasks=(Component(task=head or task.name),)), model.train)
        kind = TYPES.get(task.type)
        predictions = describe.predict(stage, data, task, head, options, part_for(kind.read_by, retrieval))
        return describe.evaluate(predictions, data, task, split, role, part_for(kind.judged_by, retrieval))


def training_data(model: Stage) -> Iterator[Stage]:
    """The labelled and parallel data that a model has seen in this experiment; raw text is not compared."""
    while "model" in model.inputs:
        data = [stage for role, stage in model.inputs.items() if role.startswith("data")]
        yield from (stage for stage in data if not TYPES.get(stage.config["type"]).raw)
        model = model.inputs["model"]
