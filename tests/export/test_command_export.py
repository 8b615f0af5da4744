"""`xstilts export`: the folder, its card, and what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from export.exported import World, run_plain
from stages.tiny_experiment import BACKBONE, run, tiny_experiment
from xstilts.core.errors import XstiltsError
from xstilts.core.files import read_json, read_jsonl
from xstilts.expand import Expansion
from xstilts.export.finished import Finished
from xstilts.export.forms import difference, our_logits, sample_features, their_logits
from xstilts.export.write import export
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.stages.models import chain, open_backbone, open_head
from xstilts.training.model import HeadSpec

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
        assert auto in code_of(folder)
        snippets.append(code_of(folder))
    snippets.insert(0, f"import os\nos.chdir({str(tmp_path)!r})")
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
        (("--as", "peft"), "stage KEY holds whole weights and no adapter: leave out --as peft"),
        (("--as", "sentence-transformers", "--layer", "7"), "--layer 7: the model has the layers 1 to 2"),
    ],
)
def test_what_cannot_be_is_one_line_and_leaves_nothing(
    words: tuple[str, ...], message: str, world: World, typed: Typed, to: Path
) -> None:
    code, _, err = typed("export", world.key("micro_topic"), "--to", to, "--store", world.store, *words)
    assert code == 2
    assert err.startswith(f"error: {message.replace('KEY', world.model('micro_topic').key)}")
    assert list(to.parent.iterdir()) == []


def test_a_folder_in_use_and_a_stage_without_model_are_refused(world: World, typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "note").touch()
    code, _, err = typed("export", world.key("micro_topic"), "--to", tmp_path, "--store", world.store)
    assert (code, err) == (2, f"error: {tmp_path} exists and is not an empty folder: name another one with --to\n")
    data = world.stages["micro_topic"].inputs["data"].key
    code, _, err = typed("export", data, "--to", tmp_path / "new", "--store", world.store)
    assert code == 2
    assert f"stage {data} is of kind 'prepare' and has no model" in err


def adapted(world: World, recipe: list[Any], **train: Any) -> Stage:
    """The finished evaluate stage of a model tuned with LoRA in all of its phases, or as the recipe says."""
    options = {"steps": 2, "batch_size": 4, "learning_rate": 0.1, "select": "last", "lora": {"rank": 2}, **train}
    expansion = Expansion(tiny_experiment(recipes=[recipe], targets=["micro_topic"], train=options), world.data)
    (stage,) = (cell.stage for cell in expansion.cells if (cell.task, cell.recipe) == ("micro_topic", "[micro_nli]"))
    assert run([stage], world.store)["Failed"] == []
    return stage


WHOLE = {"tasks": ["micro_nli"], "train": {"lora": None}}
RECIPES: dict[str, tuple[list[Any], dict[str, Any], int]] = {
    "two adapters": (["micro_nli"], {}, 4),
    "one that is carried on": (["micro_nli"], {"lora": {"rank": 2, "carry": True}}, 2),
    "one over a phase that trained all weights": ([WHOLE], {}, 2),
    "frozen weights in bf16": (["micro_nli"], {"precision": "bf16"}, 4),
}
FORMS = ("transformers", "peft")


@pytest.fixture(scope="module")
def adapters(world: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Stage], dict[str, Any]]:
    """Folders of all recipes in both forms, the stages, and the logits of the cards' code in a plain process."""
    place, stages = tmp_path_factory.mktemp("adapters"), {}
    code = ["import json, os", f"os.chdir({str(place)!r})", "told = {}"]
    for number, (name, (recipe, train, _)) in enumerate(RECIPES.items()):
        stages[name] = adapted(world, recipe, **train)
        for form in FORMS:
            folder = place / f"{number}-{form}"
            export(Finished.find(Store(world.store), stages[name].key), folder, kind=form)
            code += [code_of(folder), f"told[{str(folder)!r}] = logits.tolist()"]
    told = json.loads(run_plain("\n".join([*code, "print(json.dumps(told))"])).splitlines()[-1])
    return place, stages, told


