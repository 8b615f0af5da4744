"""A study's part of the report: effects in words and numbers, and a verdict on every claim."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from xstilts.core.errors import XstiltsError
from xstilts.reports.analysis import Analysis
from xstilts.reports.cells import GAP, MINUS, Cell, Column, Row, Table, count, few, interval, share, signed
from xstilts.stats.estimates import LEVEL, Estimate, estimate, holm, strict_p
from xstilts.studies.spec import Contrast, Kind, StudySpec
from xstilts.studies.verdicts import MeasuredContrast, Scores, Verdict, judge

UNITS: dict[Kind, str] = {"trend": " points per tenfold size", "correlation": ""}
"""Units of contrasts that are not in points."""
VERDICTS = {
    "holds": ("holds", "hold"),
    "fails": ("fails", "fail"),
    "undecided": ("is undecided", "are undecided"),
    "not tested": ("is not tested", "are not tested"),
}
COLUMNS = (
    "Probability: of the statement, by the t distribution of the verdict, before correction; with several parts, that "
    "of the least certain part needed. Its degrees of freedom are those of the seeds alone, fewer than those of an "
    "interval over seeds and examples, which may exclude a bound that the verdict leaves open. Detectable: distance "
    "from the bound at which t would decide the claim if it came first in Holm's order, given the measured spread."
)


class MeasuredEffect(NamedTuple):
    """A number that the answer reports: the parts that were measured and their estimates, or why there are none."""

    label: str
    contrast: Contrast
    found: MeasuredContrast
    problem: str
    numbers: tuple[Estimate, ...]


@dataclass(frozen=True)
class Study:
    """A study with all that its page shows; effects in the file's order."""

    spec: StudySpec
    scores: Scores
    verdicts: tuple[Verdict, ...]
    effects: tuple[MeasuredEffect, ...]


def study_of(spec: StudySpec, analysis: Analysis) -> Study:
    """Measure the effects and judge the claims."""
    about = analysis.about
    backbones = tuple(one.key for one in about.backbones)
    recipes = tuple(name for name in about.recipes if name not in about.control_recipes)
    random = {about.owner(name): name for name, kind in about.controls.items() if "random" in kind}
    known = (analysis.table, analysis.languages, backbones, recipes, about.targets, analysis.options)
    scores = Scores(*known, spec.groups, random)
    effects, tests = list[MeasuredEffect](), dict[tuple[int, int], float]()
    for i, asked in enumerate(spec.effects):
        try:
            found, problem = scores.measure(asked.contrast), ""
        except XstiltsError as error:
            found, problem = MeasuredContrast((), ()), str(error)
        numbers = tuple(estimate(part.series, scores.options) for part in found.parts)
        effects.append(MeasuredEffect(asked.label, asked.contrast, found, problem, numbers))
        for j, (part, number) in enumerate(zip(found.parts, numbers)):
            p = found.joint.p if found.joint else strict_p(part.series, scores.options)
            if p is not None and not number.few:
                tests[i, j] = p
    for (i, j), p in zip(tests, holm(list(tests.values()))):  # corrected over all effects
        numbers = effects[i].numbers
        corrected = (*numbers[:j], replace(numbers[j], p_table=p), *numbers[j + 1 :])
        effects[i] = effects[i]._replace(numbers=corrected)
    return Study(spec, scores, tuple(judge(spec.claims, scores, analysis.flags)), tuple(effects))


def answer(study: Study) -> list[str]:
    """The number of claims by verdict, and the effects in words and numbers."""
    told = {word: [one.claim.id for one in study.verdicts if one.word == word] for word in VERDICTS}
    counts = [f"{len(ids)} {VERDICTS[word][len(ids) != 1]} ({', '.join(ids)})" for word, ids in told.items() if ids]
    sentences = [f"Of {count(len(study.verdicts), 'claim')}, {', '.join(counts)}."] if counts else []
    sentences += [sentence for effect in study.effects for sentence in _effect(effect)]
    numbers = [number for effect in study.effects for number in effect.numbers if number.low is not None]
    if over := list(dict.fromkeys(number.over for number in numbers)):
        sentences.append(
            f"In brackets: {study.scores.options.level:.0%} intervals over {', or over '.join(over)}. p is for the "
            "hypothesis of no effect, corrected for all effects in this list."
        )
    return sentences


def _effect(effect: MeasuredEffect) -> Iterator[str]:
    label, contrast, found, problem, numbers = effect
    if problem:
        yield f"{label}: not measured ({problem})."
    for part, one in zip(found.parts, numbers):
        number = _number(contrast.kind, one, UNITS.get(contrast.kind, " points"))
        if (test := found.joint) is None:
            p = few(one) if one.few else f"p {share(one.p_table)}"
            yield f"{label}{f', {part.label}' if part.label else ''}: {number}, {p}."
        elif test.f is not None and one.p_table is not None:
            shown = "they differ clearly" if one.p_table < LEVEL else "no clear difference"
            yield (
                f"{label}: {shown} (F({test.degrees[0]}, {test.degrees[1]}) = {test.f:.1f}, p {share(one.p_table)}, "
                f"corrected); the largest difference, picked for its size: {part.label} {number}."
            )
        else:
            yield f"{label}: {part.label} {number}, picked as the largest; {few(one)}."


