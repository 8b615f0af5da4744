"""The words of a report: the verdict and findings, made from the numbers alone; methods, protocols and limitations."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from jinja2 import Environment, StrictUndefined

from xstilts.reports.analysis import MEAN, ZERO_SHOT, Analysis, Section
from xstilts.reports.cells import count, few, interval, points, signed
from xstilts.reports.figures import asset
from xstilts.stats.estimates import FEWEST, Estimate
from xstilts.stats.table import Run

FLAGGED = {
    "not learned": "They are kept in every mean.",
    "collapsed": "They are kept in every mean.",
    "restarted": "A run that diverged or collapsed was replaced by one with another seed, which biases means upwards.",
    "failed": "They have no scores and are in no mean, so that means may look better.",
}
"""Kinds of flags, and what they say of means."""


class Gain(NamedTuple):
    """A run's difference from its baseline on a target."""

    run: Run
    target: str
    found: Estimate


def gains(analysis: Analysis, section: Section, runs: Sequence[Run], targets: Sequence[str]) -> list[Gain]:
    """The measured gains, on zero-shot languages."""
    found = [(run, t, analysis.finding(run, section, t, ZERO_SHOT).gain) for run in runs for t in targets]
    return [Gain(run, target, one) for run, target, one in found if one is not None]


def _sides(found: Sequence[Gain]) -> tuple[list[Gain], list[Gain]]:
    """The clear gains and the clear losses, the largest first."""
    clear = sorted((one for one in found if one.found.clear), key=lambda one: -abs(one.found.value))
    return [one for one in clear if one.found.value > 0], [one for one in clear if one.found.value < 0]


def verdict(analysis: Analysis, section: Section) -> str:
    """Does intermediate training help this backbone? One sentence, with the largest gain and its interval."""
    target, name = analysis.headline, analysis.name(section.backbone)
    where = f"on the mean of {count(len(analysis.averaged(ZERO_SHOT)), 'target')}" if target == MEAN else f"on {target}"
    told = gains(analysis, section, section.runs[1:], [target])
    if not told:
        own = analysis.finding(section.baseline, section, target, ZERO_SHOT).absolute
        score = "" if own is None else f"; the baseline scores {points(own.value)} {interval(own, False)}".rstrip()
        return f"{name}Nothing to compare: no recipe other than {analysis.about.baseline} is measured {where}{score}."
    (up, down), recipes = _sides(told), count(len(told), "recipe")
    best = max(up or told, key=lambda one: one.found.value)
    points_ = f"{signed(best.found.value)} points {interval(best.found)}".strip()
    which = "the best clear one, " if up else "the best, "
    first = f"{which * (len(told) > 1)}{best.run.recipe}{',' * (len(told) > 1)} is at {points_} {where}"
    if seen := analysis.about.labelled.get(best.run.recipe):
        first += f"; it has seen labels in {', '.join(seen)}"
    if all(one.found.few for one in told):
        return f"{name}{few(best.found).capitalize()} ({best.found.units} of at least {FEWEST}): of {recipes}, {first}."
    rest = f"{len(up)} gain clearly, {len(down)} lose clearly, {len(told) - len(up) - len(down)} undecided"
    word = "Yes" if up else "No" if len(down) == len(told) else "Undecided"
    return f"{name}{word}: of {recipes}, {rest}; {first}."


def findings(analysis: Analysis) -> list[str]:
    """A few sentences per backbone, on the mean over zero-shot languages; then the flags."""
    told = [analysis.name(s.backbone) + sentence for s in analysis.sections for sentence in _section(analysis, s)]
    for kind, meaning in FLAGGED.items():
        if flags := [flag for flag in analysis.flags if flag.kind == kind]:
            what = ", ".join(dict.fromkeys(f"{flag.run.recipe}: {flag.text}" for flag in flags))
            told.append(f"Flagged as {kind}: {count(flagged(analysis, kind), 'run')} ({what}). {meaning}")
    if oracles := list(dict.fromkeys(flag.task for flag in analysis.flags if flag.kind == "oracle")):
        told.append(
            f"Weights for {', '.join(oracles)} were chosen on validation data of the target languages (oracle): these "
            "scores are not zero-shot results, even in columns called zero-shot."
        )
    return told


def flagged(analysis: Analysis, kind: str) -> int:
    """The number of runs with a kind of flag."""
    return sum(len(flag.seeds) for flag in analysis.flags if flag.kind == kind)


def _section(analysis: Analysis, section: Section) -> Iterator[str]:
    yield from _baseline(analysis, section)
    for control in section.controls:
        yield from _control(analysis, section, control)
    pairs = gains(analysis, section, section.runs[1:], analysis.about.targets)
    told = [one for one in pairs if not one.found.few]
    if told:
        up, down = _sides(told)
        largest = (
            f"; largest {what}: {run.recipe} on {target} {signed(one.value)} points {interval(one)}"
            for what, side in (("gain", up), ("loss", down))
            for run, target, one in side[:1]
        )
        yield (
            f"Of {count(len(told), 'pair')} of recipe and target, {len(up)} gain clearly, {len(down)} lose clearly, "
            f"{len(told) - len(up) - len(down)} undecided{''.join(largest)}."
        )
    if told and (unclear := len(pairs) - len(told)):
        yield f"Too few seeds to say: {unclear} of {count(len(pairs), 'pair')} of recipe and target."