def code_of(folder: Path) -> str:
    """The code of a card."""
    (block,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    return str(block)


@pytest.mark.parametrize(("number", "name"), list(enumerate(RECIPES)))
def test_adapters_are_merged_or_become_one_and_both_cards_say_the_same(
    number: int, name: str, adapters: tuple[Path, dict[str, Stage], dict[str, Any]], world: World
) -> None:
    place, stages, told = adapters
    _, train, rank = RECIPES[name]
    merged, adapter = (place / f"{number}-{form}" for form in FORMS)
    assert told[str(merged)] == pytest.approx(told[str(adapter)], abs=1e-5)
    assert not [name for name in load_file(merged / "model.safetensors") if "lora" in name]
    config = read_json(adapter / "adapter_config.json")
    assert config["r"] == rank
    start, *phases, _ = chain(Store(world.store).directory(stages[name].inputs["predictions"].inputs["model"]))
    under = adapter.with_name(f"{adapter.name}-base") if phases else start / "backbone"
    assert Path(config["base_model_name_or_path"]) == under
    cards = [ModelCard.load(folder / "README.md") for folder in (merged, adapter)]
    assert [card.data.library_name for card in cards] == ["transformers", "peft"]
    assert [("computed the scores below in bf16" in card.text) for card in cards] == ["precision" in train] * 2
    assert str(under) in cards[1].text


def test_weights_in_4_bits_are_written_out_with_the_adapter(world: World, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    found = Finished.find(Store(world.store), adapted(world, ["micro_nli"], quantize="nf4").key)
    export(found, tmp_path / "out")
    assert "those bits stand for" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    backbone, head = open_backbone(found.model.directory), found.head(None)
    module = open_head(found.model.directory, HeadSpec(*head), backbone)
    features = sample_features(backbone, head, found.encoding(head))
    written = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    ours = our_logits(backbone, module, head.type, features)
    assert difference(ours, their_logits(written, head.type, features)) < 1e-5
    with pytest.raises(XstiltsError, match="no adapter of weights in 4 bits: leave it out"):
        export(found, tmp_path / "adapter", kind="peft")


def test_an_experiment_file_adds_its_words(world: World, typed: Typed, to: Path) -> None:
    file = to.with_name("adapted.yaml")
    file.write_text(EXPERIMENT, encoding="utf-8")
    key = world.key("micro_topic")
    assert typed("export", key, "--to", to, "--store", world.store, "--experiment", file)[::2] == (0, "")
    text = (to / "README.md").read_text(encoding="utf-8")
    assert "With adapters. Do they help?" in text
    assert "- Only two steps." in text


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
    found = Finished.find(Store(world.store), key)
    pooling, layer = found.retrieval(found.head(None))
    assert (pooling, f"layer={layer} raw") == ("mean", main)
    code, _, err = typed("export", measured(special_tokens=False), "--to", to, "--store", world.store)
    assert code == 2
    assert err.startswith("error: these sentence vectors leave out special tokens, which the mean of sentence-transf")
    assert not to.exists()


def test_a_masked_lm_head_is_refused_and_its_backbone_offered(world: World, typed: Typed, to: Path) -> None:
    expansion = Expansion(tiny_experiment(recipes=[["micro_text"]], targets=["micro_topic"]), world.data)
    model = next(cell for cell in expansion.cells if cell.recipe == "[micro_text]").stage
    model = model.inputs["predictions"].inputs["model"].inputs["model"]
    assert run([model], world.store)["Failed"] == []
    code, _, err = typed("export", model.key, "--to", to, "--store", world.store)
    assert code == 2
    assert err == (
        "error: a masked_lm head on xlm-roberta cannot be exported (heads that can: classification, tagging, span_qa, "
        "multiple_choice): --as sentence-transformers --layer 2 exports the backbone without it\n"
    )
    asked = ("--as", "sentence-transformers", "--layer", "2")
    assert typed("export", model.key, "--to", to, "--store", world.store, *asked)[::2] == (0, "")
