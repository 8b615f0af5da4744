"""Layer sweeps as tables: scores whose variant says `layer=k`, and how its states were prepared: `layer=2 centred`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from statistics import mean

from xstilts.core.scores import Score
from xstilts.reports.analysis import ALL, ZERO_SHOT, Analysis
from xstilts.reports.cells import GAP, Cell, Column, Row, Table, count, points
from xstilts.stats.table import Run

LAYER = re.compile(r"layer=(\d+)\s*(.*)")
CONTROL = "control"
"""Below the heading of a control's column."""


def layer_tables(analysis: Analysis) -> list[Table]:
    """Layers x runs for every target and preparation (`raw`, `centred`), in the order of targets; none without sweeps.

    A cell is the mean over languages and seeds, with the range of the seeds.
    """
    found: dict[tuple[str, str, str], dict[Run, list[tuple[int, Score]]]] = {}
    for row in analysis.table.rows:
        if row.score.role == "target" and (match := LAYER.fullmatch(row.score.variant)):
            key = (row.score.task, match[2], row.score.metric)
            found.setdefault(key, {}).setdefault(row.run, []).append((int(match[1]), row.score))
    order = {target: number for number, target in enumerate(analysis.about.targets)}
    keys = sorted(found, key=lambda key: order.get(key[0], len(order)))
    return [one for key in keys if len((one := _table(analysis, *key, found[key])).rows) > 1]


def _table(
    analysis: Analysis, target: str, kind: str, metric: str, runs: Mapping[Run, Sequence[tuple[int, Score]]]
) -> Table:
    codes = analysis.languages.get((target, ZERO_SHOT)) or analysis.languages.get((target, ALL)) or ()
    codes = codes or tuple({score.language: 0 for scores in runs.values() for _, score in scores})
    shown = [run for section in analysis.sections for run in section.runs if run in runs]
    shown += [run for run in runs if run not in shown]
    shown = [run for run in shown if any(score.language in codes for _, score in runs[run])]
    head = [Column("layer")]
    for run in shown:
        of = f", {analysis.about.backbone(run.backbone).label}" if len(analysis.sections) > 1 else ""
        own = run.backbone in analysis.about.controls or run.recipe in analysis.about.control_recipes
        head.append(Column(analysis.label(run) + of * (not own), CONTROL * own))
    by_layer: dict[int, dict[Run, dict[int, list[float]]]] = {}
    for run in shown:
        for layer, score in runs[run]:
            if score.language in codes:
                by_layer.setdefault(layer, {}).setdefault(run, {}).setdefault(score.seed, []).append(score.value)
    rows = [Row(str(layer), tuple(_cell(by_layer[layer].get(run)) for run in shown)) for layer in sorted(by_layer)]
    title = f"{target}: {metric.replace('_', ' ')} by layer, {kind or 'plain'}"
    caption = (
        f"{title} states (0: embedding output): mean over {count(len(codes), 'language')} and seeds, range of seeds."
    )
    chosen = ", ".join(analysis.chosen_on.get(target, ()))
    notes = (f"the layer that enters means was chosen on {chosen}, by each model for itself",) if chosen else ()
    return Table(title, caption, tuple(head), tuple(rows), notes)


def _cell(by_seed: Mapping[int, Sequence[float]] | None) -> Cell:
    if by_seed is None:
        return Cell(GAP, caveat="layer not measured")
    means = [mean(values) for values in by_seed.values()]
    low, high = points(min(means)), points(max(means))
    return Cell(points(mean(means)), f"{low} to {high}" if low != high else "", value=mean(means))
