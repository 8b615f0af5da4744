"""How often each task of a mixture is drawn (Raffel et al. 2020, section 3.5.2; jiant's samplers).

With n_i examples, capped at K:  proportional min(n_i, K) / sum;  temperature min(n_i, K)^(1/T), normalised;  uniform
1/k;  given rates, normalised. One task per optimizer step, as in jiant. A mixture may be annealed: step k of n is drawn
with probabilities on the line from the first to the last (jiant's time-dependent sampler, for a line).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from xstilts.core.errors import ConfigError
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
    """Probability of each task, summing to 1. A rate given to some tasks only is their share; the rest is divided.

    Raises:
        ConfigError: rates that are negative, or sum above 1 while other tasks have none.
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
    """Probabilities of a phase's components in its first step and in its last (None: the same), and its steps."""

    first: tuple[float, ...]
    last: tuple[float, ...] | None
    steps: int


def draws_of(
    parts: Sequence[Mapping[str, Any]], sampling: Mapping[str, Any], sizes: Sequence[int], options: TrainConfig
) -> Draws:
    """The draws of a phase as a train stage describes it.

    Replayed components stand behind the phase's own and share `replay` by size. A phase given in epochs has the steps
    of its own components, and those that replay takes on top; one given in steps has these in all. The cap is of
    mixtures: a task alone is read whole.

    Args:
        sizes: instances of each component.
    """
    own = [i for i, part in enumerate(parts) if not part.get("replayed")]
    cap, replay = sampling["cap"], sampling.get("replay", 0.0)

    def shares(kind: Sampling, temperature: float, rate: str) -> np.ndarray:
        rates = [parts[i].get(rate) for i in own]
        found = probabilities([sizes[i] for i in own], kind, cap, temperature, rates)
        if len(own) == len(parts):
            return found
        return np.concatenate([found * (1 - replay), probabilities(sizes[len(own) :], cap=cap) * replay])

    first, end = shares(sampling["sampling"], sampling["temperature"], "rate"), sampling.get("end")
    last = shares(end["sampling"], end["temperature"], "rate_end") if end else None
    steps = options.steps
    if steps is None:
        drawn = [sizes[i] for i in own if first[i] > 0 or (last is not None and last[i] > 0)]
        steps = steps_of(drawn, options.batch_size, options.epochs, cap if len(own) > 1 else max(sizes))
        steps = round(steps / (1 - replay)) if replay else steps
    return Draws(tuple(first), None if last is None else tuple(last), steps)


def language_probabilities(sizes: Sequence[int], exponent: float) -> np.ndarray:
    """Share of each language of a corpus: n^exponent, normalised (XLM-R samples with exponent 0.3)."""
    n = np.asarray(sizes, dtype=np.float64) ** exponent
    return np.asarray(n / n.sum())
