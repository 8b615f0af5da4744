"""The report as one self-contained HTML file: answer and tables, and languages as data for a script."""

import json
import re
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from xstilts.reports.analysis import ALL, MEAN, ZERO_SHOT, Analysis, Section
from xstilts.reports.cells import count
from xstilts.reports.contents import Contents
from xstilts.reports.curves import charts
from xstilts.reports.figures import asset, shades


def page(found: Contents, listed: Mapping[str, str]) -> str:
    """The page's HTML; `listed` are the files beside it, name -> what it holds."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    namespace = ' xmlns="http://www.w3.org/2000/svg"'  # not needed inside HTML; without it the page contains no URL
    environment.globals.update(shades=shades, inline=lambda svg: Markup(svg.replace(namespace, "", 1)))
    environment.filters["kept"] = lambda text: re.sub(r"(\[[+\u2212\d.]+), (?=[+\u2212\d.]+\])", "\\1,\u00a0", text)
    return environment.from_string(asset("page.html.j2")).render(
        page=found,
        about=found.analysis.about,
        css=Markup(asset("page.css")),
        js=Markup(asset("page.js")),
        data=Markup(
            json.dumps(data(found.analysis), ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
        ),
        files=listed.items(),
        count=len(found.analysis.table),
    )


def data(analysis: Analysis) -> dict[str, Any]:
    """The data of the page's script: tables by language, and tooltips of the zero-shot table.

    A cell is [own score, low, high, gain, low, high, mark, gain at each seed]: mark 2 is clear, 0 too few seeds.
    """
    about, there = analysis.about, analysis.languages
    targets = [target for target in about.targets if there[target, ALL]]
    codes = [one for one in about.languages if any(one.key in there[target, ALL] for target in targets)]
    headed = [MEAN, *about.targets] if analysis.headline == MEAN else about.targets
    models = [
        {
            "name": about.backbone(section.backbone).label,
            "runs": [[analysis.label(run, section.backbone), run in section.controls] for run in section.every],
            "main": [_cells(analysis, section, target, ZERO_SHOT) for target in headed],
            "cells": [
                [_cells(analysis, section, target, one.key) if one.key in there[target, ALL] else None for one in codes]
                for target in targets
            ],
        }
        for section in analysis.sections
    ]
    drawn, absent = charts(about.logged)
    note = f"{count(absent, 'chart')} left out to keep the page small. All logs are in the store: train/KEY/log.jsonl."
    return {
        "charts": drawn,
        "absent": note if absent else "",
        "languages": [[one.key, one.label, one.note, one.script] for one in codes],
        "tasks": targets,
        "headed": [target or "mean" for target in headed],
        "metrics": [" and ".join(analysis.metrics[target]).replace("_", " ") for target in targets],
        "chance": [[_chance(analysis, target, one.key) for one in codes] for target in targets],
        "models": models,
    }


def _chance(analysis: Analysis, target: str, language: str) -> float | None:
    """None where the experiments of a comparison have different test data."""
    found = {_round(analysis.chance(section.backbone, target, language)) for section in analysis.sections} - {None}
    return found.pop() if len(found) == 1 else None


def _cells(analysis: Analysis, section: Section, target: str, where: str) -> list[list[Any] | None]:
    cells: list[list[Any] | None] = []
    for run in section.every:
        own, gain, *_ = analysis.finding(run, section, target, where)
        ends = [_round(number) for one in (own, gain) if one for number in (one.value, one.low, one.high)]
        mark = [2 if gain.clear else 0 if gain.few else 1, [*map(_round, gain.per_seed)]] if gain else []
        cells.append([*ends, *mark] if own else None)
    return cells


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 1) + 0.0
