"""All estimates a report shows, computed once: each run's scores and its gains, by target, scope and language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean

from xstilts.core.errors import XstiltsError
from xstilts.reports.about import About
from xstilts.stats.bootstrap import Estimate, estimate
from xstilts.stats.flags import Flag, all_flags
from xstilts.stats.series import Replicates, Resampling, Series, combine, resample
from xstilts.stats.table import Run, ScoreTable
from xstilts.stats.tests import holm, permutation_tests

ZERO_SHOT, ALL = "zero-shot", "all"
SCOPES = (ZERO_SHOT, ALL)
MEAN = ""
"""Stands for the mean over targets, where a target's name is expected."""

Place = tuple[Run, Run, str, str]
"""(run, baseline, target, scope or language)."""


@dataclass(frozen=True)
class Finding:
    """One cell: the run's own value, and how it differs from the baseline.

    Attributes:
        absolute, gain: None where it was not measured or is the baseline itself; `gap` says why.
        p_adjusted: permutation p, Holm-adjusted over the languages of this run and target; languages only.
    """

    absolute: Estimate | None = None
    gain: Estimate | None = None
    gap: str = ""
    p_adjusted: float | None = None

    @property
    def clear(self) -> bool:
        """Whether the gain's intervals exclude 0 and, in one language, the adjusted p is below .05."""
        return self.gain is not None and self.gain.clear and (self.p_adjusted is None or self.p_adjusted < 0.05)


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
    options: Resampling

    def chance(self, target: str, scope: str) -> float | None:
        """Mean of the best constant answers over the scope's languages."""
        values = [
            self.majority[target, code] for code in self.languages[target, scope] if (target, code) in self.majority
        ]
        return mean(values) if values else None

    def finding(self, run: Run, baseline: Run, target: str, where: str) -> Finding:
        return self.findings.get((run, baseline, target, where), Finding(gap=f"{target or 'mean'}: not measured"))


def analyse(table: ScoreTable, about: About, options: Resampling | None = None) -> Analysis:
    """Compute every estimate.

    Raises:
        XstiltsError: there is no score of any target task.
    """
    options = replace(options or Resampling(), worlds=about.worlds)
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
    findings: dict[Place, Finding] = {}
    series: dict[Place, tuple[Series, Series | None]] = {}
    chosen_on: dict[str, tuple[str, ...]] = {}
    by_task = targets.groups("task")
    for target in about.targets:
        codes = set(by_task[(target,)].distinct("language")) if (target,) in by_task else set()
        languages[target, ALL] = tuple(one.key for one in about.languages if one.key in codes)
        seen = {s.language for s in by_task[(target,)].scores if s.chosen_on} if codes else set()
        chosen_on[target] = tuple(code for code in languages[target, ALL] if code in seen)
        known = {about.source, *about.trained_in.get(target, ()), *seen}
        languages[target, ZERO_SHOT] = tuple(code for code in languages[target, ALL] if code not in known)
        if codes:
            _add_target(target, by_task[(target,)], sections, languages, (findings, series), options)
    _add_means(about, sections, findings, series, options)
    majority = {
        (task, code): mean(s.majority for s in part.scores)
        for (task, code), part in targets.groups("task", "language").items()
    }
    flags = tuple(all_flags(table, about.source, tuple(about.controls)))
    return Analysis(about, table, sections, languages, chosen_on, findings, majority, flags, options)


def _add_target(
    target: str,
    table: ScoreTable,
    sections: Sequence[Section],
    languages: Mapping[tuple[str, str], tuple[str, ...]],
    into: tuple[dict[Place, Finding], dict[Place, tuple[Series, Series | None]]],
    options: Resampling,
) -> None:
    findings, kept = into
    replicates = resample(table, target, options)
    for section in sections:
        p_values = permutation_tests(table, target, section.pairs[1:], options)
        for run, baseline in section.pairs:
            for scope in SCOPES:
                codes = languages[target, scope]
                findings[run, baseline, target, scope], series = _compare(replicates, run, baseline, codes, options)
                if series is not None:
                    kept[run, baseline, target, scope] = series
            known = [code for code in languages[target, ALL] if (run, baseline, code) in p_values]
            adjusted = dict(zip(known, holm([p_values[run, baseline, code] for code in known])))
            for code in languages[target, ALL]:
                found, _ = _compare(replicates, run, baseline, [code], options)
                findings[run, baseline, target, code] = Finding(
                    found.absolute, found.gain, found.gap, adjusted.get(code)
                )


def _compare(
    replicates: Replicates, run: Run, baseline: Run, languages: Sequence[str], options: Resampling
) -> tuple[Finding, tuple[Series, Series | None] | None]:
    """The run's own value and its gain; what cannot be had is named in the finding, never guessed."""
    if not languages:
        return Finding(gap="not measured in any other language"), None
    try:
        (own,) = replicates.series([run], languages)
    except XstiltsError as error:
        return Finding(gap=str(error)), None
    if run == baseline:
        return Finding(estimate(own, options)), (own, None)
    try:
        ours, theirs = replicates.series([run, baseline], languages)
    except XstiltsError as error:
        return Finding(estimate(own, options), gap=str(error)), (own, None)
    gain = ours.minus(theirs)
    absent = [code for code in languages if code not in gain.languages]
    gap = f"without {', '.join(absent)}, not measured on both sides" if absent else ""
    return Finding(estimate(own, options), estimate(gain, options), gap), (own, gain)


def _add_means(
    about: About,
    sections: Iterable[Section],
    findings: dict[Place, Finding],
    series: Mapping[Place, tuple[Series, Series | None]],
    options: Resampling,
) -> None:
    """The unweighted mean over targets, of runs that were measured on all of them."""
    for section in sections:
        for run, baseline in section.pairs:
            for scope in SCOPES:
                parts = [series.get((run, baseline, target, scope)) for target in about.targets]
                absent = [target for target, part in zip(about.targets, parts) if part is None]
                place = (run, baseline, MEAN, scope)
                if absent:
                    findings[place] = Finding(gap=f"no mean: {', '.join(absent)} not measured")
                    continue
                gains = [part[1] for part in parts if part is not None and part[1] is not None]
                try:
                    own = estimate(combine([part[0] for part in parts if part is not None]), options)
                    gain = estimate(combine(gains), options) if len(gains) == len(parts) else None
                    findings[place] = Finding(own, gain)
                except XstiltsError as error:
                    findings[place] = Finding(gap=str(error))
