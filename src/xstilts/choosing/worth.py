"""What choosing is worth: every method's order of candidates against the gains of a finished grid.

A unit is one target with one seed: the choice is made from that seed's own runs, and judged by the same seed's gains
over the baseline in the mean over zero-shot languages. So a method is not blamed for the noise between seeds, and one
that has seen the very model that is measured (full English validation) shares its luck.

rho         Spearman's rank correlation of scores and true gains, over candidates
regret@k    best true gain of all candidates minus the best among the k that the method puts first, in points
with []     regret@1 where the baseline may be chosen too (its gain is 0), of methods that score it

Controls: the largest task by training tokens, and random order, for which expected values are taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import mean

import numpy as np
from scipy import stats

from xstilts.choosing.cheap import SCORES, scores
from xstilts.choosing.costs import Budget
from xstilts.choosing.halving import BASELINE, Chooser, Compute, stages_of
from xstilts.choosing.setting import setting
from xstilts.core.errors import StoreError
from xstilts.core.seeds import generator
from xstilts.data.locate import Root
from xstilts.experiment import Experiment
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.planning.amounts import amount
from xstilts.stats.reading import read_folder

HALVING, SHORT, FULL, LARGEST, RANDOM = "halving", "short run", "full run", "largest task", "random"
MEASURES = ("rho", "regret@1", "regret@3", "with []")
RESAMPLES = 10_000


@dataclass(frozen=True)
class Unit:
    """One target with one seed.

    Attributes:
        truth: recipe -> zero-shot gain over the baseline, in points; without the baseline.
        ratings: method -> recipe -> value, higher is better; of some methods with the baseline.
        cost: share of the full grid's cost that halving took, cheap scores included.
    """

    target: str
    seed: int
    truth: Mapping[str, float]
    ratings: Mapping[str, Mapping[str, float]]
    cost: float

    def measures(self, method: str) -> dict[str, float]:
        """The values of `MEASURES`; none where the method says nothing of this target."""
        names, gains = list(self.truth), np.array(list(self.truth.values()))
        best = float(gains.max())
        if method == RANDOM:
            three = mean(best - max(some) for some in combinations(gains, min(3, len(gains))))
            anything = max(best, 0.0) - float(gains.sum()) / (len(gains) + 1)
            return {"rho": 0.0, "regret@1": best - float(gains.mean()), "regret@3": float(three), "with []": anything}
        rated = self.ratings.get(method, {})
        if len(names) < 2 or any(name not in rated for name in names):
            return {}
        values = np.array([rated[name] for name in names])
        order = np.argsort(-values, kind="stable")
        constant = len(set(values)) == 1 or len(set(gains)) == 1
        found = {
            "rho": 0.0 if constant else float(stats.spearmanr(values, gains).statistic),
            "regret@1": best - float(gains[order[0]]),
            "regret@3": best - float(gains[order[:3]].max()),
        }
        if BASELINE in rated:
            picked = 0.0 if rated[BASELINE] >= values.max() else float(gains[order[0]])
            found["with []"] = max(best, 0.0) - picked
        return found


@dataclass(frozen=True)
class Interval:
    """A mean over units with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Line:
    """One method: a mean for each measure that it has, over `units`."""

    method: str
    units: int
    values: Mapping[str, Interval]


@dataclass(frozen=True)
class Worth:
    """All methods, and how large the differences between candidates are at all.

    Attributes:
        spread: best true gain minus the mean one, over units: what a perfect choice is worth against a random one.
        slope: points of zero-shot gain per point of English gain of full runs, with its interval.
    """

    experiment: str
    budget: float
    lines: tuple[Line, ...]
    units: tuple[Unit, ...]
    spread: Interval
    slope: Interval | None


def measure_worth(
    experiment: Experiment, root: Root | None, stores: tuple[Store, Store], compute: Compute, budget: Budget
) -> Worth:
    """Choose for every target and seed of a finished grid.

    Args:
        stores: where short runs are written, and where the grid is (may be the same).

    Raises:
        XstiltsError: a grid that is not finished, and what `Chooser` raises.
    """
    store, grid = stores
    choosers = [
        Chooser(setting(part, target.task, (), None), root, store, compute)
        for number, seed in enumerate(experiment.seeds)
        for part in [_of_seed(experiment, number, seed)]
        for target in experiment.targets
        if target.seeds is None or number < target.seeds
    ]
    compute([stage for chooser in choosers for stage in chooser.runs.prepared()])
    compute([stage for chooser in choosers for stage in _at_once(chooser)])
    units = tuple(_unit(chooser, grid, budget) for chooser in choosers)
    methods = (HALVING, SHORT, *SCORES, FULL, LARGEST, RANDOM)
    spread = _interval([(unit, max(unit.truth.values()) - mean(unit.truth.values())) for unit in units])
    lines = tuple(line for method in methods if (line := _line(units, method)).units)
    return Worth(experiment.name, budget.share or 0.0, lines, units, spread, _slope(units))