def _baseline(analysis: Analysis, section: Section) -> Iterator[str]:
    """Does the baseline transfer at all: is it above the majority baseline?"""
    above: dict[str, bool] = {}
    unsaid = []
    for target in analysis.about.targets:
        own = analysis.finding(section.baseline, section, target, ZERO_SHOT).absolute
        chance = analysis.chance(section.backbone, target, ZERO_SHOT)
        if own is None or chance is None:
            continue
        is_above = own.low is not None and own.low > chance
        if own.same_models and own.low is not None:
            yield (
                f"On {target} the baseline is not trained and the same at every seed: {points(own.value)} "
                f"{interval(own, False)} over test examples, an interval that is {'' if is_above else 'not '}above the "
                f"majority baseline of {points(chance)}."
            )
        elif own.few:
            unsaid.append(target)
        else:
            above[target] = is_above
    if above:
        rest = [target for target, is_above in above.items() if not is_above]
        tail = f" (not on {', '.join(rest)})" if rest else ""
        number = f"{len(above) - len(rest)} of {count(len(above), 'target')}"
        yield (
            f"The interval of the baseline's zero-shot score is above the majority baseline on {number}{tail}; each "
            "interval is 95%, not corrected for several targets."
        )
    if unsaid:
        yield f"Too few seeds to say whether the baseline is above the majority baseline on {', '.join(unsaid)}."


def _control(analysis: Analysis, section: Section, control: Run) -> Iterator[str]:
    """A control should be below the baseline; where one from random weights is not, gains say little."""
    found = gains(analysis, section, [control], analysis.about.targets)
    if not found:
        return
    up, down = _sides(found)
    if control.backbone == section.backbone:
        overall = gains(analysis, section, [control], [MEAN] if analysis.headline == MEAN else [])
        mean = "".join(f": {signed(one.found.value)} points {interval(one.found)} on the mean" for one in overall)
        yield (
            f"The control ‘{control.recipe}’ is clearly above the baseline on {len(up)} of "
            f"{count(len(found), 'target')}, clearly below on {len(down)}{mean}."
        )
        return
    better = [one.target for one in up]
    alone = [one.target for one in found if one.found.units == 1 and (one.found.low or 0) > 0]
    fixed = [f"{one.target} {signed(one.found.value)} {interval(one.found)}" for one in found if one.found.same_models]
    unsaid = [one.target for one in found if one.found.few and not one.found.same_models]
    recipe = "" if control.recipe == analysis.about.baseline else f" {control.recipe}"
    above = f", and clearly above it on {', '.join(better)}" if better else ""
    yield (
        f"The control ‘{analysis.about.control_label(control.backbone, section.backbone)}’{recipe} is clearly below "
        f"the baseline on {len(down)} of {count(len(found), 'target')}{above}."
        + (f" Without training the interval is over test examples: {', '.join(fixed)} points." if fixed else "")
        + (f" Too few seeds to say on {', '.join(unsaid)}." if unsaid else "")
    )
    if "random" in analysis.about.controls[control.backbone]:
        little = "gains there say little about models that learned from pretraining."
        if better:
            yield f"A random start does better than the pretrained one on {', '.join(better)}: {little}"
        if alone:
            yield (
                f"One model with a random start has an interval over test examples above the pretrained one on "
                f"{', '.join(alone)}, not corrected for several targets: {little}"
            )


def methods(analysis: Analysis, study: bool = False) -> list[str]:
    """The methods, in paragraphs."""
    options, worlds = analysis.options, len(set(analysis.options.worlds.values()))
    shared = worlds if 1 < worlds < len(options.worlds) else 0
    text = Environment(undefined=StrictUndefined).from_string(asset("method.txt.j2"))
    paragraphs = text.render(
        about=analysis.about,
        described=[" ".join(part.split()) for part in analysis.about.description.split("\n\n")],
        chosen=any(analysis.chosen_on.values()),
        level=f"{options.level:.0%}",
        unit="worlds" if shared else "seeds",
        worlds=shared,
        study=study,
        flagged=lambda kind: flagged(analysis, kind),
    )
    return [line for line in paragraphs.splitlines() if line.strip()]


def protocols(analysis: Analysis) -> tuple[str, ...]:
    """Protocols of each target's scores; languages that differ in nothing but their number of examples share one.

    If backbones are measured in several ways, each line names its backbones.
    """
    lines: list[str] = []
    for (task,), part in analysis.table.where(main=True).groups("task").items():
        ways: dict[tuple[str, ...], tuple[dict[str, int], dict[str, None]]] = {}
        for row in part.rows:
            if row.score.signature:
                name, language, split, number, *rest = row.score.signature.split(" | ")
                languages, backbones = ways.setdefault((name, split, *rest), ({}, {}))
                languages[language] = int(number.removeprefix("n="))
                backbones[row.run.backbone] = None
        for (name, split, *rest), (languages, backbones) in ways.items():
            low, high = min(languages.values()), max(languages.values())
            n = f"n={low}" + (f" to {high}" if high > low else "")
            others = [found for (_, also, *_), (_, found) in ways.items() if also == split]
            whose = f" (of {', '.join(backbones)})" if any(found != backbones for found in others) else ""
            lines.append(f"{task}: {' | '.join([name, ', '.join(languages), split, n, *rest])}{whose}")
    return tuple(lines)


def limitations(analysis: Analysis) -> list[str]:
    """The experiment's limitations, and those due to the number of seeds."""
    number, seeds = len(analysis.about.seeds), []
    if number == 1:
        seeds = ["One seed: how much the results vary from run to run was not measured."]
    elif number < 5:
        seeds = [f"{number} seeds: the variation from run to run is known only roughly."]
    return [*analysis.about.limitations, *seeds]
