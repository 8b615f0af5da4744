"""Layer curves: scores whose variant says `layer=k`, and how a layer's states were prepared, e.g. `layer=2 centred`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from xstilts.core.scores import Score
from xstilts.reports.analysis import ALL, ZERO_SHOT, Analysis
from xstilts.reports.cells import Cell, Column, Row, Table, gap, points
from xstilts.reports.tables import row_label
from xstilts.stats.table import Run

LAYER = re.compile(r"layer=(\d+)\s*(.*)")


@dataclass(frozen=True)
class Curve:
    """One run's values; `values` are (layer, mean over languages and seeds, lowest and highest seed)."""

    label: str
    is_control: bool
    values: tuple[tuple[int, float, float, float], ...]


@dataclass(frozen=True)
class Panel:
    """The curves of one target, prepared in one way (`raw`, `centred`); `choice` as of `choices`."""

    target: str
    kind: str
    metric: str
    languages: tuple[str, ...]
    curves: tuple[Curve, ...]
    choice: str = ""

    @property
    def layers(self) -> list[int]:
        return sorted({layer for curve in self.curves for layer, *_ in curve.values})


def panels(analysis: Analysis) -> list[Panel]:
    """Every layer sweep among the target scores, in the order of targets; empty where there is none."""
    found: dict[tuple[str, str, str], dict[Run, list[tuple[int, Score]]]] = {}
    for row in analysis.table.rows:
        match = LAYER.fullmatch(row.score.variant)
        if match and row.score.role == "target":
            key = (row.score.task, match[2], row.score.metric)
            found.setdefault(key, {}).setdefault(row.run, []).append((int(match[1]), row.score))
    order = {target: number for number, target in enumerate(analysis.about.targets)}
    made = []
    for (target, kind, metric), runs in sorted(found.items(), key=lambda item: order.get(item[0][0], len(order))):
        languages = analysis.languages.get((target, ZERO_SHOT)) or analysis.languages.get((target, ALL)) or ()
        languages = languages or tuple(sorted({s.language for scores in runs.values() for _, s in scores}))
        ordered = [run for section in analysis.sections for run in section.runs if run in runs]
        controls = [run for run in runs if run.backbone in analysis.about.controls]
        curves = [_curve(analysis, run, runs[run], languages) for run in (*ordered, *controls)]
        kept = tuple(curve for curve in curves if curve.values)
        if any(len(curve.values) > 1 for curve in kept):
            made.append(Panel(target, kind or "as they are", metric, languages, kept, choices(analysis, target)))
    return made


def _curve(analysis: Analysis, run: Run, scores: Sequence[tuple[int, Score]], languages: Sequence[str]) -> Curve:
    values = []
    for layer in sorted({layer for layer, _ in scores}):
        by_seed: dict[int, list[float]] = {}
        for at, score in scores:
            if at == layer and score.language in languages:
                by_seed.setdefault(score.seed, []).append(score.value)
        means = [mean(values) for values in by_seed.values()]
        if means:
            values.append((layer, mean(means), min(means), max(means)))
    return Curve(_label(analysis, run), run.backbone in analysis.about.controls, tuple(values))


def _label(analysis: Analysis, run: Run) -> str:
    label = row_label(analysis, run)
    if len(analysis.sections) > 1 and run.backbone not in analysis.about.controls:
        return f"{label}, {analysis.about.backbone(run.backbone).label}"
    return label


def choices(analysis: Analysis, target: str) -> str:
    """Which layer of each run enters means, where it was chosen on scores; empty where it was not."""
    if not analysis.chosen_on.get(target):
        return ""
    runs: dict[Run, dict[int, str]] = {}
    for row in analysis.table.targets().where(task=target).rows:
        if match := LAYER.fullmatch(row.score.variant):
            runs.setdefault(row.run, {})[row.score.seed] = match[1]
    told = []
    for run, by_seed in runs.items():
        layers = [by_seed[seed] for seed in sorted(by_seed)]
        told.append(f"{_label(analysis, run)} {layers[0] if len({*layers}) == 1 else ', '.join(layers) + ' by seed'}")
    return f"layer chosen on {', '.join(analysis.chosen_on[target])}, by each model for itself: {'; '.join(told)}"


def layer_table(panel: Panel) -> Table:
    """Runs x layers, with the range over seeds."""
    rows = []
    for curve in panel.curves:
        at = {layer: values for layer, *values in curve.values}
        cells = tuple(_cell(*at[layer]) if layer in at else gap("layer not measured") for layer in panel.layers)
        rows.append(Row(curve.label, cells, "control" if curve.is_control else "recipe"))
    head = (Column("recipe"), *(Column(f"layer {layer}") for layer in panel.layers))
    count = len(panel.languages)
    caption = (
        f"{panel.target}, {panel.metric.replace('_', ' ')} with {panel.kind} states at every layer (0 is the embedding "
        f"output): mean over {count} language{'' if count == 1 else 's'} and over seeds, with the range of the seeds."
    )
    notes = (panel.choice,) if panel.choice else ()
    return Table(f"layers {panel.target} {panel.kind}", caption, head, tuple(rows), notes)


def _cell(value: float, low: float, high: float) -> Cell:
    return Cell(points(value), f"{points(low)} to {points(high)}" if high > low else "", value=value)
