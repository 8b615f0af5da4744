"""The page of a study: a short report in Markdown, written from the numbers alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from xstilts.core.errors import XstiltsError
from xstilts.core.files import write_text
from xstilts.reports.analysis import SCOPES, Analysis
from xstilts.reports.cells import Table
from xstilts.reports.findings import cautions, findings
from xstilts.reports.forest import forest
from xstilts.reports.markdown import plain, table
from xstilts.reports.methods import limitations, methods, protocols
from xstilts.reports.page import standalone
from xstilts.reports.study_tables import (
    amount,
    claims_table,
    effects_table,
    interaction_table,
    pairs_table,
    unit,
)
from xstilts.reports.tables import intermediate_table, main_table
from xstilts.stats.bootstrap import Estimate, estimate
from xstilts.studies.contrasts import Measured, Scores
from xstilts.studies.spec import Contrast, StudySpec
from xstilts.studies.verdicts import Verdict, judge


@dataclass(frozen=True)
class Study:
    """A study with all that its page shows.

    Attributes:
        effects: (label, contrast, what was measured or why nothing was) in the file's order.
        minutes: kind of stage -> minutes that computing it took.
    """

    spec: StudySpec
    analysis: Analysis
    scores: Scores
    verdicts: tuple[Verdict, ...]
    effects: tuple[tuple[str, Contrast, Measured | str], ...]
    minutes: Mapping[str, float]


def study_of(spec: StudySpec, analysis: Analysis, minutes: Mapping[str, float] | None = None) -> Study:
    """Measure the effects and judge the claims."""
    about = analysis.about
    backbones = tuple(one.key for one in about.backbones)
    scores = Scores(
        analysis.table, analysis.languages, backbones, about.recipes, about.targets, analysis.options, spec.groups
    )
    effects = tuple((one.label, one.contrast, _measured(one.contrast, scores)) for one in spec.effects)
    verdicts = tuple(judge(spec.claims, scores, analysis.flags))
    return Study(spec, analysis, scores, verdicts, effects, minutes or {})


def _measured(contrast: Contrast, scores: Scores) -> Measured | str:
    try:
        return scores.measure(contrast)
    except XstiltsError as error:
        return str(error)


def write_study(study: Study, place: Path) -> None:
    """Write the page to `place`, and the plot of effects beside it as SVG where there is something to plot."""
    drawn = effects_plot(study)
    if drawn:
        write_text(place.with_suffix(".svg"), standalone(drawn))
    write_text(place, study_page(study, place.with_suffix(".svg").name if drawn else ""))


def effects_plot(study: Study) -> str:
    """All effects that are counted in points; empty where there is none."""
    rows = []
    for label, contrast, found in study.effects:
        if isinstance(found, Measured) and found.joint is None and unit(contrast.kind) == " points":
            for part in found.parts:
                name = f"{label}, {part.label}" if part.label else label
                rows.append((name, estimate(part.series, study.scores.options)))
    return forest(study.analysis.about.title, rows) if rows else ""


def study_page(study: Study, plot: str = "") -> str:
    """The whole page; the same text for the same scores. `plot`: name of the picture of effects beside it."""
    spec, analysis = study.spec, study.analysis
    about = analysis.about
    asked = [
        ("Source", "; ".join(f"{key}: {spec.references[key]}" for key in spec.citation)),
        ("Command", f"`{about.command}`"),
        ("Expected cost", spec.cost),
        ("What would falsify the expected answer", spec.falsified_by),
    ]
    parts = [f"# {about.title}", "## Question", spec.question, _list(f"{name}: {text}" for name, text in asked)]
    parts += ["## Answer", _list(map(plain, answer(study)))]
    parts += [f"![{about.title}: effects with their intervals]({plot})"] if plot else []
    parts += ["## Method", about.description, *methods(analysis), CLAIMS, "Protocols of the scores:"]
    parts.append(_list(f"`{line}`" for line in protocols(analysis)))
    parts += ["## Results", _list(map(plain, findings(analysis))), table(effects_table(analysis))]
    named = any(contrast.kind == "interaction" for _, contrast, _ in study.effects)
    if not named and (interactions := interaction_table(analysis, study.scores)) is not None:
        parts.append(table(interactions))
    parts += [table(one) for one in _pairs(study)]
    for section in analysis.sections:
        parts.append(f"### {about.backbone(section.backbone).label}")
        parts += [table(main_table(analysis, section, scope)) for scope in SCOPES]
    if (own := intermediate_table(analysis)) is not None:
        parts += ["### Intermediate tasks", table(own)]
    parts += ["## Claims", table(claims_table(study.verdicts)) if study.verdicts else "None were made."]
    parts += ["## Limitations", _list([*spec.limitations, *limitations(analysis)]) or "None were named."]
    parts += ["## Environment and cost", _cost(study)]
    parts += ["## References", _list(f"{key}: {text}" for key, text in spec.references.items()) or "None."]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


CLAIMS = (
    "A claim is held against one contrast of scores. Its p is twice the larger tail of bootstrap and Student's t, and "
    "is corrected by Holm's method over the tested claims. It is verified where its contrary is excluded in this way, "
    "not verified where the claim itself is, and undecided otherwise; a claim about an intermediate task that was not "
    "learned in half of the seeds or more is undecided whatever the scores say. For a claim that several things hold, "
    "or so many of them, the p values are combined by intersection-union, or partial conjunction; that gains of three "
    "or more backbones differ is judged by the larger p of a joint F test, which assumes that pairs vary alike, and of "
    "a permutation. The confidence is the share of resamples in which the statement holds, or in which some two gains "
    "are more than the margin apart, which noise alone raises; with few worlds it is too sure of itself, the verdict "
    "is not."
)


def answer(study: Study) -> list[str]:
    """What became of the claims, what to know before reading on, and the effects in words and numbers."""
    sentences = []
    if study.verdicts:
        words = ("verified", "not verified", "undecided")
        own = {word: [one.claim.id for one in study.verdicts if one.word == word] for word in words}
        named = {word: f" ({', '.join(ids)})" if ids else "" for word, ids in own.items()}
        counts = "; ".join(f"{len(own[word])} {word}{named[word]}" for word in words)
        sentences.append(f"Of {len(study.verdicts)} claims: {counts}.")
    sentences += cautions(study.analysis)
    known = [one for *_, found in study.effects if isinstance(found, Measured) for one in found.parts]
    if known:
        first = estimate(known[0].series, study.scores.options)
        over = "worlds" if first.per_world else "seeds"
        sentences.append(
            f"In brackets: the {study.scores.options.level:.0%} bootstrap interval, {first.levels} resampled; behind t "
            f"Student's, over {over}. Clear: both exclude zero."
        )
    return [*sentences, *(sentence for one in study.effects for sentence in _effect(*one, study))]


def _effect(label: str, contrast: Contrast, found: Measured | str, study: Study) -> list[str]:
    if isinstance(found, str):
        return [f"{label}: not measured ({found})."]
    options, sentences = study.scores.options, []
    for part in found.parts:
        one = estimate(part.series, options)
        number = f"{amount(contrast.kind, one.value)}{unit(contrast.kind)}{_brackets(one, contrast)}"
        if (test := found.joint) is None:
            sentences.append(f"{label}{f', {part.label}' if part.label else ''}: {number}, {_words(one)}.")
        elif test.f is not None and test.p is not None:
            shown = "they differ" if test.p < 0.05 else "no difference is shown"
            sentences.append(
                f"{label}: {shown} (F({test.degrees[0]}, {test.degrees[1]}) = {test.f:.1f}, p {test.p:.3f}, not "
                f"corrected for other tests); the largest difference, picked for its size: {part.label} {number}."
            )
        else:
            sentences.append(f"{label}: {part.label} {number}, picked as the largest; one seed says nothing of others.")
    return sentences


def _brackets(one: Estimate, contrast: Contrast) -> str:
    """` (−0.7 to +0.7; t −1.0 to +0.8)`."""
    texts = [
        f"{'t ' * (name == 't')}{amount(contrast.kind, low)} to {amount(contrast.kind, high)}"
        for name, (low, high) in one.intervals.items()
    ]
    return f" ({'; '.join(texts)})" if texts else ""


def _words(one: Estimate) -> str:
    """Clear or not, and where the two intervals disagree which says what."""
    if one.clear:
        return "clearly above zero" if one.value > 0 else "clearly below zero"
    if not one.intervals:
        return "from one seed"
    if "t" not in one.intervals:
        low, high = one.intervals["bootstrap"]
        side = "above zero" if low > 0 else "below zero" if high < 0 else "no effect shown"
        return (
            f"{side} on these test examples, which say nothing of other {'models' if len(one.seeds) > 1 else 'seeds'}"
        )
    apart = [name for name, (low, high) in one.intervals.items() if low * high > 0]
    if apart:
        first, second = ("the bootstrap", "t") if "bootstrap" in apart else ("t", "the bootstrap")
        return f"not clear: {first} excludes zero, {second} does not"
    return "no effect shown"


def _pairs(study: Study) -> list[Table]:
    return [
        pairs_table(label, found.pairs, study.scores)
        for label, _, found in study.effects
        if isinstance(found, Measured) and found.pairs
    ]


def _cost(study: Study) -> str:
    about = study.analysis.about
    lines = [f"xstilts {about.version}; {len(about.seeds)} seeds; {study.analysis.options.resamples:,} resamples."]
    if study.minutes:
        kinds = ", ".join(f"{kind} {minutes:.1f}" for kind, minutes in study.minutes.items())
        total = sum(study.minutes.values())
        lines.append(f"Minutes of computing, summed over workers: {total:.0f} ({kinds}).")
    return _list(lines)


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
