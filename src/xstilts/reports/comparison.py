"""Experiments side by side: all recipes on each target, and differences where they are comparable."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from xstilts.core.errors import XstiltsError
from xstilts.reports.about import About, Named
from xstilts.reports.analysis import ZERO_SHOT, Analysis, analyse
from xstilts.reports.cells import GAP, Cell, Column, Row, Table, count, difference, few, interval, points, signed, signs
from xstilts.reports.contents import Block, Chapter, Contents, contents
from xstilts.reports.figures import forest
from xstilts.stats.estimates import Estimate, family
from xstilts.stats.protocol import Protocol
from xstilts.stats.replicates import replicates
from xstilts.stats.series import Replication, Series
from xstilts.stats.table import Run, ScoreTable

KEPT = ("results", "languages", "training", "method", "limitations", "reproduce")
"""Chapters of a report that a comparison has too."""
SAME = "same runs"
DRAWN = 24
"""Differences in the plot beside the answer."""


class Side(NamedTuple):
    """An experiment: its scores and the other input of its report."""

    table: ScoreTable
    about: About


class Pair(NamedTuple):
    """A recipe of a later experiment beside the same recipe of the first, on a target."""

    target: str
    run: Run
    other: Run


@dataclass(frozen=True)
class Comparison:
    """Experiments as one analysis, whose backbones are called `experiment: backbone`.

    `differences`: the later experiment minus the first; `marks`: why pairs are not compared, or are the same runs.
    """

    analysis: Analysis
    names: tuple[str, ...]
    differences: Mapping[Pair, Estimate]
    marks: Mapping[Pair, str]


def compare(sides: Sequence[Side], options: Replication | None = None) -> Comparison:
    """Estimate the recipes of all experiments, and their differences from the first experiment.

    A difference needs the same target, zero-shot languages, split, metric, script and test examples. It is taken seed
    by seed and corrected for all differences of the page (`stats.estimates`).

    Raises:
        XstiltsError: two experiments have one name, or their source languages or worlds differ, or they have no target
            in common.
    """
    names = _checked([side.about for side in sides])
    parts = [_renamed(side) for side in sides]
    analysis = analyse(ScoreTable(tuple(r for one in parts for r in one.table.rows)), _together(parts), options)
    series: dict[Pair, Series] = {}
    marks: dict[Pair, str] = {}
    for target in analysis.about.targets:
        scored = analysis.table.where(task=target)
        measured, runs = replicates(scored, target), scored.targets().groups("backbone", "recipe")
        codes = analysis.languages[target, ZERO_SHOT]
        for pair in _pairs(analysis, target, names):
            if pair.run not in runs or pair.other not in runs:
                continue
            ours, theirs = (Protocol.of(runs[one], codes) for one in (pair.run, pair.other))
            if reasons := ours.differs(theirs):
                marks[pair] = "; ".join(reasons)
            elif codes:
                try:
                    one, two = measured.series([pair.run, pair.other], codes)
                    alone = [measured.series([run], codes)[0].seeds for run in (pair.run, pair.other)]
                except XstiltsError as error:
                    marks[pair] = str(error)
                else:
                    if one.models == two.models:
                        part = f" at the common seeds {', '.join(map(str, one.seeds))}"
                        marks[pair] = SAME + part * (alone != [one.seeds] * 2)
                    else:
                        series[pair] = one.minus(two)
    groups = [f"{pair.other} {pair.target}" for pair in series]
    found = dict(zip(series, family(list(series.values()), groups, analysis.options)))
    return Comparison(analysis, tuple(names), found, marks)


def _checked(abouts: Sequence[About]) -> list[str]:
    names = [about.experiment for about in abouts]
    if twice := [name for name in names if names.count(name) > 1]:
        raise XstiltsError(f"two of the files are experiments called '{twice[0]}': give one of them another `name:`")
    first = abouts[0]
    for other in abouts[1:]:
        both = f"'{first.experiment}' and '{other.experiment}' cannot be compared"
        if first.source != other.source:
            raise XstiltsError(f"{both}: their source languages are {first.source} and {other.source}")
        if any(other.worlds.get(seed, world) != world for seed, world in first.worlds.items()):
            raise XstiltsError(f"{both}: the same seeds stand for other constructed worlds")
    if not set.intersection(*(set(about.targets) for about in abouts)):
        targets = " against ".join(", ".join(about.targets) for about in abouts)
        raise XstiltsError(f"the experiments have no target in common: {targets}")
    return names


def _renamed(side: Side) -> Side:
    """Put the experiment's name before that of each backbone."""
    about, name = side.about, side.about.experiment

    def of(text: str) -> str:
        return f"{name}: {text}"

    rows = (r._replace(score=replace(r.score, backbone=of(r.score.backbone))) for r in side.table.rows)
    sentences = ("limitations", "selection", "facts")
    fields: dict[str, Any] = {field: tuple(map(of, getattr(about, field))) for field in sentences}
    told = replace(
        about,
        backbones=tuple(replace(one, key=of(one.key), name=of(one.label)) for one in about.backbones),
        controls={of(key): kind for key, kind in about.controls.items()},
        failed=tuple(replace(one, run=Run(of(one.run.backbone), one.run.recipe)) for one in about.failed),
        validation={(of(key[0]), *key[1:]): value for key, value in about.validation.items()},
        **fields,
        logged=tuple(replace(one, view=of(one.view)) for one in about.logged),
    )
    return Side(ScoreTable(tuple(rows)), told)


