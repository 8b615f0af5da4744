"""Successive halving (Jamieson and Talwalkar 2016, arXiv 1502.07943, algorithm 1) over candidates.

Every rung runs the candidates that are left, and the baseline, with a share of the full numbers of steps, of the
recipe's phases and of the target's; the better half, by the target's English validation score, goes on with twice the
share. The last rung's runs are those of the full grid. A rung that the budget does not allow is not begun.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import mean

from xstilts.choosing import cheap
from xstilts.choosing.costs import Budget, Ledger
from xstilts.choosing.runs import Run, Runs
from xstilts.core.errors import ConfigError
from xstilts.data.locate import Root
from xstilts.experiment import Experiment
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.recipes import Recipe
from xstilts.stats.estimates import Estimate, family
from xstilts.stats.flags import learned
from xstilts.stats.reading import read_folder
from xstilts.stats.replicates import replicates
from xstilts.stats.series import Series
from xstilts.stats.table import Measured, ScoreTable
from xstilts.stats.table import Run as Named

SHARES = (0.125, 0.25, 0.5, 1.0)
"""Of the full numbers of steps, rung by rung."""
BASELINE = Recipe().label
ORDERING = "uniformity"
"""Cheap score that orders candidates for targets that are not trained."""
Compute = Callable[[Iterable[Stage]], None]
"""Computes what is missing of some stages, or raises."""


@dataclass(frozen=True)
class Rung:
    """One round: `values` are mean English validation scores by recipe, `cost` and `seconds` what it added."""

    share: float
    values: Mapping[str, float]
    cost: float
    seconds: float
    table: ScoreTable

    @property
    def learned(self) -> bool:
        """Whether the baseline is above the best constant answer by the margin of `stats.flags`, or is not trained."""
        scores = self.table.where(recipe=BASELINE).scores
        return not scores or learned(mean(s.value for s in scores), mean(s.majority for s in scores))


@dataclass(frozen=True)
class Row:
    """A candidate in the order of preference; the baseline is one.

    Attributes:
        share: of the full steps that its longest run had; 0: it was not run.
        value: English validation score of that run, mean over seeds; None for targets that are not trained.
        gain: over the baseline's run of the same length; None for the baseline itself.
    """

    rank: int
    recipe: str
    share: float
    value: float | None
    gain: Estimate | None
    scores: Mapping[str, float]


@dataclass(frozen=True)
class Choice:
    """What came of it; costs in tokens (`costs`), `allowed` None where the budget was a time."""

    target: str
    backbone: str
    judged_by: str
    seeds: tuple[int, ...]
    rows: tuple[Row, ...]
    rungs: tuple[Rung, ...]
    spent: float
    full: float
    allowed: float | None
    seconds: float

    @property
    def saved(self) -> float:
        """Share of the full grid's cost that was not spent; below 0 where the full grid would have been cheaper."""
        return 1 - self.spent / self.full

    @property
    def clear(self) -> list[Row]:
        """Candidates that are clearly better than the baseline, on English validation data."""
        return [row for row in self.rows if row.gain is not None and row.gain.clear and row.gain.value > 0]


