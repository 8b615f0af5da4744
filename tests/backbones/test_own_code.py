"""A model's own code is never run, and nobody is asked whether it may be."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import save_file

from backbones.tiny_models import bpe_tokenizer, tiny_backbone
from stages.tiny_experiment import run
from xstilts.backbones.load import PICKLE, check_fields, from_pretrained, load_backbone, random_backbone, save_backbone
from xstilts.backbones.names import OWN_CODE
from xstilts.core.errors import BackboneError, UnknownName
from xstilts.graph.events import Failed
from xstilts.graph.job import Job
from xstilts.graph.stage import Stage
from xstilts.stages import describe
from xstilts.stages.preparing import run_start

CODE = """
from pathlib import Path
Path(__file__).with_name("RAN").touch()
from transformers import PreTrainedTokenizerFast as Tokenizer, XLMRobertaConfig as Config, XLMRobertaModel as Model
Config.model_type = "own"
"""
CLASSES = {
    "AutoConfig": "own.Config",
    **dict.fromkeys(("AutoModel", "AutoModelForMaskedLM", "AutoModelForCausalLM"), "own.Model"),
}
TOKENIZER = {"tokenizer_class": "OwnTokenizer", "auto_map": {"AutoTokenizer": ["own.Tokenizer", "own.Tokenizer"]}}


def _folder(path: Path, config: dict[str, Any], tokenizer: dict[str, Any] | None = None) -> Path:
    """A model folder with a Python file that leaves a mark where it is run, here or in transformers' cache of code."""
    save_backbone(tiny_backbone(tokenizer=bpe_tokenizer()), path)
    for name, more in (("config.json", config), ("tokenizer_config.json", tokenizer or {})):
        (path / name).write_text(json.dumps({**json.loads((path / name).read_text()), **more}))
    (path / "own.py").write_text(CODE.replace('Path(__file__).with_name("RAN")', f"Path({str(path / 'RAN')!r})"))
    return path


@pytest.fixture
def yes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whoever asks is told `y`; gives the questions."""
    asked: list[str] = []

    def answer(question: str = "") -> str:
        asked.append(question)
        return "y"

    monkeypatch.setattr("builtins.input", answer)
    return asked


@pytest.mark.parametrize("config", [{"model_type": "own"}, {"model_type": "own", "auto_map": CLASSES}])
def test_an_architecture_that_only_its_own_code_knows_is_refused(
    config: dict[str, Any], tmp_path: Path, yes: list[str]
) -> None:
    folder = _folder(tmp_path / "model", {"auto_map": CLASSES, **config})
    with pytest.raises(BackboneError) as error:
        load_backbone(str(folder))
    assert str(error.value) == f"backbone '{folder}' cannot be loaded: {OWN_CODE}"
    for auto in ("AutoConfig", "AutoModel", "AutoModelForMaskedLM", "AutoModelForCausalLM"):
        with pytest.raises(BackboneError, match=r"it needs remote code .*which xstilts never runs"):
            from_pretrained(getattr(transformers, auto), folder)
    assert not yes
    assert not (folder / "RAN").exists()


def test_an_architecture_of_transformers_loads_without_the_code_beside_it(tmp_path: Path, yes: list[str]) -> None:
    folder = _folder(tmp_path / "model", {"auto_map": CLASSES}, TOKENIZER)
    backbone = load_backbone(str(folder))
    assert type(backbone.model).__module__.startswith("transformers.models.")
    assert not yes
    assert not (folder / "RAN").exists()


def test_a_random_twin_takes_no_code_from_the_configuration_it_is_like(tmp_path: Path, yes: list[str]) -> None:
    like = {"auto_map": {"AutoModelForSeq2SeqLM": "own.Model"}, "is_encoder_decoder": True, "hidden_size": 32}
    with pytest.raises(BackboneError, match="a random xlm-roberta cannot be made"):
        random_backbone("xlm-roberta", like, bpe_tokenizer(), 1, output="text")
    assert not yes


def test_attention_kernels_of_the_hub_are_code_too(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "model", {"attn_implementation": "someone/kernel"})
    with pytest.raises(BackboneError, match=r"attention code from the hub \(someone/kernel\): remove that field"):
        load_backbone(str(folder))
    with pytest.raises(UnknownName, match="unknown configuration field of xlm-roberta '_attn_implementation'"):
        check_fields("xlm-roberta", {"_attn_implementation": "someone/kernel"})


class _Runs:
    """Runs code when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("zipped", [True, False])
