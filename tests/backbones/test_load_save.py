"""Loading and saving backbones, and every message that loading can give."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from backbones.tiny_models import bpe_tokenizer, sequences, tiny_backbone
from xstilts.backbones.load import check_fields, describe, load_backbone, random_backbone, save_backbone
from xstilts.backbones.packing import pack
from xstilts.core.errors import BackboneError, UnknownName

TOKENIZER = bpe_tokenizer()
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}


def test_saving_leaves_the_backbone_usable_and_names_no_attention(tmp_path: Path) -> None:
    backbone = tiny_backbone(tokenizer=TOKENIZER)
    batch = pack(sequences((7, 4)))
    before = backbone(batch)
    save_backbone(backbone, tmp_path)
    assert torch.equal(backbone(batch), before)
    assert "xstilts" not in (tmp_path / "config.json").read_text()


def test_weights_can_be_saved_at_half_the_size(tmp_path: Path) -> None:
    backbone = tiny_backbone(tokenizer=TOKENIZER)
    save_backbone(backbone, tmp_path / "full")
    save_backbone(backbone, tmp_path / "half", torch.float16)
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("full", "half")]
    assert sizes[1] < 0.6 * sizes[0]
    loaded = load_backbone(str(tmp_path / "half"))
    assert loaded.embeddings.dtype == torch.float32
    assert (loaded.embeddings - backbone.embeddings).abs().max() < 1e-3


def test_a_random_start_is_a_function_of_its_seed() -> None:
    def weights(seed: int) -> torch.Tensor:
        return random_backbone("xlm-roberta", SMALL, TOKENIZER, seed).embeddings

    state = torch.random.get_rng_state()
    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_random_start_takes_vocabulary_and_special_tokens_from_the_tokenizer() -> None:
    backbone = random_backbone("xlm-roberta", SMALL, TOKENIZER, 0)
    assert backbone.embeddings.shape == (len(TOKENIZER), 32)
    assert (backbone.config.pad_token_id, backbone.config.bos_token_id) == (1, 0)
    about = describe(backbone)
    assert about["parameters"] == sum(p.numel() for p in backbone.parameters())
    assert (about["architecture"], about["layers"], about["listed"]) == ("xlm-roberta", 2, True)


def _saved(folder: Path) -> Path:
    save_backbone(tiny_backbone(tokenizer=TOKENIZER), folder)
    return folder


def _one_line(error: pytest.ExceptionInfo[Exception]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all"])
def test_a_folder_that_is_not_there(name: str) -> None:
    with pytest.raises(BackboneError, match="no such folder") as error:
        load_backbone(name)
    assert name in _one_line(error)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("")
    with pytest.raises(BackboneError, match="no such folder"):
        load_backbone(str(tmp_path / "model"))


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(BackboneError, match=r"not a model folder: config.json is .* \(found: notes.txt\)") as error:
        load_backbone(str(tmp_path))
    _one_line(error)


def test_a_name_that_the_hub_does_not_have() -> None:
    with pytest.raises(BackboneError, match="backbone 'nobody/no-such-model' cannot be loaded") as error:
        load_backbone("nobody/no-such-model")
    _one_line(error)


def test_a_configuration_that_is_no_json(tmp_path: Path) -> None:
    (_saved(tmp_path) / "config.json").write_text("{")
    with pytest.raises(BackboneError, match="cannot be loaded") as error:
        load_backbone(str(tmp_path))
    _one_line(error)


def test_an_architecture_that_nobody_knows(tmp_path: Path) -> None:
    (_saved(tmp_path) / "config.json").write_text(json.dumps({"model_type": "xlm-robertta"}))
    with pytest.raises(BackboneError, match="xlm-robertta"):
        load_backbone(str(tmp_path))


def test_missing_weights(tmp_path: Path) -> None:
    (_saved(tmp_path) / "model.safetensors").unlink()
    with pytest.raises(BackboneError, match=r"has no weights \(model.safetensors, .*\): save the model") as error:
        load_backbone(str(tmp_path))
    _one_line(error)


def test_damaged_weights(tmp_path: Path) -> None:
    path = _saved(tmp_path) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(BackboneError, match="cannot be loaded") as error:
        load_backbone(str(tmp_path))
    _one_line(error)


def test_weights_of_another_size(tmp_path: Path) -> None:
    path = _saved(tmp_path) / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "intermediate_size": 64}))
    with pytest.raises(BackboneError, match=r"do not fit its config.json: .* expected \[64") as error:
        load_backbone(str(tmp_path))
    _one_line(error)


def test_weights_that_lack_a_layer(tmp_path: Path) -> None:
    path = _saved(tmp_path) / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "num_hidden_layers": 3}))
    with pytest.raises(BackboneError, match=r"lack.*encoder\.layer\.2") as error:
        load_backbone(str(tmp_path))
    _one_line(error)


def test_a_folder_without_tokenizer(tmp_path: Path) -> None:
    _saved(tmp_path)
    for path in tmp_path.glob("*token*"):
        path.unlink()
    with pytest.raises(BackboneError, match="has no tokenizer") as error:
        load_backbone(str(tmp_path))
    _one_line(error)


def test_a_random_start_of_no_architecture() -> None:
    with pytest.raises(UnknownName, match="unknown architecture 'xlm-robertta': did you mean xlm-roberta"):
        random_backbone("xlm-robertta", SMALL, TOKENIZER, 0)


def test_fields_that_the_architecture_refuses() -> None:
    with pytest.raises(BackboneError, match="a random xlm-roberta cannot be made") as error:
        random_backbone("xlm-roberta", {**SMALL, "num_attention_heads": 5}, TOKENIZER, 0)
    _one_line(error)


def test_a_value_of_the_wrong_kind() -> None:
    with pytest.raises(BackboneError, match="a random xlm-roberta cannot be made") as error:
        random_backbone("xlm-roberta", {**SMALL, "hidden_size": "many"}, TOKENIZER, 0)
    _one_line(error)


def test_a_field_that_the_architecture_does_not_have() -> None:
    with pytest.raises(UnknownName, match="field of xlm-roberta 'hidden_sise': did you mean hidden_size"):
        check_fields("xlm-roberta", {**SMALL, "hidden_sise": 64})
    check_fields("xlm-roberta", SMALL)
    check_fields("mt5", {"d_model": 32, "num_hidden_layers": 2})  # a name that stands for another


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("pytorch_model.bin", "junk", r"one of its files is damaged or in another format \(error: .*\)"),
        ("pytorch_model.bin", "\x02junk", "its pickled weights are damaged or hold more than tensors"),
        ("tokenizer_config.json", "[]", "'list' object has no attribute"),
        ("config.json", "[]", "Unrecognized model"),
    ],
)
def test_a_file_of_another_kind_is_one_line(file: str, text: str, said: str, tmp_path: Path) -> None:
    folder = _saved(tmp_path)
    if file == "pytorch_model.bin":
        (folder / "model.safetensors").unlink()
    (folder / file).write_text(text)
    with pytest.raises(BackboneError, match=f"cannot be loaded: .*({said})") as error:
        load_backbone(str(folder))
    _one_line(error)
