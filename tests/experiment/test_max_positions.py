"""Texts longer than a model has positions for: refused where the configuration tells, else before the first step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig

from backbones.tiny_models import ARCHS, Arch, bpe_tokenizer, tiny_backbone
from stages.tiny_experiment import BACKBONE, run, tiny_experiment
from training.phases import component, run_phase, train_stage, write_inputs
from xstilts.backbones.families import family_of
from xstilts.backbones.load import save_backbone
from xstilts.backbones.packing import pack
from xstilts.core.errors import BackboneError, ConfigError
from xstilts.expand import Expansion
from xstilts.graph.events import Failed
from xstilts.stages.resolve import shape_of


def expand(tiny_world: Path, backbone: dict[str, Any], max_length: int | None, **more: Any) -> Expansion:
    own = {
        "like": "micro_topic",
        "languages": ["en", "qaa"],
        "holdout": 4,
        "files": {"train": "topic/{language}/train.tsv", "test": "topic/{language}/test.tsv"},
    }
    tasks = {"mine": {**own, **({"max_length": max_length} if max_length else {})}}
    return Expansion(
        tiny_experiment(backbones=[backbone], tasks=tasks, **{"targets": ["mine"], "recipes": [[]], **more}), tiny_world
    )


def sized(architecture: str, positions: int | None, **more: Any) -> dict[str, Any]:
    config = {**BACKBONE["config"], "max_position_embeddings": positions}  # type: ignore[dict-item]
    if positions is None:
        del config["max_position_embeddings"]
    return {**BACKBONE, "architecture": architecture, "config": {**config, **more}}


@pytest.mark.parametrize("arch", ARCHS, ids=str)
def test_the_family_tells_from_the_configuration_what_the_loaded_model_has(arch: Arch) -> None:
    backbone = tiny_backbone(arch)
    if family_of(arch.model_type).model_types:  # of others the loaded model alone tells
        assert family_of(arch.model_type).max_positions(backbone.config.to_dict()) == backbone.max_positions
    if backbone.max_positions is not None:
        backbone(pack([[5] * backbone.max_positions]))
        with pytest.raises(
            BackboneError,
            match=f"has {backbone.max_positions + 1} tokens, and .* has positions for {backbone.max_positions}",
        ):
            backbone(pack([[5] * (backbone.max_positions + 1)]))


@pytest.mark.parametrize("name", ["bert", "xlm-roberta", "xlm-roberta-xl", "rembert", "deberta-v2"])
def test_what_a_configuration_leaves_out_is_the_library_s_default(name: str) -> None:
    usual = family_of(name).max_positions(AutoConfig.for_model(name).to_dict())
    assert shape_of(None, name, {}, "head")["max_positions"] == usual


@pytest.mark.parametrize(
    ("backbone", "most"),
    [
        (sized("bert", 64), 64),
        (sized("xlm-roberta", 64), 62),
        (sized("xlm-roberta", 64, pad_token_id=0), 63),
        (sized("bert", None), 512),
        ({"name": "tiny", "source": "xlm-r-base"}, 512),
        ({"name": "tiny", "source": "mbert"}, 512),
    ],
)
def test_a_length_that_was_asked_for_is_refused_before_anything_runs(
    backbone: dict[str, Any], most: int, tiny_world: Path
) -> None:
    expand(tiny_world, backbone, most)
    line = rf"^task 'mine' has texts of up to {most + 1} tokens \(max_length\), and backbone 'tiny' has positions "
    with pytest.raises(ConfigError, match=line + f"for {most}: give it `max_length: {most}` or less"):
        expand(tiny_world, backbone, most + 1)


@pytest.mark.parametrize("architecture", ["modernbert", "qwen3", "bloom", "mt5"])
def test_rotary_and_relative_positions_have_no_end(architecture: str, tiny_world: Path) -> None:
    expand(tiny_world, sized(architecture, 64), 4096)


def test_what_fills_its_length_is_refused_and_short_texts_under_a_long_limit_are_not(tiny_world: Path) -> None:
    with pytest.raises(ConfigError, match="declare a task of your own with `like: micro_qa` and `max_length: 98`"):
        expand(tiny_world, sized("xlm-roberta", 100), None, targets=["micro_qa"])
    text = {"type": "masked_lm", "files": {"train": "text/{language}.txt"}, "languages": ["en"]}
    with pytest.raises(
        ConfigError, match=r"task 'text' has texts of up to 128 tokens .* give it `max_length: 98` or less"
    ):
        Expansion(
            tiny_experiment(backbones=[{**sized("xlm-roberta", 100), "pretrain": ["text"]}], tasks={"text": text}),
            tiny_world,
        )
    expand(tiny_world, sized("xlm-roberta", 100), None)


def test_a_folder_tells_by_its_config(tiny_world: Path, tmp_path: Path) -> None:
    save_backbone(tiny_backbone(tokenizer=bpe_tokenizer()), tmp_path)
    rows = json.loads((tmp_path / "config.json").read_text())["max_position_embeddings"]
    with pytest.raises(ConfigError, match="has positions for"):
        expand(tiny_world, {"name": "tiny", "source": str(tmp_path)}, rows + 1)


def test_where_no_configuration_told_nothing_is_trained_on_longer_texts(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path, "nli", max_position_embeddings=14)
    (tmp_path / "run").mkdir()
    with pytest.raises(
        BackboneError, match=r"^nli: a text has \d+ tokens, and .* has positions for 12: give the task `max_"
    ):
        run_phase(train_stage(component("nli")), tmp_path / "run", inputs)
    assert list((tmp_path / "run").iterdir()) == []


def test_a_stage_that_meets_a_longer_text_says_so_in_one_line(tiny_world: Path, tmp_path: Path) -> None:
    made = expand(tiny_world, sized("xlm-roberta", 20), None, targets=["micro_retrieval"])
    errors = [event.error for event in run(made.stages(), tmp_path)["Failed"] if isinstance(event, Failed)]
    assert errors
    assert all("a text has" in error and "has positions for 18" in error for error in errors)
