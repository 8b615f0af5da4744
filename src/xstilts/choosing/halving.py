"""Successive halving (Jamieson and Talwalkar 2016, arXiv 1502.07943, algorithm 1) over candidates, and its page.

A rung trains the remaining candidates and the baseline with a share of the full number of steps, in the recipe's phases
and on the target. The better half by the target's English validation score goes on to the next rung, which doubles the
share. Runs of the last rung are those of the full grid. A rung that exceeds the budget is not started.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from xstilts.choosing.runs import CandidateRun, Runs
from xstilts.core.errors import ConfigError
from xstilts.graph.stage import Stage
from xstilts.planning.amounts import amount
from xstilts.recipes import Recipe
from xstilts.stats.estimates import Estimate, family
from xstilts.stats.flags import learned
from xstilts.stats.reading import read_folder
from xstilts.stats.replicates import replicates
from xstilts.stats.table import Measured, Run, ScoreTable

SHARES = (0.125, 0.25, 0.5, 1.0)
"""Share of the full number of steps in each rung."""
BASELINE = Recipe().label
Compute = Callable[[Iterable[Stage]], None]
"""Computes the stages that are not finished, or raises an error."""


@dataclass(frozen=True)
class Rung:
    """One round: mean English validation scores by recipe, FLOPs, and whether the baseline learned the target."""

    share: float
    recipes: tuple[str, ...]
    values: Mapping[str, float]
    cost: float
    learned: bool


@dataclass(frozen=True)
class RankedCandidate:
    """A candidate in the order of preference, or the baseline.

    Attributes:
        share: share of the full number of steps in its longest run.
        value: English validation score of that run, mean over seeds.
        gain: over the baseline's run of the same length; None for the baseline itself.
        better: whether the gain is clearly above 0.
        tokens: of the training data of its recipe, mean over seeds.
    """

    recipe: str
    share: float
    value: float
    gain: Estimate | None
    better: bool
    tokens: float


@dataclass(frozen=True)
class Choice:
    """The result. `rows`: best first; `spent`, `full`: FLOPs of the choice and of the full grid; `budget`: a share."""

    target: str
    backbone: str
    judged_by: str
    seeds: tuple[int, ...]
    rows: tuple[RankedCandidate, ...]
    rungs: tuple[Rung, ...]
    spent: float
    full: float
    budget: float


def choose(runs: Runs, compute: Compute, budget: float) -> Choice:
    """Train rung after rung within the `budget`, a share of the full grid's cost.

    Raises:
        ConfigError: the first rung exceeds the budget.
    """
    compute(runs.prepared())
    first = runs.runs(SHARES[0], runs.recipes)
    full, needed = (sum(runs.cost(stages).values()) for stages in (runs.full, [run.end for run in first]))
    if needed > budget * full:
        raise ConfigError(_too_small(budget, needed / full, len(runs.recipes)))
    paid, left, rungs = dict[str, float](), list(runs.recipes[1:]), list[Rung]()
    longest: dict[str, tuple[Rung, ScoreTable]] = {}
    for share in SHARES:
        found = runs.runs(share, [runs.recipes[0], *left])
        last = [run.end for run in found]
        new = {key: flops for key, flops in runs.cost(last).items() if key not in paid}
        if rungs and sum(paid.values()) + sum(new.values()) > budget * full:
            break
        compute(last)
        paid |= new
        measured = []
        for cell in (run.scored for run in found):
            rows = read_folder(runs.store.existing(cell.stage), lambda score: score.main)
            measured += [Measured(cell.name(row.score), row.examples) for row in rows if row.score.main]
        table = ScoreTable(tuple(measured))
        rungs.append(_rung(share, found, table, sum(new.values())))
        longest |= dict.fromkeys(rungs[-1].recipes, (rungs[-1], table))
        left = sorted(left, key=lambda recipe: -rungs[-1].values[recipe.label])[: math.ceil(len(left) / 2)]
    return Choice(
        target=runs.target.task,
        backbone=runs.spec.name,
        judged_by=runs.judged_by,
        seeds=tuple(start.replicate.seed for start in runs.starts),
        rows=tuple(_rows(runs, first, longest)),
        rungs=tuple(rungs),
        spent=sum(paid.values()),
        full=full,
        budget=budget,
    )


def _rung(share: float, found: Sequence[CandidateRun], table: ScoreTable, cost: float) -> Rung:
    recipes = tuple(dict.fromkeys(run.recipe.label for run in found))
    scores = {label: table.where(recipe=label).scores for label in recipes}
    values = {label: mean(score.value for score in own) for label, own in scores.items()}
    majority = mean(score.majority for score in scores[BASELINE])
    return Rung(share, recipes, values, cost, learned(values[BASELINE], majority))


def _rows(
    runs: Runs, first: Sequence[CandidateRun], longest: Mapping[str, tuple[Rung, ScoreTable]]
) -> list[RankedCandidate]:
    judged = [label for label in longest if label != BASELINE]
    series = []
    for label in judged:
        table, pair = longest[label][1], [Run(runs.spec.name, name) for name in (label, BASELINE)]
        run, baseline = replicates(table, runs.judge.name).series(pair, table.distinct("language"))
        series.append(run.minus(baseline))
    gains: dict[str, Estimate] = dict(zip(judged, family(series, [longest[label][0].share for label in judged])))
    rows = []
    for label, (rung, _) in longest.items():
        data = (run.data for run in first if run.recipe.label == label)
        tokens = mean(sum(amount(one, runs.store).total for one in stages) for stages in data)
        gain = gains.get(label)
        better = gain is not None and gain.clear and gain.value > 0
        rows.append(RankedCandidate(label, rung.share, rung.values[label], gain, better, tokens))
    return sorted(rows, key=lambda row: (-row.share, -row.value))


def _too_small(budget: float, needed: float, recipes: int) -> str:
    percent, advice = math.ceil(100 * needed), "more than the full grid, so train that instead (`xstilts run`)"
    if needed <= 1:
        advice = f"give --budget {percent}% or fewer candidates"
    return (
        f"--budget {budget:g} is too small: {SHARES[0]:g} of the steps of {recipes} recipes take {percent} %; {advice}"
    )


def choice_page(choice: Choice, command: str) -> str:
    """The recommendation, the table, and the cost."""
    heading = f"# Intermediate tasks for {choice.target} ({choice.backbone})"
    table = markdown([_cells(rank, row) for rank, row in enumerate(choice.rows, 1)])
    return "\n".join([heading, "", _verdict(choice), "", *table, "", *_notes(choice), "", f"    {command}", ""])


def _verdict(choice: Choice) -> str:
    first = f"`{choice.rows[0].recipe}` ranks first"
    if clear := ", ".join(f"`{row.recipe}`" for row in choice.rows if row.better):
        return f"{first}. Clearly better than no intermediate task on English validation data: {clear}."
    if choice.rows[0].recipe == BASELINE and not choice.rungs[-1].learned:
        return "The runs are too short to tell: the baseline has hardly learned the target."
    if choice.rows[0].recipe == BASELINE:
        return "Use none of these: no candidate did better than no intermediate task."
    return f"{first}, but no candidate is clearly better than no intermediate task."


def _cells(rank: int, row: RankedCandidate) -> dict[str, str]:
    gain = "-"
    if row.gain is not None:
        low, high = row.gain.low, row.gain.high
        interval = "" if low is None or high is None else f" [{low:+.1f}, {high:+.1f}]"
        gain = f"{row.gain.value:+.1f}{'*' if row.gain.clear else ''}{interval}"
    return {
        "rank": str(rank),
        "candidate": f"`{row.recipe}`",
        "steps": f"{row.share:.1%}".replace(".0%", "%"),
        "English score": f"{row.value:.1f}",
        "gain": gain,
        "tokens": f"{row.tokens:.4g}" if row.tokens else "-",
    }


def _notes(choice: Choice) -> Iterable[str]:
    yield (
        f"- English score: {choice.judged_by}, in the candidate's longest run, mean over seeds "
        f"({', '.join(map(str, choice.seeds))}). Gain: over the baseline's run of the same length, with its 95 % "
        "interval; * marks a clear gain (three seeds or more, corrected for all candidates). It is a gain in "
        "English, of a short run unless steps are 100%, and not a gain in other languages."
    )
    yield "- tokens, of the training data, do not enter the order: the largest task was not better than a random one."
    if not choice.rungs[-1].learned:
        yield (
            "- **Too short to tell**: in the last rung the baseline is less than 15 points above the majority "
            "baseline. Give a larger budget, or more steps in the experiment file."
        )
    yield (
        f"- Spent {choice.spent / choice.full:.0%} of the full grid's cost ({choice.spent:.3g} of {choice.full:.3g} "
        f"FLOPs; {choice.budget:.0%} allowed)."
    )
    for rung in choice.rungs:
        names = ", ".join(f"`{name}`" for name in rung.recipes)
        yield f"- Rung with {rung.share:g} of the steps: {names}; {rung.cost:.3g} FLOPs."


def markdown(rows: Sequence[dict[str, str]]) -> list[str]:
    """A table in aligned Markdown."""
    names = list(rows[0])
    widths = [max(len(name), *(len(row[name]) for row in rows)) for name in names]
    grid = [names, ["-" * width for width in widths], *(list(row.values()) for row in rows)]
    return ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in grid]
