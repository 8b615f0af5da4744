"""Tables of a study: effects with both intervals, interactions among backbones, claims."""

from __future__ import annotations

from collections.abc import Sequence

from xstilts.core.errors import XstiltsError
from xstilts.reports.analysis import MEAN, ZERO_SHOT, Analysis
from xstilts.reports.cells import GAP, MINUS, Cell, Column, Row, Table, gap, share, signed
from xstilts.stats.bootstrap import Estimate, estimate
from xstilts.stats.evidence import Bound
from xstilts.stats.series import Series
from xstilts.stats.tests import holm
from xstilts.studies.contrasts import Measured, Part, Scores
from xstilts.studies.spec import Contrast, Kind
from xstilts.studies.verdicts import Verdict

UNITS: dict[Kind, str] = {"trend": " points per tenfold size", "correlation": ""}


def amount(kind: Kind, value: float) -> str:
    """A contrast's value with its sign: points with one decimal, correlations with two."""
    return f"{value:+.2f}".replace("-", MINUS) if kind == "correlation" else signed(value)


def unit(kind: Kind) -> str:
    """What a contrast is counted in."""
    return UNITS.get(kind, " points")


def both(found: Estimate, kind: Kind = "gain") -> str:
    """`[+1.0, +3.0] t [+0.2, +3.9]`."""
    texts = {name: f"[{amount(kind, low)}, {amount(kind, high)}]" for name, (low, high) in found.intervals.items()}
    return " t ".join(texts.values())


def chance(confidence: float | None) -> str:
    """A share of resamples as a probability: `.97`, never 0 or 1."""
    if confidence is None:
        return GAP
    if confidence > 0.999:
        return "> .999"
    return "< .001" if confidence < 0.001 else f"{confidence:.3f}".replace("0.", ".", 1)


def effects_table(analysis: Analysis) -> Table:
    """Backbone x recipe: the gain on each target and on their mean, with both intervals."""
    about = analysis.about
    targets = [*about.targets, *([MEAN] if len(about.targets) > 1 else [])]
    rows = []
    for section in analysis.sections:
        for run in section.runs[1:]:
            cells = []
            for target in targets:
                found = analysis.finding(run, section.baseline, target, ZERO_SHOT)
                one = found.gain
                cells.append(
                    gap(found.gap)
                    if one is None
                    else Cell(signed(one.value), both(one), kind="gain", value=one.value, clear=found.clear)
                )
            name = about.backbone(section.backbone).label
            label = f"{run.recipe} ({name})" if len(analysis.sections) > 1 else run.recipe
            rows.append(Row(label, tuple(cells)))
    head = (Column("recipe"), *(Column(target or "mean") for target in targets))
    caption = (
        f"Gains over {about.baseline} in points, zero-shot mean, with the bootstrap interval and behind ‘t’ Student's; "
        "a dot where both exclude zero."
    )
    notes = tuple(dict.fromkeys(cell.caveat for row in rows for cell in row.cells if cell.caveat))
    return Table("effects", caption, head, tuple(rows), notes)


def two_sided(series: Series, scores: Scores) -> float:
    """p of "no difference": the larger of bootstrap and t."""
    return min(Bound("above").p_values(series, scores.options))


def interaction_table(analysis: Analysis, scores: Scores) -> Table | None:
    """For each recipe, whether its gain on the mean over targets differs among backbones; None with one backbone."""
    if len(scores.backbones) < 2:
        return None
    rows: list[tuple[str, Measured | str]] = []
    for recipe in scores.recipes[1:]:
        try:
            rows.append((recipe, scores.measure(Contrast(kind="interaction", recipe=(recipe,)))))
        except XstiltsError as error:
            rows.append((recipe, str(error)))
    known = [(recipe, found, _p(found, scores)) for recipe, found in rows if isinstance(found, Measured)]
    adjusted = dict(zip([recipe for recipe, *_ in known], holm([1.0 if p is None else p for *_, p in known])))
    made = [
        Row(recipe, _interaction(found, adjusted[recipe], scores) if isinstance(found, Measured) else (gap(found),) * 4)
        for recipe, found in rows
    ]
    head = ("recipe", "largest difference", "F over blocks", "permutation p", "p, Holm")
    caption = (
        "Does the gain differ among backbones? Largest difference of gains between two of them, with both intervals "
        "(picked as the largest among more than two, so they are too hopeful; the tests are not); F of repeated "
        f"measures over {_blocks(scores)}; permutation within seeds; the larger p of the two, or with two backbones "
        "that of the difference, Holm-adjusted over recipes."
    )
    notes = tuple(found for _, found in rows if isinstance(found, str))
    return Table("interactions", caption, tuple(map(Column, head)), tuple(made), notes)


