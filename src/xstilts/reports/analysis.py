"""All estimates a report shows, computed once: each run's scores and its gains, by target, scope and language."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import mean
from typing import TYPE_CHECKING, NamedTuple

from xstilts.core.errors import XstiltsError
from xstilts.reports.about import About
from xstilts.stats.estimates import Estimate, estimate, family, language_family
from xstilts.stats.flags import Flag, all_flags
from xstilts.stats.replicates import Replicates, replicates
from xstilts.stats.series import Replication, Series, combine
from xstilts.stats.table import Run, ScoreTable

if TYPE_CHECKING:
    from xstilts.reports.diagnostics import Bucket

ZERO_SHOT, ALL, SOURCE, TRANSFER = "zero-shot", "all", "source", "transfer gap"
"""The transfer gap is the score in the source language minus the zero-shot mean."""
SCOPES = (ZERO_SHOT, ALL)
"""Scopes with their own table; scores in the source language are in both."""
WHOLE = (*SCOPES, SOURCE, TRANSFER)
"""Scopes that are not a single language."""
MEAN = ""
"""Stands for the mean over targets, where a target's name is expected."""


class Place(NamedTuple):
    """The place of an estimate: a run against its baseline, on a target, in a scope or language."""

    run: Run
    baseline: Run
    target: str
    where: str


class Finding(NamedTuple):
    """A run's own value and its difference from the baseline; `own`, `change`: their series; `gap`: why one is None."""

    absolute: Estimate | None = None
    gain: Estimate | None = None
    gap: str = ""
    own: Series | None = None
    change: Series | None = None


@dataclass(frozen=True)
class Section:
    """The rows shown together: one backbone's recipes, baseline first, and the controls."""

    backbone: str
    runs: tuple[Run, ...]
    controls: tuple[Run, ...]

    @property
    def baseline(self) -> Run:
        return self.runs[0]

    @property
    def every(self) -> tuple[Run, ...]:
        return (*self.runs, *self.controls)


@dataclass(frozen=True)
class Analysis:
    """The data of tables and plots.

    Attributes:
        languages: (target, scope) -> codes in the order to show.
        chosen_on: target -> codes on whose scores a layer was chosen, of any run: they are in no zero-shot scope.
        majority: (backbone, target, language) -> score of the majority baseline, or chance.
        metrics: target -> names of its main metrics.
        buckets: findings by properties of the examples, where they were asked for.
    """

    about: About
    table: ScoreTable
    sections: tuple[Section, ...]
    languages: Mapping[tuple[str, str], tuple[str, ...]]
    chosen_on: Mapping[str, tuple[str, ...]]
    majority: Mapping[tuple[str, str, str], float]
    metrics: Mapping[str, tuple[str, ...]]
    flags: tuple[Flag, ...]
    options: Replication
    findings: Mapping[Place, Finding] = field(default_factory=dict)
    buckets: tuple[Bucket, ...] = ()

    def scope_of(self, target: str, scope: str) -> str:
        """The scope or language itself; zero-shot, of a target that is measured in the source language alone, that."""
        alone = scope == ZERO_SHOT and target != MEAN and not self.languages[target, ZERO_SHOT]
        return SOURCE if alone and self.languages[target, SOURCE] else scope

    def averaged(self, scope: str) -> list[str]:
        """The targets in a mean; those measured in the source language alone are in none of zero-shot scores."""
        if scope == TRANSFER:
            return [t for t in self.about.targets if self.languages[t, SOURCE] and self.languages[t, ZERO_SHOT]]
        return [t for t in self.about.targets if self.scope_of(t, ZERO_SHOT) != SOURCE or scope == ALL]

    @property
    def headline(self) -> str:
        """The mean over targets, or the only target."""
        return MEAN if len(self.about.targets) > 1 else self.about.targets[0]

    def chance(self, backbone: str, target: str, where: str) -> float | None:
        """Mean majority baseline over the languages of a scope, or of one; over targets, of those in the mean."""
        if target == MEAN:
            parts = [self.chance(backbone, one, where) for one in self.averaged(where)]
        else:
            codes = self.languages.get((target, self.scope_of(target, where)), (where,))
            parts = [self.majority.get((backbone, target, code)) for code in codes]
        known = [one for one in parts if one is not None]
        return mean(known) if known and (target != MEAN or len(known) == len(parts)) else None

    def finding(self, run: Run, section: Section, target: str, where: str) -> Finding:
        """`where`: a language, or a scope."""
        found = self.findings.get(Place(run, section.baseline, target, self.scope_of(target, where)))
        return found or Finding(gap=f"{target or 'mean'}: not measured")

    def name(self, backbone: str) -> str:
        """The prefix of a sentence about one of several backbones, `XLM-R: `; empty for a single one."""
        return f"{self.about.backbone(backbone).label}: " if len(self.sections) > 1 else ""

    def label(self, run: Run, beside: str = "") -> str:
        """A recipe's own label; a control's kind, `beside` a backbone, with the recipe unless that is the baseline."""
        if run.backbone not in self.about.controls:
            return run.recipe
        kind = self.about.control_label(run.backbone, beside)
        return kind if run.recipe == self.about.baseline else f"{kind} {run.recipe}"


