"""The report as one HTML file that needs nothing else: no network, no script to be readable."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from xstilts.reports.analysis import ALL, ZERO_SHOT, Analysis
from xstilts.reports.findings import FLAGGED, findings
from xstilts.reports.layers import layer_table, panels
from xstilts.reports.methods import flagged, limitations, methods, protocols
from xstilts.reports.official import official_table
from xstilts.reports.standalone import asset
from xstilts.reports.svg import heat_map, layer_plot
from xstilts.reports.tables import intermediate_table, language_table, main_table


def page(analysis: Analysis, listed: Mapping[str, str]) -> str:
    """The page's HTML; `listed` are the files beside it, name -> what it holds."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=False)
    about, sweeps = analysis.about, panels(analysis)
    return environment.from_string(asset("page.html.j2")).render(
        about=about,
        css=Markup(asset("page.css") + asset("plots.css")),
        js=Markup(asset("page.js")),
        findings=findings(analysis),
        paragraphs=[part for part in about.description.split("\n\n") if part.strip()],
        sections=_sections(analysis),
        maps=_maps(analysis),
        panels=[
            {"svg": _inline(layer_plot(p)), "table": layer_table(p), "title": f"{p.target}, {p.kind}"} for p in sweeps
        ],
        official=official_table(analysis),
        intermediate=intermediate_table(analysis),
        flags={kind.replace(" ", "_"): flagged(analysis, kind) for kind in FLAGGED},
        methods=methods(analysis),
        protocols=protocols(analysis),
        limitations=limitations(analysis),
        files=listed.items(),
        count=len(analysis.table),
    )


def _sections(analysis: Analysis) -> list[dict[str, Any]]:
    made = []
    for section in analysis.sections:
        named = analysis.about.backbone(section.backbone)
        tables = {"zero_shot": main_table(analysis, section, ZERO_SHOT), "all": main_table(analysis, section, ALL)}
        made.append({"label": named.label, "note": named.note, **tables})
    return made


def _maps(analysis: Analysis) -> list[dict[str, Any]]:
    maps = []
    for target in analysis.about.targets:
        if analysis.languages[target, ALL]:
            tables = [(section, language_table(analysis, section, target)) for section in analysis.sections]
            labels = [analysis.about.backbone(section.backbone).label for section, _ in tables]
            parts = [{"label": n, "svg": _inline(heat_map(t)), "table": t} for n, (_, t) in zip(labels, tables)]
            maps.append({"name": target, "parts": parts})
    return maps


def _inline(svg: str) -> Markup:
    """SVG inside HTML needs no namespace, and the page then holds no address at all."""
    return Markup(re.sub(r' xmlns="[^"]*"', "", svg, count=1))
