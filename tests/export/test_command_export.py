"""`xstilts export`: the folder, its card, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from safetensors.torch import load_file

from cli.conftest import typed as typed
from export.conftest import World
from export.exported import run_plain
from stages.tiny_experiment import BACKBONE, run, tiny_experiment
from xstilts.core.files import read_json, read_jsonl, write_json
from xstilts.expand import Expansion
from xstilts.export.finished import find_model
from xstilts.graph.store import Store

Typed = Callable[..., tuple[int, str, str]]
HEADS = {
    "micro_nli": ("text-classification", "AutoModelForSequenceClassification"),
    "micro_topic": ("text-classification", "AutoModelForSequenceClassification"),
    "micro_choice": ("multiple-choice", "AutoModelForMultipleChoice"),
    "micro_tagging": ("token-classification", "AutoModelForTokenClassification"),
    "micro_qa": ("question-answering", "AutoModelForQuestionAnswering"),
    "micro_retrieval": ("sentence-similarity", "SentenceTransformer"),
}
EXPERIMENT = """\
name: adapted
title: With adapters
question: Do they help?
limitations: [Only two steps.]
backbones: [{name: any, source: nobody/nothing}]
recipes: [[]]
targets: [xnli]
"""


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_cards_are_valid_and_their_code_runs_without_xstilts(world: World, typed: Typed, tmp_path: Path) -> None:
    snippets = ["import warnings", "import transformers", "transformers.utils.logging.disable_progress_bar()"]
    for task, (pipeline, auto) in HEADS.items():
        folder = tmp_path / task
        code, out, err = typed("export", world.key(task), "--to", folder, "--store", world.store)
        assert (code, err) == (0, "")
        assert auto.removesuffix(".from_pretrained") in out
        card = ModelCard.load(folder / "README.md")
        assert card.data.pipeline_tag == pipeline
        assert card.data.get("license") is None
        for line in card.text.splitlines():
            assert line.count("|") != 1, line
        (block,) = re.findall(r"```python\n(.*?)```", card.text, re.DOTALL)
        assert auto in block
        snippets.append(block.replace("FOLDER", str(folder)))
    assert len(run_plain("\n".join(snippets)).splitlines()) >= len(HEADS)


def test_the_card_tells_history_and_scores(world: World, typed: Typed, to: Path) -> None:
    stage = world.stages["micro_nli"]
    assert typed("export", stage.key, "--to", to, "--store", world.store)[0] == 0
    card = ModelCard.load(to / "README.md")
    rows = [row for _, row in read_jsonl(Store(world.store).directory(stage) / "scores.jsonl") if row["main"]]
    found = {
        (one.dataset_type, one.dataset_config, one.metric_type): one
        for one in card.data.eval_results or ()
        if one.dataset_type == "micro_nli"
    }
    assert {key: one.metric_value for key, one in found.items()} == {
        (row["task"], row["language"], row["metric"]): round(row["value"], 4) for row in rows
    }
    assert all(one.metric_args["signature"] == rows[0]["signature"] for one in found.values() if one.metric_args)
    assert card.data.model_name == "out"
    assert "| 1 | micro_nli (en) | 2 steps | 4 | 0.001 |" in card.text
    assert world.model("micro_nli").key in card.text
    assert "`micro_nli`: Apache-2.0. xstilts microworld" in card.text
    assert card.data.get("language") == ["en"], "microworld languages have no code that the hub knows"


def test_a_model_of_several_heads_asks_which_one(world: World, typed: Typed, to: Path) -> None:
    key = world.model("both").key
    code, _, err = typed("export", key, "--to", to, "--store", world.store)
    assert (code, err) == (2, "error: the model has the heads micro_nli, micro_qa: choose one with --task\n")
    assert typed("export", key, "--to", to, "--task", "micro_qa", "--store", world.store)[0] == 0
    code, _, err = typed("export", key, "--to", to, "--task", "micro_qua", "--store", world.store)
    assert (code, err) == (2, "error: unknown head of this model 'micro_qua': did you mean micro_qa or micro_nli?\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--as", "onnx"), "unknown form of a folder 'onnx'"),
        (("--layer", "1"), "--layer goes with sentence vectors"),
        (("--as", "sentence-transformers", "--layer", "7"), "layer 7 of a model that has 2, numbered from 1"),
    ],
)
def test_what_cannot_be_is_one_line_and_leaves_nothing(
    words: tuple[str, ...], message: str, world: World, typed: Typed, to: Path
) -> None:
    code, _, err = typed("export", world.key("micro_topic"), "--to", to, "--store", world.store, *words)
    assert code == 2
    assert err.startswith(f"error: {message}")
    assert list(to.parent.iterdir()) == []


def test_a_folder_in_use_and_a_stage_without_model_are_refused(world: World, typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "note").touch()
    code, _, err = typed("export", world.key("micro_topic"), "--to", tmp_path, "--store", world.store)
    assert (code, err) == (2, f"error: {tmp_path} exists and is not an empty folder: name another one with --to\n")
    data = world.stages["micro_topic"].inputs["data"].key
    code, _, err = typed("export", data, "--to", tmp_path / "new", "--store", world.store)
    assert code == 2
    assert f"stage {data} is of kind 'prepare' and holds no model" in err


def test_adapters_are_merged_and_weights_in_four_bits_refused(world: World, typed: Typed, to: Path) -> None:
    train = {"steps": 2, "batch_size": 4, "learning_rate": 0.1, "lora": {"rank": 2}}
    expansion = Expansion(tiny_experiment(recipes=[[]], targets=["micro_topic"], train=train), world.data)
    stage = expansion.cells[0].stage
    assert run([stage], world.store)["Failed"] == []
    model = Store(world.store).directory(stage.inputs["predictions"].inputs["model"])
    assert (model / "adapters").is_dir()
    file = to.with_name("adapted.yaml")
    file.write_text(EXPERIMENT, encoding="utf-8")
    code, _, err = typed("export", stage.key, "--to", to, "--store", world.store, "--experiment", file)
    assert (code, err) == (0, "")
    assert not [name for name in load_file(to / "model.safetensors") if "lora" in name]
    text = (to / "README.md").read_text(encoding="utf-8")
    assert "LoRA of rank 2" in text
    assert "With adapters. Do they help?" in text
    assert "- Only two steps." in text
    about = read_json(model / "about.json")
    write_json(model / "about.json", {**about, "weights": {"quantize": "nf4"}})
    code, _, err = typed("export", stage.key, "--to", to.with_name("again"), "--store", world.store)
    assert code == 2
    assert err.startswith(
        "error: the model was trained over weights in 4 bits: merged with them its adapter gives other"
    )


def test_vectors_have_the_layer_that_was_chosen_and_special_tokens(world: World, typed: Typed, to: Path) -> None:
    def measured(**retrieval: object) -> str:
        asked = tiny_experiment(
            backbones=[{**BACKBONE, "retrieval": retrieval}], recipes=[[]], targets=["micro_retrieval"]
        )
        (cell,) = Expansion(asked, world.data).cells
        assert run([cell.stage], world.store)["Failed"] == []
        return cell.stage.key

    key = measured(layer={"validate_on": ["qaa", "qab"]})
    rows = read_jsonl(Store(world.store).find(key).directory / "scores.jsonl")
    (main,) = {row["variant"] for _, row in rows if row["main"]}
    found = find_model(world.store, key)
    pooling, layer = found.retrieval(found.head(None))
    assert (pooling, f"layer={layer} raw") == ("mean", main)
    code, _, err = typed("export", measured(special_tokens=False), "--to", to, "--store", world.store)
    assert code == 2
    assert err.startswith("error: these sentence vectors leave out special tokens, which the mean of sentence-transf")
    assert not to.exists()
