"""All estimates a report shows, computed once: each run's scores and its gains, by target, scope and language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean
from typing import NamedTuple

from xstilts.core.errors import XstiltsError
from xstilts.reports.about import About
from xstilts.stats.estimates import Estimate, estimate, family, language_family
from xstilts.stats.flags import Flag, all_flags
from xstilts.stats.replicates import Replicates, replicates
from xstilts.stats.series import Replication, Series, combine
from xstilts.stats.table import Run, ScoreTable

ZERO_SHOT, ALL, SOURCE = "zero-shot", "all", "source"
SCOPES = (ZERO_SHOT, ALL)
"""Those that have a table of their own; scores in the source language stand in both."""
MEAN = ""
"""Stands for the mean over targets, where a target's name is expected."""


class Place(NamedTuple):
    """Where an estimate belongs: a run against its baseline, on a target, in a scope or language."""

    run: Run
    baseline: Run
    target: str
    where: str


@dataclass(frozen=True)
class Finding:
    """One cell: the run's own value, and how it differs from the baseline.

    Attributes:
        absolute, gain: None where it was not measured or is the baseline itself; `gap` says why.
    """

    absolute: Estimate | None = None
    gain: Estimate | None = None
    gap: str = ""

    @property
    def clear(self) -> bool:
        """Whether the gain is a clear difference of its table (`stats.estimates`)."""
        return self.gain is not None and self.gain.clear


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
    def pairs(self) -> list[tuple[Run, Run]]:
        return [(run, self.baseline) for run in (*self.runs, *self.controls)]


@dataclass(frozen=True)
class Analysis:
    """What tables and plots are made of.

    Attributes:
        languages: (target, scope) -> codes in the order to show.
        chosen_on: target -> codes on whose scores a layer was chosen, of any run: they are in no zero-shot scope.
        findings: by place.
        majority: (target, language) -> value of the best constant answer, or chance.
    """

    about: About
    table: ScoreTable
    sections: tuple[Section, ...]
    languages: Mapping[tuple[str, str], tuple[str, ...]]
    chosen_on: Mapping[str, tuple[str, ...]]
    findings: Mapping[Place, Finding]
    majority: Mapping[tuple[str, str], float]
    flags: tuple[Flag, ...]
    options: Replication

    def chance(self, target: str, scope: str) -> float | None:
        """Mean of the best constant answers over the scope's languages; over targets, of those in the mean."""
        if target == MEAN:
            parts = [self.chance(one, scope) for one in averaged(self.about.targets, self.languages, scope)]
            known = [one for one in parts if one is not None]
            return mean(known) if known and len(known) == len(parts) else None
        codes = self.languages[target, scope]
        values = [self.majority[target, code] for code in codes if (target, code) in self.majority]
        return mean(values) if values else None

    def finding(self, run: Run, baseline: Run, target: str, where: str) -> Finding:
        place = Place(run, baseline, target, where)
        return self.findings.get(place, Finding(gap=f"{target or 'mean'}: not measured"))


def scope_of(target: str, languages: Mapping[tuple[str, str], tuple[str, ...]], scope: str) -> str:
    """The scope itself; of a target that is measured in the source language alone, that."""
    alone = scope == ZERO_SHOT and target != MEAN and not languages[target, ZERO_SHOT] and languages[target, SOURCE]
    return SOURCE if alone else scope


def averaged(targets: Sequence[str], languages: Mapping[tuple[str, str], tuple[str, ...]], scope: str) -> list[str]:
    """The targets in a mean; those measured in the source language alone are in none of zero-shot scores."""
    return [target for target in targets if scope_of(target, languages, ZERO_SHOT) != SOURCE or scope == ALL]


class Compared(NamedTuple):
    """A run's own series and its difference from the baseline; what cannot be had is named, never guessed."""

    own: Series | None = None
    gain: Series | None = None
    gap: str = ""


