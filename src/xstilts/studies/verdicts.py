"""Verdicts: how the scores decide each claim, after Holm's correction over the claims of the study."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from scipy import special

from xstilts.core.errors import XstiltsError
from xstilts.stats.estimates import FEWEST, LEVEL, Estimate, estimate, holm
from xstilts.stats.evidence import Bound, Evidence, weigh
from xstilts.stats.flags import Flag
from xstilts.stats.series import spread
from xstilts.studies.contrasts import Measured, Scores
from xstilts.studies.spec import Bounded, Claim

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
    measured: Measured | None = field(default=None, repr=False)
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
        word, resolved = _word(evidence, adjusted), _resolved(verdicts[at].measured, scores, len(tests))
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
    parts = tuple((part.label, estimate(part.series, scores.options)) for part in measured.parts)
    verdict = Verdict(claim, "undecided", None, None, evidence.confidence, parts, measured, stop, notes)
    return verdict, None if stop else evidence


def _resolved(measured: Measured | None, scores: Scores, tests: int) -> float | None:
    """The distance of the least certain part from its bound at which t decides the first of `tests` claims."""
    if measured is None or measured.joint:
        return None
    found = [spread(part.series, scores.options) for part in measured.parts]
    widest = [-float(special.stdtrit(one.freedom, LEVEL / 2 / tests)) * (one.error or np.nan) for one in found]
    return max(widest)


def _word(evidence: Evidence, adjusted: float) -> Word:
    """Decides by the smaller p, after Holm. A claim also fails if its effect is shown to be too small to matter."""
    if adjusted >= LEVEL:
        return "undecided"
    refuted = evidence.contradicts * adjusted < LEVEL * min(evidence.supports, evidence.contradicts)
    return "fails" if refuted else "holds"


def _weighed(test: Bounded, measured: Measured, scores: Scores) -> Evidence:
    """Of several gains: they are equal if every two are within the margin; they differ by the joint test."""
    if measured.joint is None:
        parts = [part.series for part in measured.parts]
        return weigh(parts, test.bound, test.at_least or len(parts), scores.options)
    pairs = [pair.series for pair in measured.pairs]
    alike = weigh(pairs, Bound("within", margin=test.margin), len(pairs), scores.options)
    if test.direction == "within":
        return alike
    p, confidence = measured.joint.p, alike.confidence
    return Evidence(1.0 if p is None else p, alike.supports, None if confidence is None else 1 - confidence)


def _flagged(measured: Measured, flags: Sequence[Flag], scores: Scores) -> tuple[tuple[str, ...], str]:
    """Flags of the runs a claim is about, and the reason if the claim stays undecided."""
    own = [flag for flag in flags if flag.run in measured.subjects]
    notes = tuple(dict.fromkeys(f"{flag.run.recipe} with {flag.run.backbone}: {flag.text}" for flag in own))
    stopping = [flag for flag in own if flag.kind == "not learned" and 2 * len(flag.seeds) >= flag.measured]
    if stopping:
        names = ", ".join(dict.fromkeys(flag.task for flag in stopping))
        return notes, f"an intermediate task that was not learned explains nothing: {names}"
    found = [spread(part.series, scores.options) for part in measured.parts]
    if any(one.units == 1 and len(part.series.seeds) > 1 for one, part in zip(found, measured.parts)):
        return notes, "the same models at every seed, so no spread over seeds to judge by"
    if (least := min(one.freedom for one in found) + 1) < FEWEST:
        what = "worlds" if any(scores.options.by_world(part.series) for part in measured.parts) else "seeds"
        return notes, f"too few {what} to say ({least}, of {FEWEST} needed)"
    return notes, ""
