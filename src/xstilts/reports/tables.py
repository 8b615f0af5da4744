"""The tables of a report, as data: recipes x targets, languages x recipes, layers, official means and own scores."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import mean
from typing import Any

from xstilts.core.scores import Score
from xstilts.reports.analysis import ALL, MEAN, SOURCE, WHOLE, ZERO_SHOT, Analysis, Finding, Section
from xstilts.reports.cells import GAP, Cell, Column, Row, Table, count, difference, few, interval, points, signed
from xstilts.stats.benchmarks import Mean, TaskMean
from xstilts.stats.flags import learned, own_scores
from xstilts.stats.table import Run

SCOPE_WORDS = {ZERO_SHOT: "all languages but the source language", ALL: "all languages, the source language included"}
CHANCE = "majority baseline"
LAYER = re.compile(r"layer=(\d+)\s*(.*)")
"""The variant of a layer's score, and how its states were prepared: `layer=2 centred`."""


def cell(found: Finding, is_baseline: bool) -> Cell:
    """The baseline shows its own value, every other run its difference from it."""
    own, gain = found.absolute, found.gain
    if own is None:
        return Cell(GAP, caveat=found.gap)
    if gain is None:
        return Cell(points(own.value), interval(own, False) if is_baseline else "own value", found.gap, own.value)
    return difference(gain, found.gap)


def main_table(analysis: Analysis, section: Section, scope: str) -> Table:
    """Recipes x the mean over targets and each target: the baseline's own values, gains of all others."""
    about = analysis.about
    targets = [*([MEAN] if analysis.headline == MEAN else []), *about.targets]
    first, *rows = (_run_row(analysis, section, run, targets, scope) for run in section.every)
    if scope == ZERO_SHOT and any(analysis.languages[target, SOURCE] for target in about.targets):
        inside = _run_row(analysis, section, section.baseline, targets, SOURCE)
        cells = tuple(Cell(one.text, one.detail, value=one.value) for one in inside.cells)
        rows.insert(0, Row(f"{inside.label} in {about.source}", cells, "source", inside.detail))
    last = Row(CHANCE, tuple(_chance(analysis.chance(section.backbone, target, scope)) for target in targets), "chance")
    caption = (
        f"{about.backbone(section.backbone).label}, mean over {SCOPE_WORDS[scope]}. {about.baseline} is the baseline's "
        f"own score, 0 to 100; all rows but the {CHANCE} are differences from it in points. Brackets: "
        f"{analysis.options.level:.0%} intervals; a dot: clear after correction for the whole table."
    )
    names = {target: target or "mean" for target in targets}
    notes = _caveats((first, *rows), [*names.values()])
    alone = [target for target in about.targets if target not in analysis.averaged(scope)]
    if alone and MEAN in targets:
        notes.append(f"mean: without {', '.join(alone)}, measured in {about.source} alone")
    without = "without" if scope == ZERO_SHOT else "with"
    for target, trained in about.trained_in.items():
        seen = [code for code in analysis.languages.get((target, ALL), ()) if code in trained and code != about.source]
        notes += [f"{target}: {without} {', '.join(seen)}, in which it is trained"] if seen else []
    for target, codes in analysis.chosen_on.items():
        notes += [f"{target}: {without} {', '.join(codes)}, on which its layer was chosen"] if codes else []
    gains = (
        (target, analysis.finding(run, section, target, scope).gain) for run in section.every[1:] for target in names
    )
    notes += _by_reason(((few(one), names[target]) for target, one in gains if one and one.few), [*names.values()])
    head = (Column("recipe", "before the target"), *(_target_head(analysis, target, scope) for target in targets))
    title = about.backbone(section.backbone).label if len(analysis.sections) > 1 else ""
    return Table(f"main {section.backbone} {scope}", caption, head, (first, *rows, last), tuple(notes), title)


def _caveats(rows: Iterable[Row], names: Sequence[str]) -> list[str]:
    return _by_reason(((one.caveat, name) for row in rows for name, one in zip(names, row.cells)), names)


def _by_reason(pairs: Iterable[tuple[str, str]], columns: Sequence[str]) -> list[str]:
    """Each reason once, with the columns that it holds for unless it starts with one or holds for all of them."""
    found: dict[str, dict[str, None]] = {}
    for reason, column in pairs:
        found.setdefault(reason, {})[column] = None
    found.pop("", None)
    named = {*columns, "no mean"}
    whole = {why for why, of in found.items() if len(of) == len(columns) or why.partition(": ")[0] in named}
    return [why if why in whole else f"{', '.join(of)}: {why}" for why, of in found.items()]