def background(spec: StudySpec) -> list[str]:
    """Source of the question, cost, falsification, and references."""
    source = "; ".join(f"{key}: {spec.references[key]}" for key in spec.citation)
    asked = [f"Source: {source}", f"Expected cost: {spec.cost}", f"What would falsify it: {spec.falsified_by}"]
    return [*asked, *(f"{key}: {text}" for key, text in spec.references.items())]


def drawn(study: Study) -> list[tuple[str, Estimate]]:
    """The effects that a forest plot can show: those in points."""
    return [
        (f"{effect.label}, {part.label}" if part.label else effect.label, number)
        for effect in study.effects
        if effect.found.joint is None and effect.contrast.kind not in UNITS
        for part, number in zip(effect.found.parts, effect.numbers)
    ]


def by_sizes(study: Study) -> Iterator[tuple[str, dict[str, list[tuple[float, Estimate]]]]]:
    """For each trend, its label and by part the gain of each backbone beside its size."""
    for effect in study.effects:
        if effect.contrast.kind == "trend" and not effect.problem:
            lines: dict[str, list[tuple[float, Estimate]]] = {}
            for backbone, size in effect.contrast.parameters.items():
                gain = effect.contrast.model_copy(update={"kind": "gain", "backbones": (backbone,), "parameters": {}})
                for part in study.scores.measure(gain).parts:
                    found = estimate(part.series, study.scores.options)
                    lines.setdefault(part.label or ", ".join(gain.recipe), []).append((size, found))
            yield effect.label, {name: sorted(points, key=lambda one: one[0]) for name, points in lines.items()}


def _amount(kind: Kind, value: float) -> str:
    """A contrast's value with its sign: points with one decimal, correlations with two."""
    return f"{value:+.2f}".replace("-", MINUS) if kind == "correlation" else signed(value)


def _number(kind: Kind, found: Estimate, unit: str = "") -> str:
    """A contrast's value with its interval: `+2.0 points [+1.0, +3.0]`."""
    ends = interval(found)
    if kind == "correlation" and found.low is not None and found.high is not None:
        ends = f"[{_amount(kind, found.low)}, {_amount(kind, found.high)}]"
    return f"{_amount(kind, found.value)}{unit} {ends}".strip()


def pairs_tables(study: Study) -> Iterator[Table]:
    """The pairwise interactions behind each joint test."""
    for effect in study.effects:
        if pairs := effect.found.pairs:
            found = [estimate(part.series, study.scores.options) for part in pairs]
            adjusted = holm([strict_p(part.series, study.scores.options) for part in pairs])
            rows = tuple(
                Row(part.label, (Cell(signed(one.value), interval(one)), Cell(share(p))))
                for part, one, p in zip(pairs, found, adjusted)
            )
            head = (Column("backbones"), Column("difference of gains"), Column("p, Holm"))
            yield Table("pairs", f"{effect.label}: pairwise, Holm-adjusted over the pairs.", head, rows)


def claims_table(verdicts: Sequence[Verdict]) -> Table:
    """Every claim with its verdict, what was measured, and its source."""
    rows = []
    for one in verdicts:
        kind = one.claim.test.kind if one.claim.test else "gain"
        resolved = GAP if one.resolved is None else _amount(kind, one.resolved).removeprefix("+")
        notes = "; ".join(part for part in (one.reason, *one.notes, one.claim.limits) if part) or GAP
        texts = (one.word, one.claim.statement, asked(one), measured(one), share(one.confidence), share(one.p_adjusted))
        rows.append(Row(one.claim.id, tuple(map(Cell, (*texts, resolved, notes, ", ".join(one.claim.citation))))))
    numbers = ("probability", "p, Holm", "detectable")
    names = ("verdict", "statement", "test", "measured here", *numbers, "flags, reasons and limits", "source")
    head = (Column("claim"), *(Column(name, words=name not in numbers) for name in names))
    return Table("claims", COLUMNS, head, tuple(rows))


def asked(verdict: Verdict) -> str:
    """The bound on the numbers behind a verdict, in words."""
    test = verdict.claim.test
    if test is None:
        return GAP
    than, margin = f"{test.than:g}", f"{test.margin:g}"
    effect = f", fails where shown to be less than {margin} beyond it" if test.margin else ""
    several = verdict.measured is not None and verdict.measured.joint is not None
    words = {
        "above": f"above {than}{effect}",
        "below": f"below {than}{effect}",
        "within": f"within {margin} of {'each other' if several else than}",
        "differs": f"they differ, fails where within {margin}" if several else f"more than {margin} from {than}",
    }[test.direction]
    number = len(verdict.parts)
    return words if number < 2 else f"{test.at_least or 'all'} of {number} {words}"


def measured(verdict: Verdict) -> str:
    """The numbers behind a verdict."""
    kind = verdict.claim.test.kind if verdict.claim.test else "gain"
    texts = [f"{f'{label}: ' if label else ''}{_number(kind, found)}" for label, found in verdict.parts]
    return "; ".join(texts) or "not measured"