def test_weights_that_are_a_pickle_hold_tensors_or_are_refused(tmp_path: Path, zipped: bool) -> None:
    folder = _folder(tmp_path / "model", {})
    state = dict(tiny_backbone(tokenizer=bpe_tokenizer()).model.state_dict())
    (folder / "model.safetensors").unlink()
    torch.save(state, folder / "pytorch_model.bin")
    assert load_backbone(str(folder)).layers == 2
    evil = {**state, "more": _Runs(tmp_path / "RAN")}
    if zipped:
        torch.save(evil, folder / "pytorch_model.bin")
    else:
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps(evil["more"]))
    with pytest.raises(BackboneError) as error:
        load_backbone(str(folder))
    assert str(error.value) == f"backbone '{folder}' cannot be loaded: {PICKLE}"
    assert not (tmp_path / "RAN").exists()


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"num_attention_heads": 0}, "ZeroDivisionError"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "optimum"),
        ({"hidden_size": "; import os"}, "hidden_size"),
        ({"auto_map": {"AutoConfig": 5}, "model_type": "own"}, "which xstilts never runs"),
        ({"model_type": ["xlm-roberta"]}, "TypeError"),
    ],
)
def test_odd_configurations_are_one_line(config: dict[str, Any], said: str, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "model", config)
    with pytest.raises(BackboneError, match=said) as error:
        load_backbone(str(folder))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_stage_asks_nothing_of_standard_input(workers: int, tmp_path: Path, yes: list[str]) -> None:
    folder = _folder(tmp_path / "model", {"model_type": "own", "auto_map": CLASSES}, TOKENIZER)
    good = _folder(tmp_path / "good", {})
    tokenizer = describe.tokenizer_of(str(good), None)
    twin = describe.start_random_like(str(folder), None, tokenizer, 1, describe.use_of(), "random")
    events = run([describe.tokenizer_of(str(folder), None), twin], tmp_path / "store", workers)
    errors = sorted(event.error for event in events["Failed"] if isinstance(event, Failed))
    kinds = (f"backbone '{folder}'", f"tokenizer of '{folder}'")
    assert errors == [f"{what} cannot be loaded: {OWN_CODE}" for what in kinds]
    assert not yes
    assert not (folder / "RAN").exists()


@pytest.mark.parametrize("command", ["run", "plan"])
def test_the_command_line_refuses_a_folder_before_any_stage(command: str, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "model", {"model_type": "own", "auto_map": CLASSES}, TOKENIZER)
    (tmp_path / "own.yaml").write_text(
        f"name: own\nworlds: [3]\nseeds: [1]\nbackbones: [{{name: own, source: {folder}}}]\n"
        "recipes: [[]]\ntargets: [micro_topic]\ntrain: {steps: 1, batch_size: 4}\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", "from xstilts.cli import main; main()", command, "own.yaml", "--store", "store"],
        cwd=tmp_path,
        input="y\n" * 100,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (ran.returncode, ran.stderr) == (2, f"error: backbone '{folder}' cannot be loaded: {OWN_CODE}\n")
    assert not (folder / "RAN").exists()


@pytest.mark.parametrize("heads", ["[]x", "[1]", '[{"task": "a"}]', '[{"task": "a", "type": "none", "labels": []}]'])
def test_heads_that_are_none_of_ours_are_one_line(heads: str, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "model", {})
    (folder / "heads.json").write_text(heads)
    save_file({}, folder / "heads.safetensors")
    (tmp_path / "to").mkdir()
    settings = {"source": str(folder), "revision": None}
    with pytest.raises(BackboneError, match=f"heads.json of '{folder}' is none of ours"):
        run_start(Job(Stage("start", 1, {"route": None}, settings=settings), tmp_path / "to"))
