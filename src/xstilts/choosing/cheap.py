"""Cheap scores of candidates, as stages of the store. Of all, higher is better.

text        cosine of the mean sentence vectors of the candidate's and the target's English training data under the
            start model (TextEmb: Vu et al. 2020, arXiv 2005.00770; Poth et al. 2021, arXiv 2104.08247)
task        cosine of the Fisher information of the backbone's weights, under the candidate's task after its first short
            run and under the target's after the baseline's, mean over weights (TaskEmb: Vu et al. 2020)
logme       LogME of the target's English training labels, given the states of the candidate's first short run before
            the target is trained (You et al. 2021, arXiv 2102.11005); of the baseline, of the start model
h_score     the same with the H-score (Bao et al. 2019)
uniformity  of targets that are not trained: how evenly their English sentences fill the sphere after the candidate's
            first short run (Wang and Isola 2020). A guess of ours: no paper proposes it for choosing tasks

`text` and `task` compare a candidate with the target, so that the baseline has none. Answers in spans and in text are
no classes: there is no `logme` and no `h_score` then; and no `task` of a ranking, whose examples have no loss alone.
Candidates of several tasks have the mean over their tasks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from xstilts.choosing.runs import Run, Runs
from xstilts.core.files import read_json
from xstilts.expand import Replicate, StartModel
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.metrics.transferability import cosine, mean_cosine
from xstilts.stages import describe
from xstilts.task_types import TASK_TYPES, TaskType
from xstilts.tasks import Task

SCORES = ("text", "task", "logme", "h_score", "uniformity")
EXAMPLES: Mapping[str, int] = {"text": 512, "labels": 512, "fisher": 64}
"""Read by each kind of profile."""


@dataclass(frozen=True)
class Profiles:
    """The profile stages of one run.

    Attributes:
        texts, fishers: of the candidate's tasks; `aim` and `own` are the target's, to be compared with them.
        fit: of the target's data after the candidate: its labels, or where it is not trained its sentences.
    """

    run: Run
    texts: tuple[Stage, ...] = ()
    aim: Stage | None = None
    fishers: tuple[Stage, ...] = ()
    own: Stage | None = None
    fit: Stage | None = None

    @property
    def stages(self) -> list[Stage]:
        return [*self.texts, *self.fishers, *(stage for stage in (self.aim, self.own, self.fit) if stage is not None)]


def profiles(runs: Runs, first: Sequence[Run], wanted: Sequence[str]) -> list[Profiles]:
    """What to compute for the `wanted` scores; `first`: the runs of the first rung, the baseline's among them."""
    starts = {replicate.seed: (replicate, model) for replicate, model in runs.starts()}
    baselines = {run.seed: run for run in first if not run.recipe.phases}
    return [_profiles(runs, run, baselines[run.seed], starts[run.seed], wanted) for run in first]


def _profiles(
    runs: Runs, run: Run, baseline: Run, start: tuple[Replicate, StartModel], wanted: Sequence[str]
) -> Profiles:
    replicate, model = start
    parts = list(_parts(runs, run.source, model))
    texts = tuple(_profile("text", model.stage, data, task) for _, data, task in parts) if "text" in wanted else ()
    if runs.judge is None:
        pairs = runs.pairs(replicate, model)
        aim = _sentences(model.stage, pairs) if texts else None
        fit = _sentences(run.source, pairs) if "uniformity" in wanted else None
        return Profiles(run, texts, aim, fit=fit)
    assert baseline.target is not None
    target = (baseline.target, baseline.target.inputs["data0"], runs.judge)
    aim = _profile("text", model.stage, *target[1:]) if texts else None
    compared = "task" in wanted and _alone(runs.judge)
    learned = [part for part in parts if part[2].metric and _alone(part[2])] if compared else []
    own = _profile("fisher", *target) if learned else None
    classes = type(TASK_TYPES.get(runs.judge.type)).labelled_states is not TaskType.labelled_states
    fits = classes and {"logme", "h_score"} & {*wanted}
    fit = _profile("labels", run.source, *target[1:]) if fits else None
    return Profiles(run, texts, aim, tuple(_profile("fisher", *part) for part in learned), own, fit)


def _parts(runs: Runs, source: Stage, model: StartModel) -> Iterator[tuple[Stage, Stage, Task]]:
    """Of each task of a recipe the stage that trained it, and its data."""
    while source != model.stage:
        for number, component in enumerate(source.config["components"]):
            yield source, source.inputs[f"data{number}"], runs.task(component["task"], model)
        source = source.inputs["model"]


def _alone(task: Task) -> bool:
    """Whether an example has a loss by itself: of a ranking it depends on the batch, and has no Fisher information."""
    return TASK_TYPES.get(task.type).splits_batches


def _profile(measure: str, model: Stage, data: Stage, task: Task) -> Stage:
    how: dict[str, Any] = {"measure": measure, "examples": EXAMPLES[measure], "precision": "fp32"}
    if measure == "fisher":
        how["head"] = task.name
    return describe.profile(model, data, task.type, how)


def _sentences(model: Stage, pairs: tuple[Stage, str, Task]) -> Stage:
    """English sentences of a target of translation pairs."""
    data, part, task = pairs
    how = {"measure": "text", "examples": EXAMPLES["text"], "precision": "fp32", "part": part}
    return describe.profile(model, data, task.type, how)


def scores(found: Sequence[Profiles], store: Store) -> dict[str, dict[int, dict[str, float]]]:
    """Recipe -> seed -> score -> value, of finished profiles."""
    table: dict[str, dict[int, dict[str, float]]] = {}
    for one in found:
        table.setdefault(one.run.recipe.label, {})[one.run.seed] = _values(one, store)
    return table


def _values(one: Profiles, store: Store) -> dict[str, float]:
    values: dict[str, float] = {}
    if one.aim is not None:
        aim = _vector(one.aim, store)
        values["text"] = mean(cosine(_vector(stage, store), aim) for stage in one.texts)
    if one.own is not None:
        own = load_file(store.existing(one.own) / "fisher.safetensors")
        fishers = (load_file(store.existing(stage) / "fisher.safetensors") for stage in one.fishers)
        values["task"] = mean(mean_cosine(fisher, own) for fisher in fishers)
    if one.fit is not None:
        about = read_json(store.existing(one.fit) / "profile.json")
        values |= {name: about[name] for name in ("logme", "h_score", "uniformity") if name in about}
    return values


def _vector(stage: Stage, store: Store) -> np.ndarray:
    return np.asarray(read_json(store.existing(stage) / "profile.json")["vector"])
