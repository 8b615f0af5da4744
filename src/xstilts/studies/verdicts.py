"""Contrasts as series over seeds, from scores on the same examples; and verdicts on claims, corrected by Holm."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import combinations
from math import log10
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from xstilts.core.errors import XstiltsError
from xstilts.stats.estimates import FEWEST, LEVEL, Estimate, estimate, holm
from xstilts.stats.evidence import Bound, Evidence, weigh
from xstilts.stats.flags import Flag
from xstilts.stats.interaction import Joint, joint, slope_weights
from xstilts.stats.replicates import Replicates, replicates
from xstilts.stats.series import Replication, Series, combine, models_of, spread, weighted
from xstilts.stats.table import Run, ScoreTable
from xstilts.studies.spec import Bounded, Claim, Contrast


class ContrastPart(NamedTuple):
    """One number of a contrast. `label`: its target, backbone or recipe; empty for the only part."""

    label: str
    series: Series


@dataclass(frozen=True)
class MeasuredContrast:
    """A contrast as it was measured.

    Attributes:
        parts: one, or several with `each` and for `best`.
        subjects: the runs it is about, without the runs they are compared with; empty for a correlation over all
            recipes.
        joint: the joint test of an interaction among three or more backbones. Its one part is then the difference of
            the largest and the smallest gain; these were picked for it, so its interval is too narrow.
        pairs: the pairwise interactions of those backbones.
        compared: all runs behind it, `subjects` and those they are compared with.
        targets: the targets that it is measured on.
    """

    parts: tuple[ContrastPart, ...]
    subjects: tuple[Run, ...]
    joint: Joint | None = None
    pairs: tuple[ContrastPart, ...] = ()
    compared: tuple[Run, ...] = ()
    targets: tuple[str, ...] = ()


@dataclass
class Scores:
    """The scores of an experiment, as contrasts need them.

    Attributes:
        languages: (target, scope) -> codes.
        backbones, recipes, targets: all names without controls, the baseline first.
        groups: name -> targets.
        random: backbone -> the control that starts from random weights.
    """

    table: ScoreTable
    languages: Mapping[tuple[str, str], tuple[str, ...]]
    backbones: tuple[str, ...]
    recipes: tuple[str, ...]
    targets: tuple[str, ...]
    options: Replication
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    random: Mapping[str, str] = field(default_factory=dict)
    _known: dict[str, Replicates] = field(default_factory=dict, repr=False)

    def measure(self, contrast: Contrast) -> MeasuredContrast:
        """A contrast's parts, on each target over the seeds that all of its runs have.

        Raises:
            XstiltsError: a run that was not measured, no common seed or language, or different test examples.
        """
        subjects = tuple(
            Run(backbone, recipe)
            for backbone in tuple(contrast.parameters) or contrast.backbones or self.backbones
            for recipe in contrast.recipe
        )
        there = {"recipe": self.recipes, "backbone": self.backbones, "target": self.targets}
        whole = contrast.filled(there, self.groups)
        backbones = dict.fromkeys(whole.parameters or (*whole.backbones, *whole.other))
        compared = tuple(Run(name, recipe) for name in backbones for recipe in (*whole.recipe, *whole.against))
        if whole.kind == "interaction" and len(whole.backbones) > 2:
            found = self._joint(whole, subjects)
        else:
            parts = {"": whole}
            if whole.kind == "best":
                parts = {f"over {name}": whole.model_copy(update={"against": (name,)}) for name in whole.against}
            elif whole.each:
                of = {"target": "targets", "backbone": "backbones", "recipe": "recipe"}[whole.each]
                parts = {name: whole.model_copy(update={of: (name,)}) for name in getattr(whole, of)}
            found = MeasuredContrast(
                tuple(ContrastPart(label, self._one(one)) for label, one in parts.items()), subjects
            )
        return replace(found, compared=compared, targets=(*whole.targets, *whole.versus))

    def series(self, runs: Sequence[Run], targets: Sequence[str], scope: str) -> list[Series]:
        """The mean of each run over targets and languages of the scope."""
        by_target = []
        for target in targets:
            if target not in self._known:
                self._known[target] = replicates(self.table, target)
            by_target.append(self._known[target].series(runs, self.languages.get((target, scope), ())))
        return [combine(list(of_targets), self.options) for of_targets in zip(*by_target)]

    def _one(self, contrast: Contrast) -> Series:
        """The sum over terms (backbones, recipes, weight) of the weighted mean of their runs."""
        if contrast.kind == "correlation":
            return self._correlation(contrast)
        gains = {name: 1 / len(contrast.backbones) for name in contrast.backbones}
        if contrast.kind == "interaction":
            one, two = contrast.backbones
            gains = {one: 1.0, two: -1.0}
        elif contrast.kind == "trend":
            weights = slope_weights([log10(size) for size in contrast.parameters.values()])
            gains = dict(zip(contrast.parameters, weights))
        terms: list[tuple[Sequence[str], Sequence[str], float]] = []
        for backbone, weight in gains.items():
            terms += [((backbone,), contrast.recipe, weight), ((backbone,), contrast.against, -weight)]
        if contrast.kind == "difference":
            against = contrast.other, contrast.against or contrast.recipe, -1.0
            terms = [(contrast.backbones, contrast.recipe, 1.0), against]
        runs, each = list[Run](), list[float]()
        for backbones, recipes, weight in terms:
            own = [Run(backbone, recipe) for backbone in backbones for recipe in recipes]
            runs += own
            each += [weight / len(own)] * len(own)
        return weighted(self.series(runs, contrast.targets, contrast.scope), each)

    def _joint(self, contrast: Contrast, subjects: tuple[Run, ...]) -> MeasuredContrast:
        recipes, up, down = (*contrast.recipe, *contrast.against), len(contrast.recipe), len(contrast.against)
        weights = [1 / up] * up + [-1 / down] * down
        runs = [Run(backbone, recipe) for backbone in contrast.backbones for recipe in recipes]
        found = dict(zip(runs, self.series(runs, contrast.targets, contrast.scope)))
        if any(one.freedom is not None for one in found.values()):
            raise XstiltsError("a joint test needs targets that were measured at the same seeds")
        gains = {b: weighted([found[Run(b, recipe)] for recipe in recipes], weights) for b in contrast.backbones}
        ordered = sorted(gains, key=lambda name: -float(gains[name].points.mean()))
        ends = ContrastPart(f"{ordered[0]} - {ordered[-1]}", gains[ordered[0]].minus(gains[ordered[-1]]))
        pairs = tuple(ContrastPart(f"{a} - {b}", gains[a].minus(gains[b])) for a, b in combinations(gains, 2))
        return MeasuredContrast((ends,), subjects, joint(list(gains.values()), self.options), pairs)

    def _correlation(self, contrast: Contrast) -> Series:
        """The correlation over runs at each seed, without the variance of drawing examples."""
        runs = [Run(backbone, recipe) for backbone in contrast.backbones for recipe in contrast.recipe]
        sides = [self.series(runs, part, contrast.scope) for part in (contrast.targets, contrast.versus)]
        if any(one.freedom is not None for side in sides for one in side):
            raise XstiltsError("a correlation needs targets that were measured at the same seeds")
        seeds = tuple(seed for seed in sides[0][0].seeds if seed in sides[1][0].seeds)
        if not seeds:
            raise XstiltsError(f"{', '.join(contrast.targets)} and {', '.join(contrast.versus)} share no seed")
        rows = [[side[0].seeds.index(seed) for seed in seeds] for side in sides]
        points = [np.stack([one.points[at] for one in side]) for side, at in zip(sides, rows)]
        every = [
            replace(one, seeds=seeds, models=tuple(one.models[i] for i in at))
            for side, at in zip(sides, rows)
            for one in side
        ]
        return replace(every[0], points=correlated(*points), noise=None, models=models_of(every))


def correlated(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson correlations over the first axis of `x` and `y` [runs, seeds]; 0 where one of them does not vary."""
    a, b = (np.asarray(one, dtype=np.float64) - one.mean(axis=0) for one in (x, y))
    below = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    return np.asarray(np.divide((a * b).sum(axis=0), below, out=np.zeros_like(below), where=below > 0))


