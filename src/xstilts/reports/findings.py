"""What the tables say, in sentences made from the numbers alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xstilts.reports.analysis import ZERO_SHOT, Analysis, Section
from xstilts.reports.cells import interval, signed
from xstilts.stats.estimates import Estimate
from xstilts.stats.table import Run

FLAGGED = {
    "not learned": "They are kept in every mean.",
    "collapsed": "They are kept in every mean.",
    "restarted": "Another seed stands in the place of one that diverged or collapsed, so that means look better.",
    "failed": "They have no scores and are in no mean, so that means may look better.",
}
"""Kinds of flags, and what they say of means."""


def findings(analysis: Analysis) -> list[str]:
    """A few sentences per backbone, on the mean over zero-shot languages; then the flags."""
    sentences = [sentence for section in analysis.sections for sentence in _section(analysis, section)]
    for kind, meaning in FLAGGED.items():
        if flags := [flag for flag in analysis.flags if flag.kind == kind]:
            runs = sum(len(flag.seeds) for flag in flags)
            what = ", ".join(dict.fromkeys(f"{flag.run.recipe}: {flag.text}" for flag in flags))
            sentences.append(f"Flagged as {kind}: {runs} run{'' if runs == 1 else 's'} ({what}). {meaning}")
    if told := list(dict.fromkeys(flag.task for flag in analysis.flags if flag.kind == "oracle")):
        sentences.append(
            f"Weights for {', '.join(told)} were chosen on validation data of the target languages (oracle): these "
            "scores are no zero-shot results, whatever their column is called."
        )
    return sentences


def cautions(analysis: Analysis) -> list[str]:
    """What to know before reading gains: starts that their own random encoder beats, tasks that were not learned."""
    about, sentences = analysis.about, []
    for section in analysis.sections:
        own = [run for run in section.controls if about.owner(run.backbone) == section.backbone]
        starts = [run for run in own if "random" in about.controls[run.backbone]]
        beaten = [t for _, t, one, clear in _differences(analysis, section, starts) if clear and one.value > 0]
        if beaten:
            sentences.append(
                f"Without intermediate training {about.backbone(section.backbone).label} is clearly below its own "
                f"random encoder on {', '.join(beaten)}: its gains there say little of models that learned from "
                "pretraining."
            )
        differences = _differences(analysis, section, starts)
        if alone := [t for _, t, one, _ in differences if _on_examples(one) > 0]:
            sentences.append(
                f"Without intermediate training {about.backbone(section.backbone).label} scores below its own random "
                f"encoder on {', '.join(alone)}, one model of each: what is gained there says little of models that "
                "learned from pretraining."
            )
    flags = [flag for flag in analysis.flags if flag.kind == "not learned"]
    for task in dict.fromkeys(flag.task for flag in flags):
        found = [(flag.run, f"{len(flag.seeds)} of {flag.measured}") for flag in flags if flag.task == task]
        runs = [f"{about.backbone(run.backbone).label}, {run.recipe} ({count})" for run, count in found]
        sentences.append(f"{task} was not learned in some runs: {'; '.join(runs)}.")
    return sentences


def _section(analysis: Analysis, section: Section) -> Iterator[str]:
    about = analysis.about
    prefix = f"{about.backbone(section.backbone).label}: " if len(analysis.sections) > 1 else ""
    yield from (prefix + sentence for sentence in _transfer(analysis, section))
    gains = _differences(analysis, section, section.runs[1:])
    if not gains:
        return
    told = [g for g in gains if not g[2].few]
    up, down = ([g for g in told if g[3] and sign * g[2].value > 0] for sign in (1, -1))
    if told:
        yield (
            f"{prefix}Of {len(told)} pairs of recipe and target, {len(up)} show a clear gain over {about.baseline}, "
            f"{len(down)} a clear loss, and {len(told) - len(up) - len(down)} neither."
        )
    if unclear := len(gains) - len(told):
        yield f"{prefix}Too few seeds to say: {unclear} of {len(gains)} pairs of recipe and target."
    if up:
        yield f"{prefix}The largest clear gain: {_named(max(up, key=lambda g: g[2].value))}."
    if down:
        yield f"{prefix}The largest clear loss: {_named(min(down, key=lambda g: g[2].value))}."


def _transfer(analysis: Analysis, section: Section) -> Iterator[str]:
    """Does the baseline transfer at all: against the constant answer and against each control?"""
    targets = analysis.about.targets
    above: list[str] = []
    known: list[str] = []
    few: list[str] = []
    for target in targets:
        own = analysis.finding(section.baseline, section.baseline, target, ZERO_SHOT).absolute
        chance = analysis.chance(target, ZERO_SHOT)
        if own is not None and chance is not None:
            (few if own.few else known).append(target)
            if own.low is not None and own.low > chance and not own.few:
                above.append(target)
    if known:
        rest = [target for target in known if target not in above]
        tail = f" (not on {', '.join(rest)})" if rest else ""
        yield (
            f"Without intermediate training, zero-shot scores are above the best constant answer by their "
            f"intervals on {len(above)} of {len(known)} targets{tail}."
        )
    if few:
        yield (
            "Too few seeds to say whether zero-shot scores without intermediate training are above the best constant "
            f"answer on {', '.join(few)}."
        )
    for control in section.controls:
        found = _differences(analysis, section, [control])
        if found:
            worse = [t for _, t, one, clear in found if clear and one.value < 0]
            better = [t for _, t, one, clear in found if clear and one.value > 0]
            kind = analysis.about.control_label(control.backbone, section.backbone)
            more = f", and clearly above it on {', '.join(better)}" if better else ""
            recipe = "" if control.recipe == analysis.about.baseline else f" {control.recipe}"
            share = f"{len(worse)} of {len(found)} targets{more}"
            yield f"The control ‘{kind}’{recipe} is clearly below the baseline on {share}.{_unsaid(found)}"


Difference = tuple[Run, str, Estimate, bool]


def _unsaid(found: Sequence[Difference]) -> str:
    """The targets whose replicates are too few."""
    names = [target for _, target, one, _ in found if one.few]
    return f" Too few seeds or models to say on {', '.join(names)}." if names else ""


def _on_examples(one: Estimate) -> int:
    """The sign of a difference that only examples speak for, there being one seed or model; 0 where none is shown."""
    if one.units > 1 or one.low is None or one.high is None:
        return 0
    return int(one.low > 0) - int(one.high < 0)


def _differences(analysis: Analysis, section: Section, runs: Sequence[Run]) -> list[Difference]:
    found = [
        (run, t, analysis.finding(run, section.baseline, t, ZERO_SHOT)) for run in runs for t in analysis.about.targets
    ]
    return [(run, target, one.gain, one.clear) for run, target, one in found if one.gain is not None]


def _named(difference: Difference) -> str:
    run, target, found, _ = difference
    brackets = interval(found.low, found.high, True)
    return f"{run.recipe} on {target}, {signed(found.value)} points {brackets}".strip()
