"""A tiny microworld experiment, run once: models with every kind of head."""

from __future__ import annotations

import pytest

from export.exported import World
from stages.tiny_experiment import run, tiny_experiment
from xstilts.expand import Expansion
from xstilts.microworld.world import TINY, write_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    place = tmp_path_factory.mktemp("out_into_the_world")
    write_world(place / "data", 5, TINY)
    recipes = [[], ["micro_nli"], [["micro_nli", "micro_qa"]]]
    expansion = Expansion(tiny_experiment(recipes=recipes), place / "data")
    stages = {cell.task: cell.stage for cell in expansion.cells if cell.recipe == "[]"}
    learned = {cell.recipe: cell.stage for cell in expansion.cells if cell.task == "micro_nli"}
    stages |= {"micro_nli": learned["[micro_nli]"], "both": learned["[{micro_nli, micro_qa}]"]}
    assert run(stages.values(), place / "store")["Failed"] == []
    return World(place / "data", place / "store", stages)
