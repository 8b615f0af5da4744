"""Train stages: a phase of a recipe, or of pretraining, as the stage that carries it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from xstilts.backbones.names import Output
from xstilts.expand.data import Files, Replicate
from xstilts.graph.stage import Stage
from xstilts.recipes import Component, PhaseSpec
from xstilts.stages import describe
from xstilts.stages.describe import ComponentData, PhaseData
from xstilts.stages.resolve import TRAINED_BY, part_for
from xstilts.tasks import Task
from xstilts.tasks.base import IN_TEXT


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
class Phases:
    """Makes train stages."""

    files: Files

    def task(self, name: str, model: Model) -> Task:
        """A task in the form in which this model does it."""
        task = self.files.experiment.task(name)
        return replace(task, type=IN_TEXT.get(task.type, task.type)) if model.output == "text" else task

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
        task = self.task(part.task, model)
        languages = self.files.training_languages(task, part, replicate)
        if part.translated_by:
            data = self.files.translated(task, part, model.tokenizer, replicate)
        else:
            data = self.files.prepared(task, "train", languages, model.tokenizer, replicate, combined=True)
        own = {**part_for(TRAINED_BY, task.type, model.retrieval), **part.options}
        return ComponentData(task, data, part.rate, part.weight, part.exponent, own)
