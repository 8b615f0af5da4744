"""The benchmark of large grids: its stages write what scores are read from."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # `benchmarks` is a folder of the repository, not of the package

from benchmarks.grid import EXAMPLES, experiment, write

from xstilts.graph.perform import Work, perform
from xstilts.graph.stage import graph
from xstilts.graph.store import Store
from xstilts.session.grid import Grid
from xstilts.session.loading import load
from xstilts.session.results import collect


def test_the_papers_grid_is_filled_without_computing_it(tmp_path: Path) -> None:
    grid = Grid.of(load(experiment(tmp_path, 1)), tmp_path / "data")
    cells, store = grid.cells[:2], Store(tmp_path / "store")
    assert len(grid.cells) > 90
    for stage in graph(cell.stage for cell in cells):
        perform(Work(store, write, {}), stage, lambda _: None)
    assert {score.n for score in collect(cells, store).scores} == {EXAMPLES}
