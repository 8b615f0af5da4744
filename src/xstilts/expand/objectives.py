"""The objectives that fit data and models, and the default one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from xstilts.backbones.families import Kind
from xstilts.backbones.names import Output
from xstilts.core.errors import ConfigError, UnknownName
from xstilts.data.readers.types import TYPES
from xstilts.recipes import PhaseSpec
from xstilts.tasks import Task
from xstilts.tasks.base import Objective

_WRITE: Mapping[Kind, Objective] = {"decoder": "causal_lm", "encoder-decoder": "span_corruption"}
"""Objectives that train the output layer."""
_ON: Mapping[str, Sequence[Objective]] = {
    "raw text": ("masked_lm", "causal_lm", "span_corruption", "simcse"),
    "translation pairs": ("contrastive", "translation_lm"),
    "NLI": ("simcse",),
}
SENTINELS = 32
"""In vocabularies trained for span corruption: enough for 15 % of 640 tokens in spans of 3."""


def usual(task: Task, kind: Kind | None, output: Output) -> str | None:
    """The form of a task without a given objective; None if it depends on a kind that is unknown before loading."""
    if output == "head":
        return task.type
    if task.type == "masked_lm":
        return _WRITE[kind] if kind else None
    return TYPES.get(task.type).in_text or task.type


def writes(phase: PhaseSpec, kind: Kind | None) -> bool:
    """Whether a phase trains the output layer, of a model that can have one."""
    return kind != "encoder" and any(part.objective in _WRITE.values() for part in phase.tasks)


def in_form(task: Task, asked: Objective | None, kind: Kind | None, output: Output, model: str) -> Task:
    """The task in the form in which a model is trained on it; with another objective than its own it has no metric.

    Args:
        asked: None for the usual form.
        kind: of the model's architecture; None if unknown before it is loaded.
        model: its name.

    Raises:
        ConfigError: the objective does not fit the data or the model, or depends on an unknown kind.
    """
    form = asked or usual(task, kind, output)
    if form is None:
        raise ConfigError(
            f"the architecture of backbone '{model}' is unknown: give '{task.name}' `objective: causal_lm` (for a "
            "decoder) or `objective: span_corruption` (for an encoder-decoder)"
        )
    if form == task.type or asked is None:
        return replace(task, type=form)
    data = _data(task)
    if asked not in _ON.get(data, ()):
        fit = f"{data} is for {_or(_ON[data])}" if data in _ON else f"it is {data} (leave `objective` out)"
        meant = _or([data for data, objectives in _ON.items() if asked in objectives])
        raise ConfigError(f"`objective: {asked}` is not for '{task.name}': {fit}, {asked} is for {meant}")
    if asked in _WRITE.values():  # a model that is used with heads has no output layer to train
        own = _WRITE.get(kind) if kind else asked
        problem = f"`objective: {asked}` trains an output layer, and backbone '{model}' is"
        if own is None:
            raise ConfigError(f"{problem} an encoder: take masked_lm, or mt5 or qwen3 with `output: text`")
        if own != asked:
            fit = f"take {own} with `output: text`"
            raise ConfigError(f"`objective: {asked}` is not for {kind}s, as '{model}' is: {fit}")
        if output == "head":
            raise ConfigError(f"{problem} used with heads: give it `output: text`")
    return replace(task, type=asked, labels=(), metric="")


def check_options(task: Task, options: Mapping[str, float]) -> None:
    """Raises `UnknownName` for an option that the task's type does not have, `ConfigError` out of its range."""
    known = TYPES.get(task.type).options
    for name, value in options.items():
        if name not in known:
            raise UnknownName(f"option of {task.type}", name, known)
        low, high = known[name]
        if not low <= value <= high:
            raise ConfigError(f"'{task.name}': `{name}` should be {low:g} to {high:g} (found: {value:g})")


def _data(task: Task) -> str:
    if task.type == "classification" and {"entailment", "contradiction"} <= set(task.labels):
        return "NLI"
    known = {"masked_lm": "raw text", "contrastive": "translation pairs"}
    return known.get(task.type, task.type.replace("_", " "))


def _or(names: Sequence[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