def _together(sides: Sequence[Side]) -> About:
    abouts = [side.about for side in sides]
    names = " and ".join(about.experiment for about in abouts)
    languages: dict[str, Named] = {}
    trained: dict[str, tuple[str, ...]] = {}
    for about in abouts:
        languages |= {one.key: one for one in about.languages if one.key not in languages}
        for target, codes in about.trained_in.items():
            trained[target] = tuple(dict.fromkeys([*trained.get(target, ()), *codes]))

    def every(field: str) -> tuple[Any, ...]:
        return tuple(dict.fromkeys(value for about in abouts for value in getattr(about, field)))

    joined = ("backbones", "recipes", "targets", "control_recipes", "limitations", "selection", "failed", "facts")
    fields: dict[str, Any] = {field: every(field) for field in joined}
    return replace(
        abouts[0],
        **fields,
        title=f"{names} side by side",
        question=f"How do the results of {names} differ?",
        description="\n\n".join(f"{about.experiment}: {about.description}" for about in abouts if about.description),
        experiment=names,
        logged=tuple(one for about in abouts for one in about.logged),
        languages=tuple(languages.values()),
        controls={key: kind for about in abouts for key, kind in about.controls.items()},
        seeds=tuple(sorted(every("seeds"))),
        trained_in=trained,
        labelled={name: codes for about in reversed(abouts) for name, codes in about.labelled.items()},
        worlds={seed: world for about in abouts for seed, world in about.worlds.items()},
        averages=None,
        config="---\n".join(about.config for about in abouts),
        validation={},
        inputs=tuple({tuple(row.items()): row for about in abouts for row in about.inputs}.values()),
        costs=(),
    )


def _pairs(analysis: Analysis, target: str, names: Sequence[str]) -> Iterator[Pair]:
    """Each run of a later experiment with the same recipe of the first: of the same backbone, or of its only one."""
    start = f"{names[0]}: "
    own = {s.backbone.removeprefix(start): s for s in analysis.sections if s.backbone.startswith(start)}
    for section in analysis.sections:
        for name in names[1:]:
            if section.backbone.startswith(f"{name}: "):
                alone = next(iter(own)) if len(own) == 1 else ""
                other = own.get(section.backbone.removeprefix(f"{name}: "), own.get(alone))
                if other is not None:
                    yield from (Pair(target, run, Run(other.backbone, run.recipe)) for run in section.runs)


def comparison_tables(found: Comparison) -> list[Table]:
    """For each target, the recipes of all experiments beside each other."""
    return [table for target in found.analysis.about.targets if (table := _table(found, target)).rows]