Word = Literal["holds", "fails", "undecided", "not tested"]
"""`undecided`: the scores that there are do not decide; `not tested`: there are none that could."""


@dataclass(frozen=True)
class Verdict:
    """One claim, judged.

    Attributes:
        p, p_adjusted: two-sided p of the better supported direction, before and after Holm; None if not tested.
        confidence: the probability of the statement under the t distribution of the test.
        parts: (label, estimate) of every number behind the verdict.
        reason: why the claim has no test, or why its test decides nothing.
        notes: flags of the runs it is about.
        resolved: the smallest distance from its bound that could have been shown; None for joint tests.
    """

    claim: Claim
    word: Word
    p: float | None = None
    p_adjusted: float | None = None
    confidence: float | None = None
    parts: tuple[tuple[str, Estimate], ...] = ()
    measured: MeasuredContrast | None = field(default=None, repr=False)
    reason: str = ""
    notes: tuple[str, ...] = ()
    resolved: float | None = None


def judge(claims: Sequence[Claim], scores: Scores, flags: Sequence[Flag]) -> list[Verdict]:
    """A verdict for each claim, in order. Claims that flags or too few seeds leave undecided count as no tests."""
    drafts = [_draft(claim, scores, flags) for claim in claims]
    verdicts = [verdict for verdict, _ in drafts]
    tests = {at: evidence for at, (_, evidence) in enumerate(drafts) if evidence is not None}
    raw = [min(evidence.supports, evidence.contradicts) for evidence in tests.values()]
    for (at, evidence), p, adjusted in zip(tests.items(), raw, holm(raw), strict=True):
        measured, resolved = verdicts[at].measured, None
        if measured and not measured.joint:  # the least certain part, if its t decided the first claim
            found = [spread(part.series, scores.options) for part in measured.parts]
            tail = LEVEL / 2 / len(tests)
            resolved = max(-float(special.stdtrit(one.freedom, tail)) * (one.error or np.nan) for one in found)
        word = _word(evidence, adjusted)
        verdicts[at] = replace(verdicts[at], word=word, p=p, p_adjusted=adjusted, resolved=resolved)
    return verdicts


