"""Training curves: loss and validation score by step, a chart for each phase with all its seeds."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any, NamedTuple

from xstilts.reports.cells import GAP, Cell, Column, Row, Table

POINTS, FEWEST = 100, 25
"""Points of a curve: at most, and at least before whole charts are left out."""
ROOM = 60_000
"""Points on a page: 110 phases at 5 seeds with 100 points each take 0.4 MB."""
Pairs = Sequence[tuple[int, float]]


@dataclass(frozen=True)
class Logged:
    """The log of one train stage about one task of its mixture.

    Attributes:
        view: the target that the phase trains for, or a name for the phases before any target.
        title: of the chart: the recipe, or the phases so far.
        losses: (steps done, loss).
        scores: (steps done, validation score, 0 to 100).
        majority: score of the majority baseline on the validation data; None if not known.
    """

    view: str
    title: str
    seed: int
    losses: Pairs
    scores: Pairs = ()
    majority: float | None = None


class KindCost(NamedTuple):
    """The cost of the finished stages of a kind.

    Attributes:
        tokens: that were trained on; None for kinds that do not count them.
        bytes: on disk now; None if files were deleted, as in results that are kept without weights.
    """

    kind: str
    stages: int
    minutes: float
    tokens: int | None
    bytes: int | None


def charts(logged: Iterable[Logged]) -> tuple[list[dict[str, Any]], int]:
    """Charts as JSON, thinned so that all together have at most `ROOM` points, and how many were left out.

    A chart has `steps` [P], and for each of its `seeds` in `loss` [P] mean losses (None where nothing was logged) and
    in `scores` pairs of step and score.
    """
    groups: dict[tuple[str, str], list[Logged]] = {}
    for one in logged:
        groups.setdefault((one.view, one.title), []).append(one)
    curves = sum(map(len, groups.values()))
    most = max(FEWEST, min(POINTS, ROOM // max(1, curves)))
    shown, used = list[dict[str, Any]](), 0
    for (view, title), runs in groups.items():
        used += most * len(runs)
        if used <= ROOM:
            shown.append({"view": view, "title": title, **_chart(runs, most)})
    return shown, len(groups) - len(shown)


def _chart(runs: Sequence[Logged], most: int) -> dict[str, Any]:
    steps = sorted({step for run in runs for step, _ in run.losses})
    bins = [steps[len(steps) * i // most : len(steps) * (i + 1) // most] for i in range(most)]
    bins = [one for one in bins if one] if len(steps) > most else [[step] for step in steps]
    spaced = range(1, most + 1)  # evenly, the last among them
    every = [run.scores for run in runs]
    scores = [s if len(s) <= most else [s[(len(s) * i - 1) // most] for i in spaced] for s in every]
    known = [run.majority for run in runs if run.majority is not None]
    return {
        "seeds": [run.seed for run in runs],
        "steps": [one[-1] for one in bins],
        "loss": [_means(dict(run.losses), bins) for run in runs],
        "scores": [[(step, round(value, 1)) for step, value in pairs] for pairs in scores],
        "majority": round(mean(known), 1) if known else None,
    }


def _means(losses: Mapping[int, float], bins: Sequence[Sequence[int]]) -> list[float | None]:
    """Mean loss of each bin with three digits; not finite ones count as missing."""
    parts = [[losses[step] for step in steps if math.isfinite(losses.get(step, math.nan))] for steps in bins]
    return [float(f"{mean(part):.3g}") if part else None for part in parts]


def cost_table(costs: Sequence[KindCost]) -> Table | None:
    """Minutes, tokens and disk by kind of stage, with their sum; None if nothing is finished."""
    if not costs:
        return None
    stages, minutes, tokens, sizes = (list(column) for column in list(zip(*costs))[1:])
    counted = [number for number in tokens if number is not None]
    gone = [one.kind for one in costs if one.bytes is None]
    whole = KindCost("all", sum(stages), sum(minutes), sum(counted) if counted else None, None if gone else sum(sizes))
    rows = []
    for one in [*costs, *([whole] if len(costs) > 1 else [])]:
        cells = (Cell(f"{one.stages:,}"), Cell(f"{one.minutes:,.1f}"), _number(one.tokens), _number(one.bytes, 1e6))
        rows.append(Row(one.kind, cells))
    caption = (
        "Finished stages of this experiment by kind. Minutes are summed over workers, and of a resumed stage those of "
        "its last attempt. Tokens are those that were trained on, without padding."
    )
    notes = (f"disk: not known of {', '.join(gone)}, whose files are no longer all in the store",) if gone else ()
    head = ("kind of stage", "stages", "minutes", "tokens", "disk, MB")
    return Table("costs", caption, tuple(map(Column, head)), tuple(rows), notes)


def _number(value: int | None, unit: float = 1) -> Cell:
    return Cell(GAP) if value is None else Cell(f"{value / unit:,.{0 if unit == 1 else 1}f}")
