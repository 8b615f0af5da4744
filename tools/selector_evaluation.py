"""Compare selectors of intermediate tasks with the gains of a finished grid.

A unit is one target with one seed. Selectors see that seed's runs and are judged by the same seed's gains over the
baseline, mean over zero-shot languages.

rho         Spearman's rank correlation of ratings and gains over the candidates
regret@1    gain of the best candidate minus the gain of the selected one, in points
with []     regret@1 if the baseline, with a gain of 0, may be selected too; for selectors that rate it

Means over units have percentile bootstrap intervals that draw targets and seeds independently (Owen 2007). The random
order has expected values. Targets with one candidate count for `with []` only.

Usage: python tools/selector_evaluation.py EXPERIMENT --store STORE [--data DIR ...] [--budget 0.3] [--to PAGE.md]

The store must have finished the experiment (`xstilts run`). Short runs and predictions on validation data are computed
there; what is finished is kept.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
from scipy import stats

from xstilts.choosing import Runs, choose, setting
from xstilts.choosing.halving import BASELINE, SHARES, Compute, markdown
from xstilts.core.errors import XstiltsError
from xstilts.core.machine import Machine
from xstilts.core.seeds import generator
from xstilts.experiment import Experiment
from xstilts.graph.events import Done, Event
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.session.loading import load
from xstilts.session.run import check_device, computing
from xstilts.stages.checksums import DIGESTS, remembered
from xstilts.stats.reading import read_folder

EXPLAINED = {
    "halving": "successive halving on English validation scores, within the budget",
    "short run": "English validation score after the first rung",
    "full run": "English validation score of the grid's own models (costs the whole grid)",
    "tokens": "the largest task, by training tokens",
    "random": "expected values of random order",
}
MEASURES = ("rho", "regret@1", "with []")
RESAMPLES = 10_000


@dataclass(frozen=True)
class Unit:
    """One target with one seed.

    Attributes:
        gains: zero-shot gain by recipe, in points, without the baseline.
        ratings: selector -> recipe -> rating, higher is better; some selectors rate the baseline too.
        cost: share of the full grid's cost that halving spent.
    """

    target: str
    seed: int
    gains: Mapping[str, float]
    ratings: Mapping[str, Mapping[str, float]]
    cost: float

    def measures(self, selector: str) -> dict[str, float]:
        """The `MEASURES` of a selector; empty if it does not rate every candidate."""
        names, gains = list(self.gains), np.array(list(self.gains.values()))
        best, found = float(gains.max()), {}
        if selector == "random":
            found = {"rho": 0.0, "regret@1": best - float(gains.mean())} if len(names) > 1 else {}
            return {**found, "with []": max(best, 0.0) - float(gains.sum()) / (len(gains) + 1)}
        rated = self.ratings.get(selector, {})
        if any(name not in rated for name in names):
            return {}
        ratings = np.array([rated[name] for name in names])
        first = float(gains[ratings.argmax()])
        if len(names) > 1:
            constant = len({*ratings}) == 1 or len({*gains}) == 1
            rho = 0.0 if constant else float(stats.spearmanr(ratings, gains).statistic)
            found = {"rho": rho, "regret@1": best - first}
        if BASELINE in rated:
            found["with []"] = max(best, 0.0) - (0.0 if rated[BASELINE] >= ratings.max() else first)
        return found


def evaluate(experiment: Experiment, root: Sequence[Path], store: Store, compute: Compute, budget: float) -> list[Unit]:
    """Select for every trained target and seed of a finished grid.

    Raises:
        XstiltsError: the grid is not finished, or as of `Runs` and `choose`.
    """
    settings = [
        setting(of_seed(experiment, number, seed), target.task, (), None)
        for number, seed in enumerate(experiment.seeds)
        for target in experiment.targets
        if experiment.trained_on(target) and (target.seeds is None or number < target.seeds)
    ]
    units = [(one, Runs(one, root or None, store)) for one in settings]
    gains = [gains_of(one, runs) for one, runs in units]
    compute([stage for _, runs in units for stage in runs.prepared()])
    compute([stage for _, runs in units for stage in known_before(runs)])
    return [unit(runs, found, compute, budget) for (_, runs), found in zip(units, gains, strict=True)]


def of_seed(experiment: Experiment, number: int, seed: int) -> Experiment:
    """The experiment with one of its seeds, and with that seed's world."""
    worlds = experiment.worlds[number % len(experiment.worlds) :][:1] if experiment.worlds else ()
    targets = tuple(target.model_copy(update={"seeds": None}) for target in experiment.targets)
    return experiment.model_copy(update={"seeds": (seed,), "worlds": worlds, "targets": targets})


