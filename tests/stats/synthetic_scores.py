"""Score tables whose gains are known by construction."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from xstilts.core.scores import Score
from xstilts.stats.table import Examples, ScoreTable


@dataclass(frozen=True)
class Design:
    """Accuracies drawn around `base + gain[recipe]`, with noise over seeds; `own_examples`: own ids per seed."""

    gains: dict[str, float]
    tasks: tuple[str, ...] = ("topics",)
    languages: tuple[str, ...] = ("en", "aa", "bb")
    seeds: tuple[int, ...] = (1, 2, 3)
    n: int = 200
    base: float = 60.0
    seed_noise: float = 0.0
    language_noise: float = 0.0  # of a run in one language, besides
    own_examples: bool = True
    backbone: str = "small"
    extra: dict[str, float] = field(default_factory=dict)  # other backbones, recipe [] only: difference from the base


def score(task: str, language: str, seed: int, run: tuple[str, str], value: float, **more: object) -> Score:
    fields = {"split": "test", "metric": "accuracy", "n": 200, "majority": 33.3, **more}
    return Score(task, language, value=value, seed=seed, backbone=run[0], recipe=run[1], **fields)  # type: ignore[arg-type]


def build(design: Design, rng: np.random.Generator) -> ScoreTable:
    rows = []
    runs = {(design.backbone, recipe): gain for recipe, gain in design.gains.items()}
    runs |= {(backbone, "[]"): gap for backbone, gap in design.extra.items()}
    for task in design.tasks:
        for seed in design.seeds:
            prefix = f"{seed}-" if design.own_examples else ""
            ids = [f"{prefix}{number}" for number in range(design.n)]
            shift = {run: rng.normal(0, design.seed_noise) for run in runs}
            for language in design.languages:
                luck = rng.random(design.n)  # common to all runs, so that examples pair
                for run, gain in runs.items():
                    own = rng.normal(0, design.language_noise) if design.language_noise else 0.0
                    chance = (design.base + gain + shift[run] + own) / 100
                    mixed = np.where(rng.random(design.n) < 0.5, luck, rng.random(design.n))
                    examples = Examples.of(ids, mixed < chance, np.ones(design.n))
                    rows.append((score(task, language, seed, run, examples.value, n=design.n), examples))
    return ScoreTable.of(rows)
