"""What a folder of a model is told by in keys: every file that can change what is loaded, and no other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from backbones.tiny_models import bpe_tokenizer, tiny_backbone
from xstilts.backbones.load import load_backbone, save_backbone
from xstilts.stages import describe

INDEX = json.dumps({"metadata": {}, "weight_map": {"a": "one.bin", "b": "parts/two.bin"}})
SAFE_INDEX = json.dumps({"metadata": {}, "weight_map": {"a": "parts/one.safetensors"}})
FORMS = {
    "one pickled file": {"pytorch_model.bin": "1"},
    "pickled shards": {"pytorch_model.bin.index.json": INDEX, "one.bin": "", "parts/two.bin": "1"},
    "shards in a folder below": {"model.safetensors.index.json": SAFE_INDEX, "parts/one.safetensors": "1"},
    "a name of its own": {"config.json": '{"transformers_weights": "w/own.safetensors"}', "w/own.safetensors": "1"},
    "an adapter": {"model.safetensors": "", "adapter_config.json": "{}", "adapter_model.bin": "1"},
    "one safe file": {"model.safetensors": "1"},
}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in {"config.json": "{}", **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def start_key(folder: Path) -> str:
    return describe.start_pretrained(str(folder), None, describe.use_of(), "x").key


@pytest.mark.parametrize("form", FORMS)
def test_other_weights_are_another_model_in_whatever_form_they_lie(form: str, tmp_path: Path) -> None:
    *_, weights = FORMS[form]
    keys = [start_key(write(tmp_path / text, {**FORMS[form], weights: text})) for text in "12"]
    assert keys[0] != keys[1]


def test_what_is_not_read_does_not_count(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain", {"model.safetensors": "1"})
    beside = write(
        tmp_path / "beside", {"model.safetensors": "1", "pytorch_model.bin": "1", "training_args.bin": "1", "x.bin": ""}
    )
    assert start_key(plain) == start_key(beside)
    found = describe.start_pretrained(str(beside), None, describe.use_of(), "x").config["files"]
    assert sorted(found) == ["config.json", "model.safetensors"]


def test_a_vocabulary_of_several_files_is_told_by_all_of_them(tmp_path: Path) -> None:
    def key(folder: str, merges: str, **more: str) -> str:
        files = {"vocab.json": "{}", "merges.txt": merges, **{f"{name}.json": text for name, text in more.items()}}
        return describe.tokenizer_of(str(write(tmp_path / folder, files)), None).key

    assert key("a", "a b") != key("b", "b a")
    assert key("c", "a b", added_tokens="{}") != key("d", "a b", added_tokens='{"x": 1}')
    assert key("e", "a b", tokenizer="{}") == key("f", "b a", tokenizer="{}")


def test_pickled_weights_are_loaded_and_told_apart(tmp_path: Path) -> None:
    keys = set()
    for seed in (1, 2):
        folder = tmp_path / str(seed)
        torch.manual_seed(seed)
        backbone = tiny_backbone(tokenizer=bpe_tokenizer())
        with torch.no_grad():
            backbone.embeddings.mul_(seed)
        save_backbone(backbone, folder)
        (folder / "model.safetensors").unlink()
        torch.save(backbone.model.state_dict(), folder / "pytorch_model.bin")
        assert torch.equal(load_backbone(str(folder)).embeddings, backbone.embeddings)
        keys.add(start_key(folder))
    assert len(keys) == 2
