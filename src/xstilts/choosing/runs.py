"""Runs of candidates toward one target: those of the full grid, and the same with a share of their steps."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from xstilts.core.errors import ConfigError, UnknownName
from xstilts.data.locate import Root
from xstilts.expand import Expansion, GridCell, StartModel
from xstilts.experiment import Experiment, TargetSpec
from xstilts.graph.stage import Stage, graph
from xstilts.graph.store import Store
from xstilts.planning.costing import Hardware
from xstilts.planning.devices import device
from xstilts.planning.planner import Planner
from xstilts.recipes import TARGET_PHASE, Component, PhaseSpec, Recipe
from xstilts.stages import describe
from xstilts.tasks import TASKS
from xstilts.training.config import TrainConfig


@dataclass(frozen=True)
class CandidateRun:
    """A candidate with one seed: its recipe's training data, and its score on the target's English validation data."""

    recipe: Recipe
    data: tuple[Stage, ...]
    scored: GridCell

    @property
    def end(self) -> Stage:
        """The last stage of the run."""
        return self.scored.stage


class Runs:
    """Describes the runs of one backbone toward one target.

    Args:
        experiment: of one backbone and one target (`setting`).
        store: where prepared data are counted, since phases may be given in epochs.

    Attributes:
        recipes: the candidates; the baseline is the first.
        judge: the task whose English validation data judge.

    Raises:
        ConfigError: the target is not trained, or has no English validation data. Others as of `DataFiles`.
    """

    def __init__(self, experiment: Experiment, root: Root | None, store: Store) -> None:
        self.expansion, self.store = Expansion(experiment, root), store
        self.experiment = self.expansion.experiment
        (self.spec,), (self.target,) = self.experiment.backbones, self.experiment.targets
        self.recipes = self.experiment.recipes
        self._files, self._phases = self.expansion.files, self.expansion.phases
        self._planner = Planner(store, Hardware(device("cpu")))
        replicates = self.expansion.replicates[: self.target.seeds]
        self.starts = [self.expansion.models(self.spec, replicate)[0] for replicate in replicates]
        self._head = self.experiment.trained_on(self.target)
        if not self._head:
            raise ConfigError(
                f"'{self.target.task}' is measured without fine-tuning, so no English score tells which candidate is "
                "best: choose for a target that is trained, or run the grid"
            )
        self.judge = self._phases.task(self._head, self.starts[0])
        if (split := self._files.validation_split(self.judge)) != "validation":
            raise ConfigError(
                f"'{self._head}' has no validation data, and a choice on its {split} data would not be zero-shot: "
                "hold out about a fifth of the examples (`holdout`) in the experiment file"
            )

    @property
    def judged_by(self) -> str:
        """The validation data by which candidates are ordered, in words."""
        return f"{self.judge.name} validation, {', '.join(self._judged_in(self.starts[0]))}"

    @property
    def full(self) -> list[Stage]:
        """The score stages of the whole grid: every candidate, trained in full and measured in every language."""
        return [cell.stage for cell in self.expansion.cells if cell.role == "target"]

    def cost(self, stages: Iterable[Stage]) -> dict[str, float]:
        """Key -> FLOPs of these stages and of all that they read, finished or not; pretraining is left out."""
        free = {stage.key for stage in graph(model.stage for model in self.starts)}
        return {stage.key: self._planner.flops(stage) for stage in graph(stages) if stage.key not in free}

    def prepared(self) -> list[Stage]:
        """The data that runs read. They are needed to count the steps of short runs."""
        return [stage for stage in graph(run.end for run in self.runs(1.0, self.recipes)) if stage.kind == "prepare"]

    def runs(self, share: float, recipes: Sequence[Recipe]) -> list[CandidateRun]:
        """Runs of each recipe with each seed; with a `share` of 1 those of the full grid."""
        return [self._run(share, recipe, start) for start in self.starts for recipe in recipes]

    def _run(self, share: float, recipe: Recipe, start: StartModel) -> CandidateRun:
        shared, own = recipe.divided()
        if own:
            raise ConfigError(f"recipe {recipe.label} trains on the target itself: name candidates that do not")
        model, earlier, data = start.stage, list[Component](), list[Stage]()
        for phase in shared:
            model = self._train(model, phase, start, share, earlier)
            earlier += phase.tasks
            data += (model.inputs[f"data{i}"] for i in range(len(phase.without_idle().tasks)))
        target_phase, task = self.experiment.target_phase(TARGET_PHASE, self.target), self.judge
        assert target_phase is not None
        trained, codes = self._train(model, target_phase, start, share), self._judged_in(start)
        judging = self._files.prepared(task, "validation", codes, start.tokenizer, start.replicate)
        predicted = describe.predict(trained, judging, task, self._head, TrainConfig(**trained.config["train"]))
        stage = describe.evaluate(predicted, judging, task, "validation", "target")
        scored = GridCell(start.replicate.seed, self.spec.name, recipe.label, task.name, "target", stage)
        return CandidateRun(recipe, tuple(data), scored)

    def _judged_in(self, start: StartModel) -> tuple[str, ...]:
        return self._files.own_languages(self.judge, Component(task=self.judge.name), "validation", start.replicate)

    def _train(
        self, before: Stage, phase: PhaseSpec, start: StartModel, share: float, earlier: Sequence[Component] = ()
    ) -> Stage:
        stage = self._phases.train(before, phase, start, earlier=earlier)
        if share == 1:
            return stage
        steps = self._planner.load_of(stage, TrainConfig(**stage.config["train"]))[0].steps
        short = phase.model_copy(update={"train": {**phase.train, "steps": max(1, round(share * steps))}})
        return self._phases.train(before, short, start, earlier=earlier)


HOLDOUT = 500
"""Training examples to hold out for validation where a task has no validation data and no file sets another number."""


def from_names(target: str, sources: Sequence[str], backbone: str) -> Experiment:
    """An experiment without a file: default training options, one seed.

    Raises:
        UnknownName: an unknown task.
        ConfigError: a task that cannot be trained or measured.
    """
    for name in (target, *sources):
        if name not in TASKS:
            raise UnknownName("task", name, TASKS.names())
    return _checked(
        {
            "name": "choose",
            "seeds": [1],
            "backbones": [{"name": backbone, "source": backbone}],
            "recipes": [[], *([name] for name in sources)],
            "targets": [target],
            "holdout": HOLDOUT,
        }
    )


def setting(experiment: Experiment, target: str, sources: Sequence[str], backbone: str | None) -> Experiment:
    """The experiment with one backbone, one target and the candidates as recipes.

    Args:
        sources: candidates by task or by recipe label; if there are none, the recipes of one task, without the task
            that the target is trained on.
        backbone: its name; needed if the experiment has several.

    Raises:
        UnknownName: an unknown task or backbone.
        ConfigError: several backbones and none named, or no candidates.
    """
    known = [spec.name for spec in experiment.backbones]
    if backbone is None and len(known) > 1:
        raise ConfigError(f"'{experiment.name}' has {len(known)} backbones: name one with --backbone ({known[0]} ...)")
    if backbone is not None and backbone not in known:
        raise UnknownName("backbone", backbone, known)
    (spec,) = (one for one in experiment.backbones if backbone in (None, one.name))
    experiment.task(target)
    aimed = next((one for one in experiment.targets if one.task == target), TargetSpec(task=target))
    own = experiment.trained_on(aimed)  # to train on it first is more epochs, not transfer
    asked = (one for one in experiment.recipes if not one.control)
    singles = [one for one in asked if len(one.phases) == 1 and len(one.phases[0].tasks) == 1]
    others = [recipe for recipe in singles if recipe.phases[0].tasks[0].task != own]
    if not (recipes := [_recipe(experiment, name) for name in sources] or others):
        raise ConfigError(f"'{experiment.name}' has no recipe of one task other than {target}'s own: give --from")
    fields = experiment.model_dump() | {
        "backbones": [spec.model_dump() | {"controls": {}}],
        "recipes": [recipe.model_dump() for recipe in recipes],
        "targets": [aimed.model_dump()],
    }
    return _checked(fields).placed(experiment.file)


def _recipe(experiment: Experiment, name: str) -> Recipe:
    """The experiment's recipe of that label or of that one task; else a new one."""
    for recipe in experiment.recipes:
        if recipe.phases and name in (recipe.label, recipe.label.strip("[]")):
            return recipe
    experiment.task(name)
    return Recipe.model_validate([name])


def _checked(fields: dict[str, Any]) -> Experiment:
    try:
        return Experiment(**fields)
    except ValidationError as error:
        raise ConfigError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
