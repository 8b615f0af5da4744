"""How recipes are written, read and called."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from xstilts.recipes import PhaseSpec, Recipe


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ([], "[]"),
        (["mnli"], "[mnli]"),
        (["squad_v1", "mnli"], "[squad_v1, mnli]"),
        ([["mnli", "squad_v1"]], "[{mnli, squad_v1}]"),
        ([["mnli"]], "[mnli]"),
        (["mnli", ["squad_v1", {"task": "text_ud", "rate": 0.3}]], "[mnli, {squad_v1, text_ud}]"),
        ([{"tasks": ["mnli"], "train": {"steps": 3}}], "[mnli]"),
        ({"phases": ["mnli"], "name": "NLI first"}, "NLI first"),
    ],
)
def test_shorthands_and_labels(written: Any, label: str) -> None:
    assert Recipe.model_validate(written).label == label


def test_shorthands_mean_the_same_as_their_long_forms() -> None:
    short = Recipe.model_validate(["mnli", ["squad_v1", {"task": "text_ud", "languages": ["de", "ru"], "rate": 0.3}]])
    component = {"task": "text_ud", "languages": ["de", "ru"], "rate": 0.3}
    long = Recipe.model_validate(
        {"phases": [{"tasks": [{"task": "mnli"}]}, {"tasks": [{"task": "squad_v1"}, component]}]}
    )
    assert short == long
    assert Recipe.model_validate([["mnli"]]) == Recipe.model_validate(["mnli"])


def test_a_phase_overrides_what_stands_above_it() -> None:
    phase = PhaseSpec.model_validate({"tasks": ["mnli"], "train": {"steps": 3}})
    options = phase.runs({"steps": 1, "batch_size": 8}, {"batch_size": 4, "clip": 0.5})[0]
    assert (options.steps, options.batch_size, options.clip) == (3, 4, 0.5)


@pytest.mark.parametrize(
    "wrong",
    [
        [[]],
        [{"tasks": []}],
        [{"task": "mnli"}],
        [["mnli", {"task": "squad_v1", "rate": 1.5}]],
        [["mnli", {"task": "squad_v1", "weight": 0}]],
        [{"tasks": ["mnli"], "train": {"step": 3}}],
        [{"tasks": ["mnli"], "sampling": "by size"}],
        [3],
        "mnli",
    ],
)
def test_what_is_no_recipe_is_refused(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        Recipe.model_validate(wrong)
