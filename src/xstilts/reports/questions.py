"""Further questions about languages, each answered in a sentence before its tables, or left out if nothing is known."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from xstilts.reports.analysis import MEAN, TRANSFER, ZERO_SHOT, Analysis, Section
from xstilts.reports.cells import GAP, Cell, Column, Row, Table, count, difference, few, interval, points, signed, signs
from xstilts.reports.figures import scatter
from xstilts.reports.tables import cell
from xstilts.stats.estimates import Estimate, family
from xstilts.stats.series import Series, combine, weighted
from xstilts.stats.slopes import FEWEST, slopes
from xstilts.stats.table import Run

STEP = 0.1
"""Slopes are given per this distance."""
DRAWN = 3
"""Recipes in a figure: those with the steepest slopes."""


class AnsweredQuestion(NamedTuple):
    """A sentence about one backbone, with its tables and figure. `folded`: a word before their titles; None: open."""

    sentence: str
    tables: tuple[Table, ...] = ()
    svg: str = ""
    folded: str | None = None
    explained: str = ""


def transfer(analysis: Analysis, section: Section) -> AnsweredQuestion | None:
    """How far is the source language ahead of the mean of the others, and do recipes change that?"""
    about, targets = analysis.about, analysis.averaged(TRANSFER)
    source = about.language(about.source).label
    shown = [*([MEAN] if len(targets) > 1 else []), *targets]
    found = {run: [analysis.finding(run, section, target, TRANSFER) for target in shown] for run in section.every}
    if not shown or (own := found[section.baseline][0].absolute) is None:
        return None
    first = [
        Cell(GAP, caveat=one.gap) if one.absolute is None else Cell(signed(one.absolute.value), interval(one.absolute))
        for one in found.pop(section.baseline)
    ]
    rows = [Row(about.baseline, tuple(first), "baseline")]
    for run, cells in found.items():
        rest = tuple(cell(one, False) for one in cells)
        rows.append(Row(analysis.label(run, section.backbone), rest, "recipe" if run in section.runs else "control"))
    where = f"mean of {count(len(targets), 'target')}" if len(targets) > 1 else targets[0]
    caption = (
        f"{about.backbone(section.backbone).label}: score in {source} minus the mean over all other languages, "
        f"in points. {about.baseline} shows its own gap, other rows how much larger theirs is; a dot: clear after "
        "correction for the table."
    )
    head = (Column("recipe"), *(Column(target or where) for target in shown))
    changes = [(run.recipe, one) for run in section.runs[1:] if (one := found[run][0].gain) is not None]
    said = tally(changes, "recipe", ("narrow it clearly", "widen it clearly"), "largest change")
    return AnsweredQuestion(
        f"{analysis.name(section.backbone)}The baseline is {points(own.value)} points {interval(own)} better in "
        f"{source} than in other languages ({where}){f'; {said}' if said else ''}.",
        (Table(f"transfer {section.backbone}", caption, head, tuple(rows)),),
    )


def tally(known: Sequence[tuple[str, Estimate]], noun: str, words: tuple[str, str], most: str) -> str:
    """`of 3 recipes, 1 narrow it clearly, 0 widen it clearly, 2 undecided; the largest change: [a] -1.0 points`."""
    if not known:
        return ""
    if all(one.few for _, one in known):
        return f"{few(known[0][1])} whether any {noun} makes a difference"
    label, far = max(known, key=lambda pair: (pair[1].clear, abs(pair[1].value)))
    up, down, undecided = signs(one for _, one in known)
    return (
        f"of {count(len(known), noun)}, {down} {words[0]}, {up} {words[1]}, {undecided} undecided; the "
        f"{most}: {label} {signed(far.value)} points {interval(far)}{'' if far.clear else ' (undecided)'}"
    )


def groups(analysis: Analysis, section: Section) -> AnsweredQuestion | None:
    """Which families, scripts and classes of resources gain more, or less, than the languages of their targets do?"""
    runs, found = section.runs[1:], dict[tuple[str, str, Run], Series]()
    names = {what: members for what, members in _members(analysis).items() if len(members) > 1}
    for run in runs:
        gains = [gains_by_language(analysis, section, run, target) for target in analysis.about.targets]
        whole = [(every, _mean([*every.values()])) for every in gains if every]
        for what, members in names.items():
            for label, codes in members.items():
                parts = []  # by target: the mean of these languages minus that of all
                for every, mean in whole:
                    own = [one for code, one in every.items() if code in codes]
                    if own and len(own) < len(every):
                        parts.append(_mean(own).minus(mean))
                if parts:
                    found[what, label, run] = combine(parts, analysis.options)
    estimates = dict(zip(found, family([*found.values()], [section.backbone or "one"] * len(found), analysis.options)))
    if not estimates:
        return None
    known = [(f"{run.recipe} in {label}", one) for (_, label, run), one in estimates.items()]
    words = ("gain clearly less than all languages of their targets", "gain clearly more")
    said = _sentence(analysis, section, tally(known, "combination", words, "largest difference"))
    if all(one.few for _, one in known):
        return AnsweredQuestion(said)
    tables = tuple(
        _group_table(analysis, section, what, members, {at[1:]: one for at, one in estimates.items() if at[0] == what})
        for what, members in names.items()
    )
    return AnsweredQuestion(said, tables, folded="By " if len(tables) > 1 else None)


def _sentence(analysis: Analysis, section: Section, said: str) -> str:
    return f"{analysis.name(section.backbone)}{said[0].upper()}{said[1:]}."


def _members(analysis: Analysis) -> dict[str, dict[str, set[str]]]:
    """The groups of two languages or more, by kind, the largest first; classes of resources in their order."""
    kinds: dict[str, dict[str, set[str]]] = {"family": {}, "script": {}, "resources": {}}
    for code in dict.fromkeys(c for t in analysis.about.targets for c in analysis.languages[t, ZERO_SHOT]):
        one = analysis.about.language(code)
        labels = (one.note, one.script, "" if one.resources is None else f"class {one.resources}")
        for found, label in zip(kinds.values(), labels):
            if label:
                found.setdefault(label, set()).add(code)
    kinds["resources"] = dict(sorted(kinds["resources"].items()))
    for what in ("family", "script"):
        kinds[what] = dict(sorted(kinds[what].items(), key=lambda item: (-len(item[1]), item[0])))
    return {w: {label: codes for label, codes in found.items() if len(codes) > 1} for w, found in kinds.items()}


def gains_by_language(analysis: Analysis, section: Section, run: Run, target: str) -> dict[str, Series]:
    """Gains by zero-shot language, of those that were measured at the seeds at which most were."""
    every = {code: analysis.finding(run, section, target, code) for code in analysis.languages[target, ZERO_SHOT]}
    found = {code: one.change for code, one in every.items() if one.change is not None}
    if not found:
        return {}
    ((seeds, _),) = Counter(one.seeds for one in found.values()).most_common(1)
    return {code: one for code, one in found.items() if one.seeds == seeds}


def _mean(parts: Sequence[Series]) -> Series:
    return weighted(parts, [1 / len(parts)] * len(parts))


def _group_table(
    analysis: Analysis,
    section: Section,
    what: str,
    members: Mapping[str, set[str]],
    found: Mapping[tuple[str, Run], Estimate],
) -> Table:
    rows = []
    for label, codes in members.items():
        cells = []
        for run in section.runs[1:]:
            marks = [
                one
                for target in analysis.about.targets
                for code in analysis.languages[target, ZERO_SHOT]
                if code in codes and (one := analysis.finding(run, section, target, code).gain) is not None
            ]
            (up, down, undecided), one = signs(marks), found.get((label, run))
            more = Cell(GAP) if one is None else difference(one)
            cells.append(replace(more, detail=f"{more.detail} {up}/{undecided}/{down}".strip()))
        rows.append(Row(label, tuple(cells), detail=count(len(codes), "language")))
    name = analysis.about.backbone(section.backbone).label
    caption = (
        f"{name}, by {what}: the group's mean gain minus that of all languages of the same targets, in points; a dot: "
        "clear after correction for all groups. Then how many pairs of target and language gain clearly / are "
        "undecided / lose clearly in the tables by language. Groups of one language are left out."
    )
    if what == "resources":
        caption += " Classes are those of Joshi et al. 2020, from 0, hardly any data on the web, to 5, most."
    head = (Column(what), *(Column(run.recipe, "win/tie/loss") for run in section.runs[1:]))
    return Table(f"{what} {section.backbone}", caption, head, tuple(rows))


def distance(analysis: Analysis, section: Section) -> AnsweredQuestion | None:
    """Do gains depend on how far a language is from English? By recipe and target, over languages and seeds."""
    about, source = analysis.about, analysis.about.language(analysis.about.source).label
    rows: dict[tuple[Run, str], tuple[list[float], list[Series]]] = {}
    for run in section.runs[1:] if about.distances else ():
        for target in about.targets:
            gains = gains_by_language(analysis, section, run, target)
            far = {code: one for code in gains if (one := about.language(code).distance) is not None}
            rows[run, target] = ([one / STEP for one in far.values()], [gains[code] for code in far])
    found = {at: one for at, one in zip(rows, slopes([*rows.values()], analysis.options)) if one is not None}
    if not found:
        enough = any(len(far) >= FEWEST for far, _ in rows.values())
        said = _sentence(analysis, section, "too few seeds to say whether gains depend on the distance")
        return AnsweredQuestion(said) if enough else None
    known = [(f"{run.recipe} on {target}", one) for (run, target), one in found.items()]
    words = (f"fall clearly with the distance from {source}", "rise clearly")
    said = _sentence(analysis, section, tally(known, "combination", words, f"steepest slope per {STEP:g}"))
    runs = list(dict.fromkeys(run for run, _ in found))
    steep = sorted(runs, key=lambda run: -max(abs(one.value) for at, one in found.items() if at[0] == run))[:DRAWN]
    targets = [target for target in about.targets if any(at[1] == target for at in found)]
    panels = {
        target: [
            (run.recipe, [x * STEP for x in rows[at][0]], [float(one.points.mean()) for one in rows[at][1]])
            for run in runs
            if run in steep and (at := (run, target)) in found
        ]
        for target in targets
    }
    table = Table(
        f"distance {section.backbone}",
        f"{about.backbone(section.backbone).label}: how many points more a recipe gains per {STEP:g} of distance from "
        f"{source}. Distance: {about.distances}. Intervals are over languages and seeds; a dot: clear after "
        "correction for the table.",
        (Column("recipe"), *map(Column, targets)),
        tuple(
            Row(
                run.recipe,
                tuple(difference(found[run, t]) if (run, t) in found else Cell(GAP) for t in targets),
                "recipe",
            )
            for run in runs
        ),
    )
    return AnsweredQuestion(
        said,
        (table,),
        scatter(f"{analysis.name(section.backbone)}Gain by distance from {source}", panels),
    )