def _draft(claim: Claim, scores: Scores, flags: Sequence[Flag]) -> tuple[Verdict, Evidence | None]:
    """A verdict before its p, and the evidence that may decide it; None if nothing may."""
    if claim.test is None:
        return Verdict(claim, "not tested", reason=claim.untested), None
    try:
        measured = scores.measure(claim.test)
        evidence = _weighed(claim.test, measured, scores)
    except XstiltsError as error:
        return Verdict(claim, "not tested", reason=str(error)), None
    notes, stop = _flagged(measured, flags, scores)
    stop = stop or _overtaken(claim.test, measured, scores)
    parts = tuple((part.label, estimate(part.series, scores.options)) for part in measured.parts)
    verdict = Verdict(claim, "undecided", None, None, evidence.confidence, parts, measured, stop, notes)
    return verdict, None if stop else evidence


def _word(evidence: Evidence, adjusted: float) -> Word:
    """Decides by the smaller p, after Holm. A claim also fails if its effect is shown to be too small to matter."""
    if adjusted >= LEVEL:
        return "undecided"
    refuted = evidence.contradicts * adjusted < LEVEL * min(evidence.supports, evidence.contradicts)
    return "fails" if refuted else "holds"


def _weighed(test: Bounded, measured: MeasuredContrast, scores: Scores) -> Evidence:
    """The evidence for a test; gains of three or more backbones are alike if all pairs are within the margin."""
    if measured.joint is None:
        parts = [part.series for part in measured.parts]
        bound = Bound(test.direction, test.than, test.margin)
        return weigh(parts, bound, test.at_least or len(parts), scores.options)
    pairs = [pair.series for pair in measured.pairs]
    alike = weigh(pairs, Bound("within", margin=test.margin), len(pairs), scores.options)
    if test.direction == "within":
        return alike
    p, confidence = measured.joint.p, alike.confidence
    return Evidence(1.0 if p is None else p, alike.supports, None if confidence is None else 1 - confidence)


def _overtaken(test: Bounded, measured: MeasuredContrast, scores: Scores) -> str:
    """Why a claim decides nothing if a random start is clearly above a backbone on its targets; else empty."""
    for backbone in dict.fromkeys(run.backbone for run in measured.subjects if run.backbone in scores.random):
        control, baseline = scores.random[backbone], scores.recipes[:1]
        if control in test.other:  # the claim itself asks which of the two is better
            continue
        gap = Contrast(kind="difference", recipe=baseline, backbones=(control,), other=(backbone,), scope=test.scope)
        gap = gap.model_copy(update={"targets": test.targets})
        with suppress(XstiltsError):  # the control was not measured there
            (part,) = scores.measure(gap).parts
            found = estimate(part.series, scores.options)
            if not found.few and (found.low or 0) > 0:
                return (
                    f"a random start scores {found.value:.1f} points more than {backbone} on these targets: "
                    "effects there say little about models that learned from pretraining"
                )
    return ""


def _flagged(measured: MeasuredContrast, flags: Sequence[Flag], scores: Scores) -> tuple[tuple[str, ...], str]:
    """Flags of the runs behind a claim on its targets, and the reason if the claim stays undecided."""
    elsewhere = set(scores.targets) - set(measured.targets)
    of_runs = [flag for flag in flags if flag.run in measured.compared]
    own = [flag for flag in of_runs if flag.kind == "not learned" or flag.task not in elsewhere]
    notes = tuple(dict.fromkeys(f"{flag.run.recipe} with {flag.run.backbone}: {flag.text}" for flag in own))
    unlearned = [flag for flag in own if flag.kind == "not learned" and 2 * len(flag.seeds) >= flag.measured]
    stopping = [flag for flag in unlearned if flag.run in measured.subjects]
    if stopping:
        names = ", ".join(dict.fromkeys(flag.task for flag in stopping))
        return notes, f"an intermediate task that was not learned explains nothing: {names}"
    series = [part.series for part in measured.parts]
    found = [spread(one, scores.options) for one in series]
    if any(one.units == 1 and len(of.seeds) > 1 for one, of in zip(found, series)):
        return notes, "the same models at every seed, so no spread over seeds to judge by"
    if (least := min(one.freedom for one in found) + 1) < FEWEST:
        what = "worlds" if any(one.worlds or scores.options.by_world(one) for one in series) else "seeds"
        return notes, f"too few {what} to say ({least}, of {FEWEST} needed)"
    return notes, ""
