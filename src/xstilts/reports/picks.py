"""What is the best recipe of each target worth when it is chosen fairly, and where do recipes lose most?"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from statistics import mean
from typing import NamedTuple

from xstilts.reports.analysis import ZERO_SHOT, Analysis, Place, Section
from xstilts.reports.cells import Cell, Column, Row, Table, count, interval, points, signed
from xstilts.reports.figures import fitted
from xstilts.reports.questions import Answer, cell_of
from xstilts.stats.estimates import Estimate, estimate
from xstilts.stats.series import Series, combine
from xstilts.stats.table import Examples, Run

MOST, OF_TARGET, IDS = 12, 4, 3
"""Rows of the table of losses, in all and of one target, and examples in each."""
SHOWN = 120
"""Letters of an example's text."""


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
    names = ("chosen on validation", "validation score", "gain", "best on test", "gain of the best")
    caption = (
        f"For each target, the recipe with the best validation score in {about.source} (mean over seeds); gains are "
        f"over {about.baseline} in zero-shot languages of the test data, in points. {about.baseline} may be chosen too."
    )
    head = (Column("target"), *(Column(name, words=name in (names[0], names[3])) for name in names))
    return Answer(
        f"{analysis.name(section.backbone)}Chosen on validation data in {about.source}, the recipes of "
        f"{count(len(rows), 'target')} gain {signed(whole.value)} points {interval(whole)} on the mean. Selected by "
        f"the test scores themselves, they would seem to gain {signed(mean(most))}: {points(hope)} points more.",
        (Table(f"choice {section.backbone}", caption, head, tuple(rows)),),
    )


def _judged(analysis: Analysis, section: Section, target: str) -> Mapping[Run, float]:
    """The mean validation score over seeds of each measured recipe; empty if one of them lacks a seed."""
    found = {}
    for run in section.runs:
        at = analysis.compared.get(Place(run, section.baseline, target, ZERO_SHOT))
        if at is None or at.own is None:
            continue
        values = [analysis.about.validation.get((*run, target, seed)) for seed in at.own.seeds]
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            return {}
        found[run] = mean(known)
    return found


def _gain(analysis: Analysis, section: Section, run: Run, target: str) -> Series | None:
    """Of the baseline: none at every seed."""
    found = analysis.compared[Place(run, section.baseline, target, ZERO_SHOT)]
    return found.own.minus(found.own) if run == section.baseline and found.own else found.gain


class Loss(NamedTuple):
    """A recipe's clear loss in a language of a target."""

    run: Run
    target: str
    language: str
    found: Estimate


def losses(analysis: Analysis, section: Section) -> Answer | None:
    """The languages in which recipes lose most clearly, with examples that went wrong."""
    places = [
        (run, t, c)
        for run in section.runs[1:]
        for t in analysis.about.targets
        for c in analysis.languages[t, ZERO_SHOT]
    ]
    found = [Loss(*at, one) for at in places if (one := analysis.finding(at[0], section, *at[1:]).gain) is not None]
    clear = sorted((one for one in found if one.found.clear and one.found.value < 0), key=lambda one: one.found.value)
    start = analysis.name(section.backbone)
    if not found:
        return None
    if not clear:
        few = "; too few seeds to say" * all(one.found.few for one in found)
        return Answer(f"{start}No recipe loses clearly in any language{few}.")
    by_target = [[one for one in clear if one.target == target][:OF_TARGET] for target in analysis.about.targets]
    shown = sorted(itertools.chain(*by_target), key=lambda one: one.found.value)[:MOST]
    kept: dict[tuple[Run, str, str], list[Examples]] = {}
    for row in analysis.table.targets().rows:
        if row.examples is not None:
            kept.setdefault((row.run, row.score.task, row.score.language), []).append(row.examples)
    rows = []
    for run, target, code, gain in shown:
        ours, theirs = (_by_example(kept.get((one, target, code), ())) for one in (run, section.baseline))
        worse, names = _worse(ours, theirs)
        if (read := analysis.about.texts) is not None:
            names = [f"{name}: {fitted(read(target, code).get(name, ''), SHOWN, 1)}" for name in names]
        texts = (f"{worse} of {len(ours)}", ("; " if read else ", ").join(names))
        cells = (Cell(target), Cell(analysis.about.language(code).label), cell_of(gain), *map(Cell, texts))
        rows.append(Row(run.recipe, cells, "recipe"))
    heads = {"target": True, "language": True, "gain": False, "examples worse": False, "the worst of them": True}
    caption = (
        f"Largest clear losses by language, at most {OF_TARGET} of a target. Worse: examples whose mean score over "
        "seeds is below the baseline's; then the ids in the data of those that fall most."
    )
    head = (Column("recipe"), *(Column(name, words=words) for name, words in heads.items()))
    most = clear[0]
    return Answer(
        f"{start}Recipes lose clearly {count(len(clear), 'time')}, counting each recipe, target and language; the "
        f"largest loss: {most.run.recipe} in {analysis.about.language(most.language).label} on {most.target} "
        f"{signed(most.found.value)} points {interval(most.found)}.",
        (Table(f"losses {section.backbone}", caption, head, tuple(rows)),),
    )


def _worse(ours: Mapping[tuple[str, str], float], theirs: Mapping[tuple[str, str], float]) -> tuple[int, list[str]]:
    """How many examples are worse than with the baseline, and the ids of the worst."""
    falls = {key: theirs[key] - ours[key] for key in ours if key in theirs}
    worse = sorted((key for key, fall in falls.items() if fall > 0), key=lambda key: (-falls[key], key))
    return len(worse), [name for _, name in worse[:IDS]]


def _by_example(kept: Iterable[Examples]) -> dict[tuple[str, str], float]:
    """(set of examples, id) -> mean score over seeds and main metrics, 0 to 1."""
    values: dict[tuple[str, str], list[float]] = {}
    for one in kept:
        for name, right, all_ in zip(one.ids.tolist(), one.numerator, one.denominator):
            values.setdefault((one.group, name), []).append(float(right / all_) if all_ else 0.0)
    return {key: mean(some) for key, some in values.items()}
