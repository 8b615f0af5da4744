"""What becomes of heads between phases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from training.phases import same, spec, tiny_model, weights
from xstilts.training.model import HeadSpec, TaskModel, restore_heads, save_model_heads, saved_heads


def test_a_head_is_the_same_alone_and_in_a_mixture_and_another_for_another_seed() -> None:
    alone, mixed, other = tiny_model("nli"), tiny_model("pos", "nli"), tiny_model("nli", seed=2)
    assert same(weights(alone.heads["nli"]), weights(mixed.heads["nli"]))
    assert not same(weights(alone.heads["nli"]), weights(other.heads["nli"]))


def test_saved_heads_come_back_exactly(tmp_path: Path) -> None:
    model = tiny_model("nli", "text", "qa")
    save_model_heads(model, tmp_path)
    heads = saved_heads(tmp_path)
    assert list(heads) == [spec("nli"), spec("text"), spec("qa")]
    assert all(same(state, dict(model.heads[head.task].state_dict())) for head, state in heads.items())
    assert "bias" in heads[spec("text")]
    tied = model.backbone.embeddings.shape
    assert not [name for state in heads.values() for name, value in state.items() if value.shape == tied]


def test_a_bare_backbone_has_no_heads(tmp_path: Path) -> None:
    assert saved_heads(tmp_path) == {}


def test_heads_are_fresh_unless_kept(tmp_path: Path) -> None:
    old = tiny_model("nli", "pos", seed=7)
    save_model_heads(old, tmp_path)
    model = tiny_model("nli", "qa")
    before = weights(model.heads)
    assert restore_heads(model, tmp_path, {}) == {
        "loaded": [],
        "carried": [],
        "dropped": ["nli", "pos"],
        "fresh": ["nli", "qa"],
    }
    assert same(weights(model.heads), before)
    assert restore_heads(model, tmp_path, dict.fromkeys([spec.task for spec in model.specs], tmp_path)) == {
        "loaded": ["nli"],
        "carried": [],
        "dropped": ["pos"],
        "fresh": ["qa"],
    }
    assert same(weights(model.heads["nli"]), weights(old.heads["nli"]))
    assert torch.equal(model.heads["qa"].get_parameter("out.weight"), before["qa.out.weight"])


def test_a_head_is_kept_from_the_phase_that_has_it(tmp_path: Path) -> None:
    first = tiny_model("nli", seed=7)
    (tmp_path / "first").mkdir()
    save_model_heads(first, tmp_path / "first")
    (tmp_path / "second").mkdir()
    save_model_heads(tiny_model("qa", "pos"), tmp_path / "second")
    model = tiny_model("nli", "qa")
    keep = {"nli": tmp_path / "first", "qa": tmp_path / "second"}
    assert restore_heads(model, tmp_path / "second", keep) == {
        "loaded": ["nli", "qa"],
        "carried": [],
        "dropped": ["pos"],
        "fresh": [],
    }
    assert same(weights(model.heads["nli"]), weights(first.heads["nli"]))


def test_of_two_pretrained_heads_a_task_goes_on_with_its_own(tmp_path: Path) -> None:
    backbone = tiny_model("nli").backbone
    specs = [HeadSpec(name, "masked_lm", ()) for name in ("text", "more")]
    old = TaskModel(backbone, specs, 0.0, 7)
    save_model_heads(old, tmp_path)
    for name in ("text", "more"):
        model = TaskModel(backbone, [HeadSpec(name, "masked_lm", ())], 0.0, 1)
        assert restore_heads(model, tmp_path, {})["loaded"] == [name]
        assert same(weights(model.heads[name]), weights(old.heads[name]))


def test_a_head_with_other_labels_is_not_kept(tmp_path: Path) -> None:
    save_model_heads(tiny_model("nli"), tmp_path)
    backbone = tiny_model("nli").backbone
    model = TaskModel(backbone, [HeadSpec("nli", "classification", ("no", "yes"))], 0.0, 1)
    assert restore_heads(model, tmp_path, dict.fromkeys([spec.task for spec in model.specs], tmp_path)) == {
        "loaded": [],
        "carried": [],
        "dropped": ["nli"],
        "fresh": ["nli"],
    }


def test_a_masked_lm_head_belongs_to_the_model_and_is_carried_through_phases_without_text(tmp_path: Path) -> None:
    old = tiny_model("text", "nli", seed=7)
    (tmp_path / "pretrained").mkdir()
    save_model_heads(old, tmp_path / "pretrained")
    between = tiny_model("qa")
    assert restore_heads(between, tmp_path / "pretrained", {}) == {
        "loaded": [],
        "carried": ["text"],
        "dropped": ["nli"],
        "fresh": ["qa"],
    }
    (tmp_path / "between").mkdir()
    save_model_heads(between, tmp_path / "between")
    again = tiny_model("nli", "text")
    assert restore_heads(again, tmp_path / "between", {}) == {
        "loaded": ["text"],
        "carried": [],
        "dropped": ["qa"],
        "fresh": ["nli"],
    }
    assert same(weights(again.heads["text"]), weights(old.heads["text"]))


def test_a_task_may_be_called_by_a_word_of_torch(tmp_path: Path) -> None:
    names = ("train", "items", "to", "forward")
    specs = [replace(spec("nli"), task=name) for name in names]
    model = TaskModel(tiny_model("nli").backbone, specs, 0.0, 1)
    assert len(list(model.heads.parameters())) == 4 * len(list(model.heads["to"].parameters()))
    save_model_heads(model.train(False), tmp_path)
    assert list(saved_heads(tmp_path)) == specs