def analyse(table: ScoreTable, about: About, options: Replication | None = None) -> Analysis:
    """Compute every estimate.

    Raises:
        XstiltsError: there is no score of any target task.
    """
    options = replace(options or Replication(), worlds=about.worlds)
    targets = table.targets()
    if not len(targets):
        raise XstiltsError("no scores of target tasks to report: run the experiment first, or name its folders")
    about = about.completed(table)
    measured = set(targets.runs())
    if not about.backbones:
        raise XstiltsError(
            "only controls have scores so far: nothing to compare them with; run the experiment to its end"
        )
    sections = tuple(
        Section(
            one.key,
            tuple(about.runs(one.key)),
            tuple(run for name in about.controls_beside(one.key) for run in about.runs(name) if run in measured),
        )
        for one in about.backbones
    )
    languages: dict[tuple[str, str], tuple[str, ...]] = {}
    chosen_on: dict[str, tuple[str, ...]] = {}
    compared: dict[Place, Compared] = {}
    by_task = targets.groups("task")
    for target in about.targets:
        scores = by_task[(target,)].scores if (target,) in by_task else []
        codes, seen = {s.language for s in scores}, {s.language for s in scores if s.chosen_on}
        languages[target, ALL] = everywhere = tuple(one.key for one in about.languages if one.key in codes)
        chosen_on[target] = tuple(code for code in everywhere if code in seen)
        known = {about.source, *about.trained_in.get(target, ()), *seen}
        languages[target, ZERO_SHOT] = tuple(code for code in everywhere if code not in known)
        languages[target, SOURCE] = tuple(code for code in everywhere if code == about.source)
        if codes:
            task = replicates(by_task[(target,)], target)
            scopes = {scope: languages[target, scope] for scope in (*SCOPES, SOURCE)}
            for run, baseline in (pair for section in sections for pair in section.pairs):
                for where, chosen in {**scopes, **{code: (code,) for code in everywhere}}.items():
                    compared[Place(run, baseline, target, where)] = _compare(task, run, baseline, chosen)
    _add_means(about.targets, sections, compared, languages, options)
    majority = {
        (task, code): mean(s.majority for s in part.scores)
        for (task, code), part in targets.groups("task", "language").items()
    }
    flags = (*all_flags(table, about.source, tuple(about.controls)), *about.failed)
    findings = _findings(compared, languages, options)
    return Analysis(about, table, sections, languages, chosen_on, findings, majority, flags, options)


def _compare(task: Replicates, run: Run, baseline: Run, languages: Sequence[str]) -> Compared:
    if not languages:
        return Compared(gap="not measured in any other language")
    try:
        (own,) = task.series([run], languages)
    except XstiltsError as error:
        return Compared(gap=str(error))
    if run == baseline:
        absent = [code for code in languages if code not in own.languages]
        return Compared(
            own, None, f"{task.task}: without {', '.join(absent)}, not measured at every seed" if absent else ""
        )
    try:
        ours, theirs = task.series([run, baseline], languages)
    except XstiltsError as error:
        return Compared(own, None, str(error))
    absent = [code for code in languages if code not in ours.languages]
    gaps = [f"without {', '.join(absent)}, not measured on both sides"] if absent else []
    if ours.seeds != own.seeds:
        gaps.append(f"difference at the seeds of both: {', '.join(map(str, ours.seeds))}")
    return Compared(own, ours.minus(theirs), "; ".join(gaps))


def _add_means(
    targets: Sequence[str],
    sections: Iterable[Section],
    compared: dict[Place, Compared],
    languages: Mapping[tuple[str, str], tuple[str, ...]],
    options: Replication,
) -> None:
    """The unweighted mean over targets, of runs that were measured on all of them: the mean of the cells beside it."""
    for run, baseline in (pair for section in sections for pair in section.pairs):
        for scope in (*SCOPES, SOURCE):
            names = averaged(targets, languages, scope)
            parts = [compared.get(Place(run, baseline, target, scope), Compared()) for target in names]
            own = [part.own for part in parts if part.own is not None]
            gains = [part.gain for part in parts if part.gain is not None]
            place = Place(run, baseline, MEAN, scope)
            absent = [target for target, part in zip(names, parts) if part.own is None]
            if absent or not names:
                compared[place] = Compared(gap=f"no mean: {', '.join(absent)} not measured" if absent else "no mean")
                continue
            gain = combine(gains, options) if len(gains) == len(names) else None
            compared[place] = Compared(combine(own, options), gain)


def _findings(
    compared: Mapping[Place, Compared], languages: Mapping[tuple[str, str], tuple[str, ...]], options: Replication
) -> dict[Place, Finding]:
    """Estimates, with p corrected over the cells of the table that shows them."""
    series = {place: one.gain for place, one in compared.items() if one.gain is not None}
    gains: dict[Place, Estimate] = {}
    unshown = MEAN if len({target for target, _ in languages}) == 1 else None
    for scope in SCOPES:
        places = [at for at in series if at.where == scope_of(at.target, languages, scope) and at.target != unshown]
        groups = [f"{at.baseline} {at.target}" if at.target != MEAN else "" for at in places]
        gains.update(zip(places, family([series[at] for at in places], groups, options)))
    tables: dict[tuple[Run, str], dict[Run, list[Place]]] = {}
    for at in series:
        if at.target != MEAN and at.where not in (*SCOPES, SOURCE):
            tables.setdefault((at.baseline, at.target), {}).setdefault(at.run, []).append(at)
    for rows in tables.values():
        for row, estimates in zip(
            rows.values(), language_family([[series[at] for at in row] for row in rows.values()], options)
        ):
            gains.update(zip(row, estimates))
    return {
        place: Finding(
            None if one.own is None else estimate(one.own, options),
            None if one.gain is None else gains.get(place) or estimate(one.gain, options),
            one.gap,
        )
        for place, one in compared.items()
    }
