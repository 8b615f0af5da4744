"""Train stages with adapters and with frozen layers: what is written, resumed, walked through, opened again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from training import phases
from training.phases import DROPOUT, FEATURES, component, same, train_stage, write_inputs
from xstilts.backbones.adapters import adapters_of
from xstilts.core.files import read_json
from xstilts.stages.models import chain, open_backbone
from xstilts.training.config import TrainConfig

LORA = {"lora": {"rank": 4, "alpha": 8}, "steps": 6, "learning_rate": 1e-2}
FILES = ("adapters/phase0/adapter_model.safetensors", "heads.safetensors")


def run(directory: Path, inputs: Mapping[str, Path], stop: int | None = None, **options: Any) -> Path:
    return phases.run(directory, inputs, train_stage(component("nli"), **options), stop)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("store") / "start"
    write_inputs(root, "nli", **DROPOUT)
    return root


def inputs(store: Path, model: Path | None = None) -> dict[str, Path]:
    return {"model": model or store / "model", "data0": store / "data0"}


@pytest.fixture(scope="module")
def first(store: Path) -> Path:
    return run(store / "first", inputs(store), **LORA)


def states(directory: Path) -> torch.Tensor:
    packed, _ = FEATURES["nli"].packed(range(4))  # type: ignore[arg-type]
    with torch.no_grad():
        return open_backbone(directory).eval()(packed)


def test_a_phase_with_adapters_writes_them_and_points_to_the_weights(store: Path, first: Path) -> None:
    assert {path.name for path in first.iterdir()} == {
        "about.json", "adapters", "heads.json", "heads.safetensors", "log.jsonl", "pointer.json", "summary.json",
    }  # fmt: skip
    assert read_json(first / "pointer.json") == {"stage": "../model"}
    assert read_json(first / "about.json")["weights"] == {"dtype": "float32", "quantize": None}
    assert (states(first) - states(store / "model")).abs().max() > 1e-3
    frozen, trained = open_backbone(store / "model").model.state_dict(), open_backbone(first).model.state_dict()
    kept = {name.replace(".base_layer", ""): value for name, value in trained.items() if ".lora_" not in name}
    assert same(frozen, kept)


def test_a_killed_phase_with_adapters_goes_on_bit_for_bit(store: Path, first: Path) -> None:
    with pytest.raises(phases.Killed):
        run(store / "killed", inputs(store), stop=4, **LORA)
    saved = load_file(store / "killed" / "checkpoint" / "weights.safetensors")
    assert all(".lora_" in name or name.startswith("heads.") for name in saved)
    again = run(store / "killed", inputs(store), **LORA)
    assert all(same(load_file(first / name), load_file(again / name)) for name in FILES)


def test_the_next_phase_has_its_own_adapter_over_the_first_or_carries_it_on(store: Path, first: Path) -> None:
    second = run(store / "second", inputs(store, first), **LORA)
    assert adapters_of(open_backbone(second)) == ["phase0", "phase1"]
    assert read_json(second / "pointer.json") == {"stage": "../model"}
    before, after = load_file(first / FILES[0]), load_file(second / FILES[0])
    assert same(before, after)
    carried = run(store / "carried", inputs(store, first), **{**LORA, "lora": {"rank": 4, "alpha": 8, "carry": True}})
    assert adapters_of(open_backbone(carried)) == ["phase0"]
    assert not same(before, load_file(carried / FILES[0]))


def test_a_full_phase_goes_on_from_merged_weights(store: Path, first: Path) -> None:
    full = run(store / "full", inputs(store, first), steps=1, learning_rate=1e-12)
    assert not (full / "adapters").exists()
    assert chain(full) == [store / "model", first, full]
    assert "weights" not in read_json(full / "about.json")
    torch.testing.assert_close(states(full), states(first), rtol=1e-4, atol=1e-4)


def test_a_store_that_was_moved_still_finds_the_weights(store: Path, first: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(store, tmp_path / "moved")
    assert torch.equal(states(tmp_path / "moved" / "first"), states(first))


def test_frozen_weights_are_held_in_16_bits_where_the_phase_computes_in_them(store: Path) -> None:
    half = run(store / "half", inputs(store), **{**LORA, "steps": 2, "precision": "bf16"})
    backbone = open_backbone(half)
    assert backbone.embeddings.dtype == torch.bfloat16
    assert all(p.dtype == torch.float32 for name, p in backbone.named_parameters() if ".lora_" in name)


def test_weights_in_4_bits_train_and_are_opened_in_4_bits(store: Path) -> None:
    pytest.importorskip("bitsandbytes")
    four = run(store / "four", inputs(store), **{**LORA, "quantize": "nf4"})
    backbone = open_backbone(four)
    assert backbone.model.encoder.layer[0].attention.self.query.base_layer.weight.dtype == torch.uint8
    rows = (four / "log.jsonl").read_text().splitlines()
    assert len(rows) == 6


def test_frozen_layers_stay_as_they_were(store: Path) -> None:
    frozen = run(store / "frozen", inputs(store), steps=2, frozen_layers=1)
    before, after = open_backbone(store / "model").model, open_backbone(frozen).model
    same_layers = [same(a.state_dict(), b.state_dict()) for a, b in zip(before.encoder.layer, after.encoder.layer)]
    assert same_layers == [True, False]
    assert same(before.embeddings.state_dict(), after.embeddings.state_dict())


def test_4_bits_without_adapters_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"give `lora: \{\}`"):
        TrainConfig(quantize="nf4")