def _blocks(scores: Scores) -> str:
    worlds = scores.options.worlds
    return "worlds" if 1 < len(set(worlds.values())) < len(worlds) else "seeds"


def _p(found: Measured, scores: Scores) -> float | None:
    return found.joint.p if found.joint is not None else two_sided(found.parts[0].series, scores)


def _interaction(found: Measured, adjusted: float, scores: Scores) -> tuple[Cell, ...]:
    part = found.parts[0]
    one = estimate(part.series, scores.options)
    name = part.label or " - ".join(scores.backbones)
    test = found.joint
    f = GAP if test is None or test.f is None else f"F({test.degrees[0]}, {test.degrees[1]}) = {test.f:.1f}"
    shuffled = GAP if test is None or test.p_permutation is None else share(test.p_permutation).removeprefix("= ")
    return (
        Cell(f"{name}: {signed(one.value)}", both(one)),
        Cell(f),
        Cell(shuffled),
        Cell(share(adjusted).removeprefix("= ")),
    )


def pairs_table(label: str, pairs: Sequence[Part], scores: Scores) -> Table:
    """The pairwise interactions behind a joint test."""
    found = [(part, estimate(part.series, scores.options)) for part in pairs]
    adjusted = holm([two_sided(part.series, scores) for part in pairs])
    rows = tuple(
        Row(part.label, (Cell(signed(one.value), both(one)), Cell(share(p).removeprefix("= "))))
        for (part, one), p in zip(found, adjusted)
    )
    head = (Column("backbones"), Column("difference of gains"), Column("p, Holm"))
    return Table("pairs", f"{label}: pairwise, Holm-adjusted over the pairs.", head, rows)


def claims_table(verdicts: Sequence[Verdict]) -> Table:
    """Every claim with its source, what was measured, and the verdict."""
    rows = tuple(
        Row(
            one.claim.id,
            (
                Cell(one.claim.statement),
                Cell(", ".join(one.claim.citation)),
                Cell(asked(one)),
                Cell(measured(one)),
                Cell(one.word),
                Cell(chance(one.confidence)),
                Cell(GAP if one.resolved is None else amount(_kind(one), one.resolved).removeprefix("+")),
                Cell(GAP if one.p_adjusted is None else share(one.p_adjusted).removeprefix("= ")),
                Cell("; ".join(part for part in (one.reason, *one.notes) if part) or GAP),
            ),
        )
        for one in verdicts
    )
    texts = [Column(name, words=True) for name in ("statement", "source", "test", "measured here", "verdict")]
    numbers = [Column(name) for name in ("confidence", "could be shown", "p, Holm")]
    head = (Column("claim"), *texts, *numbers, Column("to be read with", words=True))
    caption = (
        "Confidence: the share of resamples of worlds, seeds and test examples in which the statement holds. It is a "
        "probability from the measured scores, not a belief weighed with what else is known. Verified or not verified: "
        "shown at 95 % by bootstrap and t alike, after Holm's correction over the tested claims; else undecided. Could "
        "be shown: how far from its bound the number would have to be for t to decide the claim, were it first in "
        "Holm's order, given the spread that was measured."
    )
    return Table("claims", caption, head, rows)


def _kind(verdict: Verdict) -> Kind:
    return verdict.claim.test.kind if verdict.claim.test else "gain"


def asked(verdict: Verdict) -> str:
    """What the numbers behind a verdict must be."""
    test = verdict.claim.test
    if test is None:
        return GAP
    than, margin = f"{test.than:g}", f"{test.margin:g}"
    effect = f", refuted where shown to be less than {margin} beyond it" if test.margin else ""
    several = verdict.measured is not None and verdict.measured.joint is not None
    words = {
        "above": f"above {than}{effect}",
        "below": f"below {than}{effect}",
        "within": f"within {margin} of {'each other' if several else than}",
        "differs": f"they differ, refuted where within {margin}" if several else f"more than {margin} from {than}",
    }[test.direction]
    count = len(verdict.parts)
    return words if count < 2 else f"{test.at_least or 'all'} of {count} {words}"


def measured(verdict: Verdict) -> str:
    """The numbers behind a verdict."""
    kind = _kind(verdict)
    texts = [
        f"{f'{label}: ' if label else ''}{amount(kind, found.value)} {both(found, kind)}".strip()
        for label, found in verdict.parts
    ]
    return "; ".join(texts) or "not measured"