def _section(about: About, backbone: str, measured: Collection[Run]) -> Section:
    runs = [Run(backbone, recipe) for recipe in about.recipes]
    controls = [run for run in runs if run.recipe in about.control_recipes]
    known = {*measured, *controls, *(flag.run for flag in about.failed)}
    beside = [Run(name, recipe) for name in about.controls_beside(backbone) for recipe in about.recipes]
    own = tuple(run for run in runs if run not in controls)
    return Section(backbone, own, (*controls, *(run for run in beside if run in known)))


def analyse(table: ScoreTable, about: About, options: Replication | None = None) -> Analysis:
    """Compute every estimate.

    Raises:
        XstiltsError: there is no score of any target task, or only scores of controls.
    """
    options = replace(options or Replication(), worlds=about.worlds)
    scored = table.targets()
    if not len(scored):
        raise XstiltsError("no scores of target tasks to report: run the experiment first, or name its folders")
    about, measured = about.completed(scored), set(scored.runs())
    if not about.backbones:
        raise XstiltsError(
            "only controls have scores so far: nothing to compare them with; run the experiment to its end"
        )
    sections = tuple(_section(about, one.key, measured) for one in about.backbones)
    by_task = {task: part for (task,), part in scored.groups("task").items()}
    languages: dict[tuple[str, str], tuple[str, ...]] = {}
    chosen_on: dict[str, tuple[str, ...]] = {}
    for target in about.targets:
        scores = by_task[target].scores if target in by_task else []
        codes, seen = {s.language for s in scores}, {s.language for s in scores if s.chosen_on}
        languages[target, ALL] = everywhere = tuple(one.key for one in about.languages if one.key in codes)
        chosen_on[target] = tuple(code for code in everywhere if code in seen)
        known = {about.source, *about.trained_in.get(target, ()), *seen}
        languages[target, ZERO_SHOT] = tuple(code for code in everywhere if code not in known)
        languages[target, SOURCE] = tuple(code for code in everywhere if code == about.source)
    bare = Analysis(
        about=about,
        table=table,
        sections=sections,
        languages=languages,
        chosen_on=chosen_on,
        majority={
            key: mean(s.majority for s in part.scores)
            for key, part in scored.groups("backbone", "task", "language").items()
        },
        metrics={task: tuple(part.distinct("metric")) for task, part in by_task.items()},
        flags=(*all_flags(table, about.source, tuple(about.controls)), *about.failed),
        options=options,
    )
    tasks = [replicates(by_task[target], target) for target in about.targets if target in by_task]
    compared = {place: found for task in tasks for place, found in _compared(bare, task)}
    compared.update(_means(bare, compared))
    return replace(bare, findings=_estimated(bare, compared))


def _compared(bare: Analysis, task: Replicates) -> Iterator[tuple[Place, Finding]]:
    """Everything that is measured on a task."""
    where = {scope: bare.languages[task.task, scope] for scope in (*SCOPES, SOURCE)}
    where.update({code: (code,) for code in where[ALL]})
    for section in bare.sections:
        for run in section.every:
            for name, codes in where.items():
                yield Place(run, section.baseline, task.task, name), compare(task, run, section.baseline, codes)
            gap = _transfer(task, run, section.baseline, (where[SOURCE], where[ZERO_SHOT]))
            yield Place(run, section.baseline, task.task, TRANSFER), gap


