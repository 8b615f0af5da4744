"""The check at start-up refuses a model whose attention sees across segment borders, and lets all others pass."""

from __future__ import annotations

from typing import Any

import pytest
import torch.nn.functional as F
from torch import Tensor
from transformers import AttentionInterface

from backbones.tiny_models import tiny_backbone
from xstilts.backbones.attention import packed_attention
from xstilts.backbones.backbone import check_packing
from xstilts.core.errors import BackboneError


def _leaking(_: Any, query: Tensor, key: Tensor, value: Tensor, *rest: Any, **extra: Any) -> tuple[Tensor, None]:
    """Attention over the whole pack, as if it were one text."""
    grouped = {"enable_gqa": True} if key.shape[1] < query.shape[1] else {}
    return F.scaled_dot_product_attention(query, key, value, scale=extra.get("scaling"), **grouped).transpose(
        1, 2
    ), None


def _unwindowed(*given: Any, **extra: Any) -> tuple[Tensor, None]:
    """Packed attention that forgets the sliding window."""
    return packed_attention(*given, **{**extra, "sliding_window": None})


AttentionInterface.register("test_leaking", _leaking)
AttentionInterface.register("test_unwindowed", _unwindowed)


def test_attention_across_segments_is_refused() -> None:
    backbone = tiny_backbone("xlm-roberta")
    backbone.model.set_attn_implementation("test_leaking")
    with pytest.raises(BackboneError, match=r"XLMRobertaModel gives other states packed than alone.*`route: padded`"):
        check_packing(backbone)


@pytest.mark.parametrize(
    ("name", "wider"), [("modernbert", {"local_attention": 40}), ("gemma3_text", {"sliding_window": 20})]
)
def test_attention_that_ignores_the_window_is_refused(name: str, wider: dict[str, int]) -> None:
    """Also where the window is longer than the short sequences of the check."""
    for backbone in (tiny_backbone(name), tiny_backbone(name, **wider)):
        check_packing(backbone)
        backbone.model.set_attn_implementation("test_unwindowed")
        with pytest.raises(BackboneError, match="ignores segment borders or sliding windows"):
            check_packing(backbone)


@pytest.mark.parametrize("name", ["bert", "modernbert", "gte", "eurobert", "qwen3", "llama", "gemma3_text"])
def test_attention_across_segments_is_refused_in_every_kind(name: str) -> None:
    backbone = tiny_backbone(name)
    backbone.model.set_attn_implementation("test_leaking")
    with pytest.raises(BackboneError, match="ignores segment borders"):
        check_packing(backbone)


def test_attention_that_gives_no_numbers_is_refused() -> None:
    backbone = tiny_backbone("xlm-roberta")
    backbone.model.embeddings.LayerNorm.weight.data.fill_(float("nan"))
    with pytest.raises(BackboneError, match="largest difference nan"):
        check_packing(backbone)


def test_rembert_forced_to_be_packed_is_refused() -> None:
    with pytest.raises(BackboneError, match=r"RemBertModel.*ignores segment borders"):
        check_packing(tiny_backbone("rembert", route="packed"))


def test_the_check_leaves_the_model_as_it_was() -> None:
    backbone = tiny_backbone("xlm-roberta").train()
    before = backbone.config._attn_implementation
    check_packing(backbone)
    assert backbone.training
    assert backbone.config._attn_implementation == before
    assert all(parameter.grad is None for parameter in backbone.parameters())
