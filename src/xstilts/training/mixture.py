"""How often each task of a mixture is drawn (Raffel et al. 2020, section 3.5.2; jiant's samplers).

With n_i examples, capped at K:  proportional min(n_i, K) / sum;  temperature min(n_i, K)^(1/T), normalised;  uniform
1/k;  given rates, normalised. One task per optimizer step, as in jiant.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from xstilts.core.errors import ConfigError

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


def language_probabilities(sizes: Sequence[int], exponent: float) -> np.ndarray:
    """Share of each language of a corpus: n^exponent, normalised (XLM-R samples with exponent 0.3)."""
    n = np.asarray(sizes, dtype=np.float64) ** exponent
    return np.asarray(n / n.sum())
