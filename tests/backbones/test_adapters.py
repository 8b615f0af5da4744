"""LoRA on every architecture: nothing at the start, exact when saved, stacked or merged; layers that are frozen."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft import PeftModel

from backbones.tiny_models import ARCHS, Arch, bpe_tokenizer, library_model, sequences, tiny_backbone
from xstilts.backbones.adapters import (
    adapters_of,
    add_adapter,
    join_adapters,
    layer_stack,
    load_adapters,
    merge_adapters,
    save_adapters,
    train_only,
)
from xstilts.backbones.backbone import Backbone, packing_error
from xstilts.backbones.load import Weights, load_backbone, save_backbone
from xstilts.backbones.names import LoRA
from xstilts.backbones.packing import pack
from xstilts.core.errors import BackboneError

BATCH = pack(sequences((7, 4, 9)))
SMALL = LoRA(rank=4, alpha=8, dropout=0.0)


QUIET = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def adapted(arch: Arch | str = "xlm-roberta", adapters: int = 1, lora: LoRA = SMALL, **changes: float) -> Backbone:
    """A backbone whose adapters are no longer zero."""
    backbone = tiny_backbone(arch, **changes)
    for i in range(adapters):
        torch.manual_seed(i)
        add_adapter(backbone, lora)
        with torch.no_grad():
            for path, parameter in backbone.model.named_parameters():
                if f".lora_B.phase{i}." in path:
                    parameter.normal_(std=0.2)
    return backbone.eval()


@pytest.mark.parametrize("arch", ARCHS, ids=str)
def test_a_new_adapter_changes_nothing_and_is_all_that_is_trained(arch: Arch) -> None:
    backbone = tiny_backbone(arch)
    before = backbone(BATCH)
    add_adapter(backbone, SMALL)
    train_only(backbone, "phase0")
    torch.testing.assert_close(backbone.eval()(BATCH), before, rtol=1e-6, atol=1e-6)
    backbone(BATCH).square().sum().backward()
    moved = {path for path, parameter in backbone.named_parameters() if parameter.grad is not None}
    assert moved
    assert moved == {path for path, parameter in backbone.named_parameters() if parameter.requires_grad}
    assert all(".lora_" in path for path in moved)


@pytest.mark.parametrize("arch", ARCHS, ids=str)
def test_packed_equals_alone_under_adapters(arch: Arch) -> None:
    assert packing_error(adapted(arch)) < 1e-5


@pytest.mark.parametrize("arch", ARCHS, ids=str)
def test_adapters_come_back_exactly_and_merging_is_the_same_function(arch: Arch, tmp_path: Path) -> None:
    backbone = adapted(arch, adapters=2)
    states = backbone(BATCH)
    save_adapters(backbone, tmp_path)
    again = tiny_backbone(arch)
    assert not torch.allclose(again(BATCH), states, atol=1e-3)
    load_adapters(again, tmp_path)
    assert adapters_of(again) == ["phase0", "phase1"]
    assert torch.equal(again.eval()(BATCH), states)
    merge_adapters(again)
    assert adapters_of(again) == []
    torch.testing.assert_close(again(BATCH), states, rtol=1e-4, atol=1e-4)
    assert again.model.state_dict().keys() == tiny_backbone(arch).model.state_dict().keys()


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_peft_itself_loads_a_saved_adapter(tmp_path: Path) -> None:
    backbone = adapted()
    save_adapters(backbone, tmp_path)
    theirs = PeftModel.from_pretrained(library_model(backbone_arch()), tmp_path / "phase0").eval()
    ids = torch.tensor([[7, 8, 9, 10]])
    expected = theirs(input_ids=ids).last_hidden_state[0]
    torch.testing.assert_close(backbone(pack([ids[0].numpy()])), expected, rtol=1e-5, atol=1e-5)


def backbone_arch() -> Arch:
    return next(arch for arch in ARCHS if arch.model_type == "xlm-roberta")


def test_frozen_adapters_have_no_dropout(tmp_path: Path) -> None:
    """In training, too, they are the model that the adapter above them adapts."""
    noisy = LoRA(rank=4, alpha=8, dropout=0.5)
    backbone = adapted(lora=noisy, **QUIET)
    frozen = backbone(BATCH)
    backbone.train()
    assert not torch.allclose(backbone(BATCH), frozen)
    add_adapter(backbone, noisy)
    backbone.train()  # the new adapter is zero, so its own dropout changes nothing yet
    torch.testing.assert_close(backbone(BATCH), frozen, rtol=1e-6, atol=1e-6)
    save_adapters(backbone, tmp_path)
    again = tiny_backbone(**QUIET)
    load_adapters(again, tmp_path)
    again.train()
    torch.testing.assert_close(again(BATCH), frozen, rtol=1e-6, atol=1e-6)


def test_layers_are_adapted_by_name_and_a_wrong_name_is_told() -> None:
    backbone = adapted(lora=LoRA(rank=2, targets=("query", "value")))
    assert {path.split(".lora_")[0].split(".")[-1] for path, _ in backbone.named_parameters() if ".lora_" in path} == {
        "query",
        "value",
    }
    with pytest.raises(BackboneError, match=r"linear layers are called dense, key, query, value"):
        add_adapter(tiny_backbone(), LoRA(targets=("q_proj",)))


def test_adapters_of_other_layers_than_linear_ones_are_refused() -> None:
    with pytest.raises(BackboneError, match="adapters need linear layers, and `targets` names word_embeddings"):
        add_adapter(tiny_backbone(), LoRA(targets=("query", "word_embeddings")))


def test_joined_adapters_are_what_merging_adds() -> None:
    backbone = adapted(adapters=1)
    add_adapter(backbone, LoRA(rank=3, alpha=7, targets=("query",)))
    for path, parameter in backbone.model.named_parameters():
        if ".lora_B.phase1." in path:
            torch.nn.init.normal_(parameter)
    joined, before = join_adapters(backbone), tiny_backbone().model.state_dict()
    merge_adapters(backbone)
    after = backbone.model.state_dict()
    assert joined.rank == 7
    assert {path.rpartition(".")[2] for path in joined.layers} == {"query", "key", "value", "dense"}
    for path, (a, b) in joined.layers.items():
        added = after[f"{path}.weight"] - before[f"{path}.weight"]
        torch.testing.assert_close(joined.scale * b @ a, added, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("arch", ARCHS, ids=str)
def test_frozen_layers_and_what_lies_below_them_get_no_gradient(arch: Arch) -> None:
    backbone = tiny_backbone(arch)
    train_only(backbone, None, layers=1)
    backbone(BATCH).square().sum().backward()
    assert backbone.embeddings.grad is None
    lower, upper = layer_stack(backbone)[:2]
    assert all(parameter.grad is None for parameter in lower.parameters())
    assert any(parameter.grad is not None for parameter in upper.parameters())


def test_frozen_embeddings_alone() -> None:
    backbone = tiny_backbone()
    train_only(backbone, None, embeddings=True)
    backbone(BATCH).square().sum().backward()
    without = {path for path, parameter in backbone.model.named_parameters() if parameter.grad is None}
    assert {path.split(".")[0] for path in without} == {"embeddings", "pooler"}


def test_more_frozen_layers_than_there_are_is_refused() -> None:
    with pytest.raises(BackboneError, match=r"`frozen_layers: 3`, and the model has 2 layers"):
        train_only(tiny_backbone(), None, layers=3)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    save_backbone(tiny_backbone(tokenizer=bpe_tokenizer(), hidden_size=64, intermediate_size=128), tmp_path)
    return str(tmp_path)


def test_weights_in_16_bits_are_checked_relatively(folder: str) -> None:
    half = load_backbone(folder, weights=Weights("bfloat16")).eval()
    assert half.embeddings.dtype == torch.bfloat16
    full = load_backbone(folder).eval()
    assert full.full_precision
    assert not half.full_precision
    torch.testing.assert_close(half(BATCH).float(), full(BATCH), rtol=0.1, atol=0.1)


def test_weights_in_4_bits_take_adapters(folder: str) -> None:
    pytest.importorskip("bitsandbytes")
    four = load_backbone(folder, weights=Weights("float32", "nf4"))
    dense = four.model.encoder.layer[0].intermediate.dense.weight
    assert dense.dtype == torch.uint8
    assert dense.numel() == 64 * 128 // 2
    four.eval()
    before = four(BATCH)
    full = load_backbone(folder).eval()(BATCH)
    difference = (before - full).norm() / full.norm()
    assert 0.01 < difference < 0.5  # rounded to 16 levels a block of 64: close, and not the same
    add_adapter(four, SMALL)
    train_only(four, "phase0")
    assert torch.equal(four(BATCH), before)
    four(BATCH).square().sum().backward()
    assert all(p.grad is not None for path, p in four.named_parameters() if ".lora_B." in path)


def test_4_bits_without_the_library_is_one_line(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xstilts.backbones.load.find_spec", lambda name: None)
    with pytest.raises(BackboneError, match=r"pip install 'xstilts\[quantize\]'"):
        load_backbone(folder, weights=Weights("float32", "nf4"))
