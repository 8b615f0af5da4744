"""What a report says, in order: one list of chapters, which HTML, Markdown, LaTeX and the terminal each render."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from xstilts.reports.about import About
from xstilts.reports.analysis import ALL, MEAN, ZERO_SHOT, Analysis, Section
from xstilts.reports.cells import Table
from xstilts.reports.diagnostics import EXPLAINED, diagnostics
from xstilts.reports.figures import curves, file_name, forest, heat_map
from xstilts.reports.findings import findings, gains, verdict
from xstilts.reports.layers import layer_tables
from xstilts.reports.methods import limitations, methods, protocols
from xstilts.reports.picks import choice, losses
from xstilts.reports.questions import Answer, distance, groups, transfer
from xstilts.reports.study import Study, answer, background, claims_table, drawn, pairs_tables
from xstilts.reports.tables import intermediate_table, language_table, main_table, official_table

Question = Callable[[Analysis, Section], Answer | None]
Kind = Literal["paragraph", "list", "code", "codes", "table", "gains", "languages", "figure", "file"]


@dataclass(frozen=True)
class Block:
    """A piece of a chapter.

    Attributes:
        kind: `codes` are lines of code, `gains` a table that the page colours, `languages` tables that it shows as one,
            `file` a figure that the page does not show.
        items: words: one paragraph, the items of a list, or a text to copy.
        title: of a figure; of a table, under which it is folded away.
        file: name of a figure's file.
    """

    kind: Kind
    items: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    title: str = ""
    file: str = ""
    svg: str = ""


@dataclass(frozen=True)
class Chapter:
    """`name`: its anchor."""

    name: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Contents:
    """A report.

    Attributes:
        answer: the verdict, in a sentence, of several backbones one each.
        said: what else the numbers say, a sentence each.
        lead: the figures beside the answer.
    """

    analysis: Analysis
    title: str
    question: str
    answer: tuple[str, ...]
    said: tuple[str, ...]
    lead: tuple[Block, ...]
    chapters: tuple[Chapter, ...]

    def figures(self) -> list[Block]:
        """Those of the lead and of all chapters."""
        return [b for blocks in (self.lead, *(c.blocks for c in self.chapters)) for b in blocks if b.svg]


def contents(analysis: Analysis, study: Study | None = None) -> Contents:
    """The report of an experiment, or of a study."""
    about, verdicts = analysis.about, [verdict(analysis, section) for section in analysis.sections]
    told = [*verdicts, *findings(analysis)]
    said, first = (answer(study) or told, 1) if study else (told, len(verdicts))
    sweeps, limits = layer_tables(analysis), [*(study.spec.limitations if study else ()), *limitations(analysis)]
    folded = [_table([one], "With the source language in the mean", "gains") for one in _main(analysis, ALL)]
    chapters: list[tuple[str, str, Iterable[Block | None]]] = [
        (
            "results",
            "Results by target",
            [
                _table(_main(analysis, ZERO_SHOT), kind="gains"),
                _list(told) if study else None,
                *folded,
                *_maps(analysis),
            ],
        ),
        ("claims", "Claims", [_table([claims_table(study.verdicts)])] if study and study.verdicts else []),
        ("languages", "Language by language", [_table(_languages(analysis), kind="languages")]),
        ("transfer", "Transfer gap", _answers(analysis, transfer)),
        ("groups", "Gain by family, script and resources", _answers(analysis, groups)),
        ("distance", "Gain by distance from English", _answers(analysis, distance)),
        ("choice", "Choosing a recipe for each target", _answers(analysis, choice)),
        ("losses", "Largest losses", _answers(analysis, losses)),
        ("diagnostics", "Gain by length, label and type of entity", _diagnostics(analysis)),
        ("backbones", "Do gains differ between backbones?", [_table(pairs_tables(study) if study else [])]),
        ("official", "Official means", [_table([official_table(analysis)])]),
        ("layers", "Layers", [*map(_curves, sweeps), *(_table([one], one.name) for one in sweeps)]),
        ("intermediate", "Was the intermediate task learned?", [_table([intermediate_table(analysis)])]),
        ("method", "Method", [*map(_text, methods(analysis, bool(study))), Block("codes", protocols(analysis))]),
        ("limitations", "Limitations", [_list(limits or ["No limitations are listed."])]),
        ("reproduce", "How to reproduce", _reproduce(about)),
        ("background", "Background and references", [_list(background(study.spec))] if study else []),
    ]
    made = [Chapter(name, title, tuple(block for block in blocks if block)) for name, title, blocks in chapters]
    lead = tuple(_effects(study, about.title) if study and drawn(study) else _forests(analysis))
    asked = study.spec.question if study else about.question
    shown = tuple(chapter for chapter in made if chapter.blocks)
    return Contents(analysis, about.title, asked, tuple(said[:first]), tuple(said[first:]), lead, shown)


def _text(text: str) -> Block:
    return Block("paragraph", (text,))


def _list(items: Iterable[str]) -> Block:
    return Block("list", tuple(items))


def _table(tables: Iterable[Table | None], title: str = "", kind: Kind = "table") -> Block | None:
    shown = tuple(one for one in tables if one is not None)
    return Block(kind, tables=shown, title=title) if shown else None


def _answers(analysis: Analysis, question: Question) -> Iterable[Block | None]:
    """Of each backbone the sentence, then the figure, then the tables."""
    for section in analysis.sections:
        if (found := question(analysis, section)) is not None:
            yield _text(found.sentence)
            if found.svg:
                title = f"{analysis.name(section.backbone)}Gain by distance from English"
                yield Block("figure", title=title, file=_file(analysis, "distance", section), svg=found.svg)
            several = len(found.tables) > 1
            yield from (_table([one], f"By {one.head[0].label}" if several else "") for one in found.tables)


def _diagnostics(analysis: Analysis) -> Iterable[Block | None]:
    for section in analysis.sections:
        if (found := diagnostics(analysis, section)) is not None:
            yield from map(_text, (found.sentence, EXPLAINED))
            name = analysis.name(section.backbone)
            yield from (_table([one], f"{name}{one.head[0].label}") for one in found.tables)


def _main(analysis: Analysis, scope: str) -> list[Table]:
    return [main_table(analysis, section, scope) for section in analysis.sections]


def _languages(analysis: Analysis) -> list[Table]:
    targets = [target for target in analysis.about.targets if analysis.languages[target, ALL]]
    return [language_table(analysis, section, target) for section in analysis.sections for target in targets]


def _effects(study: Study, title: str) -> list[Block]:
    return [Block("figure", title=f"{title}: effects", file="effects.svg", svg=forest("Effects", drawn(study)))]


def _forests(analysis: Analysis) -> Iterable[Block]:
    target = analysis.headline
    for section in analysis.sections:
        found = sorted(gains(analysis, section, section.runs[1:], [target]), key=lambda one: -one.found.value)
        title = f"{analysis.name(section.backbone)}Gain, {'mean over targets' if target == MEAN else target}"
        if found:
            svg = forest(title, [(one.run.recipe, one.found) for one in found])
            yield Block("figure", title=title, file=_file(analysis, "forest", section), svg=svg)


def _maps(analysis: Analysis) -> Iterable[Block]:
    for section, table in zip(analysis.sections, _main(analysis, ZERO_SHOT)):
        title = f"{analysis.about.backbone(section.backbone).label}: gains in languages without labels"
        yield Block("file", title=title, file=_file(analysis, "heatmap", section), svg=heat_map(table, title))


def _file(analysis: Analysis, kind: str, section: Section) -> str:
    return file_name(kind, section.backbone if len(analysis.sections) > 1 else "")


def _curves(table: Table) -> Block:
    return Block("figure", title=table.name, file=file_name(table.name), svg=curves(table))


def _reproduce(about: About) -> list[Block]:
    varied = f"; they vary {about.seed_means}" if about.seed_means else ""
    facts = [f"xstilts {about.version}", f"Seeds: {', '.join(map(str, about.seeds))}{varied}.", *about.facts]
    return [*(Block("code", (text,)) for text in (about.command, about.config) if text), _list(facts)]
