"""Adapters of several phases as one PEFT folder: plain transformers and peft in another process give our logits."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import torch

from backbones.tiny_models import TEXT, bpe_tokenizer, tiny_backbone
from export.exported import Source, encoded, head_of, plain_logits, run_plain, source_of, texts_of
from xstilts.backbones.adapters import add_adapter, join_adapters
from xstilts.backbones.backbone import Backbone
from xstilts.backbones.load import load_backbone, save_backbone
from xstilts.backbones.names import LoRA
from xstilts.core.errors import BackboneError
from xstilts.core.files import read_json
from xstilts.export.build import Adapter, write_head
from xstilts.export.forms import difference, our_logits
from xstilts.tasks import Encoding

CASES = [
    *(("xlm-roberta", kind) for kind in ("classification", "tagging", "span_qa", "multiple_choice")),
    ("bert", "classification"),
    ("deberta-v2", "classification"),
    ("electra", "multiple_choice"),
    ("gte", "multiple_choice"),
    ("mt5", "tagging"),
    ("qwen3", "tagging"),
    ("llama", "span_qa"),
]
TEXTS = list(TEXT[:4])
WAYS = """
import json, sys
from peft import AutoPeftModelForSequenceClassification, PeftModel
from transformers import AutoModelForSequenceClassification, AutoTokenizer
folder, base, revision, *texts = sys.argv[1:]
under = AutoModelForSequenceClassification.from_pretrained(base, revision=revision, num_labels=3)
models = [PeftModel.from_pretrained(under, folder)]
models.append(AutoPeftModelForSequenceClassification.from_pretrained(folder, num_labels=3))
inputs = AutoTokenizer.from_pretrained(folder)(*texts, return_tensors="pt")
print(json.dumps([model.eval()(**inputs).logits[0].tolist() for model in models]))
"""


def adapt(backbone: Backbone) -> Backbone:
    """Two adapters that do something: of other ranks and scales, and the second on fewer layers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        add_adapter(backbone, LoRA(rank=2, alpha=6, dropout=0.0))
        first = sorted(path.rpartition(".")[2] for path in join_adapters(backbone).layers)[0]
        add_adapter(backbone, LoRA(rank=3, alpha=3, dropout=0.1, targets=(first,)))
        for path, parameter in backbone.model.named_parameters():
            if ".lora_B." in path:
                torch.nn.init.normal_(parameter, std=0.2)
    return backbone.eval()


def asked(folder: Path, adapter: Adapter, kind: str, labels: Sequence[str]) -> dict[str, Any]:
    """What the plain process needs to know."""
    options = {key: value for key, value in adapter.options.items() if key != "id2label"}
    loading = {"auto": adapter.auto, "labels": list(labels), "options": options, "both_sides": adapter.both_sides}
    return {"folder": str(folder), "kind": kind, "texts": texts_of(kind, TEXTS), **loading}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Our logits of all cases, those of the model without adapters, and those of one plain process."""
    place = tmp_path_factory.mktemp("adapters")
    folders: dict[str, Any] = {}
    ours, bare = {}, {}
    for name, kind in CASES:
        plain = source_of(name)
        base = place / f"{name}-base"
        if not base.exists():
            save_backbone(plain.backbone, base)
        head, module = head_of(plain, kind)
        source = Source(adapt(copy.deepcopy(plain.backbone)), plain.encoding)
        folder, case = place / f"{name}-{kind}", f"{name} {kind}"
        layout, adapter, _ = write_head(*source, head, module, folder, (str(base), None))
        assert adapter
        features = encoded(source, kind, head.labels, texts_of(kind, TEXTS))
        ours[case] = our_logits(source.backbone, module, kind, features)
        bare[case] = our_logits(plain.backbone, module, kind, features)
        folders[case] = asked(folder, adapter, kind, layout.form.outputs or head.labels)
    return {"ours": ours, "bare": bare, "theirs": plain_logits(folders, place)}


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_plain_peft_gives_our_logits(name: str, kind: str, told: dict[str, Any]) -> None:
    case = f"{name} {kind}"
    theirs = [torch.tensor(row) for row in told["theirs"][case]["logits"]]
    assert difference(told["ours"][case], theirs) < 1e-5
    assert difference(told["ours"][case], told["bare"][case]) > 1e-2, "adapters that do nothing show nothing"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny model in a folder of its own."""
    place = tmp_path_factory.mktemp("base")
    save_backbone(tiny_backbone(tokenizer=bpe_tokenizer(), hidden_size=64, intermediate_size=128), place)
    return str(place)


def test_one_adapter_keeps_its_rank_and_scale(base: str, tmp_path: Path) -> None:
    source = Source(load_backbone(base), Encoding(60))
    add_adapter(source.backbone, LoRA(rank=4, alpha=32, targets=("query",)))
    write_head(*source, *head_of(source, "classification"), tmp_path / "out", (base, None))
    config = read_json(tmp_path / "out" / "adapter_config.json")
    assert (config["r"], config["lora_alpha"], config["target_modules"]) == (4, 32, ["query"])
    assert config["base_model_name_or_path"] == base


def test_an_adapter_of_a_hub_model_names_it_at_its_revision(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    shutil.copytree(base, tmp_path / "hub" / "models--some--model" / "snapshots" / commit)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    source = Source(adapt(load_backbone("some/model", commit)), Encoding(60))
    head, module = head_of(source, "classification")
    _, adapter, _ = write_head(*source, head, module, tmp_path / "out", ("some/model", commit))
    assert adapter
    config = read_json(tmp_path / "out" / "adapter_config.json")
    assert (config["base_model_name_or_path"], config["revision"]) == ("some/model", commit)
    features = encoded(source, head.type, head.labels, texts_of(head.type, TEXTS[:1]))
    (ours,) = our_logits(source.backbone, module, head.type, features)
    assert (adapter.base, adapter.revision) == ("some/model", commit)
    said = json.loads(run_plain(WAYS, tmp_path / "out", "some/model", commit, *texts_of(head.type, TEXTS[:1])[0]))
    for theirs in said:
        assert difference([ours], [torch.tensor(theirs)]) < 1e-5


def test_what_peft_would_compute_otherwise_is_refused(base: str, tmp_path: Path) -> None:
    other = tmp_path / "other"
    save_backbone(tiny_backbone(tokenizer=bpe_tokenizer(), hidden_size=64, intermediate_size=128, seed=9), other)
    source = Source(adapt(load_backbone(base)), Encoding(60))
    with pytest.raises(BackboneError, match="the adapter read by PEFT gives other values than the model in the store"):
        write_head(*source, *head_of(source, "tagging"), tmp_path / "out", (str(other), None))
