"""Checkpoints: everything comes back, whole or not at all, for every architecture."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from backbones.tiny_models import ARCHS, Arch, tiny_backbone
from task_types.samples import CODER
from training.phases import CONFIG, same, spec, tiny_model, tiny_phase, trained, weights
from xstilts.core.errors import StageError
from xstilts.core.machine import Machine
from xstilts.training import checkpoint
from xstilts.training.checkpoint import drop_checkpoint, load_checkpoint, save_checkpoint, sift_checkpoints
from xstilts.training.loop import make_optimizer, train
from xstilts.training.model import TaskModel


@pytest.mark.parametrize("arch", ARCHS, ids=str)
def test_a_run_goes_on_from_a_checkpoint_bit_for_bit(arch: Arch, tmp_path: Path) -> None:
    def fresh() -> TaskModel:
        return TaskModel(tiny_backbone(arch, tokenizer=CODER.tokenizer), [spec("nli")], 0.1, 1)

    phase = tiny_phase("nli")
    straight, begun, resumed = fresh(), fresh(), fresh()
    trained(straight, phase)
    optimizer = make_optimizer(begun, CONFIG)
    for record in train(begun, phase, optimizer, Machine()):
        if record.step == 4:
            break
    save_checkpoint(tmp_path, begun, optimizer, 5, {"nli": {"steps": 5}})
    optimizer = make_optimizer(resumed, CONFIG)
    assert load_checkpoint(tmp_path, resumed, optimizer) == (5, {"nli": {"steps": 5}})
    list(train(resumed, phase, optimizer, Machine(), start=5))
    assert same(weights(straight), weights(resumed))


def test_where_there_is_none_a_run_starts_at_zero(tmp_path: Path) -> None:
    model = tiny_model("nli")
    before = weights(model)
    assert load_checkpoint(tmp_path, model, make_optimizer(model, CONFIG)) == (0, {})
    assert same(weights(model), before)


def test_ranks_that_see_another_checkpoint_than_the_leading_one_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Node:
        def leading(self, step: int) -> int:
            return step + 5

    monkeypatch.setattr(checkpoint, "team", Node)
    model = tiny_model("nli")
    with pytest.raises(StageError, match=r"sees a checkpoint of step 0, the leading rank another: .*; run it again"):
        load_checkpoint(tmp_path, model, make_optimizer(model, CONFIG))


@pytest.mark.parametrize("moment", ["while writing", "between the renames", "before the old one is gone"])
def test_a_kill_while_saving_leaves_a_whole_checkpoint(moment: str, tmp_path: Path) -> None:
    model = tiny_model("nli")
    optimizer = make_optimizer(model, CONFIG)
    save_checkpoint(tmp_path, model, optimizer, 3)
    if moment == "while writing":
        (tmp_path / "checkpoint.new").mkdir()
        (tmp_path / "checkpoint.new" / "weights.safetensors").write_bytes(b"half")
        expected = 3
    else:
        (tmp_path / "checkpoint").rename(tmp_path / "checkpoint.old")
        expected = 3
        if moment == "before the old one is gone":
            save_checkpoint(tmp_path / "other", model, optimizer, 4)
            (tmp_path / "other" / "checkpoint").rename(tmp_path / "checkpoint")
            expected = 4
    assert load_checkpoint(tmp_path, model, optimizer)[0] == expected
    save_checkpoint(tmp_path, model, optimizer, 9)
    assert load_checkpoint(tmp_path, model, optimizer)[0] == 9
    assert sorted(path.name for path in tmp_path.glob("checkpoint*")) == ["checkpoint"]


def test_no_pickle_is_written(tmp_path: Path) -> None:
    model = tiny_model("nli", "text")
    optimizer = make_optimizer(model, CONFIG)
    trained(model, tiny_phase("nli", "text"))
    save_checkpoint(tmp_path, model, optimizer, 1)
    names = sorted(path.name for path in (tmp_path / "checkpoint").iterdir())
    assert names == ["moments.safetensors", "step.json", "weights.safetensors"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{}", "step.json has no checksums"),
        ("[1]", "step.json has no checksums"),
        ('{"step": 3}', "step.json has no checksums"),
        ("{", "step.json: not JSON"),
        (None, "step.json: no such file"),
    ],
)
def test_a_damaged_step_file_is_one_line_and_the_one_before_is_taken(
    content: str | None, problem: str, tmp_path: Path
) -> None:
    model = tiny_model("nli")
    save_checkpoint(tmp_path, model, make_optimizer(model, CONFIG), 3)
    shutil.copytree(tmp_path / "checkpoint", tmp_path / "checkpoint.old")
    (tmp_path / "checkpoint" / "step.json").unlink()
    if content is not None:
        (tmp_path / "checkpoint" / "step.json").write_text(content)
    step, [line] = sift_checkpoints(tmp_path)
    assert (step, line[: len(problem) + 12]) == (3, f"checkpoint: {problem}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.old"]


def test_another_step_in_the_step_file_is_noticed(tmp_path: Path) -> None:
    model = tiny_model("nli")
    save_checkpoint(tmp_path, model, make_optimizer(model, CONFIG), 3)
    path = tmp_path / "checkpoint" / "step.json"
    path.write_text(path.read_text().replace('"step": 3', '"step": 7'))
    assert sift_checkpoints(tmp_path) == (0, ["checkpoint: step.json has changed since it was written"])


def test_a_finished_phase_keeps_no_checkpoint(tmp_path: Path) -> None:
    model = tiny_model("nli")
    save_checkpoint(tmp_path, model, make_optimizer(model, CONFIG), 1)
    (tmp_path / "checkpoint.new").mkdir()
    drop_checkpoint(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_moments_and_step_counts_come_back(tmp_path: Path) -> None:
    model, other = tiny_model("nli"), tiny_model("nli")
    optimizer, fresh = make_optimizer(model, CONFIG), make_optimizer(other, CONFIG)
    list(train(model, tiny_phase("nli"), optimizer, Machine()))
    save_checkpoint(tmp_path, model, optimizer, 8)
    load_checkpoint(tmp_path, other, fresh)
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        old, new = optimizer.state.get(one, {}), fresh.state.get(two, {})
        assert old.keys() == new.keys()
        assert all(torch.equal(torch.as_tensor(old[key]), torch.as_tensor(new[key])) for key in old)
