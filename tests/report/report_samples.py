"""Experiments side by side, and one whose gains depend on the distance of the language."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from report_helpers import ABOUT, DESIGN
from synthetic_scores import build, score

from xstilts.reports import About, Named, analyse
from xstilts.reports.analysis import Analysis
from xstilts.reports.comparison import Side
from xstilts.stats.table import Examples, Measured, ScoreTable

FIRST = replace(DESIGN, gains={"[]": 0.0, "[nli]": 5.0}, extra={}, seed_noise=0.5, own_examples=False)


def side(name: str, design=FIRST, seed: int = 1, **about: object) -> Side:
    told = replace(
        ABOUT, experiment=name, recipes=tuple(design.gains), targets=design.tasks, controls={},
        config=f"name: {name}\n", **about,
    )  # fmt: skip
    table = build(design, np.random.default_rng(seed))
    rows = (
        Measured(replace(row.score, stage=f"{name} {row.run} {row.score.seed}"), row.examples) for row in table.rows
    )
    return Side(ScoreTable(tuple(rows)), told)


FAR = {code: 0.05 * number for number, code in enumerate(["l1", "l2", "l3", "l4", "l5", "l6"], start=1)}
NAMED = tuple(
    Named(code, f"Language {code}", "Turkic" if far > 0.16 else "Uralic", "Latn", 1 + (far > 0.16), far)
    for code, far in FAR.items()
)
KNOWN = replace(
    ABOUT, recipes=("[]", "[a]", "[b]"), targets=("t1", "t2"), languages=(Named("en", "English"), *NAMED), controls={},
    distances="made up", validation={},
)  # fmt: skip
SHIFTS = (-0.1, 0.0, 0.1)


def gain(recipe: str, language: str, target: str) -> float:
    """[a] gains 8 points, 1 less in each language that is 0.05 farther, nothing in English; [b] gains 1 on t2 alone."""
    if language == "en" or recipe == "[]":
        return 0.0
    return 8 - 20 * FAR[language] if recipe == "[a]" else float(target == "t2")


def made(about: About = KNOWN, seeds: int = 3, n: int = 0) -> Analysis:
    """Scores of 60, 80 in English, with gains; by seed and language they vary by a tenth of a point or so."""
    rng, rows = np.random.default_rng(0), []
    for target in KNOWN.targets:
        for recipe in KNOWN.recipes:
            for seed, shift in list(enumerate(SHIFTS, start=1))[:seeds]:
                for language in ("en", *FAR):
                    value = 60 + 20 * (language == "en") + gain(recipe, language, target) + shift + rng.normal(0, 0.05)
                    kept = None
                    if n:
                        kept = Examples.of(
                            [f"x{i}" for i in range(n)], np.arange(n) < round(value * n / 100), np.ones(n)
                        )
                        value = kept.value
                    rows.append((score(target, language, seed, ("small", recipe), value, n=n or 200), kept))
    return analyse(ScoreTable.of(rows), about)