@dataclass
class Chooser:
    """Chooses for one target.

    Args:
        experiment: of one backbone and one target (`setting`).
        root: data folder or folders; None on microworlds.
        wanted: names of cheap scores; that which orders what is not trained is taken there in any case.
    """

    experiment: Experiment
    root: Root | None
    store: Store
    compute: Compute
    wanted: Sequence[str] = cheap.SCORES
    runs: Runs = field(init=False)

    def __post_init__(self) -> None:
        self.runs = Runs(self.experiment, self.root, self.store)
        if self.runs.judge is None:
            self.wanted = tuple(dict.fromkeys([*self.wanted, ORDERING]))

    def choose(self, budget: Budget) -> Choice:
        """Run rung after rung. Raises `ConfigError` where the budget does not allow the first one."""
        first, found = self.opening()
        profiled = [stage for one in found for stage in one.stages]
        ledger = Ledger(self.runs.planner, self.store, [model.stage for _, model in self.runs.starts()])
        full = ledger.cost(self.runs.full())
        allowed = None if budget.share is None else budget.share * full
        needed = ledger.cost([*profiled, *stages_of(first)])
        if allowed is not None and needed > allowed:
            raise ConfigError(too_small(budget.share or 0.0, needed / full, len(self.runs.recipes)))
        self.compute([*profiled, *stages_of(first)])
        ledger.pay(profiled)
        rungs = self._rungs(ledger, allowed, budget.seconds, profiled)
        everything = [*profiled, *(stage for rung in rungs for stage in stages_of(self._of(rung)))]
        return Choice(
            self.runs.target.task,
            self.runs.spec.name,
            ORDERING if self.runs.judge is None else self.runs.judged_by,
            tuple(replicate.seed for replicate in self.runs.replicates),
            tuple(self._rows(cheap.scores(found, self.store), rungs)),
            tuple(rungs),
            ledger.spent,
            full,
            allowed,
            ledger.seconds(everything),
        )

    def opening(self) -> tuple[list[Run], list[cheap.Profiles]]:
        """The runs of the first rung and the cheap scores, described; data is prepared for that."""
        self.compute(self.runs.prepared())
        first = self.runs.runs(SHARES[0], self.runs.recipes)
        return first, cheap.profiles(self.runs, first, self.wanted)

    def _of(self, rung: Rung) -> list[Run]:
        return self.runs.runs(rung.share, [recipe for recipe in self.runs.recipes if recipe.label in rung.values])

    def _rungs(self, ledger: Ledger, tokens: float | None, time: float | None, profiled: Sequence[Stage]) -> list[Rung]:
        """Rungs while the budget allows: in tokens, or in seconds at the speed so far; `profiled` is part of both."""
        rungs: list[Rung] = []
        left = list(self.runs.recipes[1:])
        done = list(profiled)
        seconds = ledger.seconds(done)
        for share in SHARES:
            runs = self.runs.runs(share, [self.runs.recipes[0], *left])
            cost = ledger.cost(stages_of(runs))
            if rungs and tokens is not None and ledger.spent + cost > tokens:
                break
            if rungs and time is not None and seconds * (1 + cost / ledger.spent) > time:
                break
            self.compute(stages_of(runs))
            ledger.pay(stages_of(runs))
            done += stages_of(runs)
            before, seconds = seconds, ledger.seconds(done)
            rung = self._rung(share, runs, cost, seconds - before)
            rungs.append(rung)
            if self.runs.judge is None:
                break
            left.sort(key=lambda recipe: -rung.values[recipe.label])
            left = left[: math.ceil(len(left) / 2)]
        return rungs

    def _rung(self, share: float, runs: Sequence[Run], cost: float, seconds: float) -> Rung:
        measured = []
        for cell in (run.scored for run in runs if run.scored is not None):
            found = read_folder(self.store.existing(cell.stage), lambda score: score.main)
            measured += [Measured(cell.name(row.score), row.examples) for row in found if row.score.main]
        table = ScoreTable(tuple(measured))
        labels = dict.fromkeys(run.recipe.label for run in runs)
        values = {
            label: mean(scores) if (scores := [s.value for s in table.where(recipe=label).scores]) else math.nan
            for label in labels
        }
        return Rung(share, values, cost, seconds, table)

    def _rows(self, scores: Mapping[str, Mapping[int, Mapping[str, float]]], rungs: Sequence[Rung]) -> list[Row]:
        cheap_of = {label: _means(list(by_seed.values())) for label, by_seed in scores.items()}
        last = {label: [rung for rung in rungs if label in rung.values][-1] for label in rungs[0].values}
        judge, backbone = self.runs.judge, self.runs.spec.name
        judged = [] if judge is None else [label for label in last if label != BASELINE]
        series = [] if judge is None else [_gain(last[one].table, judge.name, backbone, one) for one in judged]
        gains = dict(zip(judged, family(series, [last[label].share for label in judged])))
        rows = []
        for label, rung in last.items():
            value = rung.values[label]
            shown = None if math.isnan(value) else value
            rows.append(Row(0, label, rung.share, shown, gains.get(label), cheap_of[label]))
        rows.sort(key=lambda row: (-row.share, -_worth(row)))
        return [replace(row, rank=number) for number, row in enumerate(rows, 1)]


def _gain(table: ScoreTable, task: str, backbone: str, label: str) -> Series:
    pair = [Named(backbone, name) for name in (label, BASELINE)]
    run, baseline = replicates(table, task).series(pair, table.distinct("language"))
    return run.minus(baseline)


def _worth(row: Row) -> float:
    """By what candidates of one rung are ordered."""
    return row.scores.get(ORDERING, -math.inf) if row.value is None else row.value


def _means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: mean(row[name] for row in rows if name in row) for name in names}


def stages_of(runs: Iterable[Run]) -> list[Stage]:
    """What scores the runs, or of targets that are not trained makes their models."""
    return [run.source if run.scored is None else run.scored.stage for run in runs]


def too_small(share: float, needed: float, recipes: int) -> str:
    """What is said of a budget below the first rung; `needed`: the share that it takes, with few steps above 1."""
    advice = "give that, or leave out candidates or scores"
    if needed > 1:
        advice = "more than the grid itself: give a time, such as 20m, or leave the scores out (--scores none)"
    return (
        f"--budget {share:g} of the full grid is too small: {SHARES[0]:g} of the steps of {recipes} recipes and cheap "
        f"scores take {math.ceil(100 * needed)} %; {advice}"
    )
