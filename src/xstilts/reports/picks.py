"""What is the best recipe of each target worth when it is chosen fairly, and where do recipes lose most?"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import mean

import numpy as np

from xstilts.reports.analysis import ZERO_SHOT, Analysis, Place, Section
from xstilts.reports.cells import Cell, Column, Row, Table, count, interval, points, signed
from xstilts.reports.questions import Answer, cell_of
from xstilts.stats.estimates import Estimate, estimate
from xstilts.stats.series import Series, combine
from xstilts.stats.table import Examples, Run

MOST, OF_TARGET, IDS = 12, 4, 3
"""Rows of the table of losses, in all and of one target, and examples in each."""


def choice(analysis: Analysis, section: Section) -> Answer | None:
    """Each target's recipe as validation data in the source language choose it, and as the test scores would.

    The baseline is a candidate too. Targets without validation scores of all recipes at all seeds are left out.
    """
    about, rows, parts, most = analysis.about, [], list[Series](), list[float]()
    for target in about.targets:
        judged = _judged(analysis, section, target)
        gains = {run: _gain(analysis, section, run, target) for run in judged}
        known = {run: gain for run, gain in gains.items() if gain is not None}
        if len(known) < 2 or len(known) < len(gains):
            continue
        picked, best = max(judged, key=judged.__getitem__), max(known, key=lambda run: known[run].points.mean())
        parts.append(known[picked])
        most.append(float(known[best].points.mean()))
        one = estimate(known[picked], analysis.options)
        cells = (
            Cell(picked.recipe),
            Cell(points(judged[picked])),
            cell_of(one),
            Cell(best.recipe),
            Cell(signed(most[-1])),
        )
        rows.append(Row(target, cells))
    if not parts:
        return None
    whole = estimate(combine(parts, analysis.options), analysis.options)
    hope = mean(most) - whole.value
    names = ("chosen on validation", "its validation score", "its gain", "best on test", "gain of that")
    caption = (
        f"Recipes of each target, chosen by the mean over seeds of validation scores in {about.source}; gains are over "
        f"{about.baseline} in zero-shot languages of the test data, in points. {about.baseline} may be chosen too."
    )
    head = (Column("target"), *(Column(name, words=name in (names[0], names[3])) for name in names))
    return Answer(
        f"{analysis.name(section.backbone)}Chosen on validation data in {about.source}, the recipes of "
        f"{count(len(rows), 'target')} gain {signed(whole.value)} points {interval(whole)} in the mean. Chosen by the "
        f"test scores themselves, they would seem to gain {signed(mean(most))}: {points(hope)} points more.",
        (Table(f"choice {section.backbone}", caption, head, tuple(rows)),),
    )


def _judged(analysis: Analysis, section: Section, target: str) -> Mapping[Run, float]:
    """The mean validation score over seeds of each recipe that has one at every seed of its scores."""
    found = {}
    for run in section.runs:
        own = analysis.compared[Place(run, section.baseline, target, ZERO_SHOT)].own
        values = [analysis.about.validation.get((*run, target, seed)) for seed in own.seeds] if own else []
        known = [value for value in values if value is not None]
        if known and len(known) == len(values):
            found[run] = mean(known)
    return found


def _gain(analysis: Analysis, section: Section, run: Run, target: str) -> Series | None:
    """Of the baseline: none at every seed."""
    found = analysis.compared[Place(run, section.baseline, target, ZERO_SHOT)]
    return found.own.minus(found.own) if run == section.baseline and found.own else found.gain


def losses(analysis: Analysis, section: Section) -> Answer | None:
    """The languages in which recipes lose most, with examples that went wrong; clear losses come first."""
    found = [
        (run, target, code, one)
        for run in section.runs[1:]
        for target in analysis.about.targets
        for code in analysis.languages[target, ZERO_SHOT]
        if (one := analysis.finding(run, section, target, code).gain) is not None and one.value < 0
    ]
    if not found:
        return None
    clear = sum(one.clear for *_, one in found)
    found.sort(key=lambda row: (not row[3].clear, row[3].value))
    start, shown = analysis.name(section.backbone), list[tuple[Run, str, str, Estimate]]()
    for row in found:
        if row[3].clear and len(shown) < MOST and sum(row[1] == other[1] for other in shown) < OF_TARGET:
            shown.append(row)
    if not clear:
        few = "; too few seeds to say" * all(one.few for *_, one in found)
        return Answer(f"{start}No recipe loses clearly in any language{few}.")
    rows = []
    for run, target, code, one in shown:
        lost, total, names = _wrong(analysis, section.baseline, run, (target, code))
        cells = (
            Cell(target),
            Cell(analysis.about.language(code).label),
            cell_of(one),
            Cell(f"{lost} of {total}"),
            Cell(", ".join(names)),
        )
        rows.append(Row(run.recipe, cells, "recipe"))
    heads = ("target", "language", "gain", "examples worse", "the worst of them")
    caption = (
        f"Largest clear losses by language, at most {OF_TARGET} of a target. Worse: examples whose mean score over "
        "seeds is below the baseline's; then the ids in the data of those that fall most."
    )
    head = (Column("recipe"), *(Column(name, words=name in (heads[0], heads[1], heads[4])) for name in heads))
    run, target, code, one = shown[0]
    return Answer(
        f"{start}Recipes lose clearly {count(clear, 'time')}, counting each recipe, target and language; the largest "
        f"loss: {run.recipe} in {analysis.about.language(code).label} on {target} {signed(one.value)} points "
        f"{interval(one)}.",
        (Table(f"losses {section.backbone}", caption, head, tuple(rows)),),
    )


def _wrong(analysis: Analysis, baseline: Run, run: Run, at: tuple[str, str]) -> tuple[int, int, list[str]]:
    """How many examples are worse than with the baseline, of how many, and the ids of the worst."""
    ours, theirs = (_by_example(analysis, one, at) for one in (run, baseline))
    falls = {key: theirs[key] - ours[key] for key in ours if key in theirs}
    worse = sorted((key for key, fall in falls.items() if fall > 0), key=lambda key: (-falls[key], key))
    return len(worse), len(falls), [name for _, name in worse[:IDS]]


def _by_example(analysis: Analysis, run: Run, at: tuple[str, str]) -> dict[tuple[str, str], float]:
    """(set of examples, id) -> mean score over seeds and main metrics, 0 to 1."""
    values: dict[tuple[str, str], list[float]] = {}
    for row in (
        analysis.table.targets().where(backbone=run.backbone, recipe=run.recipe, task=at[0], language=at[1]).rows
    ):
        if (kept := row.examples) is not None:
            for name, value in zip(kept.ids.tolist(), _scores(kept)):
                values.setdefault((kept.group, name), []).append(value)
    return {key: mean(some) for key, some in values.items()}


def _scores(kept: Examples) -> list[float]:
    return np.divide(kept.numerator, kept.denominator, out=np.zeros(len(kept.ids)), where=kept.denominator > 0).tolist()
