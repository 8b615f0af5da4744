"""Experiments whose backbones write their answers: a decoder and an encoder-decoder, from training to scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from stages.text_experiment import SIZES, TARGETS, expansion
from stages.tiny_experiment import BACKBONE, run, scores, tiny_experiment
from xstilts.core.errors import ConfigError
from xstilts.expand import Expansion
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.stages.models import open_backbone


def run_recipe(expanded: Expansion, store: Path) -> dict[str, Stage]:
    """Evaluate stages by task of the recipe, once they are run; the baseline is left out."""
    stages = {cell.task: cell.stage for cell in expanded.cells if cell.recipe == "[micro_nli]"}
    assert run(stages.values(), store)["Failed"] == []
    return stages


@pytest.mark.parametrize("kind", SIZES)
def test_all_types_run_and_say_how_they_answered(kind: str, tiny_world: Path, tmp_path: Path) -> None:
    stages = run_recipe(expansion(kind, tiny_world), tmp_path)
    found = {task: scores(tmp_path, stage) for task, stage in stages.items()}
    for name in TARGETS[:-1]:
        assert {row["language"] for row in found[name]} == {"en", "qaa"}
        assert all("output=text" in row["signature"] for row in found[name])
    assert not any("output=text" in row["signature"] for row in found["micro_retrieval"])
    free = [row for row in found["micro_qa"] if row["variant"] == "free"]
    assert {row["metric"] for row in free if row["language"] == "qaa"} >= {"f1", "english", "english_gold"}
    assert not any(row["metric"] == "english" for row in free if row["language"] == "en")
    assert not any(row["main"] for row in free)
    for record in Store(tmp_path).stages() if kind == "mt5" else ():
        if record.kind == "train":  # the whole model is kept from phase to phase
            assert type(open_backbone(record.directory).model).__name__ == "MT5ForConditionalGeneration"


def test_adapters_for_a_decoder(tiny_world: Path, tmp_path: Path) -> None:
    train = {"steps": 2, "batch_size": 4, "learning_rate": 1e-3, "lora": {"rank": 2}, "select": "last"}
    run_recipe(expansion("qwen3", tiny_world, train=train), tmp_path)


def test_the_form_of_answers_is_in_the_key() -> None:
    def kinds(backbone: dict[str, Any]) -> set[str]:
        expanded = Expansion(tiny_experiment(backbones=[backbone], worlds=[1]), None)
        return {stage.key for stage in expanded.stages()}

    decoder = {**BACKBONE, "architecture": "qwen3", "config": SIZES["qwen3"]}
    assert kinds(decoder) == kinds({**decoder, "output": "head"})
    assert not kinds(decoder) & kinds({**decoder, "output": "text"})


def test_an_encoder_is_refused_before_anything_runs() -> None:
    with pytest.raises(ConfigError, match="xlm-roberta is an encoder"):
        Expansion(tiny_experiment(backbones=[{**BACKBONE, "output": "text"}], worlds=[1]), None)


def test_answers_in_sight_of_their_own_tokens_are_refused() -> None:
    qwen = {**BACKBONE, "architecture": "qwen3", "config": SIZES["qwen3"], "output": "text"}
    with pytest.raises(ValidationError, match="bidirectional attention would see the answers"):
        tiny_experiment(backbones=[{**qwen, "attention": "bidirectional"}])
