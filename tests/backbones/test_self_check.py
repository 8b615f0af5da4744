"""The check at start-up refuses a model whose attention sees across segment borders, and lets all others pass."""

from __future__ import annotations

from typing import Any

import pytest
import torch.nn.functional as F
from torch import Tensor
from transformers import AttentionInterface

from backbones.tiny_models import ARCHS, Arch, tiny_backbone
from xstilts.backbones.backbone import TOLERANCE, check_packing, packing_error
from xstilts.backbones.family import FAMILIES, family_of
from xstilts.core.errors import BackboneError


def _leaking(_: Any, query: Tensor, key: Tensor, value: Tensor, *rest: Any, **extra: Any) -> tuple[Tensor, None]:
    """Attention over the whole pack, as if it were one text."""
    return F.scaled_dot_product_attention(query, key, value, scale=extra.get("scaling")).transpose(1, 2), None


AttentionInterface.register("test_leaking", _leaking)


@pytest.mark.parametrize("arch", ARCHS, ids=str)
def test_every_architecture_passes_on_its_own_route(arch: Arch) -> None:
    backbone = tiny_backbone(arch)
    assert packing_error(backbone) < TOLERANCE / 10
    check_packing(backbone)


def test_attention_across_segments_is_refused() -> None:
    backbone = tiny_backbone("xlm-roberta")
    backbone.model.set_attn_implementation("test_leaking")
    with pytest.raises(BackboneError, match=r"XLMRobertaModel gives other states packed than alone.*`route: padded`"):
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


def test_families_do_not_overlap_and_unknown_ones_are_tried_packed() -> None:
    names = [name for family in FAMILIES for name in family.model_types]
    assert len(names) == len(set(names))
    assert family_of("something-new").packed
    assert family_of("something-new").first_position(None) == 0