def compare(task: Replicates, run: Run, baseline: Run, languages: Sequence[str]) -> Finding:
    """A run on a task, and its difference from the baseline; missing values are named, never guessed."""
    if not languages:
        return Finding(gap="not measured in any other language")
    try:
        (own,) = task.series([run], languages)
    except XstiltsError as error:
        return Finding(gap=str(error))
    if run == baseline:
        absent = [code for code in languages if code not in own.languages]
        gap = f"{task.task}: without {', '.join(absent)}, not measured at every seed" * bool(absent)
        return Finding(gap=gap, own=own)
    try:
        ours, theirs = task.series([run, baseline], languages)
    except XstiltsError as error:
        return Finding(gap=str(error), own=own)
    absent = [code for code in languages if code not in ours.languages]
    gaps = [f"without {', '.join(absent)}, not measured on both sides"] if absent else []
    if ours.seeds != own.seeds:
        gaps.append(f"difference at the seeds of both: {', '.join(map(str, ours.seeds))}")
    return Finding(gap="; ".join(gaps), own=own, change=ours.minus(theirs))


def _transfer(task: Replicates, run: Run, baseline: Run, codes: tuple[Sequence[str], Sequence[str]]) -> Finding:
    """The gap, and by how much it is larger than the baseline's."""
    if not all(codes):
        return Finding(gap="not measured both in the source language and in others")
    try:
        inside, outside = (task.series([run, baseline], some) for some in codes)
    except XstiltsError as error:
        return Finding(gap=str(error))
    if inside[0].seeds != outside[0].seeds:
        return Finding(gap="the source language and others were measured at different seeds")
    own, theirs = (one.minus(two) for one, two in zip(inside, outside))
    return Finding(own=own, change=None if run == baseline else own.minus(theirs))


def _means(bare: Analysis, compared: Mapping[Place, Finding]) -> Iterator[tuple[Place, Finding]]:
    """The unweighted mean over targets, of runs that were measured on all of them: the mean of the cells beside it."""
    for section in bare.sections:
        for run in section.every:
            for scope in WHOLE:
                names = bare.averaged(scope)
                parts = [compared.get(Place(run, section.baseline, t, scope), Finding()) for t in names]
                own = [part.own for part in parts if part.own is not None]
                changes = [part.change for part in parts if part.change is not None]
                absent = [target for target, part in zip(names, parts) if part.own is None]
                found = Finding(gap=f"no mean: {', '.join(absent)} not measured" if absent else "no mean")
                if names and not absent:
                    change = combine(changes, bare.options) if len(changes) == len(names) else None
                    found = Finding(own=combine(own, bare.options), change=change)
                yield Place(run, section.baseline, MEAN, scope), found


def _estimated(bare: Analysis, compared: Mapping[Place, Finding]) -> dict[Place, Finding]:
    """Add estimates, whose p is corrected over the cells of the table that shows them."""
    series = {place: one.change for place, one in compared.items() if one.change is not None}
    gains: dict[Place, Estimate] = {}
    for scope in (*SCOPES, TRANSFER):
        shown = [at for at in series if at.target != MEAN or bare.headline == MEAN]
        places = [at for at in shown if at.where == bare.scope_of(at.target, scope)]
        groups = [f"{at.baseline} {at.target}" if at.target != MEAN else "" for at in places]
        gains.update(zip(places, family([series[at] for at in places], groups, bare.options)))
    tables: dict[tuple[Run, str], dict[Run, list[Place]]] = {}
    for at in series:
        if at.target != MEAN and at.where not in WHOLE:
            tables.setdefault((at.baseline, at.target), {}).setdefault(at.run, []).append(at)
    for rows in tables.values():
        estimates = language_family([[series[at] for at in row] for row in rows.values()], bare.options)
        gains.update(pair for row, found in zip(rows.values(), estimates) for pair in zip(row, found))
    gains |= {place: estimate(one, bare.options) for place, one in series.items() if place not in gains}
    scores = {place: estimate(one.own, bare.options) for place, one in compared.items() if one.own is not None}
    return {at: one._replace(absolute=scores.get(at), gain=gains.get(at)) for at, one in compared.items()}