def known_before(runs: Runs) -> list[Stage]:
    """The stages that are needed whatever halving does: computed together, workers have more to share."""
    return [run.end for share in (SHARES[0], 1) for run in runs.runs(share, runs.recipes)]


def unit(runs: Runs, gains: Mapping[str, float], compute: Compute, budget: float) -> Unit:
    choice = choose(runs, compute, budget)
    full = runs.runs(1, runs.recipes)
    ratings = {
        "tokens": {row.recipe: row.tokens for row in choice.rows if row.recipe != BASELINE},
        "halving": {row.recipe: -float(rank) for rank, row in enumerate(choice.rows)},
        "short run": dict(choice.rungs[0].values),
        "full run": {run.recipe.label: score_of(runs.store, run.end, lambda _: True) for run in full},
    }
    return Unit(choice.target, choice.seeds[0], gains, ratings, choice.spent / choice.full)


def gains_of(experiment: Experiment, runs: Runs) -> dict[str, float]:
    """Recipe -> gain in the mean over zero-shot languages. Raises `StoreError` if the grid is not finished."""
    trained = {experiment.source, *(experiment.targets[0].train_languages or ())}
    cells = [cell for cell in runs.expansion.cells if cell.role == "target"]
    values = {cell.recipe: score_of(runs.store, cell.stage, lambda code: code not in trained) for cell in cells}
    return {recipe: value - values[BASELINE] for recipe, value in values.items() if recipe != BASELINE}


def score_of(store: Store, stage: Stage, counts: Callable[[str], bool]) -> float:
    """Mean of the main scores over the languages that count."""
    scores = [row.score for row in read_folder(store.existing(stage), lambda _: False)]
    return mean(s.value for s in scores if s.main and not s.chosen_on and counts(s.language))


def interval(values: Sequence[tuple[Unit, float]]) -> str:
    """Mean over units with its 95 % interval."""
    numbers, rng = np.array([value for _, value in values]), generator(0, "units")
    weights = np.ones((RESAMPLES, len(values)))
    for factor in ([one.target for one, _ in values], [one.seed for one, _ in values]):
        levels, place = np.unique(np.array(factor, dtype=str), return_inverse=True)
        weights *= rng.multinomial(len(levels), np.full(len(levels), 1 / len(levels)), size=RESAMPLES)[:, place]
    weights = weights[weights.sum(axis=1) > 0]
    low, high = np.quantile(weights @ numbers / weights.sum(axis=1), [0.025, 0.975])
    return f"{numbers.mean():.2f} [{low:.2f}, {high:.2f}]"


def page(name: str, units: Sequence[Unit], budget: float, command: str) -> str:
    """The table of selectors in Markdown."""
    rows = []
    for selector in EXPLAINED:
        if found := [(one, measured) for one in units if (measured := one.measures(selector))]:
            cells = {n: [(one, measured[n]) for one, measured in found if n in measured] for n in MEASURES}
            shown = {n: interval(values) if values else "-" for n, values in cells.items()}
            rows.append({"selector": selector, "units": str(len(found)), **shown})
    spread = interval([(one, max(one.gains.values()) - mean(one.gains.values())) for one in units])
    targets = ", ".join(dict.fromkeys(one.target for one in units))
    cost = [one.cost for one in units]
    lines = [
        f"# Selectors of intermediate tasks: {name}",
        "",
        f"{len(units)} units: {targets}; up to {len({one.seed for one in units})} seeds.",
        f"Budget {budget:g} of the grid; halving spent {min(cost):.2f} to {max(cost):.2f}.",
        f"The best candidate is {spread} points above the mean candidate.",
        "",
        *markdown(rows),
        "",
        *(f"- {row['selector']}: {EXPLAINED[row['selector']]}" for row in rows),
        "",
        f"    {command}",
        "",
    ]
    return "\n".join(lines)


def main(words: Sequence[str]) -> None:
    """Print the page, and write it where `--to` says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment")
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--data", type=Path, action="append", default=[])
    parser.add_argument("--budget", type=float, default=0.3)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--to", type=Path)
    asked = parser.parse_args(words)
    try:
        experiment, store = load(asked.experiment), Store(asked.store, must_exist=True)
        compute = computing(store, check_device(Machine(asked.device, asked.workers)), _tell)
        with remembered(store.root / DIGESTS):
            units = evaluate(experiment, asked.data, store, compute, asked.budget)
    except XstiltsError as error:
        raise SystemExit(f"error: {error}") from None
    text = page(experiment.name, units, asked.budget, " ".join(["python tools/selector_evaluation.py", *words]))
    sys.stdout.write(text)
    if asked.to:
        asked.to.write_text(text, encoding="utf-8")


def _tell(event: Event) -> None:
    if isinstance(event, Done):
        sys.stderr.write(f"{event}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