def _table(found: Comparison, target: str) -> Table:
    analysis, rows, marks = found.analysis, [], dict[str, None]()
    differences = {pair.run: one for pair, one in found.differences.items() if pair.target == target}
    refused = {pair.run: mark for pair, mark in found.marks.items() if pair.target == target}
    for recipe in analysis.about.recipes:
        for section in analysis.sections:
            run = Run(section.backbone, recipe)
            one = analysis.finding(run, section, target, ZERO_SHOT)
            if one.absolute is None:
                continue
            between, mark = differences.get(run), refused.get(run, "")
            name = next(name for name in found.names if section.backbone.startswith(f"{name}: "))
            if mark and not mark.startswith(SAME):
                marks[f"not compared: {name} with {found.names[0]}: {mark}"] = None
            if between and between.few:
                marks[f"{name}, {recipe}: {few(between)}"] = None
            cells = (
                Cell(analysis.about.backbone(section.backbone).label),
                Cell(points(one.absolute.value), interval(one.absolute, False)),
                Cell(GAP) if one.gain is None else difference(one.gain),
                Cell(f"{len(one.absolute.languages)} × {len(one.absolute.seeds)}"),
                difference(between) if between else Cell(mark if mark.startswith(SAME) else GAP),
            )
            rows.append(Row(recipe, cells, "recipe"))
    caption = (
        f"{target}: mean over zero-shot languages, gain over the experiment's own {analysis.about.baseline}, and the "
        f"difference from the same recipe in {found.names[0]}, in points; languages × seeds. Brackets: "
        f"{analysis.options.level:.0%} intervals; a dot: clear after correction."
    )
    names = ("experiment", "score", "gain", "over", f"minus {found.names[0]}")
    head = (Column("recipe"), *(Column(name, words=name == "experiment") for name in names))
    return Table(f"compared on {target}", caption, head, tuple(rows), tuple(marks), target)


def _label(found: Comparison, pair: Pair) -> str:
    """`[nli] on xnli`; of several backbones or experiments with the name before it."""
    name = pair.run.backbone if len(found.names) > 2 else pair.run.backbone.removeprefix(f"{found.names[1]}: ")
    several = len({one.run.backbone for one in (*found.differences, *found.marks)}) > 1
    return f"{name}, " * several + f"{pair.run.recipe} on {pair.target}"


def answers(found: Comparison) -> list[str]:
    """How each later experiment differs from the first, and what cannot be compared, in sentences."""
    told = []
    for name in found.names[1:]:
        mine = {pair: one for pair, one in found.differences.items() if pair.run.backbone.startswith(f"{name}: ")}
        marked = [mark for pair, mark in found.marks.items() if pair.run.backbone.startswith(f"{name}: ")]
        up, down, undecided = signs(mine.values())
        text = (
            f"{name} against {found.names[0]}: of {count(len(mine), 'pair')} of recipe and target that can be compared"
        )
        text += f", {up} clearly higher, {down} clearly lower, {undecided} undecided"
        if mine:
            pair, most = max(mine.items(), key=lambda item: abs(item[1].value))
            text += f"; the largest difference: {_label(found, pair)} {signed(most.value)} points"
            text += f" {interval(most)}".rstrip()
        same = sum(mark.startswith(SAME) for mark in marked)
        text += f"; {count(same, 'pair')} of the same runs" * bool(same)
        text += f"; {count(len(marked) - same, 'pair')} measured differently" * (len(marked) > same)
        told.append(f"{text}.")
    return told


def comparison_contents(found: Comparison) -> Contents:
    """The comparison as a page: answers, tables by target, and the chapters that a report has of each experiment."""
    whole = contents(found.analysis)
    most = sorted(found.differences.items(), key=lambda item: -abs(item[1].value))[:DRAWN]
    title = f"Differences from {found.names[0]}" + f", the {DRAWN} largest" * (len(found.differences) > DRAWN)
    svg = forest(title, [(_label(found, pair), one) for pair, one in most]) if most else ""
    lead = (Block("figure", title=title, file="differences.svg", svg=svg),) if svg else ()
    compared = Chapter("compared", "Experiments compared", (Block("table", tables=tuple(comparison_tables(found))),))
    chapters = (compared, *(chapter for chapter in whole.chapters if chapter.name in KEPT))
    return replace(whole, answer=tuple(answers(found)), said=(), lead=lead, chapters=chapters)
