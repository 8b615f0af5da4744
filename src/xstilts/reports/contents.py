"""The contents of a report: one list of chapters, rendered as HTML, Markdown, LaTeX and for the terminal."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from xstilts.reports.about import About
from xstilts.reports.analysis import ALL, MEAN, ZERO_SHOT, Analysis, Section
from xstilts.reports.cells import Table, count
from xstilts.reports.curves import cost_table
from xstilts.reports.diagnostics import diagnostics
from xstilts.reports.figures import by_size, curves, file_name, forest, heat_map
from xstilts.reports.findings import findings, gains, limitations, methods, protocols, verdict
from xstilts.reports.picks import choice, losses
from xstilts.reports.questions import AnsweredQuestion, distance, groups, transfer
from xstilts.reports.study import Study, answer, background, by_sizes, claims_table, drawn, pairs_tables
from xstilts.reports.tables import intermediate_table, language_table, layer_tables, main_table, official_table

FILES = 1000
"""Files in the list of checksums: 0.1 MB; `inputs.csv` has all."""
Kind = Literal["paragraph", "list", "code", "codes", "table", "gains", "languages", "figure", "file", "curves"]


@dataclass(frozen=True)
class Block:
    """A piece of a chapter.

    Attributes:
        kind: `codes` are lines of code, `gains` a table that the page colours, `languages` tables that it shows as one,
            `file` a figure that the page does not show, `curves` charts that the page alone shows.
        items: words: one paragraph, the items of a list, or a text to copy.
        title: of a figure; of a table or lines of code, under which they are folded away.
        file: name of a figure's file.
        own: left out of a study's page in docs, beside which no files stand.
    """

    kind: Kind
    items: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    title: str = ""
    file: str = ""
    svg: str = ""
    own: bool = False


@dataclass(frozen=True)
class Chapter:
    """`name`: its anchor."""

    name: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Contents:
    """A report. `answer`: a sentence per backbone; `said`: further findings; `lead`: the figures beside the answer."""

    analysis: Analysis
    title: str
    question: str
    answer: tuple[str, ...]
    said: tuple[str, ...]
    lead: tuple[Block, ...]
    chapters: tuple[Chapter, ...]


def contents(analysis: Analysis, study: Study | None = None) -> Contents:
    """The report of an experiment, or of a study."""
    about, sections = analysis.about, analysis.sections
    verdicts = [verdict(analysis, section) for section in sections]
    told = [*verdicts, *findings(analysis)]
    said, first = told, len(verdicts)
    if study and (answered := answer(study)):
        one = len(sections) == 1  # then its verdict comes before those on the claims
        said, first, told = [*verdicts[:one], *answered], 1 + one, told[one:]
    sweeps, limits = layer_tables(analysis), [*(study.spec.limitations if study else ()), *limitations(analysis)]
    drawn_sweeps = [Block("figure", title=one.name, file=file_name(one.name), svg=curves(one)) for one in sweeps]
    main, with_source = ([main_table(analysis, section, scope) for section in sections] for scope in (ZERO_SHOT, ALL))
    measured = [target for target in about.targets if analysis.languages[target, ALL]]
    by_language = [language_table(analysis, section, target) for section in sections for target in measured]
    logged, costs = Block("curves", own=True) if about.logged else None, _table([cost_table(about.costs)], own=True)
    scored = Block("codes", protocols(analysis), title="Protocol of each score")
    chapters: list[tuple[str, str, Iterable[Block | None]]] = [
        (
            "results",
            "Results by target",
            [
                _table(main, kind="gains"),
                _list(told) if study and told else None,
                *(_table([one], "With the source language in the mean", "gains") for one in with_source),
                *(_heat_map(analysis, section, table) for section, table in zip(sections, main)),
            ],
        ),
        ("claims", "Claims", [_table([claims_table(study.verdicts)])] if study and study.verdicts else []),
        ("languages", "Language by language", [_table(by_language, kind="languages")]),
        ("transfer", "Transfer gap", _answers(analysis, transfer)),
        ("groups", "Gain by family, script and resources", _answers(analysis, groups)),
        ("distance", "Gain by distance from English", _answers(analysis, distance)),
        ("choice", "Choosing a recipe for each target", _answers(analysis, choice)),
        ("losses", "Largest losses", _answers(analysis, losses)),
        ("diagnostics", "Gain by length, label and type of entity", _answers(analysis, diagnostics)),
        ("backbones", "Do gains differ between backbones?", [_table(pairs_tables(study) if study else [])]),
        ("official", "Official means", [_table([official_table(analysis)])]),
        ("layers", "Layers", [*drawn_sweeps, *(_table([one], one.name) for one in sweeps)]),
        ("intermediate", "Was the intermediate task learned?", [_table([intermediate_table(analysis)])]),
        ("training", "Training and costs", [logged, costs]),
        ("method", "Method", [*map(_text, methods(analysis, bool(study))), scored]),
        ("limitations", "Limitations", [_list(limits or ["No limitations are listed."])]),
        ("reproduce", "How to reproduce", _reproduce(about)),
        ("background", "Background and references", [_list(background(study.spec))] if study else []),
    ]
    known = [(name, title, tuple(block for block in blocks if block)) for name, title, blocks in chapters]
    made = [Chapter(name, title, blocks) for name, title, blocks in known if blocks]
    asked = study.spec.question if study else about.question
    return Contents(
        analysis,
        about.title,
        asked,
        tuple(said[:first]),
        tuple(said[first:]),
        tuple(_lead(analysis, study)),
        tuple(made),
    )


def _lead(analysis: Analysis, study: Study | None) -> Iterable[Block]:
    """The figures beside the answer: recipes, or the effects and trends of a study."""
    if study and (effects := drawn(study)):
        svg = forest("Effects", effects, corrected=False)
        yield Block("figure", title=f"{analysis.about.title}: effects", file="effects.svg", svg=svg)
    else:
        yield from _forests(analysis)
    for number, (label, sizes) in enumerate(by_sizes(study) if study else ()):
        svg = by_size("Gain by size", sizes)
        yield Block("figure", title=f"Gain by size: {label}", file=f"sizes{number or ''}.svg", svg=svg, own=True)


def _text(text: str) -> Block:
    return Block("paragraph", (text,))


def _list(items: Iterable[str]) -> Block:
    return Block("list", tuple(items))


def _table(tables: Iterable[Table | None], title: str = "", kind: Kind = "table", own: bool = False) -> Block | None:
    shown = tuple(one for one in tables if one is not None)
    return Block(kind, tables=shown, title=title, own=own) if shown else None


def _answers(
    analysis: Analysis, question: Callable[[Analysis, Section], AnsweredQuestion | None]
) -> Iterable[Block | None]:
    """For each backbone a sentence, then the figure, then the tables."""
    for section in analysis.sections:
        if (found := question(analysis, section)) is not None:
            yield from map(_text, filter(None, (found.sentence, found.explained)))
            if found.svg:
                title = f"{analysis.name(section.backbone)}Gain by distance from English"
                yield Block("figure", title=title, file=_file(analysis, "distance", section), svg=found.svg)
            titles = ("" if found.folded is None else f"{found.folded}{one.head[0].label}" for one in found.tables)
            yield from (_table([one], title) for one, title in zip(found.tables, titles))


def _forests(analysis: Analysis) -> Iterable[Block]:
    target = analysis.headline
    for section in analysis.sections:
        found = sorted(gains(analysis, section, section.runs[1:], [target]), key=lambda one: -one.found.value)
        title = f"{analysis.name(section.backbone)}Gain, {'mean over targets' if target == MEAN else target}"
        if found:
            svg = forest(title, [(one.run.recipe, one.found) for one in found])
            yield Block("figure", title=title, file=_file(analysis, "forest", section), svg=svg)


def _heat_map(analysis: Analysis, section: Section, table: Table) -> Block:
    title = f"{analysis.about.backbone(section.backbone).label}: gains in languages without labels"
    return Block("file", title=title, file=_file(analysis, "heatmap", section), svg=heat_map(table, title))


def _file(analysis: Analysis, kind: str, section: Section) -> str:
    return file_name(kind, section.backbone if len(analysis.sections) > 1 else "")


def _reproduce(about: About) -> list[Block]:
    varied = f"; they vary {about.seed_means}" if about.seed_means else ""
    facts = [f"xstilts {about.version}", f"Seeds: {', '.join(map(str, about.seeds))}{varied}.", *about.facts]
    codes = (Block("code", (text,)) for text in (about.command, about.config) if text)
    said = f"Checksums of the {count(len({row['file'] for row in about.inputs}), 'file')} that were read: inputs.csv."
    sums = tuple(sorted({f"{row['sha256_20']}  {row['file']}" for row in about.inputs}))
    which = f", the first {FILES} files" * (len(sums) > FILES)
    title = f"Files and checksums (20 digits of SHA-256){which}"
    files = Block("codes", sums[:FILES], title=title, own=True)
    return [*codes, _list(facts), *([Block("paragraph", (said,), own=True), files] if about.inputs else [])]
