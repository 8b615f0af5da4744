"""Train stages: the stage for each phase of a recipe or of pretraining."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from xstilts.backbones.families import Kind
from xstilts.backbones.names import Output
from xstilts.core.errors import ConfigError, DataError
from xstilts.data.readers.types import TYPES
from xstilts.expand.data import DataFiles, Replicate
from xstilts.expand.objectives import check_options, in_form, usual
from xstilts.experiment import TargetSpec
from xstilts.graph.stage import Stage
from xstilts.recipes import Component, PhaseSpec
from xstilts.stages import describe
from xstilts.stages.describe import PhaseData
from xstilts.stages.reading import rows_of
from xstilts.stages.resolve import part_for
from xstilts.stages.selection import Judge
from xstilts.tasks import Task
from xstilts.tasks.base import Objective
from xstilts.training.config import ENOUGH, TrainConfig, fitted, left_open
from xstilts.training.mixture import Mixture, Part


@dataclass(frozen=True)
class StartModel:
    """A model that recipes start from.

    Attributes:
        name: its name in tables.
        retrieval: how sentences are read, where this differs from the protocol (`retrieval_of`).
        train: its own training options.
        control: the kind of control; empty for others.
        output: whether it answers through heads or in text.
        kind: of its architecture; None if unknown before it is loaded.
        max_positions: tokens of its longest text; None if unknown, or without limit.
        width: size of its hidden states; None if unknown.
        layers: number of its transformer layers; None if unknown.
    """

    name: str
    stage: Stage
    tokenizer: Stage
    retrieval: Mapping[str, Any]
    replicate: Replicate
    train: Mapping[str, Any] = field(default_factory=dict)
    control: str = ""
    output: Output = "head"
    kind: Kind | None = None
    max_positions: int | None = None
    width: int | None = None
    layers: int | None = None

    def check_layer(self, option: str, layer: int | None) -> None:
        """Raises `ConfigError` if an option names a layer that the model does not have."""
        if layer and self.layers and layer > self.layers:
            raise ConfigError(f"`{option.format(layer)}`, and backbone '{self.name}' has {self.layers} layers")


@dataclass(frozen=True)
class Phases:
    """Describes train stages."""

    files: DataFiles

    def task(self, name: str, model: StartModel, objective: Objective | None = None) -> Task:
        """A task in the form in which this model is trained on it.

        Raises:
            ConfigError: an objective that fits neither the task nor the model, or texts longer than the model's
                positions: by `max_length` of an own task, or by a type whose texts fill that length.
        """
        task = in_form(self.files.experiment.task(name), objective, model.kind, model.output, model.name)
        own, asked = self.files.experiment.tasks.get(name), task.encoding.max_length
        fills = TYPES.get(task.type).fills and (task.encoding.join or not TYPES.get(task.type).raw)
        most = model.max_positions
        if most is not None and asked > most and (fills or (own is not None and own.max_length)):
            enough = f"`max_length: {most}` or less"
            remedy = f"give it {enough}" if own else f"declare a task of your own with `like: {name}` and {enough}"
            raise ConfigError(
                f"task '{name}' has texts of up to {asked} tokens (max_length), and backbone '{model.name}' has "
                f"positions for {most}: {remedy} (docs/own-task.md), or take another model"
            )
        return task

    def train(
        self,
        stage: Stage,
        phase: PhaseSpec,
        model: StartModel,
        seed: int | None = None,
        earlier: Sequence[Component] = (),
        target: TargetSpec | None = None,
    ) -> Stage:
        """The stage that trains `phase` from the weights of `stage`, with the best of several learning rates.

        Args:
            earlier: the tasks of earlier phases.
            target: the target, if this is its last phase.

        Raises:
            ConfigError: there is no validation data to choose weights or a learning rate by, or `frozen_layers`
                exceeds the layers of the model.
        """
        phase = phase.without_idle()
        said = self.files.experiment.runs(phase, model.train)
        model.check_layer("frozen_layers: {}", said[0].frozen_layers)
        names = {part.name for part in phase.tasks}
        again = [part for part in earlier if part.name not in names] if phase.replay else []
        last = {part.name: phase.last_rate(part) for part in phase.tasks} if phase.anneals else {}
        own = [self._trained(part, model) for part in phase.tasks]
        replayed = [self._trained(part, model) for part in again]
        examples = _examples(own) if "epochs" in left_open(said[0]) else ENOUGH
        runs = [fitted(run, examples, model.width) for run in said]
        path = f"{stage.label.partition(' @')[0]} > {phase.label} @seed {model.replicate.seed}"
        drawn, cost = model.replicate.seed if seed is None else seed, 0.02 * (runs[0].steps or 1000)
        parts = [replace(each.part, rate_end=last.get(part.name)) for each, part in zip(own, phase.tasks, strict=True)]
        parts += [replace(each.part, rate=None, replayed=True) for each in replayed]
        mixture, judges = _mixture(phase, parts), self._judges(phase, runs, model, target)
        read = tuple(each.data for each in (*own, *replayed))
        data = PhaseData(mixture, read, runs[0].model_dump(), drawn, path, cost, judges, left_open(said[0]))
        if len(runs) == 1:
            return describe.train(stage, data)
        rates = [run.learning_rate for run in runs]
        swept = [
            replace(data, train=run.model_dump(), label=f"{path}, rate {rate:g}")
            for run, rate in zip(runs, rates, strict=True)
        ]
        return describe.choose([describe.train(stage, each) for each in swept], rates, path)

    def _judges(
        self, phase: PhaseSpec, runs: Sequence[TrainConfig], model: StartModel, target: TargetSpec | None
    ) -> tuple[Judge, ...]:
        """The judges that select weights, and the run of a sweep; empty where nothing is selected."""
        if runs[0].select == "oracle":
            return (self._oracle(phase, runs[0].subset, model, target),)
        if runs[0].select != "validation" and len(runs) == 1:
            return ()
        judges: list[Judge] = []
        for place, part in enumerate(phase.tasks):
            task = self.task(part.task, model, part.objective)
            if not task.metric:
                continue
            split = self.files.validation_split(task)
            if split != "validation":
                raise ConfigError(
                    f"'{task.name}' has no validation split to choose weights by: hold out about a fifth of the "
                    "examples (`holdout`), or keep the last weights (`train: {select: last}`, and one learning rate)"
                )
            languages = self.files.own_languages(task, part, split, model.replicate)
            data = self.files.prepared(task, split, languages, model.tokenizer, model.replicate, runs[0].subset)
            judges.append(Judge(task, split, place, data))
        if len(runs) > 1 and not judges:
            raise ConfigError(f"phase {phase.label}: no task has a metric to choose a learning rate by; give one rate")
        return tuple(judges)

    def _oracle(self, phase: PhaseSpec, subset: int, model: StartModel, target: TargetSpec | None) -> Judge:
        """Validation data of a target in the languages in which it is measured."""
        if target is None:
            raise ConfigError(
                "`select: oracle` chooses by a target's languages, and a phase before the target has none: give it "
                "under `targets:`, as in `{task: xnli, train: {select: oracle}}`"
            )
        task, files = self.task(target.task, model), self.files
        head, names = files.experiment.trained_on(target), [part.name for part in phase.tasks]
        if head not in names:
            raise ConfigError(
                f"`select: oracle` chooses by '{task.name}', and its last phase trains on {', '.join(names)} alone, "
                f"not on '{head}', whose head answers for it"
            )
        measured = files.languages(task, target.split or task.evaluate_on, target.languages, model.replicate)
        there = files.available(task, "validation", model.replicate) if "validation" in task.files else []
        found = tuple(code for code in there if code in measured)
        if not set(found) - {files.experiment.source}:
            raise ConfigError(
                f"`select: oracle` needs validation data of '{task.name}' in the languages it is measured in, and "
                "there is none: choose by the source language (`select: validation`), or keep the last weights "
                "(`select: last`)"
            )
        data = files.prepared(task, "validation", found, model.tokenizer, model.replicate, subset)
        return Judge(task, "validation", names.index(head), data)

    def _trained(self, part: Component, model: StartModel) -> _Trained:
        task = self.task(part.task, model, part.objective)
        check_options(task, part.options)
        if part.translated_by:
            data = self.files.translated(task, part, model.tokenizer, model.replicate)
        else:
            languages = self.files.training_languages(task, part, model.replicate)
            data = self.files.prepared(task, "train", languages, model.tokenizer, model.replicate, combined=True)
        options = {**part_for(TYPES.get(task.type).trained_by, model.retrieval), **part.options}
        usually = usual(self.files.experiment.task(part.task), model.kind, model.output)
        name = task.name if task.type == usually else part.name
        mixed = Part(name, task.type, task.labels, part.rate, part.weight, part.exponent, options)
        return _Trained(mixed, data, bool(task.metric))


class _Trained(NamedTuple):
    """A part of a mixture with its prepared data; `scored`: whether its task has a metric."""

    part: Part
    data: Stage
    scored: bool


def _examples(parts: Sequence[_Trained]) -> int:
    """The number of examples that a phase trains on, at most `ENOUGH`; `ENOUGH` for raw text and pairs."""
    if not all(part.scored for part in parts):
        return ENOUGH
    try:
        return min(ENOUGH, sum(sum(rows_of(part.data, ENOUGH)[0].values()) for part in parts))
    except DataError:  # the stage that reads the file says it
        return ENOUGH


def _mixture(phase: PhaseSpec, parts: Sequence[Part]) -> Mixture:
    """The phase's mixture; what it does not use keeps its default, and so is not in the key."""
    replay = phase.replay if any(part.replayed for part in parts) else 0.0
    end = None
    if phase.anneals and len(phase.tasks) > 1:
        last = phase.temperature_end or phase.temperature
        end = {"sampling": phase.sampling_end or phase.sampling, "temperature": last}
    return Mixture(tuple(parts), phase.sampling, phase.cap, phase.temperature, replay, end)
