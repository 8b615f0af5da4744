"""The gain of the best recipe of each target when validation data choose it, and where recipes lose most."""

import itertools
from collections.abc import Iterable
from statistics import mean

from xstilts.reports.analysis import ZERO_SHOT, Analysis, Place, Section
from xstilts.reports.cells import Cell, Column, Row, Table, count, difference, interval, points, signed
from xstilts.reports.figures import fitted
from xstilts.reports.questions import AnsweredQuestion
from xstilts.stats.estimates import estimate
from xstilts.stats.series import Series, combine
from xstilts.stats.table import Examples, Run

MOST, OF_TARGET, IDS = 12, 4, 3
"""Rows of the table of losses in total and per target, and examples per row."""
SHOWN = 120
"""Letters of an example's text."""


def choice(analysis: Analysis, section: Section) -> AnsweredQuestion | None:
    """Each target's recipe as validation data in the source language choose it, and as the test scores would.

    The baseline is a candidate too. Targets without validation scores of all recipes at all seeds are left out.
    """
    about, rows, parts, most = analysis.about, [], list[Series](), list[float]()
    for target in about.targets:
        found = _candidates(analysis, section, target)
        if len(found) < 2:
            continue
        picked = max(found, key=lambda run: found[run][0])
        best = max(found, key=lambda run: found[run][1].points.mean())
        score, gain = found[picked]
        parts.append(gain)
        most.append(float(found[best][1].points.mean()))
        one = difference(estimate(gain, analysis.options))
        tied = [run.recipe for run in found if run != picked and found[run][0] == score]
        name = Cell(picked.recipe, f"tied with {', '.join(tied)}" if tied else "")
        cells = (name, Cell(points(score)), one, Cell(best.recipe), Cell(signed(most[-1])))
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
    return AnsweredQuestion(
        f"{analysis.name(section.backbone)}Recipes chosen on validation data in {about.source} gain "
        f"{signed(whole.value)} points {interval(whole)} on the mean of {count(len(rows), 'target')}. Chosen by the "
        f"test scores themselves, they would seem to gain {signed(mean(most))}: {points(hope)} points more.",
        (Table(f"choice {section.backbone}", caption, head, tuple(rows)),),
    )


def _candidates(analysis: Analysis, section: Section, target: str) -> dict[Run, tuple[float, Series]]:
    """The mean validation score and the gain of each measured recipe; empty if one lacks a seed or has no gain."""
    found = {}
    for run in section.runs:
        at = analysis.findings.get(Place(run, section.baseline, target, ZERO_SHOT))
        if at is None or at.own is None:
            continue
        values = [analysis.about.validation.get((*run, target, seed)) for seed in at.own.seeds]
        known = [value for value in values if value is not None]
        gain = at.own.minus(at.own) if run == section.baseline else at.change
        if gain is None or len(known) < len(values):
            return {}
        found[run] = mean(known), gain
    return found


def losses(analysis: Analysis, section: Section) -> AnsweredQuestion | None:
    """The languages in which recipes lose most clearly, with examples that went wrong."""
    found = {
        (run, target, code): one
        for run in section.runs[1:]
        for target in analysis.about.targets
        for code in analysis.languages[target, ZERO_SHOT]
        if (one := analysis.finding(run, section, target, code).gain) is not None
    }
    clear = sorted((at for at, one in found.items() if one.clear and one.value < 0), key=lambda at: found[at].value)
    start = analysis.name(section.backbone)
    if not found:
        return None
    if not clear:
        few = "; too few seeds to say" * all(one.few for one in found.values())
        return AnsweredQuestion(f"{start}No recipe loses clearly in any language{few}.")
    by_target = [[at for at in clear if at[1] == target][:OF_TARGET] for target in analysis.about.targets]
    shown = sorted(itertools.chain(*by_target), key=lambda at: found[at].value)[:MOST]
    kept: dict[tuple[Run, str, str], list[Examples]] = {}
    for row in analysis.table.targets().rows:
        if row.examples is not None:
            kept.setdefault((row.run, row.score.task, row.score.language), []).append(row.examples)
    rows = []
    for run, target, code in shown:
        ours, theirs = (_by_example(kept.get((one, target, code), ())) for one in (run, section.baseline))
        worse = sorted((value - theirs[key], key) for key, value in ours.items() if value < theirs.get(key, value))
        names = [name for _, (_, name) in worse[:IDS]]
        if (read := analysis.about.texts) is not None:
            names = [f"{name}: {fitted(read(target, code).get(name, ''), SHOWN, 1)}" for name in names]
        where, gain = (Cell(target), Cell(analysis.about.language(code).label)), difference(found[run, target, code])
        cells = (*where, gain, Cell(f"{len(worse)} of {len(ours)}"), Cell(("; " if read else ", ").join(names)))
        rows.append(Row(run.recipe, cells, "recipe"))
    heads = {"target": True, "language": True, "gain": False, "examples worse": False, "the worst of them": True}
    caption = (
        f"Largest clear losses by language, at most {OF_TARGET} of a target. Worse: examples whose mean score over "
        "seeds is below the baseline's; then the ids in the data of those that fall most."
    )
    head = (Column("recipe"), *(Column(name, words=words) for name, words in heads.items()))
    licences = analysis.about.licences
    told = (
        f"texts of {one}: licence {licences.get(one) or 'not known'}" for one in dict.fromkeys(at[1] for at in shown)
    )
    (run, target, code), most = clear[0], found[clear[0]]
    return AnsweredQuestion(
        f"{start}Recipes lose clearly {count(len(clear), 'time')}, counting each recipe, target and language; the "
        f"largest loss: {run.recipe} in {analysis.about.language(code).label} on {target} "
        f"{signed(most.value)} points {interval(most)}.",
        (Table(f"losses {section.backbone}", caption, head, tuple(rows), tuple(told) if read else ()),),
    )


def _by_example(kept: Iterable[Examples]) -> dict[tuple[str, str], float]:
    """(set of examples, id) -> mean score over seeds and main metrics, 0 to 1."""
    values: dict[tuple[str, str], list[float]] = {}
    for one in kept:
        for name, right, all_ in zip(one.ids.tolist(), one.numerator, one.denominator):
            values.setdefault((one.group, name), []).append(float(right / all_) if all_ else 0.0)
    return {key: mean(some) for key, some in values.items()}
