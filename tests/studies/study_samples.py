"""A table of two backbones, three recipes, two targets, six seeds on three worlds; and studies of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from synthetic_scores import score

from xstilts.reports import About, Analysis, Named, analyse
from xstilts.stats.bootstrap import Resampling
from xstilts.stats.table import Examples, ScoreTable
from xstilts.studies.spec import StudySpec

GAINS = {
    ("small", "[nli]"): 12.0,
    ("small", "[qa]"): -9.0,
    ("large", "[nli]"): 1.0,
    ("large", "[qa]"): -9.0,
    ("huge", "[nli]"): -10.0,
    ("huge", "[qa]"): -9.0,
}
SEEDS = (1, 2, 3, 4, 5, 6)
WORLDS = {seed: (seed - 1) % 3 + 1 for seed in SEEDS}


def scores(backbones: tuple[str, ...] = ("small", "large"), seeds: tuple[int, ...] = SEEDS, n: int = 600) -> ScoreTable:
    rng, rows = np.random.default_rng(0), []
    for task in ("topics", "pairs"):
        for seed in seeds:
            ids = [f"{WORLDS[seed]}-{number}" for number in range(n)]
            for language in ("en", "aa", "bb"):
                luck = rng.random(n)
                for backbone in backbones:
                    for recipe in ("[]", "[nli]", "[qa]"):
                        chance = (60 + GAINS.get((backbone, recipe), 0.0)) / 100
                        mixed = np.where(rng.random(n) < 0.7, luck, rng.random(n))
                        examples = Examples.of(ids, mixed < chance, np.ones(n))
                        rows.append((score(task, language, seed, (backbone, recipe), examples.value, n=n), examples))
    for seed in seeds:
        for backbone in backbones:
            for recipe, own in (("[nli]", 80.0), ("[qa]", 35.0)):
                task = recipe.strip("[]")
                rows.append((score(task, "en", seed, (backbone, recipe), own, role="intermediate"), None))
    return ScoreTable.of(rows)


def analysis(backbones: tuple[str, ...] = ("small", "large"), seeds: tuple[int, ...] = SEEDS) -> Analysis:
    about = About(
        title="Two sizes",
        question="Does it help?",
        description="Made up.",
        experiment="sizes",
        backbones=tuple(Named(name) for name in backbones),
        recipes=("[]", "[nli]", "[qa]"),
        targets=("topics", "pairs"),
        languages=(Named("en"), Named("aa"), Named("bb")),
        seeds=seeds,
        command="xstilts study sizes",
        version="0.0.test",
        worlds={seed: WORLDS[seed] for seed in seeds},
    )
    return analyse(scores(backbones, seeds), about, Resampling(resamples=1000))


def spec(*claims: dict[str, Any], effects: tuple[dict[str, Any], ...] = ()) -> StudySpec:
    made = [
        {"id": f"c{number}", "statement": f"Statement {number}.", "citation": "someone", **claim}
        for number, claim in enumerate(claims)
    ]
    return StudySpec(
        question="Does it help?",
        citation=["someone"],
        cost="nothing",
        falsified_by="no gain",
        effects=effects,
        claims=made,
        references={"someone": "Someone 2020."},
    )
