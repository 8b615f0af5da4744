"""Objectives as an experiment names them: what is usual for a model, what is refused before anything runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from backbones.tiny_models import sequences, t5_tokenizer
from stages.text_experiment import SIZES
from stages.tiny_experiment import BACKBONE, run_all, tiny_experiment
from xstilts.backbones.names import Output
from xstilts.backbones.packing import pack
from xstilts.core.errors import ConfigError
from xstilts.core.files import read_json, read_jsonl
from xstilts.expand import Expansion
from xstilts.graph.stage import Stage, graph
from xstilts.graph.store import Store
from xstilts.stages.models import open_backbone, reopen_backbone

WRITERS = {kind: {**BACKBONE, "architecture": kind, "config": SIZES[kind], "output": "text"} for kind in SIZES}
PAIRS = {"task": "micro_parallel", "languages": ["qaa"]}
TARGET = {"task": "micro_retrieval", "languages": ["qaa"]}


def expand(backbone: dict[str, Any], *parts: Any, data: Path | None = None, **changes: Any) -> Expansion:
    """On a world, for which nothing must be on disk, or on `data`."""
    recipes = [[{"tasks": list(parts)}]] if parts else [[]]
    worlds = [] if data else [1]
    fields = {"backbones": [backbone], "worlds": worlds, "recipes": recipes, "targets": [TARGET], **changes}
    return Expansion(tiny_experiment(**fields), data)


def trained(expansion: Expansion) -> list[Stage]:
    return [stage for stage in graph(expansion.stages()) if stage.kind == "train"]


def types(expansion: Expansion) -> list[tuple[str, str]]:
    return [(part["task"], part["type"]) for stage in trained(expansion) for part in stage.config["components"]]


def keys(expansion: Expansion) -> set[str]:
    return {stage.key for stage in graph(expansion.stages())}


def test_raw_text_trains_the_output_layer_of_models_that_write() -> None:
    assert types(expand(WRITERS["qwen3"], "micro_text")) == [("micro_text", "causal_lm")]
    assert types(expand(WRITERS["mt5"], "micro_text")) == [("micro_text", "span_corruption")]
    assert types(expand(BACKBONE, "micro_text")) == [("micro_text", "masked_lm")]
    asked = {"task": "micro_text", "objective": "causal_lm"}
    assert keys(expand(WRITERS["qwen3"], "micro_text")) == keys(expand(WRITERS["qwen3"], asked))
    assert types(expand(BACKBONE, {"task": "micro_text", "objective": "simcse"})) == [("micro_text:simcse", "simcse")]


def test_one_task_may_be_trained_on_in_two_ways() -> None:
    pairs = {**PAIRS, "objective": "translation_lm"}
    both = expand(BACKBONE, PAIRS, pairs, {"task": "micro_nli", "objective": "simcse"})
    assert types(both) == [
        ("micro_parallel", "contrastive"),
        ("micro_parallel:translation_lm", "translation_lm"),
        ("micro_nli:simcse", "simcse"),
    ]
    named = "[{micro_parallel, micro_parallel:translation_lm, micro_nli:simcse}]"
    assert {cell.recipe for cell in both.cells} == {"[]", named}
    assert {cell.task for cell in both.cells} == {"micro_retrieval"}  # SimCSE on NLI leaves nothing to score


@pytest.mark.parametrize(
    ("backbone", "task", "objective", "problem"),
    [
        (BACKBONE, "micro_text", "causal_lm", "is an encoder: take masked_lm"),
        (BACKBONE, "micro_text", "span_corruption", "is an encoder: take masked_lm"),
        (WRITERS["qwen3"], "micro_text", "span_corruption", "not for decoders, as 'tiny' is: take causal_lm"),
        (WRITERS["mt5"], "micro_text", "causal_lm", "take span_corruption with `output: text`"),
        ({**WRITERS["mt5"], "output": "head"}, "micro_text", "span_corruption", "give it `output: text`"),
        (BACKBONE, "micro_text", "contrastive", "raw text is for .* contrastive is for translation pairs"),
        (BACKBONE, "micro_nli", "translation_lm", "NLI is for simcse, translation_lm is for translation pairs"),
        (BACKBONE, "micro_qa", "simcse", r"it is span qa \(leave `objective` out\), simcse is for raw text or NLI"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_runs(
    backbone: dict[str, Any], task: str, objective: str, problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        expand(backbone, {"task": task, "objective": objective})


def test_a_folder_of_an_unlisted_architecture_is_known_by_its_config(tmp_path: Path) -> None:
    for name, usual in (("bart", "span_corruption"), ("gpt2", "causal_lm")):
        t5_tokenizer().save_pretrained(tmp_path / name)
        (tmp_path / name / "config.json").write_text(json.dumps({"model_type": name}))
        (tmp_path / name / "model.safetensors").write_text("expansion reads its bytes alone")
        backbone = {"name": "tiny", "source": str(tmp_path / name), "output": "text"}
        assert types(expand(backbone, "micro_text")) == [("micro_text", usual)]


def test_what_a_hub_model_is_must_be_said() -> None:
    backbone = {"name": "tiny", "source": "someone/some-model", "revision": "main", "output": "text"}
    with pytest.raises(ConfigError, match="the architecture of backbone 'tiny' is unknown"):
        expand(backbone, "micro_text")
    assert types(expand(backbone, {"task": "micro_text", "objective": "causal_lm"}))


def test_only_span_corruption_puts_sentinels_into_a_vocabulary() -> None:
    def sentinels(expansion: Expansion) -> Any:
        (stage,) = {stage.key: stage for stage in graph(expansion.stages()) if stage.kind == "tokenizer"}.values()
        return stage.config["trained"].get("sentinels")

    assert sentinels(expand(WRITERS["mt5"])) is None
    assert sentinels(expand(WRITERS["qwen3"], "micro_text")) is None
    assert sentinels(expand(WRITERS["mt5"], "micro_text")) == 32
    assert sentinels(expand({**WRITERS["mt5"], "pretrain": ["micro_text"]})) == 32


def test_english_controls_leave_translation_pairs_out() -> None:
    phases = [{"tasks": ["micro_text", {**PAIRS, "objective": "translation_lm"}]}]
    found = types(expand({**BACKBONE, "pretrain": phases, "controls": {"english": "auto"}}))
    assert sorted(found) == [
        ("micro_parallel:translation_lm", "translation_lm"),
        ("micro_text", "masked_lm"),
        ("micro_text", "masked_lm"),
    ]


@pytest.mark.parametrize(("kind", "objective"), [("qwen3", "causal_lm"), ("mt5", "span_corruption")])
def test_pretraining_may_train_an_output_layer_that_recipes_do_without(
    kind: str, objective: str, tiny_world: Path, tmp_path: Path
) -> None:
    text = {"task": "micro_text", "objective": objective, "languages": ["en", "qaa"]}
    bare = {**WRITERS[kind], "output": "head", "controls": {"random": "auto", "english": "auto"}}
    expansion = expand({**bare, "pretrain": [{"tasks": [text]}]}, PAIRS, data=tiny_world)
    assert sorted(types(expansion)) == [("micro_parallel", "contrastive")] + 2 * [("micro_text", objective)]
    run_all(expansion, tmp_path)
    store = Store(tmp_path)
    for stage in graph(expansion.stages()):
        if stage.kind == "start" and "model" in stage.inputs:
            before = reopen_backbone(store.directory(stage.inputs["model"]), tmp_path / stage.key, None, "head")
            after = open_backbone(store.directory(stage))
            assert all(torch.equal(p, q) for p, q in zip(before.parameters(), after.parameters(), strict=True))
            assert not (store.directory(stage) / "heads.json").exists()
    assert len({cell.backbone for cell in expansion.cells}) == 3
    late = {**bare, "pretrain": [{"tasks": [PAIRS]}, {"tasks": [text]}]}
    with pytest.raises(ConfigError, match="put this phase first, or give the backbone `output: text`"):
        expand(late)


@pytest.mark.parametrize("kind", SIZES)
def test_what_was_pretrained_with_its_output_layer_goes_on_without_it(
    kind: str, tiny_world: Path, tmp_path: Path
) -> None:
    expansion = expand(WRITERS[kind], "micro_text", data=tiny_world)
    (stage,) = trained(expansion)
    run_all(expansion, tmp_path)
    folder = Store(tmp_path).directory(stage)
    assert all(row["loss"] > 0 for _, row in read_jsonl(folder / "log.jsonl"))
    assert read_json(folder / "heads.json")[0]["type"] == stage.config["components"][0]["type"]
    outputs: tuple[Output, ...] = ("text", "head")
    whole, bare = (reopen_backbone(folder, tmp_path / output, None, output).eval() for output in outputs)
    packed = pack(sequences((9, 4, 6)))
    assert whole.writes
    assert not bare.writes
    with torch.no_grad():
        assert torch.equal(whole(packed), bare(packed))