def language_table(analysis: Analysis, section: Section, target: str) -> Table:
    """Languages x runs of one target."""
    rows = []
    for code in analysis.languages[target, ALL]:
        named = analysis.about.language(code)
        found = [(analysis.finding(run, section, target, code), run == section.baseline) for run in section.every]
        cells = (*(cell(*one) for one in found), _chance(analysis.chance(section.backbone, target, code)))
        badges = ("chose the layer",) if code in analysis.chosen_on[target] else ()
        rows.append(Row(f"{named.name} ({code})" if named.name else code, cells, "plain", named.note, badges))
    labels = [analysis.label(run, section.backbone) for run in section.every]
    name = analysis.about.backbone(section.backbone).label
    caption = (
        f"{target} by language, {name}: scores of {labels[0]} and of the {CHANCE}; all other columns are differences "
        f"from {labels[0]}; a dot: clear after correction for the table."
    )
    head = tuple(map(Column, ["language", *labels, CHANCE]))
    notes = tuple(_caveats(rows, [*labels, CHANCE]))
    return Table(f"languages {section.backbone} {target}", caption, head, tuple(rows), notes)


def _run_row(analysis: Analysis, section: Section, run: Run, targets: Sequence[str], where: str) -> Row:
    found = [analysis.finding(run, section, target, where) for target in targets]
    seeds = _seeds(one.absolute.seeds for one in found if one.absolute is not None)
    return Row(
        analysis.label(run, section.backbone),
        tuple(cell(one, run == section.baseline) for one in found),
        "baseline" if run == section.baseline else "recipe" if run in section.runs else "control",
        seeds or "not measured",
        (
            *(flag.text for flag in analysis.flags if flag.run == run),
            *([f"labels in {', '.join(seen)}"] if (seen := analysis.about.labelled.get(run.recipe)) else []),
        ),
    )


def _seeds(of: Iterable[tuple[int, ...]]) -> str:
    counts = sorted(set(map(len, of)))
    return f"{counts[0]} to {counts[-1]} seeds" if len(counts) > 1 else count(counts[0], "seed") if counts else ""


def _chance(value: float | None) -> Cell:
    return Cell(GAP, caveat="not known") if value is None else Cell(points(value), value=value)


def _target_head(analysis: Analysis, target: str, scope: str) -> Column:
    if target == MEAN:
        return Column("mean", f"of {count(len(analysis.averaged(scope)), 'target')}")
    metric = " and ".join(name.replace("_", " ") for name in analysis.metrics.get(target, ())) or "not measured"
    if analysis.scope_of(target, scope) == SOURCE:
        return Column(target, f"{metric}, in {analysis.about.source} alone")
    return Column(target, f"{metric}, {count(len(analysis.languages[target, scope]), 'language')}")


def intermediate_table(analysis: Analysis) -> Table | None:
    """Each intermediate task's own score, against the majority baseline; None without any."""
    about, rows = analysis.about, []
    scores = own_scores(analysis.table, about.source)
    several = len({backbone for backbone, *_ in scores}) > 1
    for (backbone, recipe, task), own in scores.items():
        values, majority = [one.value for one in own], mean(one.majority for one in own)
        good = sum(learned(one.value, one.majority) for one in own)
        verdict = "learned" if good == len(own) else f"not learned in {len(own) - good} of {len(own)}"
        languages = tuple(dict.fromkeys(code for one in own for code in one.languages))
        spread = f"{points(min(values))} to {points(max(values))}" if len(values) > 1 else ""
        cells = (
            Cell(task, "" if languages == (about.source,) else f"in {', '.join(languages)}"),
            Cell(points(mean(values)), spread),
            Cell(points(majority)),
            Cell(signed(mean(values) - majority)),
            Cell(verdict if good else "not learned"),
        )
        rows.append(Row(f"{recipe} ({about.backbone(backbone).label})" if several else recipe, cells))
    head = ("recipe", "intermediate task", f"own score ({about.source})", CHANCE, "margin", "verdict")
    caption = (
        "Was the intermediate task learned at all? Its own score in the source language, mean over seeds with their "
        f"range; less than 15 points above the {CHANCE} counts as not learned."
    )
    if any(row.cells[0].detail for row in rows):
        caption += " A task without data in the source language is measured in those it was trained in, which it names."
    return Table("intermediate", caption, tuple(map(Column, head)), tuple(rows)) if rows else None


