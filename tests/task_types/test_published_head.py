"""The masked-LM head that comes with a pretrained model gives the library's own logits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForMaskedLM,
    BertConfig,
    EuroBertConfig,
    ModernBertConfig,
    PretrainedConfig,
    XLMRobertaConfig,
)

from xstilts.backbones.coder import VocabularyConfig, train_tokenizer
from xstilts.backbones.load import load_backbone
from xstilts.backbones.packing import pack
from xstilts.task_types.masked_lm import MaskedLMHead, published_head

SIZES = {
    "vocab_size": 40,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
}


def _save(config: PretrainedConfig, folder: Path) -> torch.nn.Module:
    model = AutoModelForMaskedLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.1)
    model.save_pretrained(folder)
    train_tokenizer(["a few words of text"], VocabularyConfig(40)).save_pretrained(folder)
    return model


@pytest.mark.parametrize(
    "config",
    [
        XLMRobertaConfig(**SIZES),
        BertConfig(**SIZES),
        ModernBertConfig(**SIZES, cls_token_id=0, sep_token_id=2),
    ],
    ids=lambda config: config.model_type,
)
def test_a_published_head_gives_the_models_own_logits(config: PretrainedConfig, tmp_path: Path) -> None:
    model = _save(config, tmp_path)
    backbone = load_backbone(str(tmp_path)).eval()
    state = published_head(str(tmp_path), None, backbone)
    assert state is not None
    head = MaskedLMHead(backbone)
    head.load_state_dict(state)
    ids = torch.arange(5, 20)
    with torch.no_grad():
        ours = head(backbone(pack([ids.numpy()])))
        theirs = model(input_ids=ids[None]).logits[0]
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_a_head_of_another_form_is_not_taken(tmp_path: Path) -> None:
    _save(EuroBertConfig(**SIZES, mask_token_id=4), tmp_path)
    assert published_head(str(tmp_path), None, load_backbone(str(tmp_path))) is None


def test_a_head_that_transformers_would_draw_at_random_is_not_taken(tmp_path: Path) -> None:
    model = _save(XLMRobertaConfig(**SIZES), tmp_path)
    assert published_head(str(tmp_path), None, load_backbone(str(tmp_path))) is not None
    model.base_model.save_pretrained(tmp_path)  # as E5 and LaBSE are published
    assert published_head(str(tmp_path), None, load_backbone(str(tmp_path))) is None
