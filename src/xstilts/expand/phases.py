"""Train stages: a phase of a recipe, or of pretraining, as the stage that carries it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xstilts.backbones.family import Kind
from xstilts.backbones.names import Output
from xstilts.expand.data import Files, Replicate
from xstilts.expand.objectives import in_form, usual
from xstilts.graph.stage import Stage
from xstilts.recipes import Component, PhaseSpec
from xstilts.stages import describe
from xstilts.stages.describe import ComponentData, PhaseData
from xstilts.stages.resolve import TRAINED_BY, part_for
from xstilts.tasks import Task
from xstilts.tasks.base import Objective


@dataclass(frozen=True)
class Model:
    """A start for recipes.

    Attributes:
        tokenizer: of its data.
        name: in tables.
        retrieval: how sentences are read, where it is not the protocol's way (`retrieval_of`).
        control: its kind if it is one.
        output: whether it answers through heads or in text.
        kind: of its architecture; None where only loading it tells.
    """

    name: str
    stage: Stage
    tokenizer: Stage
    retrieval: Mapping[str, Any]
    control: str = ""
    output: Output = "head"
    kind: Kind | None = None


@dataclass(frozen=True)
class Phases:
    """Makes train stages."""

    files: Files

    def task(self, name: str, model: Model, objective: Objective | None = None) -> Task:
        """A task in the form in which this model does it. Raises `ConfigError` for an objective that fits neither."""
        return in_form(self.files.experiment.task(name), objective, model.kind, model.output, model.name)

    def train(
        self, stage: Stage, phase: PhaseSpec, model: Model, replicate: Replicate, seed: int | None = None
    ) -> Stage:
        """The stage that trains `phase` from the weights of `stage`."""
        options = self.files.experiment.options(phase)
        parts = [self._part(part, model, replicate) for part in phase.tasks]
        sampling = {"sampling": phase.sampling, "cap": phase.cap, "temperature": phase.temperature}
        path = f"{stage.label.partition(' @')[0]} > {phase.label} @seed {replicate.seed}"
        drawn, cost = replicate.seed if seed is None else seed, 0.02 * (options.steps or 1000)
        return describe.train(stage, PhaseData(tuple(parts), sampling, options.model_dump(), drawn, path, cost))

    def _part(self, part: Component, model: Model, replicate: Replicate) -> ComponentData:
        task = self.task(part.task, model, part.objective)
        languages = self.files.training_languages(task, part, replicate)
        data = self.files.prepared(task, "train", languages, model.tokenizer, replicate, combined=True)
        own = {**part_for(TRAINED_BY, task.type, model.retrieval), **part.options}
        usually = usual(self.files.experiment.task(part.task), model.kind, model.output)
        name = task.name if task.type == usually else part.label
        return ComponentData(task, data, part.rate, part.weight, part.exponent, own, name)
