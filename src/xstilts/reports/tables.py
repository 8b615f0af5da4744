"""The tables of a report, as data: recipes x targets, recipes x languages, intermediate tasks' scores, all gains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import mean
from typing import Any

from xstilts.reports.analysis import ALL, MEAN, SCOPES, ZERO_SHOT, Analysis, Finding, Section
from xstilts.reports.cells import (
    CLEAR,
    Cell,
    Column,
    Row,
    RowKind,
    Table,
    describe,
    gap,
    interval,
    points,
    share,
    signed,
)
from xstilts.stats.flags import Flag, learned, own_scores
from xstilts.stats.table import Run
from xstilts.stats.tests import paired_effect

SCOPE_WORDS = {ZERO_SHOT: "all languages but the source language", ALL: "all languages, the source language included"}


def cell(found: Finding, is_baseline: bool, is_control: bool, level: float) -> Cell:
    """A recipe shows its gain; the baseline its own value; a control its own value and the difference."""
    own, gain = found.absolute, found.gain
    if own is None:
        return gap(found.gap)
    note, value = describe(own, False, level), points(own.value)
    if is_baseline:
        return Cell(value, interval(own.low, own.high, False), note, value=own.value)
    if gain is None:
        return Cell(value, "" if is_control else "own value", note, found.gap, value=own.value)
    p = "" if found.p_adjusted is None else f"; permutation p, Holm-adjusted over languages, {share(found.p_adjusted)}"
    difference, brackets = signed(gain.value), interval(gain.low, gain.high, True)
    sentence = f"{describe(gain, True, level)}{p}"
    if is_control:
        note = f"{note}; difference from the baseline {sentence}"
        mark = CLEAR if found.clear else ""
        return Cell(
            value, f"{difference}{mark} {brackets}".strip(), note, found.gap, "absolute", own.value, found.clear
        )
    note = f"{sentence}; its own value is {value}"
    return Cell(difference, brackets, note, found.gap, "gain", gain.value, found.clear)


def strongest(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Mark, in every column, the largest gain if it is positive and clear; otherwise nothing."""
    best: dict[int, int] = {}
    for column in range(len(rows[0].cells) if rows else 0):
        gains = [(row.cells[column].value, i) for i, row in enumerate(rows) if row.cells[column].kind == "gain"]
        if gains:
            value, i = max((v, -i) for v, i in gains if v is not None)
            if value > 0 and rows[-i].cells[column].clear:
                best[column] = -i
    return tuple(
        replace(row, cells=tuple(replace(c, strong=best.get(column) == i) for column, c in enumerate(row.cells)))
        for i, row in enumerate(rows)
    )


def main_table(analysis: Analysis, section: Section, scope: str) -> Table:
    """Recipes x targets, and the mean over targets: baseline and controls absolute, other recipes as gains."""
    about = analysis.about
    targets = [*about.targets, *([MEAN] if len(about.targets) > 1 else [])]
    rows = _section_rows(analysis, section, [(target, scope) for target in targets])
    chances = [analysis.chance(target, scope) for target in about.targets]
    known = [value for value in chances if value is not None]
    chances += [mean(known) if len(known) == len(chances) else None] * (len(targets) - len(chances))
    last = Row("best constant answer", tuple(_chance(value) for value in chances), "chance", "or chance")
    name = about.backbone(section.backbone).label
    caption = (
        f"{name}: mean over {SCOPE_WORDS[scope]}. Row {about.baseline} is the baseline's own value, 0 to 100; other "
        f"recipes are gains over it in points; controls are own values and their difference from the baseline. "
        f"Brackets: {analysis.options.level:.0%} bootstrap intervals."
    )
    head = (Column("recipe", "before the target"), *(_target_head(analysis, target, scope) for target in targets))
    word = "without" if scope == ZERO_SHOT else "with"
    chose = [
        f"{target}: {word} {', '.join(codes)}, on which its layer was chosen"
        for target, codes in analysis.chosen_on.items()
        if codes
    ]
    return Table(f"main {section.backbone} {scope}", caption, head, (*rows, last), (*_notes(rows), *chose))


def language_table(analysis: Analysis, section: Section, target: str) -> Table:
    """Recipes x languages of one target."""
    about, codes = analysis.about, analysis.languages[target, ALL]
    rows = _section_rows(analysis, section, [(target, code) for code in codes])
    last = Row(
        "best constant answer", tuple(_chance(analysis.majority.get((target, c))) for c in codes), "chance", "or chance"
    )
    head = (Column("recipe"), *(_language_head(analysis, target, code) for code in codes))
    name = about.backbone(section.backbone).label
    caption = f"{target} by language, {name}: the baseline's own value, gains over it, controls."
    return Table(f"languages {section.backbone} {target}", caption, head, (*rows, last), _notes(rows))


def _language_head(analysis: Analysis, target: str, code: str) -> Column:
    named = analysis.about.language(code)
    details = [code] if named.name else []
    if code in analysis.chosen_on[target]:
        details.append("chose the layer")
    return Column(named.label, ", ".join(details))


