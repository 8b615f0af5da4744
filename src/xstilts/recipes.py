"""Recipes: phases of mixtures, as an experiment file writes them.

[]                                    no intermediate task: the baseline
[mnli]                                one
[squad_v1, mnli]                      one after the other
[[mnli, squad_v1]]                    together, in one phase
[{tasks: [mnli, {task: text_ud, languages: [de, ru], rate: 0.3}]}]     with masked LM beside the task
[squad_v1, {tasks: [mnli], replay: 0.1}]                               every tenth step on what came before
[[mnli, target]]                      together with the target, whichever it is, and no target phase afterwards
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from xstilts.core.errors import UnknownName
from xstilts.core.languages import language
from xstilts.core.strict import CodesOrAll, Strict, check_fields, mistake
from xstilts.data.readers.types import TYPES
from xstilts.tasks import Task
from xstilts.tasks.base import Objective
from xstilts.training.config import TrainConfig
from xstilts.training.mixture import CAP, Sampling, probabilities
from xstilts.translation.spec import SOURCE, EngineSpec


def swept(options: Mapping[str, Any]) -> tuple[float, ...]:
    """The learning rates in training options: one, several in a sweep, or none."""
    said = options.get("learning_rate", ())
    return tuple(map(float, said if isinstance(said, (list, tuple)) else [said]))


def _check_options(values: dict[str, Any]) -> dict[str, Any]:
    check, rates = check_fields(TrainConfig), values.get("learning_rate")
    if values.get("patience") is not None and values.get("select") in ("last", "average"):
        problem = f"patience: `select: {values['select']}` measures nothing during training; leave it out"
        raise mistake(problem, "patience")
    for rate in rates if isinstance(rates, list) else [rates]:
        check({**values, "learning_rate": rate} if isinstance(rates, list) else values)
    if isinstance(rates, list) and len(set(swept(values))) < max(2, len(rates)):
        problem = f"learning_rate: a sweep is a list of two or more different rates (found: {rates})"
        raise mistake(problem, "learning_rate")
    return values


Options = Annotated[dict[str, Any], AfterValidator(_check_options)]
"""Training options, checked where they are written; of a list of learning rates the best one is chosen."""
TEMPERATURE = 2.0
TARGET = "target"
"""In a recipe: the target's training task."""


class Component(Strict):
    """A task in a mixture; in a file, its name alone is enough."""

    short = {str: "task"}
    task: str = Field(description="name of the task; `target`: the training task of the target")
    objective: Objective | None = Field(default=None, description="causal_lm, simcse ...; default: that of the task")
    languages: CodesOrAll | None = Field(
        default=None,
        min_length=1,
        description="languages of its training data; default: the source language; `all`: all that have files",
    )
    rate: float | None = Field(default=None, ge=0, le=1, description="share of the steps; default: by `sampling`")
    rate_end: float | None = Field(default=None, ge=0, le=1, description="share of the last step; default: `rate`")
    weight: float = Field(default=1.0, gt=0, description="factor on its loss")
    options: dict[str, float] = Field(
        default_factory=dict, description="options of the task type, such as `rate` for masking"
    )
    exponent: float = Field(default=0.3, ge=0, le=1, description="exponent of sampling by language: size to this power")
    translated_by: str = Field(default="", description="engine of `translations` for its languages other than English")

    @model_validator(mode="after")
    def _all_or_some(self) -> Component:
        if len(self.languages or ()) > 1 and "all" in (self.languages or ()):
            found = ", ".join(self.languages or ())
            raise ValueError(f"languages of '{self.task}': `all` stands alone (found: {found})")
        return self

    def spoken(self, source: str) -> tuple[str, ...]:
        """Languages of its training data; by default the source language."""
        return self.languages or (source,)

    @property
    def name(self) -> str:
        """The name of its head and its own score: `mnli`, or with an objective `mnli:simcse`."""
        return f"{self.task}:{self.objective}" if self.objective else self.task

    @property
    def label(self) -> str:
        """The name, and with translations `mnli (opus: de, ru)`."""
        codes = [code for code in self.languages or () if code != SOURCE]
        shown = ", ".join(codes) if len(codes) <= 4 else f"{len(codes)} languages"
        return f"{self.name} ({self.translated_by}: {shown})" if self.translated_by else self.name


def check_translated(part: Component, task: Task, engines: Mapping[str, EngineSpec]) -> None:
    """Raises `UnknownName` for an unknown engine, `ValueError` for a component that an engine cannot translate."""
    if part.translated_by not in engines:
        raise UnknownName("translation", part.translated_by, engines)
    if not TYPES.get(task.type).translated or SOURCE not in task.languages or "train" not in task.files:
        can = ", ".join(kind.name for kind in TYPES if kind.translated)
        raise ValueError(f"'{task.name}' cannot be translated: tasks of {can} with English training data can")
    for code in part.spoken(SOURCE):
        if code == "all":
            raise ValueError(f"'{task.name}' is translated: name its languages, as in languages: [en, de, sw]")
        if code not in task.languages:
            language(code)
    if not set(part.spoken(SOURCE)) - {SOURCE}:
        raise ValueError(f"'{task.name}' is trained on English alone: name more languages, or drop `translated_by`")


Components = Annotated[
    tuple[Component, ...], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)
]


