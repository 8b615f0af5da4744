"""Pooling, attention and revision of a backbone, from the experiment file to weights, predictions and signatures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import torch

from backbones.tiny_models import bpe_tokenizer, tiny_backbone
from stages.tiny_experiment import BACKBONE, run, run_all, scores, tiny_experiment
from xstilts.backbones.load import save_backbone
from xstilts.core.errors import ConfigError
from xstilts.core.files import read_json, read_jsonl
from xstilts.evaluation.evaluate import Evaluation, measure
from xstilts.expand import Expansion
from xstilts.graph.events import Failed
from xstilts.graph.stage import graph
from xstilts.graph.store import Store
from xstilts.stages import describe
from xstilts.stages.models import open_backbone

DECODER = {
    **BACKBONE,
    "architecture": "qwen3",
    "config": {**BACKBONE["config"], "num_key_value_heads": 1, "head_dim": 8},  # type: ignore[dict-item]
}


def expansion(tiny_world: Path, backbone: Mapping[str, Any], *targets: str, recipe: Any = ()) -> Expansion:
    recipes = [[], list(recipe)] if recipe else [[]]
    return Expansion(tiny_experiment(backbones=[backbone], recipes=recipes, targets=list(targets)), tiny_world)


def rows(made: Expansion, store: Path) -> dict[str, list[Mapping[str, Any]]]:
    """Main English score rows by task, of the last recipe."""
    return {
        cell.task: [row for row in scores(store, cell.stage) if row["main"] and row["language"] in ("en", "qaa")]
        for cell in made.cells
    }


def test_pooling_and_layer_decide_what_counts_and_stand_in_the_signature(tiny_world: Path, tmp_path: Path) -> None:
    usual = expansion(tiny_world, BACKBONE, "micro_retrieval", "micro_topic")
    chosen = expansion(
        tiny_world, {**BACKBONE, "retrieval": {"pooling": "first", "layer": 2}}, "micro_retrieval", "micro_topic"
    )
    run_all(usual, tmp_path)
    run_all(chosen, tmp_path)
    (before,), (after,) = rows(usual, tmp_path)["micro_retrieval"], rows(chosen, tmp_path)["micro_retrieval"]
    assert (before["variant"], after["variant"]) == ("layer=1 raw", "layer=2 raw")
    assert " | pooling=first | similarity=cosine | main layer=2 | xstilts=" in after["signature"]
    usually = "pooling=mean | special_tokens=true | similarity=cosine | main layer=7/12 of the depth"
    assert f" | layer=1 raw | {usually} | xstilts=" in before["signature"]
    directories = [Store(tmp_path).directory(made.cells[0].stage.inputs["predictions"]) for made in (usual, chosen)]
    assert not (directories[0] / "protocol.json").exists()
    texts = [(place / "predictions" / "qaa.jsonl").read_text() for place in directories]
    assert texts[0] != texts[1]
    assert usual.cells[1].stage == chosen.cells[1].stage


def test_special_tokens_and_margin_change_predictions_and_stand_in_the_signature(
    tiny_world: Path, tmp_path: Path
) -> None:
    texts = {}
    for name, value in (("special_tokens", True), ("special_tokens", False), ("similarity", "margin")):
        made = expansion(tiny_world, {**BACKBONE, "retrieval": {name: value}}, "micro_retrieval")
        run_all(made, tmp_path)
        (row,) = rows(made, tmp_path)["micro_retrieval"]
        predictions = Store(tmp_path).directory(made.cells[0].stage.inputs["predictions"])
        texts[row["signature"].split(" | ", 7)[7]] = (predictions / "predictions" / "qaa.jsonl").read_text()
    assert [words.rpartition(" | main layer")[0] for words in texts] == [
        "pooling=mean | special_tokens=true | similarity=cosine",
        "pooling=mean | special_tokens=false | similarity=cosine",
        "pooling=mean | special_tokens=true | similarity=ratio margin k=4",
    ]
    assert len({*texts.values()}) == 3


def test_contrastive_training_leaves_out_special_tokens_as_retrieval_will(tiny_world: Path, tmp_path: Path) -> None:
    recipe = [{"tasks": [{"task": "micro_parallel", "languages": ["qaa"]}]}]
    losses = []
    for retrieval in ({}, {"special_tokens": False}):
        made = expansion(tiny_world, {**BACKBONE, "retrieval": retrieval}, "micro_retrieval", recipe=recipe)
        run_all(made, tmp_path)
        (trained,) = (stage for stage in graph(made.stages()) if stage.kind == "train")
        losses.append([row["loss"] for _, row in read_jsonl(Store(tmp_path).directory(trained) / "log.jsonl")])
    assert losses[0] != losses[1]


def test_the_layer_is_chosen_on_the_named_languages_by_each_model_for_itself(tiny_world: Path, tmp_path: Path) -> None:
    choosing = {**BACKBONE, "retrieval": {"layer": {"validate_on": ["qab", "qaa"]}}}
    recipe = [{"tasks": [{"task": "micro_parallel", "languages": ["qaa"]}]}]
    made = expansion(tiny_world, choosing, "micro_retrieval", recipe=recipe)
    run_all(made, tmp_path)
    for cell in made.cells:
        found = scores(tmp_path, cell.stage)
        raw = [row for row in found if row["variant"].endswith("raw")]
        means = {
            layer: sum(row["value"] for row in raw if row["variant"] == layer and row["language"] in ("qaa", "qab"))
            for layer in dict.fromkeys(row["variant"] for row in raw)
        }
        best = max(means, key=lambda layer: means[layer])
        assert len(means) == 3
        assert {row["variant"] for row in found if row["main"]} == {best}
        assert {row["language"] for row in found if row["chosen_on"]} == {"qaa", "qab"}
        number = best.removeprefix("layer=").removesuffix(" raw")
        assert all(f" | main layer={number} chosen on qaa, qab | " in row["signature"] for row in found)
    again = expansion(tiny_world, BACKBONE, "micro_retrieval", recipe=recipe)
    assert len(run_all(again, tmp_path)["Done"]) == len(again.cells)  # nothing but scores is computed anew
    assert not any(row["chosen_on"] for cell in again.cells for row in scores(tmp_path, cell.stage))


def test_a_decoder_sees_both_sides_for_tags_and_the_scores_say_so(tiny_world: Path, tmp_path: Path) -> None:
    made = expansion(
        tiny_world, DECODER, "micro_tagging", "micro_topic", "micro_qa", recipe=[["micro_nli", "micro_tagging"]]
    )
    run_all(made, tmp_path)
    for task, row in ((task, row) for task, found in rows(made, tmp_path).items() for row in found):
        seen = "bidirectional" if task in ("micro_tagging", "micro_qa") else "causal"
        assert f" | attention={seen} | xstilts=" in row["signature"]
    trained = next(stage for stage in graph(made.stages()) if stage.kind == "train")
    about = read_json(Store(tmp_path).directory(trained) / "about.json")
    assert about["attention_asked"] == "auto"
    assert about["attention"] == "bidirectional for tags, spans and masked LM, else causal"


@pytest.mark.parametrize(
    ("backbone", "targets", "message"),
    [
        ({**BACKBONE, "attention": "causal"}, ["micro_topic"], "is for decoders, and"),
        (
            {**DECODER, "route": "padded", "attention": "bidirectional"},
            ["micro_topic"],
            "padded attention is causal",
        ),
    ],
)
def test_choices_that_a_model_does_not_have_are_refused_in_one_line(
    tiny_world: Path, tmp_path: Path, backbone: dict[str, Any], targets: list[str], message: str
) -> None:
    events = run(expansion(tiny_world, backbone, *targets).stages(), tmp_path)
    (failed,) = (event for event in events["Failed"] if isinstance(event, Failed))
    assert message in failed.error
    assert "\n" not in failed.error.strip()


def test_an_explicit_choice_reaches_training_and_prediction(tiny_world: Path, tmp_path: Path) -> None:
    made = expansion(tiny_world, {**DECODER, "attention": "causal"}, "micro_tagging")
    run_all(made, tmp_path)
    assert all("attention=causal" in row["signature"] for row in rows(made, tmp_path)["micro_tagging"])
    trained = next(stage for stage in graph(made.stages()) if stage.kind == "train")
    assert open_backbone(Store(tmp_path).directory(trained)).sees(True) == "causal"


def test_the_commit_that_the_hub_gave_is_recorded_and_read_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    folder = tmp_path / "hub" / "models--some--model"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(commit)
    save_backbone(tiny_backbone(tokenizer=bpe_tokenizer()), folder / "snapshots" / commit)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    start = describe.start_pretrained("some/model", None, describe.use_of(), "one")
    assert run([start], tmp_path / "store")["Failed"] == []
    place = Store(tmp_path / "store").directory(start)
    about = read_json(place / "about.json")
    assert (about["hub"], about["commit"]) == ("some/model", commit)
    assert read_json(place / "pointer.json") == {"source": "some/model", "revision": commit}
    (folder / "refs" / "main").write_text("f" * 40)
    assert open_backbone(place).layers == 2  # of the commit that was recorded: there is no other


def test_a_control_of_less_depth_is_read_at_its_last_layer(tiny_world: Path, tmp_path: Path) -> None:
    folders = {layers: tmp_path / str(layers) for layers in (2, 3)}
    for layers, folder in folders.items():
        save_backbone(tiny_backbone(tokenizer=bpe_tokenizer(), num_hidden_layers=layers), folder)
    backbone = {
        "name": "deep",
        "source": str(folders[3]),
        "retrieval": {"layer": 3},
        "controls": {"random": "auto", "english": str(folders[2])},
    }
    made = expansion(tiny_world, backbone, "micro_retrieval")
    read = {cell.backbone: cell.stage.inputs["predictions"].config["retrieval"]["layer"] for cell in made.cells}
    assert read == {"deep": 3, "deep (random encoder)": 3, "deep (English-only pretraining)": 2}


def test_layers_that_a_model_does_not_have_are_refused_before_anything_runs(tiny_world: Path, tmp_path: Path) -> None:
    save_backbone(tiny_backbone(tokenizer=bpe_tokenizer()), tmp_path)
    backbone = {"name": "tiny", "source": str(tmp_path)}
    expansion(tiny_world, {**backbone, "train": {"frozen_layers": 2}, "retrieval": {"layer": 2}}, "micro_topic")
    with pytest.raises(ConfigError, match=r"^`frozen_layers: 3`, and backbone 'tiny' has 2 layers$"):
        expansion(tiny_world, {**backbone, "train": {"frozen_layers": 3}}, "micro_topic").stages()
    with pytest.raises(ConfigError, match=r"^`retrieval: \{layer: 3\}`, and backbone 'tiny' has 2 layers$"):
        expansion(tiny_world, {**backbone, "retrieval": {"layer": 3}}, "micro_topic")


def test_the_layer_asked_for_enters_means_instead_of_the_protocols() -> None:
    golds = [{"id": "a", "gold": "a"}]
    said = [{"id": "a", "prediction": "a", "variant": f"layer={k} {kind}"} for k in range(5) for kind in ("raw", "x")]
    asked = {"task": "t", "language": "de", "split": "test", "metric": "bitext_accuracy", "main": "accuracy"}
    for layer, main in ((None, "layer=2 raw"), (4, "layer=4 raw")):
        found = measure(Evaluation(**asked, notes=("pooling=last",), layer=layer), golds, said)
        assert [m.score.variant for m in found if m.score.main] == [main]
        assert all("| pooling=last |" in m.score.signature for m in found)


def test_an_untrained_backbone_is_held_as_adapters_would_hold_it(
    tiny_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The baseline of retrieval and the runs with adapters read the same weights."""
    opened: list[Any] = []

    def noting(*given: Any, **more: Any) -> Any:
        opened.append(open_backbone(*given, **more))
        return opened[-1]

    monkeypatch.setattr("xstilts.stages.predicting.open_backbone", noting)
    for options, dtype in (({"lora": {"rank": 2}}, torch.bfloat16), ({}, torch.float32)):
        backbone = {**BACKBONE, "train": {"precision": "bf16", **options}}
        run_all(Expansion(tiny_experiment(backbones=[backbone], targets=["micro_retrieval"]), tiny_world), tmp_path)
        retrieving = [each.model.dtype for each in opened]
        assert len(retrieving) >= 2
        assert set(retrieving) == {dtype}
        opened.clear()
