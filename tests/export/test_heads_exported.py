"""Every architecture and head that can be exported: plain transformers in another process gives our logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from backbones.tiny_models import TEXT, tiny_backbone
from export.exported import (
    KINDS,
    LABELS,
    REFUSED,
    TOKENIZER_OF,
    Source,
    encoded,
    head_of,
    plain_logits,
    source_of,
    texts_of,
)
from xstilts.core.errors import BackboneError
from xstilts.export.build import write_head
from xstilts.export.forms import difference, our_logits
from xstilts.tasks import Encoding

TEXTS = list(TEXT[:4])
EXACT = [(name, kind) for name in TOKENIZER_OF for kind in KINDS if (name, kind) not in REFUSED]


def ours(name: str, kind: str) -> list[Any]:
    """Our logits for the same texts."""
    source = source_of(name)
    head, module = head_of(source, kind)
    features = encoded(source, kind, head.labels, texts_of(kind, TEXTS))
    return our_logits(source.backbone, module, kind, features)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All exportable folders, read by one plain process."""
    place = tmp_path_factory.mktemp("folders")
    folders = {}
    for name, kind in EXACT:
        source = source_of(name)
        head, module = head_of(source, kind)
        folder = place / f"{name}-{kind}"
        layout, *_ = write_head(*source, head, module, folder)
        texts = texts_of(kind, TEXTS)
        folders[f"{name} {kind}"] = {"folder": str(folder), "auto": layout.form.auto, "kind": kind, "texts": texts}
    return plain_logits(folders, place)


@pytest.mark.parametrize(("name", "kind"), EXACT)
def test_plain_transformers_gives_our_logits(name: str, kind: str, told: dict[str, Any]) -> None:
    theirs = [torch.tensor(row) for row in told[f"{name} {kind}"]["logits"]]
    expected = ours(name, kind)
    assert len(theirs) == len(expected)
    assert max(float(one.detach().std()) for one in expected) > 0.01, "logits that are all alike show nothing"
    assert difference([one.detach() for one in expected], theirs) < 1e-5
    if kind in LABELS:
        assert list(told[f"{name} {kind}"]["labels"].values()) == list(LABELS[kind])


@pytest.mark.parametrize(("name", "kind"), sorted(REFUSED))
def test_what_would_be_an_approximation_is_refused_with_the_reason(name: str, kind: str, tmp_path: Path) -> None:
    source = source_of(name)
    head, module = head_of(source, kind)
    told = f"a {kind} head on {name} cannot be exported .no class .*: `xstilts predict` answers.*--as sentence-tr"
    with pytest.raises(BackboneError, match=told):
        write_head(*source, head, module, tmp_path / "out")


def test_a_head_that_computes_something_else_is_found_by_its_logits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ELECTRA's classification head has the names of RoBERTa's, and another activation."""
    monkeypatch.setattr("xstilts.export.forms._DIFFERENT", set())
    source = source_of("electra")
    head, module = head_of(source, "classification")
    with pytest.raises(BackboneError, match="ElectraForSequenceClassification gives other values than the model"):
        write_head(*source, head, module, tmp_path / "out")


def test_token_types_that_a_tokenizer_does_not_give_are_written_into_it(tmp_path: Path) -> None:
    """Multilingual E5 small is a BERT under XLM-R's tokenizer."""
    tokenizer = source_of("xlm-roberta").backbone.tokenizer
    source = Source(tiny_backbone("bert", tokenizer=tokenizer, pad_token_id=1, type_vocab_size=2), Encoding(64))
    head, module = head_of(source, "classification")
    write_head(*source, head, module, tmp_path / "out")
    read = AutoTokenizer.from_pretrained(tmp_path / "out")("the house", "the dog")
    assert read["token_type_ids"] == sorted(read["token_type_ids"])
    assert set(read["token_type_ids"]) == {0, 1}
    assert read["input_ids"] == tokenizer("the house", "the dog")["input_ids"]
