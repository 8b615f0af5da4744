"""Time to write the report of 10 recipes x 10 targets x 50 languages x 5 seeds; the goal is 10 CPU seconds.

python -m benchmarks.report
"""

from __future__ import annotations

import sys
import tempfile
import time
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks.tables import goal
from xstilts.core.scores import Score
from xstilts.reports import About, analyse, write_contents
from xstilts.reports.contents import contents
from xstilts.stats.table import Examples, ScoreTable

RECIPES, TARGETS, LANGUAGES, SEEDS, EXAMPLES = 10, 10, 50, 5, 200
GOAL = 10.0


def scores() -> ScoreTable:
    """Random answers, right in three of five examples."""
    rng, rows, ids = np.random.default_rng(0), [], [f"x{number}" for number in range(EXAMPLES)]
    for recipe, target, language, seed in product(*map(range, (RECIPES, TARGETS, LANGUAGES, SEEDS))):
        found = Examples.of(ids, rng.random(EXAMPLES) < 0.6, np.ones(EXAMPLES))
        where = (f"target{target}", f"l{language}" if language else "en", "test", "accuracy")
        label = f"[task{recipe}]" if recipe else "[]"
        rows.append((Score(*where, found.value, EXAMPLES, 33.3, seed, label, "model"), found))
    return ScoreTable.of(rows)


if __name__ == "__main__":
    table, begin = scores(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        write_contents(contents(analyse(table, About("A large grid", "How long does it take?"))), Path(folder))
    taken = time.process_time() - begin
    sys.stdout.write(f"{len(table):,} scores: {taken:.1f} CPU seconds ({goal(taken, GOAL, most=True)})\n")
