"""Scores by properties of the examples, as in XTREME-R: by length, label, and type of entity.

Ruder et al. 2021 (arXiv 2104.07412) break scores down with ExplainaBoard, which cuts lengths into four buckets of about
equal size. A score within a bucket is the target's own metric over the examples, or the entities, of the bucket.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import product
from types import MappingProxyType
from typing import Any, NamedTuple

from xstilts.reports.analysis import ZERO_SHOT, Analysis, Finding, Section, compare
from xstilts.reports.cells import GAP, Cell, Column, Row, Table, count, points
from xstilts.reports.questions import AnsweredQuestion, tally
from xstilts.reports.tables import cell
from xstilts.stats.estimates import Estimate, estimate, family
from xstilts.stats.replicates import replicates
from xstilts.stats.series import Series
from xstilts.stats.table import Run, ScoreTable

LEAST, FEW = 5, 30
"""Examples that a language needs in a bucket to count there, and that a bucket needs for an interval."""
TOO_FEW = "too few"
EXPLAINED = (
    "By properties of the examples, as in XTREME-R (Ruder et al. 2021); means over zero-shot languages. Lengths are in "
    "characters, those of tagged sentences and of entities in words. They are cut at the quartiles of the examples in "
    "the source language (of all examples if it has none), and at the same points in every language. A score is the "
    "target's metric over the examples of a bucket; of entities, over the gold and predicted entities in it. Languages "
    f"with fewer than {LEAST} examples in a bucket are left out of it; {TOO_FEW}: fewer than {FEW} in all languages. A "
    "dot: clear after correction for all buckets of the target."
)
ENDS = {"": "value", "_low": "low", "_high": "high"}


class Bucket(NamedTuple):
    """Findings over the examples of a target that share a property.

    Attributes:
        property, label: the property, and its value or range: `context length`, `401–620`.
        cut: whose examples the buckets were made from: a language code, or `all languages`.
        language: one language; empty for the mean over `languages` of them.
        examples: how many there are, over these languages.
    """

    backbone: str
    target: str
    property: str
    label: str
    cut: str
    language: str
    languages: int
    examples: int
    findings: Mapping[Run, Finding] = MappingProxyType({})


class BucketScores(NamedTuple):
    """The scores of a target within one bucket of a property; `cut`: whose examples the buckets were made from."""

    property: str
    label: str
    cut: str
    table: ScoreTable


Parts = Callable[[str, Collection[Run]], Iterable[BucketScores]]
"""(target, runs) -> its buckets in the order to show."""


def diagnose(analysis: Analysis, parts: Parts) -> Analysis:
    """Add scores and gains in each bucket: the mean over zero-shot languages, then each language."""
    places = product(analysis.sections, analysis.about.targets)
    return replace(analysis, buckets=tuple(one for at in places for one in _of_target(analysis, *at, parts)))


def _of_target(analysis: Analysis, section: Section, target: str, parts: Parts) -> Iterator[Bucket]:
    codes = analysis.languages[target, analysis.scope_of(target, ZERO_SHOT)]
    found: list[tuple[Bucket, Mapping[Run, Finding]]] = []
    for part in parts(target, section.runs):
        sizes: dict[str, int] = {}
        for score in part.table.scores:
            sizes[score.language] = min(score.n, sizes.get(score.language, score.n))
        kept, task = [code for code in codes if sizes.get(code, 0) >= LEAST], replicates(part.table, target)
        for language in ("", *kept):
            counted = [language] if language else kept
            examples = sum(sizes.get(code, 0) for code in counted or codes)
            at = Bucket(section.backbone, target, *part[:3], language, len(counted), examples)
            compared = {run: compare(task, run, section.baseline, counted) for run in section.runs} if counted else {}
            found.append((at, compared))
    gains: dict[tuple[int, Run], Series] = {
        (number, run): one.change
        for number, (at, compared) in enumerate(found)
        for run, one in compared.items()
        if one.change is not None and at.examples >= FEW and not at.language
    }
    groups = [f"{section.baseline} {target}"] * len(gains)
    known = dict(zip(gains, family([*gains.values()], groups, analysis.options)))

    def estimated(series: Series | None, at: Bucket) -> Estimate | None:
        """The estimate; with few examples only its value."""
        one = None if series is None else estimate(series, analysis.options)
        return one if one is None or at.examples >= FEW else replace(one, low=None, high=None, p=None)

    for number, (at, every) in enumerate(found):
        pairs = {run: (estimated(one.own, at), estimated(one.change, at)) for run, one in every.items()}
        yield at._replace(
            findings={run: Finding(own, known.get((number, run), gain)) for run, (own, gain) in pairs.items()}
        )


def diagnostics(analysis: Analysis, section: Section) -> AnsweredQuestion | None:
    """On which examples do recipes gain or lose? A table for each target."""
    buckets = [one for one in analysis.buckets if one.backbone == section.backbone and not one.language]
    known = [
        (f"{run.recipe} on {at.target}, {at.property} {at.label}", one.gain)
        for at in buckets
        for run, one in at.findings.items()
        if one.gain is not None and at.examples >= FEW
    ]
    if not known:
        return None
    said = tally(known, "combination", ("lose clearly", "gain clearly"), "largest difference")
    targets = dict.fromkeys(at.target for at in buckets)
    name = analysis.name(section.backbone)
    tables = [_table(analysis, section, [at for at in buckets if at.target == target]) for target in targets]
    return AnsweredQuestion(f"{name}By bucket of examples and recipe: {said}.", tuple(tables), "", name, EXPLAINED)


def _table(analysis: Analysis, section: Section, buckets: list[Bucket]) -> Table:
    target, most = buckets[0].target, max(at.languages for at in buckets)
    rows = []
    for at in buckets:
        own, *gains = (at.findings.get(run, Finding()) for run in section.runs)
        score = Cell(points(own.absolute.value)) if own.absolute else Cell(GAP)
        few = at.examples < FEW or not at.languages
        cells = (score, Cell(str(at.examples)), *(Cell(TOO_FEW) if few else cell(one, False) for one in gains))
        less = count(at.languages, "language") if at.languages < most else ""
        rows.append(Row(f"{at.property} {at.label}", cells, detail=less))
    cuts = [analysis.about.language(code).label for code in dict.fromkeys(at.cut for at in buckets)]
    caption = (
        f"{analysis.about.backbone(section.backbone).label}, {target}: score of {section.baseline.recipe} in "
        f"{count(most, 'language')}, and gains of the other recipes, in points. Lengths are cut at the quartiles in "
        f"{' or '.join(cuts)}."
    )
    head = (target, section.baseline.recipe, "n", *(run.recipe for run in section.runs[1:]))
    return Table(f"diagnostics {section.backbone} {target}", caption, tuple(map(Column, head)), tuple(rows))


def bucket_rows(analysis: Analysis) -> Iterator[dict[str, Any]]:
    """Every score and gain within a bucket as a flat row, for CSV; `language` is empty for means."""
    for at in analysis.buckets:
        for run, found in at.findings.items():
            own, gain = found.absolute, found.gain
            yield {
                **{**run._asdict(), "target": at.target, "property": at.property},
                **{"bucket": at.label, "language": at.language, "languages": at.languages, "n": at.examples},
                **{f"score{end}": getattr(own, name, None) for end, name in ENDS.items()},
                **{f"gain{end}": getattr(gain, name, None) for end, name in ENDS.items()},
                **{"p": gain and gain.p, "p_table": gain and gain.p_table, "clear": gain and gain.clear},
            }
