"""The recipes of all experiments in a store, ranked by target. Reads finished scores, without data or models."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from xstilts.core.errors import XstiltsError
from xstilts.expand import Cell
from xstilts.graph.record import Record
from xstilts.graph.stage import from_rows
from xstilts.graph.store import Store
from xstilts.session.grid import grids
from xstilts.session.results import named
from xstilts.stats.estimates import estimate
from xstilts.stats.protocol import Protocol
from xstilts.stats.reading import read_folder
from xstilts.stats.replicates import replicates
from xstilts.stats.series import Replication
from xstilts.stats.table import Measured, ScoreTable


class Ranked(NamedTuple):
    """A recipe of an experiment on a target.

    Attributes:
        control: whether the backbone is a control of another.
        score: zero-shot mean over languages and seeds, 0 to 100.
        low, high: its 95 % interval, as in the report; None where nothing is known.
        languages: of the mean: all but the source language, those of training data, and those that chose a layer.
        protocol: how it was measured; only scores with equal protocols can be compared.
    """

    target: str
    experiment: str
    backbone: str
    recipe: str
    control: bool
    score: float
    low: float | None
    high: float | None
    seeds: int
    languages: int
    protocol: Protocol


def leaderboard(store: Store) -> tuple[list[Ranked], list[str]]:
    """All recipes by target, the most frequent protocol first, then the best score; and what could not be read.

    Raises:
        XstiltsError: no experiment of the store has a finished score. `StoreError`: scores are damaged.
    """
    rows: list[Ranked] = []
    notes: list[str] = []
    for name, grid in grids(store).items():
        try:
            stages, asked = from_rows(grid["stages"]), grid["experiment"]
            cells = [Cell(*names, stages[key]) for *names, key in grid["cells"]]  # type: ignore[call-arg]
            known = {t["task"]: {asked["source"], *(t["train_languages"] or ())} for t in asked["targets"]}
        except (AssertionError, KeyError, TypeError):
            notes.append(f"{name}: left out, since another version of xstilts ran it, or its file is damaged")
            continue
        measured = [row for cell in cells if cell.role == "target" for row in _measured(cell, store)]
        table = ScoreTable(tuple(measured)).targets()
        options = Replication(worlds={int(seed): int(world) for seed, world in grid["worlds"]})
        for (task,), part in table.groups("task").items():
            rows += _ranked(name, part, known[task], (grid["controls"], options))
    if not rows:
        why = "; ".join(notes) or "`xstilts run` computes them"
        raise XstiltsError(f"no experiment has a finished score that can be read in {store.root}: {why}")
    used = [(row.target, row.protocol) for row in rows]
    often = {at: used.count(at) for at in used}
    first = {at: number for number, at in reversed(list(enumerate(used)))}
    targets = {target: number for number, target in reversed(list(enumerate(row.target for row in rows)))}

    def place(row: Ranked) -> tuple[Any, ...]:
        at = row.target, row.protocol
        return targets[row.target], -often[at], first[at], -row.score

    return sorted(rows, key=place), notes


def _measured(cell: Cell, store: Store) -> Iterator[Measured]:
    """The scores of a cell; none if it is not finished. Raises `StoreError` if they are damaged."""
    if store.has(cell.stage):
        scores = Record.read(store.directory(cell.stage)).file("scores.jsonl")
        yield from named(cell, read_folder(scores.parent, lambda score: score.main))


def _ranked(
    name: str, part: ScoreTable, known: Collection[str], how: tuple[Mapping[str, str], Replication]
) -> Iterator[Ranked]:
    """The recipes of an experiment on one target, in languages that are not `known` from training data."""
    controls, options = how
    (task,), chosen = part.distinct("task"), {score.language for score in part.scores if score.chosen_on}
    codes = [code for code in part.distinct("language") if code not in {*known, *chosen}]
    runs = replicates(part, task)
    for run in part.runs():
        with suppress(XstiltsError):  # no language was measured with every seed
            (series,) = runs.series([run], codes)
            found = estimate(series, options)
            protocol = Protocol.of(part.where(**run._asdict()), series.languages)
            seeds, languages = len(found.seeds), len(found.languages)
            control = run.backbone in controls
            yield Ranked(task, name, *run, control, found.value, found.low, found.high, seeds, languages, protocol)