def official_table(analysis: Analysis) -> Table | None:
    """Runs x measured tasks of the benchmark, with the mean over them; None where no score counts.

    Each cell has its coverage; a partial mean never has the benchmark's name.
    """
    found = analysis.about.averages
    if found is None or not found.standings:
        return None
    measured = {task.task for standing in found.standings for task in standing.tasks if task.values}
    names = [task for task in found.benchmark.languages if task in measured]
    rows, notes, title = [], [], found.benchmark.title
    for one in found.standings:
        means: list[TaskMean | Mean] = [*(task for task in one.tasks if task.task in measured), one.overall]
        label = f"{one.run.recipe} ({analysis.about.backbone(one.run.backbone).label})"
        seeds = _seeds(task.seeds for task in one.tasks if task.values)
        rows.append(Row(label, tuple(map(_official, means)), detail=seeds))
        notes += [f"{task.task}: {task.coverage}" for task in one.tasks if task.missing and task.values]
    partial = [f"mean: {one.overall.coverage}" for one in found.standings if not one.overall.complete]
    last = Column("mean", f"of the measured part of {title}") if partial else Column(title)
    caption = (
        f"Means as {title} takes them: its languages with equal weight, English included; question answering counts "
        "with the mean of exact match and F1. Means over seeds; next to each, how many of its languages or tasks are "
        f"in it. Only a mean over all languages of all tasks is {title}'s."
    )
    notes = [*dict.fromkeys([*notes, *partial]), *(f"not counted: {reason}" for reason in found.aside)]
    return Table("official", caption, (Column("recipe"), *map(Column, names), last), tuple(rows), tuple(notes))


def _official(one: TaskMean | Mean) -> Cell:
    if one.value is None:
        return Cell(GAP, caveat="not measured")
    part = one.count if isinstance(one, TaskMean) else f"{len(one.measured)}/{len(one.tasks)}"
    return Cell(points(one.value), part, value=one.value)


def gain_rows(analysis: Analysis) -> Iterator[dict[str, Any]]:
    """Every estimate as a flat row, for CSV."""
    for (run, baseline, target, where), found in analysis.findings.items():
        for what, one in (("value", found.absolute), ("difference", found.gain)):
            if one is not None and where != SOURCE:  # which stands under its language
                tested = ("p", "p_table", "clear")
                yield {
                    **run._asdict(),
                    "against": f"{baseline.backbone} {baseline.recipe}",
                    "target": target or "mean",
                    "languages": where if where in WHOLE else "",
                    "language": "" if where in WHOLE else where,
                    "what": what,
                    **{name: getattr(one, name) for name in ("value", "low", "high")},
                    **{name: getattr(one, name) if what == "difference" else None for name in tested},
                    **{"seeds": " ".join(map(str, one.seeds)), "examples": one.examples, "over": one.over},
                }


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
    swept = (key for key, runs in found.items() if any(len({layer for layer, _ in of}) > 1 for of in runs.values()))
    keys = sorted(swept, key=lambda key: order.get(key[0], len(order)))
    return [one for key in keys if len((one := _layer_table(analysis, *key, found[key])).rows) > 1]


def _layer_table(
    analysis: Analysis, target: str, kind: str, metric: str, runs: Mapping[Run, Sequence[tuple[int, Score]]]
) -> Table:
    codes = analysis.languages.get((target, ZERO_SHOT)) or analysis.languages.get((target, ALL)) or ()
    codes = codes or tuple({score.language: 0 for scores in runs.values() for _, score in scores})
    head, values = [Column("layer")], dict[tuple[int, Run], dict[int, list[float]]]()
    order = dict.fromkeys([*(run for section in analysis.sections for run in section.runs), *runs])
    shown = [run for run in order if any(score.language in codes for _, score in runs.get(run, ()))]
    for run in shown:
        of = f", {analysis.about.backbone(run.backbone).label}" if len(analysis.sections) > 1 else ""
        is_control = run.backbone in analysis.about.controls or run.recipe in analysis.about.control_recipes
        head.append(Column(analysis.label(run) + of * (not is_control), "control" * is_control))
        for layer, score in runs[run]:
            if score.language in codes:
                values.setdefault((layer, run), {}).setdefault(score.seed, []).append(score.value)
    layers = sorted({layer for layer, _ in values})
    rows = [Row(str(layer), tuple(_layer(values.get((layer, run))) for run in shown)) for layer in layers]
    title = f"{target}: {metric.replace('_', ' ')} by layer, {kind or 'plain'}"
    caption = (
        f"{title} states (0: embedding output): mean over {count(len(codes), 'language')} and seeds, range of seeds."
    )
    chosen = ", ".join(analysis.chosen_on.get(target, ()))
    notes = (f"the layer that enters means was chosen on {chosen}, by each model for itself",) if chosen else ()
    return Table(title, caption, tuple(head), tuple(rows), notes)


def _layer(by_seed: Mapping[int, Sequence[float]] | None) -> Cell:
    if by_seed is None:
        return Cell(GAP, caveat="layer not measured")
    means = [mean(values) for values in by_seed.values()]
    low, high = points(min(means)), points(max(means))
    return Cell(points(mean(means)), f"{low} to {high}" if low != high else "", value=mean(means))
