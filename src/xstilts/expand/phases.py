"""Train stages: a phase of a recipe, or of pretraining, as the stage that carries it out."""

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
from xstilts.stages.resolve import part_for
from xstilts.stages.rows import rows_of
from xstilts.stages.selection import Judge
from xstilts.tasks import Task
from xstilts.tasks.base import Objective
from xstilts.training.config import TrainConfig
from xstilts.training.defaults import ENOUGH, fitted, left_open
from xstilts.training.mixture import Mixture, Part


@dataclass(frozen=True)
class StartModel:
    """A start for recipes.

    Attributes:
        tokenizer: of its data.
        name: in tables.
        replicate: its seed and data.
        train: training options of its own.
        retrieval: how sentences are read, where it is not the protocol's way (`retrieval_of`).
        control: its kind if it is one.
        output: whether it answers through heads or in text.
        kind: of its architecture; None where only loading it tells.
        max_positions: tokens of its longest text; None likewise, or where there is no limit.
        width: size of its hidden states; None where only loading it tells.
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


@dataclass(frozen=True)
class Phases:
    """Makes train stages."""

    files: DataFiles

    def task(self, name: str, model: StartModel, objective: Objective | None = None) -> Task:
        """A task in the form in which this model does it.

        Raises:
            ConfigError: an objective that fits neither, or texts that are longer than the model has positions for.
        """
        task = in_form(self.files.experiment.task(name), objective, model.kind, model.output, model.name)
        self._check_length(task, model)
        return task

    def _check_length(self, task: Task, model: StartModel) -> None:
        """Refuse a length that was asked for, or that texts of this type fill; of others the texts tell when read."""
        own, asked = self.files.experiment.tasks.get(task.name), task.encoding.max_length
        fills = TYPES.get(task.type).fills and (task.encoding.join or not TYPES.get(task.type).raw)
        most = model.max_positions
        if most is not None and asked > most and (fills or (own is not None and own.max_length)):
            enough = f"`max_length: {most}` or less"
            remedy = f"give it {enough}" if own else f"declare a task of your own with `like: {task.name}` and {enough}"
            raise ConfigError(
                f"task '{task.name}' has texts of up to {asked} tokens (max_length), and backbone '{model.name}' has "
                f"positions for {most}: {remedy} (docs/own-task.md), or take another model"
            )

    def train(
        self,
        stage: Stage,
        phase: PhaseSpec,
        model: StartModel,
        seed: int | None = None,
        earlier: Sequence[Component] = (),
        target: tuple[TargetSpec, Task] | None = None,
    ) -> Stage:
        """The stage that trains `phase` from the weights of `stage`; of several learning rates the best one's.

        Args:
            earlier: what earlier phases trained on.
            target: for which it is the last phase.

        Raises:
            ConfigError: weights or a learning rate are to be chosen, and there is nothing to choose by.
        """
        phase = phase.without_idle()
        said = self.files.experiment.runs(phase, model.train)
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
        labels = [f"{path}, rate {run.learning_rate:g}" for run in runs]
        swept = [replace(data, train=run.model_dump(), label=label) for run, label in zip(runs, labels, strict=True)]
        trained = [describe.train(stage, each) for each in swept]
        return describe.choose(trained, [run.learning_rate for run in runs], path)

    def _judges(
        self, phase: PhaseSpec, runs: Sequence[TrainConfig], model: StartModel, target: tuple[TargetSpec, Task] | None
    ) -> tuple[Judge, ...]:
        """What the weights are chosen by, and the run of a sweep; nothing where nothing is to be chosen."""
        if runs[0].select == "oracle":
            return (self._oracle(phase, runs[0].subset, model, target),)
        if runs[0].select != "validation" and len(runs) == 1:
            return ()
        judges = tuple(
            filter(None, (self._judge(part, place, runs[0].subset, model) for place, part in enumerate(phase.tasks)))
        )
        if len(runs) > 1 and not judges:
            raise ConfigError(f"phase {phase.label}: nothing is measured to choose a learning rate by; give one")
        return judges

    def _judge(self, part: Component, place: int, subset: int, model: StartModel) -> Judge | None:
        """Validation data of a task of a mixture in the source language, else where it is trained; None: no metric.

        Raises:
            ConfigError: it has no validation data.
        """
        task = self.task(part.task, model, part.objective)
        if not task.metric:
            return None
        split = self.files.validation_split(task)
        if split != "validation":
            raise ConfigError(
                f"'{task.name}' has no validation split, by which to choose weights: set examples apart "
                "(`holdout: 500` or so), or keep the last ones (`train: {select: last}`, and one learning rate)"
            )
        languages = self.files.own_languages(task, part, split, model.replicate)
        data = self.files.prepared(task, split, languages, model.tokenizer, model.replicate, subset)
        return Judge(task, split, place, data)

    def _oracle(
        self, phase: PhaseSpec, subset: int, model: StartModel, target: tuple[TargetSpec, Task] | None
    ) -> Judge:
        """Validation data of a target in the languages in which it is measured.

        Raises:
            ConfigError: a phase that is no target's, or a target without validation data in other languages.
        """
        if target is None:
            raise ConfigError(
                "`select: oracle` chooses by a target's languages, and a phase before the target has none: give it "
                "under `targets:`, as in `{task: xnli, train: {select: oracle}}`"
            )
        (spec, task), files = target, self.files
        head, names = files.experiment.trained_on(spec), [part.name for part in phase.tasks]
        if head not in names:
            raise ConfigError(
                f"`select: oracle` chooses by '{task.name}', and its last phase trains on {', '.join(names)} alone, "
                f"not on '{head}', whose head answers for it"
            )
        measured = files.languages(task, spec.split or task.evaluate_on, spec.languages, model.replicate)
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
    """How many examples a phase trains on, counted to `ENOUGH`; `ENOUGH` for raw text and pairs."""
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
