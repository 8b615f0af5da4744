"""How often intervals cover the truth when seeds share worlds: three worlds of five seeds, by simulation.

    python -m benchmarks.coverage

The gain of a seed is the truth, plus a draw for its world, plus a draw of its own; standard deviations of both vary. Of
each kind of interval the share that covers is printed: with seeds taken as independent, and with worlds drawn first.
"""

from __future__ import annotations

import numpy as np

from xstilts.stats.bootstrap import Estimate, Resampling, Series, estimate

SEEDS = tuple(range(1, 16))
MODELS = tuple(f"model {seed}" for seed in SEEDS)
WORLDS = {seed: (seed - 1) % 3 + 1 for seed in SEEDS}
SPREADS = ((0.0, 1.0), (0.5, 1.0), (1.0, 1.0), (2.0, 1.0))
"""Standard deviations of worlds and of seeds within one, in points."""


def simulated(spread: tuple[float, float], rounds: int, options: Resampling) -> list[Estimate]:
    """Estimates of a gain whose truth is 0, one a round."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(rounds):
        worlds = rng.normal(0, spread[0], 3)
        points = np.array([worlds[WORLDS[seed] - 1] for seed in SEEDS]) + rng.normal(0, spread[1], len(SEEDS))
        found.append(estimate(Series(SEEDS, ("aa",), points, None, False, 100, MODELS), options))
    return found


def coverage(found: list[Estimate]) -> tuple[float, float, float]:
    """Shares that cover 0: of bootstrap intervals, of t intervals, of either (what is not called clear)."""
    percentile = np.mean([one.low <= 0 <= one.high for one in found])  # type: ignore[operator]
    student = np.mean([one.t_low <= 0 <= one.t_high for one in found])  # type: ignore[operator]
    return float(percentile), float(student), float(np.mean([not one.clear for one in found]))


def main(rounds: int = 2000, resamples: int = 2000) -> None:
    """Print a line for each spread."""
    print("worlds  seeds   seeds alone: bootstrap  t      worlds first: bootstrap  t      not called clear")
    for spread in SPREADS:
        plain = coverage(simulated(spread, rounds, Resampling(resamples)))
        clustered = coverage(simulated(spread, rounds, Resampling(resamples, worlds=WORLDS)))
        print(
            f"{spread[0]:<8g}{spread[1]:<8g}{plain[0]:<24.3f}{plain[1]:<20.3f}{clustered[0]:<15.3f}"
            f"{clustered[1]:<10.3f}{clustered[2]:.3f}"
        )


if __name__ == "__main__":
    main()
