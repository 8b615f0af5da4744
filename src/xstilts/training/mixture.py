"""Mixtures: the tasks of a phase, and how often each is drawn (Raffel et al. 2020, section 3.5.2; jiant's samplers).

With n_i examples, capped at K:  proportional min(n_i, K) / sum;  temperature min(n_i, K)^(1/T), normalised;  uniform
1/k;  given rates, normalised. One task per optimizer step, as in jiant. A mixture may be annealed: the probabilities of
step k of n lie on the line from the first step's to the last's (jiant's time-dependent sampler).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple, Self

import numpy as np

from xstilts.core.errors import ConfigError
from xstilts.graph.stage import drop_defaults
from xstilts.training.config import TrainConfig
from xstilts.training.plan import steps_of

Sampling = Literal["proportional", "temperature", "uniform", "given"]
CAP = 2**17
"""Size cap of the paper's joint training (131,072)."""


def probabilities(
    sizes: Sequence[int],
    sampling: Sampling = "proportional",
    cap: int = CAP,
    temperature: float = 2.0,
    rates: Sequence[float | None] | None = None,
) -> np.ndarray:
    """Probability of each task, summing to 1. A given rate is a task's share; the other tasks divide the rest.

    Raises `ConfigError` for rates that are negative, or sum above 1 while other tasks have none.
    """
    n = np.minimum(np.asarray(sizes, dtype=np.float64), cap)
    assert n.min() > 0, "an empty task in a mixture"
    if sampling == "uniform":
        n = np.ones_like(n)
    elif sampling == "temperature":
        n = n ** (1.0 / temperature)
    if rates is None or all(rate is None for rate in rates):
        if sampling == "given":
            raise ConfigError("sampling 'given' needs a rate for at least one task")
        return np.asarray(n / n.sum())
    given = np.asarray([0.0 if rate is None else rate for rate in rates])
    free = np.asarray([rate is None for rate in rates])
    if given.min() < 0 or (given.sum() > 1 if free.any() else given.sum() == 0):
        raise ConfigError(
            f"rates {list(rates)}: each must be at least 0, not all 0, and together at most 1 where a task has none"
        )
    if not free.any():
        return np.asarray(given / given.sum())
    return np.where(free, n / n[free].sum() * (1 - given.sum()), given)


class Draws(NamedTuple):
    """Probabilities of a mixture's parts in the first step and, where annealed, in the last; and the phase's steps."""

    first: tuple[float, ...]
    last: tuple[float, ...] | None
    steps: int


@dataclass(frozen=True)
class Part:
    """A task of a mixture.

    Attributes:
        task: its name, and its head's.
        type: its task type, with `options`: masking rate, temperature ...
        rate: share of the steps; `rate_end`: the share by the last step. None: as the sampling says.
        weight: factor of its loss.
        exponent: its languages are drawn by size to this power.
        replayed: of an earlier phase, whose head it keeps.
    """

    task: str
    type: str
    labels: tuple[str, ...] = ()
    rate: float | None = None
    weight: float = 1.0
    exponent: float = 0.3
    options: Mapping[str, Any] = field(default_factory=dict)
    rate_end: float | None = None
    replayed: bool = False


@dataclass(frozen=True)
class Mixture:
    """The tasks of a phase and how they are drawn.

    Attributes:
        parts: replayed ones last.
        cap: largest size of a task that counts, where there are several.
        replay: share of the steps on replayed parts, which divide it by size.
        end: annealed: `sampling` and `temperature` of the last step.
    """

    parts: tuple[Part, ...]
    sampling: Sampling = "proportional"
    cap: int = CAP
    temperature: float = 2.0
    replay: float = 0.0
    end: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        parts = (Part(**{**row, "labels": tuple(row["labels"])}) for row in config["components"])
        return cls(tuple(parts), **config["sampling"])

    def config(self) -> dict[str, Any]:
        """The inverse of `of`: its part of a train stage's config."""
        own = {name: value for name, value in asdict(self).items() if name != "parts"}
        return {
            "components": [drop_defaults(asdict(part), {"rate_end": None, "replayed": False}) for part in self.parts],
            "sampling": drop_defaults(own, {"replay": 0.0, "end": None}),
        }

    def draws(self, sizes: Sequence[int], options: TrainConfig) -> Draws:
        """The draws of a phase.

        A phase given in epochs has the steps of its own parts, and those of replay on top. One given in steps has these
        in all. `sizes` are the instances of each part.
        """
        own = [i for i, part in enumerate(self.parts) if not part.replayed]

        def shares(kind: Sampling, temperature: float, rates: Sequence[float | None]) -> np.ndarray:
            found = probabilities([sizes[i] for i in own], kind, self.cap, temperature, [rates[i] for i in own])
            if len(own) == len(self.parts):
                return found
            again = probabilities(sizes[len(own) :], cap=self.cap)
            return np.concatenate([found * (1 - self.replay), again * self.replay])

        first, last = shares(self.sampling, self.temperature, [part.rate for part in self.parts]), None
        if self.end:
            last = shares(self.end["sampling"], self.end["temperature"], [part.rate_end for part in self.parts])
        steps = options.steps
        if steps is None:
            drawn = [sizes[i] for i in own if first[i] > 0 or (last is not None and last[i] > 0)]
            cap = self.cap if len(own) > 1 else max(sizes)  # a task alone is read whole
            steps = steps_of(drawn, options.batch_size, options.epochs, cap)
            steps = round(steps / (1 - self.replay)) if self.replay else steps
        return Draws(tuple(first), None if last is None else tuple(last), steps)


def language_probabilities(sizes: Sequence[int], exponent: float) -> np.ndarray:
    """Share of each language of a corpus: n^exponent, normalised (XLM-R samples with exponent 0.3)."""
    n = np.asarray(sizes, dtype=np.float64) ** exponent
    return np.asarray(n / n.sum())
