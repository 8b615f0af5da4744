"""The registered families and checkpoints: what they say of themselves is true, and is told without torch."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoModelForTextEncoding

from xstilts.backbones.families import CHECKPOINTS, FAMILIES, Checkpoint, checkpoint_of, family_of, hint
from xstilts.backbones.load import ENCODER_OF, check_fields, load_backbone
from xstilts.cli.known import backbone_rows, backbones, depth, described, layer
from xstilts.core.errors import BackboneError

every_checkpoint = pytest.mark.parametrize("checkpoint", CHECKPOINTS, ids=lambda one: one.name)
UNPINNED = {"infoxlm-base", "mgte-base", "mgte-mlm-base", "mt5-xxl", "xglm-1.7b", "xglm-7.5b"}
"""Whose commit no two independent publications agree on; where one was found, the entry must go."""

READ_BY_THE_MODEL = {"deberta-v2": {"position_buckets", "norm_rel_ebd", "share_att_key"}}
"""Fields that the model reads with `getattr`, and its configuration class does not declare."""


def test_families_do_not_overlap_and_unknown_ones_are_tried_packed() -> None:
    names = [name for one in FAMILIES for name in one.model_types]
    assert len(names) == len(set(names))
    assert family_of("something-new").route == "packed"
    assert len({one.hub for one in CHECKPOINTS}) == len(CHECKPOINTS)
    assert len({one.name.lower() for one in CHECKPOINTS}) == len(CHECKPOINTS)


def test_families_are_read_without_torch() -> None:
    code = "import sys, xstilts.cli.known as known; known.backbone_rows(); known.described('mbert')\n"
    code += "assert not {'torch', 'transformers'} & set(sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


@every_checkpoint
def test_a_checkpoint_says_everything_about_itself(checkpoint: Checkpoint) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9.-]*", checkpoint.name)
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", checkpoint.hub)
    assert (checkpoint.revision is None) == (checkpoint.name in UNPINNED)
    assert checkpoint.revision is None or re.fullmatch(r"[0-9a-f]{40}", checkpoint.revision)
    assert re.search(r"\d{4}, .*arXiv \d{4}\.\d{5}$", checkpoint.citation)
    for words in (checkpoint.licence, checkpoint.pooling_source):
        assert words.strip() == words != ""
    assert checkpoint in family_of(checkpoint.model_type).checkpoints
    assert 0 < layer(checkpoint) <= depth(checkpoint)


@every_checkpoint
def test_its_shape_builds_the_architecture_with_the_stated_number_of_parameters(checkpoint: Checkpoint) -> None:
    undeclared = READ_BY_THE_MODEL.get(checkpoint.model_type, set())
    check_fields(checkpoint.model_type, {k: v for k, v in checkpoint.shape.items() if k not in undeclared})
    assert undeclared <= checkpoint.shape.keys() - vars(AutoConfig.for_model(checkpoint.model_type)).keys()
    config = AutoConfig.for_model(checkpoint.model_type, **checkpoint.shape)
    auto = AutoModelForTextEncoding if checkpoint.model_type in ENCODER_OF else AutoModel
    with torch.device("meta"):
        model = auto.from_config(config)
    counted = sum(parameter.numel() for parameter in model.parameters())
    assert checkpoint.parameters == pytest.approx(counted, rel=1e-3)
    assert config.num_hidden_layers == depth(checkpoint)


def test_published_counts_are_met() -> None:
    """Figures of model cards and papers, in millions: of encoders the whole, of decoders without the output layer."""
    published = {"xlm-r-base": 278, "xlm-r-xl": 3480, "xlm-r-xxl": 10_700, "rembert": 576, "mmbert-base": 307}
    published |= {"mmbert-small": 140, "eurobert-210m": 212, "mgte-base": 305, "labse": 471, "qwen3-0.6b": 596}
    for name, millions in published.items():
        assert CHECKPOINTS.get(name).parameters / 1e6 == pytest.approx(millions, rel=0.005)


def test_a_checkpoint_is_found_by_its_short_name_and_by_its_hub_name() -> None:
    assert checkpoint_of("xlm-r-large") is checkpoint_of("FacebookAI/xlm-roberta-large") is not None
    assert checkpoint_of("somebody/xlm-r-large") is None


@pytest.mark.parametrize(
    ("source", "nearest"),
    [
        ("xlmr-large", "xlm-r-large"),
        ("XLM-R-Large", "xlm-r-large"),
        ("qwen3-8", "qwen3-8b"),
        ("FacebookAI/xlm-roberta-lage", "xlm-r-large"),
        ("Alibaba-NLP/gte-multilingual-base", "mgte-base"),
    ],
)
def test_a_name_that_cannot_be_loaded_brings_the_nearest_ones(source: str, nearest: str) -> None:
    with pytest.raises(
        BackboneError, match=f"backbone '{source}' cannot be loaded: .*did you mean .*{nearest}"
    ) as error:
        load_backbone(source)
    assert "\n" not in str(error.value)


def test_a_name_unlike_all_others_brings_none() -> None:
    assert hint("nobody/no-such-model") == ""
    assert hint("FacebookAI/xlm-roberta-large") == ""


def test_the_list_shows_every_checkpoint_and_the_shipped_encoders() -> None:
    assert [row["name"] for row in backbone_rows()] == [row["name"] for row in backbones()]
    assert {one.name for one in CHECKPOINTS} < {row["name"] for row in backbones()}
    found = {row["name"]: row for row in backbone_rows()}
    assert found["xlm-r-large"]["retrieval"] == "mean, layer 14 of 24"
    assert found["mgte-base"]["revision"] == "unpinned"
    assert found["microworld:mlm"]["hub"].startswith("shipped")
    assert len({tuple(row) for row in backbone_rows()}) == 1
    said = described("rembert")
    assert said["route"].startswith("padded: ")
    assert "vocab_size 250300" in said["shape"]


def test_the_table_in_the_docs_is_complete(is_written) -> None:
    behind = "docs/backbones.md is behind the families: `make docs`"
    assert is_written("backbones.md", "table", "backbones_page.table"), behind
