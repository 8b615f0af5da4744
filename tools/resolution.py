"""Which effect the seeds and examples of an experiment can show, from the seeds that are finished.

For each backbone and target, over all recipes: the spread over seeds of a gain (pooled over recipes), the standard
error that the test examples alone leave (shared by all seeds, so that more seeds do not lower it), and from both the
half-width of the 95 % interval of a gain with 2, 3, 5 and 8 seeds: Student's t times sqrt(spread^2 / seeds +
shared^2), as `xstilts.stats.series.spread` has it. An effect of twice the half-width is found in nearly every
repetition, one of the half-width in half of them. Two seeds of the baseline and of one recipe are enough to begin
with.

Usage: python tools/resolution.py EXPERIMENT STORE
"""

import sys
from itertools import product
from pathlib import Path

import numpy as np
from scipy import special

from xstilts.core.errors import XstiltsError
from xstilts.graph.store import Store
from xstilts.session.grid import grid_of
from xstilts.session.loading import load
from xstilts.session.results import collect
from xstilts.stats.replicates import replicates
from xstilts.stats.series import Replication, spread
from xstilts.stats.table import Run

SEEDS = (2, 3, 5, 8)


def main(file: str, store: str) -> None:
    """Print the table."""
    experiment, place = load(file), Store(Path(store), must_exist=True)
    table = collect(grid_of(experiment, place, None).cells, place)
    head = [f"+/- at {count} seeds" for count in SEEDS]
    sys.stdout.write("| " + " | ".join(["backbone", "target", "spread over seeds", "of examples", *head]) + " |\n")
    sys.stdout.write("|---" * (4 + len(SEEDS)) + "|\n")
    for target, backbone in product(experiment.targets, (one.name for one in experiment.backbones)):
        found = replicates(table, target.task)
        codes = sorted({code for _, code, _ in found.places if code != experiment.source})
        variances, shared = [], []
        for recipe in experiment.recipes[1:]:
            try:
                base, other = found.series([Run(backbone, "[]"), Run(backbone, recipe.label)], codes)
            except XstiltsError:
                continue
            one = spread(other.minus(base), Replication())
            if one.units > 1 and one.variance is not None:
                variances.append(one.variance)
                shared.append(one.shared)
        if not variances:
            continue
        variance, common = float(np.mean(variances)), float(np.mean(shared))
        halves = [-float(special.stdtrit(k - 1, 0.025)) * np.sqrt(variance / k + common) for k in SEEDS]
        cells = [f"{value:.1f}" for value in (np.sqrt(variance), np.sqrt(common), *halves)]
        sys.stdout.write("| " + " | ".join([backbone, target.task, *cells]) + " |\n")


if __name__ == "__main__":
    main(*sys.argv[1:3])