def _section_rows(analysis: Analysis, section: Section, places: Sequence[tuple[str, str]]) -> tuple[Row, ...]:
    rows = []
    for run, baseline in section.pairs:
        is_control = run not in section.runs
        found = [analysis.finding(run, baseline, target, where) for target, where in places]
        cells = tuple(cell(one, run == baseline, is_control, analysis.options.level) for one in found)
        kind: RowKind = "baseline" if run == baseline else "control" if is_control else "recipe"
        rows.append(
            Row(row_label(analysis, run, section.backbone), cells, kind, _seeds(found), badges(analysis.flags, run))
        )
    return strongest(rows)


def row_label(analysis: Analysis, run: Run, beside: str = "") -> str:
    """A recipe's own label; a control is named by its kind, with the recipe unless that is the baseline.

    Args:
        beside: the backbone among whose rows it stands.
    """
    if run.backbone not in analysis.about.controls:
        return run.recipe
    kind = analysis.about.control_label(run.backbone, beside)
    return kind if run.recipe == analysis.about.baseline else f"{kind} {run.recipe}"


def badges(flags: Sequence[Flag], run: Run) -> tuple[str, ...]:
    """What a row of the table is marked with."""
    return tuple(flag.text for flag in flags if flag.run == run)


def _seeds(found: Sequence[Finding]) -> str:
    counts = sorted({len(one.absolute.seeds) for one in found if one.absolute is not None})
    if not counts:
        return "not measured"
    number = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"{number} seed{'' if counts == [1] else 's'}"


def _chance(value: float | None) -> Cell:
    return gap("not known") if value is None else Cell(points(value), value=value)


def _target_head(analysis: Analysis, target: str, scope: str) -> Column:
    if target == MEAN:
        return Column("mean", f"of {len(analysis.about.targets)} targets")
    scores = analysis.table.targets().where(task=target)
    metric = " and ".join(name.replace("_", " ") for name in scores.distinct("metric")) or "not measured"
    count = len(analysis.languages[target, scope])
    return Column(target, f"{metric}, {count} language{'' if count == 1 else 's'}")


def _notes(rows: Sequence[Row]) -> tuple[str, ...]:
    """Each caveat once."""
    return tuple(dict.fromkeys(c.caveat for row in rows for c in row.cells if c.caveat))


def intermediate_table(analysis: Analysis) -> Table | None:
    """Each intermediate task's own score, against its constant answer."""
    about = analysis.about
    rows = []
    scores = own_scores(analysis.table, about.source)
    several = len({backbone for backbone, *_ in scores}) > 1
    for (backbone, recipe, task), own in scores.items():
        values = [one.value for one in own]
        margins = [one.value - one.majority for one in own]
        count = sum(learned(one.value, one.majority) for one in own)
        verdict = "learned" if count == len(values) else f"not learned in {len(values) - count} of {len(values)}"
        languages = tuple(dict.fromkeys(code for one in own for code in one.languages))
        cells = (
            Cell(task, "" if languages == (about.source,) else f"in {', '.join(languages)}"),
            Cell(points(mean(values)), _range(values), value=mean(values)),
            Cell(points(mean(one.majority for one in own))),
            Cell(signed(mean(margins))),
            Cell("not learned" if count == 0 else verdict),
        )
        rows.append(Row(f"{recipe} ({about.backbone(backbone).label})" if several else recipe, cells, detail=""))
    if not rows:
        return None
    head = ("recipe", "intermediate task", f"own score ({about.source})", "constant answer", "margin", "verdict")
    caption = (
        "Was the intermediate task learned at all? Its own score in the source language, mean over seeds with their "
        "range; below the best constant answer + 15 points it counts as not learned."
    )
    if any(row.cells[0].detail for row in rows):
        caption += " A task without data in the source language is measured in those it was trained in, which it names."
    return Table("intermediate", caption, tuple(Column(name) for name in head), tuple(rows))


def _range(values: Sequence[float]) -> str:
    return f"{points(min(values))} to {points(max(values))}" if len(values) > 1 else ""


def gain_rows(analysis: Analysis) -> Iterator[dict[str, Any]]:
    """Every estimate as a flat row, for CSV."""
    for (run, baseline, target, where), found in analysis.findings.items():
        for what, one in (("value", found.absolute), ("difference", found.gain)):
            if one is None:
                continue
            yield {
                "backbone": run.backbone,
                "recipe": run.recipe,
                "against": f"{baseline.backbone} {baseline.recipe}",
                "target": target or "mean",
                "languages": where if where in SCOPES else "",
                "language": "" if where in SCOPES else where,
                "what": what,
                "value": one.value,
                "low": one.low,
                "high": one.high,
                "t_low": one.t_low,
                "t_high": one.t_high,
                "p": one.p if what == "difference" else None,
                "p_holm": found.p_adjusted if what == "difference" else None,
                "clear": found.clear if what == "difference" else None,
                "effect": paired_effect(one.per_seed) if what == "difference" else None,
                "seeds": " ".join(map(str, one.seeds)),
                "examples": one.examples,
                "resampled": one.levels,
            }