def _of_seed(experiment: Experiment, number: int, seed: int) -> Experiment:
    """The experiment with one of its seeds."""
    worlds = experiment.worlds[number % len(experiment.worlds) :][:1] if experiment.worlds else ()
    targets = tuple(target.model_copy(update={"seeds": None}) for target in experiment.targets)
    return experiment.model_copy(update={"seeds": (seed,), "worlds": worlds, "targets": targets})


def _at_once(chooser: Chooser) -> list[Stage]:
    """What all units need whatever the scores: better computed together."""
    first, found = chooser.opening()
    profiled = [stage for one in found for stage in one.stages]
    return [*profiled, *stages_of(first), *stages_of(chooser.runs.runs(1.0, chooser.runs.recipes))]


def _unit(chooser: Chooser, grid: Store, budget: Budget) -> Unit:
    runs = chooser.runs
    choice = chooser.choose(budget)
    ratings: dict[str, dict[str, float]] = {}
    for name, by_seed in scores(chooser.opening()[1], chooser.store).items():
        for values in by_seed.values():
            for score, value in values.items():
                ratings.setdefault(score, {})[name] = value
    if runs.judge is not None:
        ratings[HALVING] = {row.recipe: -float(row.rank) for row in choice.rows}
        ratings[SHORT] = dict(choice.rungs[0].values)
        ratings[FULL] = _judged(chooser)
    ratings[LARGEST] = {
        run.recipe.label: amount(run.source.inputs["data0"], chooser.store).total
        for run in runs.runs(1.0, runs.recipes)
        if run.recipe.phases
    }
    return Unit(runs.target.task, choice.seeds[0], _truth(chooser, grid), ratings, choice.spent / choice.full)


def _judged(chooser: Chooser) -> dict[str, float]:
    """Validation scores of the grid's own models, in the language that judges."""
    runs = [run for run in chooser.runs.runs(1.0, chooser.runs.recipes) if run.scored is not None]
    return {run.recipe.label: _value(chooser.store, run.scored.stage, lambda _: True) for run in runs if run.scored}


def _truth(chooser: Chooser, grid: Store) -> dict[str, float]:
    """Recipe -> gain in the mean over zero-shot languages."""
    cells = [cell for cell in chooser.runs.expansion.cells if cell.role == "target"]
    if missing := [cell for cell in cells if not grid.has(cell.stage)]:
        raise StoreError(
            f"the grid in {grid.root} is not finished: {missing[0].stage.label} and {len(missing) - 1} more are "
            "missing; `xstilts run` computes them, --grid names another store"
        )
    values = {cell.recipe: _value(grid, cell.stage, chooser.runs.zero_shot) for cell in cells}
    return {recipe: value - values[BASELINE] for recipe, value in values.items() if recipe != BASELINE}


def _value(store: Store, stage: Stage, counts: Callable[[str], bool]) -> float:
    """The mean of main scores over languages that count."""
    found = [row.score for row in read_folder(store.existing(stage), lambda _: False)]
    mains = [score for score in found if score.main and not score.chosen_on]
    return mean(s.value for s in mains if counts(s.language))


def _line(units: Sequence[Unit], method: str) -> Line:
    found = [(unit, unit.measures(method)) for unit in units]
    values = {
        name: _interval([(unit, measured[name]) for unit, measured in found if name in measured])
        for name in MEASURES
        if any(name in measured for _, measured in found)
    }
    return Line(method, sum(bool(measured) for _, measured in found), values)


def _interval(values: Sequence[tuple[Unit, float]]) -> Interval:
    """Percentile bootstrap over targets and over seeds, drawn independently (Owen 2007: conservative)."""
    numbers = np.array([value for _, value in values])
    weights = _weights([unit for unit, _ in values])
    weights = weights[weights.sum(axis=1) > 0]
    low, high = np.quantile(weights @ numbers / weights.sum(axis=1), [0.025, 0.975])
    return Interval(float(numbers.mean()), float(low), float(high))


def _weights(units: Sequence[Unit]) -> np.ndarray:
    """[resamples, units] how often each unit is drawn."""
    rng = generator(0, "units")
    counts = []
    for factor in ([unit.target for unit in units], [str(unit.seed) for unit in units]):
        levels, place = np.unique(factor, return_inverse=True)
        drawn = rng.multinomial(len(levels), np.full(len(levels), 1 / len(levels)), size=RESAMPLES)
        counts.append(drawn[:, place])
    return np.asarray(counts[0] * counts[1], dtype=np.float64)


def _slope(units: Sequence[Unit]) -> Interval | None:
    """Least squares through the origin of zero-shot gains on English gains, of full runs."""
    pairs = [
        (unit, unit.ratings[FULL][recipe] - unit.ratings[FULL][BASELINE], gain)
        for unit in units
        if FULL in unit.ratings
        for recipe, gain in unit.truth.items()
    ]
    if not pairs:
        return None
    one, two = (np.array([pair[i] for pair in pairs], dtype=np.float64) for i in (1, 2))
    weights = _weights([unit for unit, *_ in pairs])
    below = weights @ (one * one)
    kept = below > 0
    if not kept.any():
        return None
    low, high = np.quantile((weights @ (one * two))[kept] / below[kept], [0.025, 0.975])
    return Interval(float(one @ two / (one @ one)), float(low), float(high))
