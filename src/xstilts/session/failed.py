"""Runs that are missing from a table because a stage of theirs failed."""

from __future__ import annotations

from xstilts.graph.stage import Stage, graph
from xstilts.graph.store import Store
from xstilts.session.grid import Grid
from xstilts.stats.flags import Flag
from xstilts.stats.table import Run


def failed_runs(grid: Grid, store: Store) -> tuple[Flag, ...]:
    """A flag for each recipe and target of which seeds have no scores, for a stage that they need failed last time."""
    failures = {path.stem for path in (store.root / "failures").glob("*.txt")}

    def failed(scored: Stage) -> bool:
        return not store.has(scored) and any(one.key in failures and not store.has(one) for one in graph([scored]))

    seeds: dict[tuple[Run, str], dict[int, bool]] = {}
    for cell in grid.cells if failures else ():
        if cell.role == "target":
            seeds.setdefault((Run(cell.backbone, cell.recipe), cell.task), {})[cell.seed] = failed(cell.stage)
    return tuple(
        Flag("failed", run, task, tuple(seed for seed, has in found.items() if has), len(found))
        for (run, task), found in seeds.items()
        if any(found.values())
    )
