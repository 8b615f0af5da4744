"""How long the training phases of an experiment are, and how much work each stage is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xstilts.data.readers.types import TYPES
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.planning.amounts import amount
from xstilts.stages.rows import rows_of
from xstilts.training.config import TrainConfig
from xstilts.training.mixture import Mixture

FEW_STEPS = 50
"""A phase given in epochs is probably too short to learn below this many optimizer steps."""
BACKWARD = 3.0
"""The cost of a training pass in prediction passes: one forward and two backward."""


@dataclass(frozen=True)
class PhaseLength:
    """A training phase.

    Attributes:
        steps: optimizer steps.
        examples: number that they are drawn from.
        given: whether the experiment sets the number of steps, not of epochs.
        epochs: passes over its instances.
        by_default: what the experiment leaves open: `epochs`, `learning_rate`.
    """

    phase: str
    steps: int
    examples: int
    batch_size: int
    given: bool = False
    epochs: float = 0.0
    learning_rate: float = 0.0
    by_default: tuple[str, ...] = ()


def lengths_of(stages: Iterable[Stage], store: Store | None) -> dict[Stage, PhaseLength]:
    """The length of every training phase. Raises `DataError` for files that cannot be counted."""
    return {stage: _length(stage, store) for stage in stages if stage.kind == "train"}


def _length(stage: Stage, store: Store | None) -> PhaseLength:
    options, mixture = TrainConfig(**stage.config["train"]), Mixture.of(stage.config)
    amounts = [amount(stage.inputs[f"data{i}"], store, part.exponent) for i, part in enumerate(mixture.parts)]
    sizes = [max(1, round(one.instances)) for one in amounts]
    steps = mixture.draws(sizes, options).steps
    rows, given = sum(round(one.rows) for one in amounts), options.steps is not None
    epochs = round(steps * options.batch_size / sum(sizes), 2) if given else options.epochs
    by_default = tuple(stage.settings.get("by_default", ()))
    return PhaseLength(stage.label, steps, rows, options.batch_size, given, epochs, options.learning_rate, by_default)


def short_phases(lengths: Iterable[PhaseLength]) -> list[str]:
    """A note on phases given in epochs that have few optimizer steps."""
    short = dict.fromkeys(one.phase for one in lengths if one.steps < FEW_STEPS and not one.given)
    note = f"fewer than {FEW_STEPS} optimizer steps (give more `epochs`, or `steps`): {', '.join(short)}"
    return [note] if short else []


def work_of(stages: Iterable[Stage], lengths: Mapping[Stage, PhaseLength]) -> dict[Stage, float]:
    """The work of train and predict stages, in predicted tokens; roughly, at usual lengths."""
    found = {}
    for stage in stages:
        if stage in lengths:
            length, parts = lengths[stage], stage.config["components"]
            tokens = sum(_tokens(part["type"]) for part in parts) / len(parts)
            found[stage] = BACKWARD * length.steps * length.batch_size * tokens
        elif stage.kind == "predict":
            found[stage] = sum(rows_of(stage.inputs["data"])[0].values()) * _tokens(stage.config["type"])
    return found


def _tokens(kind: str) -> float:
    usual = TYPES.get(kind).usual
    return usual.tokens * usual.segments * usual.instances
