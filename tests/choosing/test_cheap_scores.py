"""Scores without training: of a ranking, of a model that writes its answers, and their arithmetic."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from choosing.computing import Computing, chosen_for, runs_for
from stages.pool_files import write_pools
from stages.tiny_experiment import tiny_experiment
from xstilts.backbones.packing import pack
from xstilts.choosing import Choice, choose
from xstilts.core.files import read_json
from xstilts.stages.models import open_backbone
from xstilts.stages.predicting import uniformity
from xstilts.task_types.features import Features
from xstilts.task_types.sentences import pool

TRAIN = {"steps": 8, "batch_size": 4, "learning_rate": 1e-3, "select": "last"}


@pytest.fixture(scope="module")
def pools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pools(tmp_path_factory.mktemp("pools"))


@pytest.fixture(scope="module")
def ranked(pools: Path, tmp_path_factory: pytest.TempPathFactory) -> Choice:
    recipes: list[Any] = [[], ["micro_nli"], ["mewslix_pairs"]]
    asked = tiny_experiment(recipes=recipes, targets=["lareqa"], train=TRAIN)
    return chosen_for("lareqa", pools, Computing(tmp_path_factory.mktemp("store")), asked)


def test_a_ranking_target_is_chosen_for(ranked: Choice) -> None:
    assert ranked.judged_by == "squad_sentences validation, en"
    assert {row.recipe for row in ranked.rows} == {"[]", "[micro_nli]", "[mewslix_pairs]"}
    for row in ranked.rows:
        assert row.value is not None
        assert all(math.isfinite(value) for value in row.scores.values())
    (candidate,) = [row for row in ranked.rows if row.recipe == "[micro_nli]"]
    assert -1 <= candidate.scores["text"] <= 1


WRITER: dict[str, Any] = {
    "name": "writer",
    "architecture": "qwen3",
    "config": {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "intermediate_size": 16,
        "max_position_embeddings": 512,
    },
    "tokenizer": {"tasks": ["micro_text"], "languages": ["en", "qaa"], "vocabulary": 300},
    "output": "text",
}


def test_the_text_of_a_task_is_its_prompts_and_not_their_answers(pools: Path, tmp_path: Path) -> None:
    compute = Computing(tmp_path / "store")
    asked = tiny_experiment(backbones=[WRITER], recipes=[[], ["micro_choice"]], targets=["micro_topic"], train=TRAIN)
    runs = runs_for("micro_topic", pools, compute, asked)
    choice = choose(runs, compute, 1.0)
    assert {row.recipe for row in choice.rows} == {"[]", "[micro_choice]"}
    _, run = runs.runs(1, runs.recipes)
    *_, stage = run.texts
    assert stage.config["prompts"]
    features = Features.load(compute.store.directory(stage.inputs["data"]) / "all")
    assert len(features.type_splits) > 2 * len(features), "a prompt and its answers"
    backbone = open_backbone(compute.store.directory(stage.inputs["model"])).eval()
    prompts = pack([features.instance(row)[0] for row in range(len(features))])
    with torch.inference_mode():
        expected = pool(backbone(prompts), prompts).mean(0)
    found = read_json(compute.store.directory(stage) / "profile.json")["vector"]
    assert found == pytest.approx(expected.tolist(), abs=1e-5)


def test_vectors_of_one_direction_have_a_uniformity_of_zero() -> None:
    around = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    assert uniformity(np.ones((5, 3))) == pytest.approx(0.0, abs=1e-9)
    assert uniformity(around) == pytest.approx(-np.log((4 * np.exp(-4) + 2 * np.exp(-8)) / 6))