class PhaseSpec(Strict):
    """One training run over one mixture; in a file, a task's name or a list of names is enough."""

    short = {str: "tasks", list: "tasks"}
    tasks: Components = Field(min_length=1, description="the mixture: names or components")
    sampling: Sampling = Field(default="proportional", description="how often each task is drawn")
    cap: int = Field(default=CAP, gt=0, description="largest size of a task in a mixture, for sampling and epochs")
    temperature: float = Field(default=TEMPERATURE, gt=0, description="T of `sampling: temperature`: n^(1/T)")
    sampling_end: Sampling | None = Field(default=None, description="sampling at the last step, for annealing")
    temperature_end: float | None = Field(default=None, gt=0, description="temperature at the last step, for annealing")
    replay: float = Field(default=0.0, ge=0, lt=1, description="share of the steps on tasks of earlier phases")
    train: Options = Field(default_factory=dict, description="training options of this phase")

    @model_validator(mode="after")
    def _once(self) -> PhaseSpec:
        names = [part.name for part in self.tasks]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"'{twice[0]}' occurs twice in one phase: name several languages in one place")
        if self.temperature_end is not None and (self.sampling_end or self.sampling) != "temperature":
            raise ValueError("`temperature_end` is for `sampling: temperature`, or `sampling_end: temperature`")
        if self.temperature != TEMPERATURE and "temperature" not in (self.sampling, self.sampling_end):
            raise ValueError(f"`temperature` is for `sampling: temperature`, and sampling is {self.sampling}")
        if self.cap != CAP and len(self.tasks) == 1 and not self.replay:
            raise ValueError("`cap` is for mixtures, and a task alone is read whole: give `steps`, or leave it out")
        sizes = [1] * len(self.tasks)
        drawn = probabilities(sizes, self.sampling, rates=[part.rate for part in self.tasks])
        if self.anneals:
            last = [self.last_rate(part) for part in self.tasks]
            drawn = drawn + probabilities(sizes, self.sampling_end or self.sampling, rates=last)
        for part, share in zip(self.tasks, drawn, strict=True):
            if part.rate is None and share < 1e-9:
                raise ValueError(f"the rates of the others leave no step to '{part.name}': lower them, or leave it out")
        return self

    @property
    def anneals(self) -> bool:
        """Whether the probabilities of tasks change from the first step to the last."""
        ends = (self.sampling_end, self.temperature_end, *(part.rate_end for part in self.tasks))
        return any(end is not None for end in ends)

    def last_rate(self, part: Component) -> float | None:
        """A task's share by the last step; None leaves it to annealed sampling."""
        sampled = self.sampling_end is not None or self.temperature_end is not None
        return part.rate_end if sampled or part.rate_end is not None else part.rate

    def without_idle(self) -> PhaseSpec:
        """This phase without tasks whose rate is always 0."""
        kept = tuple(part for part in self.tasks if part.rate != 0 or self.last_rate(part) != 0)
        return self.model_copy(update={"tasks": kept}) if kept and len(kept) < len(self.tasks) else self

    @property
    def label(self) -> str:
        """`mnli`, or `{mnli, squad_v1}` for a mixture."""
        names = [part.label for part in self.tasks]
        return names[0] if len(names) == 1 else "{" + ", ".join(names) + "}"

    def runs(self, *layers: dict[str, Any]) -> list[TrainConfig]:
        """Training options for each learning rate of a sweep: the layers in order, then the phase's own."""
        merged: dict[str, Any] = {}
        for layer in (*layers, self.train):
            for said, instead in (("epochs", "steps"), ("checkpoints", "evaluate_every")):
                if said in layer:
                    merged.pop(instead, None)
            merged.update(layer)
        rates = swept(merged)
        return [TrainConfig(**{**merged, "learning_rate": rate}) for rate in rates] or [TrainConfig(**merged)]


TARGET_PHASE = PhaseSpec(tasks=(Component(task=TARGET),))
"""The last phase of a recipe that does not name the target."""


def check_replay(phases: Sequence[PhaseSpec]) -> None:
    """Raises `ValueError` for a phase with `replay` if no earlier phase has another task."""
    earlier: set[str] = set()
    for phase in phases:
        names = {part.name for part in phase.tasks}
        if phase.replay and not earlier - names:
            raise ValueError(f"`replay` draws from earlier phases: those before {phase.label} have no other task")
        earlier |= names


class Recipe(Strict):
    """The phases before the target; in a file, the list of phases is enough."""

    short = {list: "phases"}
    phases: tuple[PhaseSpec, ...] = Field(default=(), description="phases in order: names, lists of names, or phases")
    name: str = Field(default="", description="name in tables; default: its phases")
    control: bool = Field(default=False, description="show it among the controls and do not count it as a recipe")

    @model_validator(mode="after")
    def _something_to_replay(self) -> Recipe:
        check_replay(self.phases)
        return self

    def divided(self) -> tuple[tuple[PhaseSpec, ...], tuple[PhaseSpec, ...]]:
        """The phases that all targets share, and the phases from the first that trains on the target."""
        names = [any(part.task == TARGET for part in phase.tasks) for phase in self.phases]
        first = names.index(True) if True in names else len(names)
        return self.phases[:first], self.phases[first:]

    @property
    def label(self) -> str:
        """`[]`, `[mnli]`, `[squad_v1, mnli]`, `[{mnli, squad_v1}]`, or the given name."""
        return self.name or "[" + ", ".join(phase.label for phase in self.phases) + "]"
