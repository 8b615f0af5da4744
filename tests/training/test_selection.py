"""Which weights of a phase are kept: the best on validation, the mean of snapshots, or the last."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from training.phases import DROPOUT, Killed, run, same, write_inputs
from training.selection import config, validation, weights
from xstilts.core.errors import ConfigError, StageError
from xstilts.core.files import read_json, read_jsonl
from xstilts.training.checkpoint import moments
from xstilts.training.config import TrainConfig


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("inputs")
    found = write_inputs(root, "nli", "qa", **DROPOUT)
    return {**found, "dev0": validation(root / "dev0", "nli"), "dev1": validation(root / "dev1", "qa")}


def evaluations(directory: Path) -> list[dict[str, Any]]:
    return [row for _, row in read_jsonl(directory / "evaluations.jsonl")]


def assert_close(ours: Mapping[str, torch.Tensor], theirs: Mapping[str, torch.Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    for name in (name for name in ours if not name.endswith("key.bias")):  # softmax is blind to it: noise alone
        torch.testing.assert_close(ours[name], theirs[name], atol=2e-4, rtol=0)


def upto(steps: int, inputs: Mapping[str, Path], tmp_path: Path, stage: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The weights after so many steps of the same run, which keeps its last: a constant rate does not know the end."""
    shorter = {**stage, "train": {**stage["train"], "steps": steps}}
    shorter.pop("selection", None)
    return weights(run(tmp_path / f"upto{steps}", inputs, shorter))


CONSTANT = {"schedule": "constant", "warmup": 0.0}


def test_snapshots_are_taken_at_equal_distances_and_at_the_end() -> None:
    assert moments(20, 5) == (4, 8, 12, 16, 20)
    assert moments(7, 3) == (3, 5, 7)
    assert moments(3, 10) == (1, 2, 3)
    assert moments(10, 3, every=4) == (4, 8, 10)
    assert moments(8, 3, every=4) == (4, 8)
    assert moments(3, 1, every=4) == (3,)


def test_the_best_evaluation_is_the_one_whose_weights_are_kept(inputs: dict[str, Path], tmp_path: Path) -> None:
    stage = config("nli", learning_rate=1e-2, **CONSTANT)  # it is learned before the end
    found = run(tmp_path / "run", inputs, stage)
    rows, said = evaluations(found), read_json(found / "summary.json")["selection"]
    values = [row["value"] for row in rows]
    assert [row["step"] for row in rows] == [4, 8, 12, 16, 20]
    assert len(set(values)) > 1
    best = values.index(max(values))  # the first among equals
    assert rows[best]["step"] < 20, "choose another rate: this test says nothing where the last is the best"
    assert said == {
        "by": "validation",
        "step": rows[best]["step"],
        "value": max(values),
        "evaluations": 5,
        "stopped": None,
    }
    assert same(weights(found), upto(rows[best]["step"], inputs, tmp_path, stage))
    assert read_json(found / "about.json")["selection"] == "validation"
    assert not (found / "snapshots").exists()


def test_evaluating_does_not_change_training(inputs: dict[str, Path], tmp_path: Path) -> None:
    judged = run(tmp_path / "judged", inputs, config("nli", by="last"))
    plain = run(tmp_path / "plain", inputs, config("nli", by="last", judged=False))
    assert same(weights(judged), weights(plain))
    assert (judged / "log.jsonl").read_text() == (plain / "log.jsonl").read_text()
    often = run(tmp_path / "often", inputs, config("nli", evaluate_every=1))
    assert (often / "log.jsonl").read_text() == (plain / "log.jsonl").read_text()
    assert [row["step"] for row in evaluations(judged)] == [20]
    assert read_json(judged / "summary.json")["selection"]["value"] == evaluations(often)[-1]["value"]
    assert read_json(plain / "summary.json")["selection"] == {"by": "last", "step": 20}
    assert "selection" not in read_json(plain / "about.json")
    assert not (plain / "evaluations.jsonl").exists()


def test_a_mixture_is_judged_by_the_mean_over_tasks(inputs: dict[str, Path], tmp_path: Path) -> None:
    found = run(tmp_path / "run", inputs, config("nli", "qa", evaluate_every=10))
    for row in evaluations(found):
        values = {task: [s["value"] for s in row["scores"] if s["task"] == task] for task in ("nli", "qa")}
        assert [len(values["nli"]), len(values["qa"])] == [2, 4]  # two languages; F1 and exact match
        assert row["value"] == pytest.approx((sum(values["nli"]) / 2 + sum(values["qa"]) / 4) / 2)


def test_the_average_is_the_mean_of_the_last_snapshots(inputs: dict[str, Path], tmp_path: Path) -> None:
    stage = config("nli", by="average", judged=False, average=3, **CONSTANT)
    found = run(tmp_path / "run", inputs, stage)
    parts = [upto(steps, inputs, tmp_path, stage) for steps in (12, 16, 20)]
    for name, value in weights(found).items():
        torch.testing.assert_close(value, torch.stack([part[name] for part in parts]).mean(0), atol=1e-6, rtol=1e-5)
    assert not same(weights(found), parts[-1])
    assert read_json(found / "summary.json")["selection"] == {"by": "average", "step": None, "averaged": [12, 16, 20]}
    assert read_json(found / "about.json")["selection"] == "average of 3"


@pytest.mark.parametrize("by", ["last", "validation", "average"])
def test_weights_that_are_not_finite_are_never_saved(by: str, inputs: dict[str, Path], tmp_path: Path) -> None:
    """The loss of a step is that of the weights before its update: the last update shows in no loss."""
    stage = config("nli", by=by, judged=by == "validation", average=1, steps=1, learning_rate=1e39, warmup=0.0)
    line = r"a weight is infinite or NaN after an update with nli at step 0 \(the last finite loss was [\d.]+\): lower "
    with pytest.raises(StageError, match=line):
        run(tmp_path / by, inputs, stage)
    assert not [path for path in (tmp_path / by).rglob("*") if path.suffix == ".safetensors"]


def test_a_checkpoint_of_weights_that_are_not_finite_is_never_saved(inputs: dict[str, Path], tmp_path: Path) -> None:
    stage = config("nli", by="last", judged=False, learning_rate=1e39, warmup=0.0)
    with pytest.raises(StageError, match=r"at step 0 \(the last finite loss was [\d.]+\): lower the learning rate"):
        run(tmp_path / "run", inputs, stage, log_every=100)
    assert not (tmp_path / "run" / "checkpoint").exists()


def test_patience_ends_a_phase(inputs: dict[str, Path], tmp_path: Path) -> None:
    # Nothing is learned at this rate, so that the first evaluation stays the best.
    found = run(tmp_path / "run", inputs, config("nli", evaluate_every=2, patience=3, learning_rate=1e-9))
    assert [row["step"] for row in evaluations(found)] == [2, 4, 6, 8]
    summary = read_json(found / "summary.json")
    assert summary["selection"] == {**summary["selection"], "step": 2, "stopped": 8, "evaluations": 4}
    assert summary["steps"] == 8
    assert [row["step"] for _, row in read_jsonl(found / "log.jsonl")] == list(range(8))


@pytest.mark.parametrize(
    "stage",
    [
        config("nli", learning_rate=1e-2),
        config("nli", evaluate_every=2, patience=3, learning_rate=1e-2),
        config("nli", by="average", average=3),
    ],
    ids=["validation", "patience", "average"],
)
def test_kills_change_nothing(stage: Mapping[str, Any], inputs: dict[str, Path], tmp_path: Path) -> None:
    straight = run(tmp_path / "straight", inputs, stage, checkpoint_seconds=1e9)
    ran = read_json(straight / "summary.json")["steps"]
    for stop in (1, 5, 8, 9, 14, 17, 20):
        if stop <= ran:
            with pytest.raises(Killed):
                run(tmp_path / "killed", inputs, stage, stop)
    killed = run(tmp_path / "killed", inputs, stage)
    assert same(weights(straight), weights(killed))
    for name in ("evaluations.jsonl", "summary.json", "about.json", "log.jsonl"):
        assert (straight / name).read_text() == (killed / name).read_text(), name
    assert sorted(p.name for p in straight.iterdir()) == sorted(p.name for p in killed.iterdir())


def test_a_better_snapshot_after_the_last_checkpoint_does_not_outlive_a_kill(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    """Where a device gives other numbers the second time, the best may lie before the checkpoint."""
    stage = config("nli", evaluate_every=1, learning_rate=1e-2, **CONSTANT)
    with pytest.raises(Killed):
        run(tmp_path / "run", inputs, stage, 6)  # the checkpoint is of step 5
    rows = evaluations(tmp_path / "run")
    known = max(rows[:5], key=lambda row: row["value"])
    assert rows[5]["value"] > known["value"]
    there = {path.name for path in (tmp_path / "run" / "snapshots").iterdir()}
    assert there == {f"{known['step']}.safetensors", "6.safetensors"}


def test_two_processes_choose_as_one_does(inputs: dict[str, Path], tmp_path: Path) -> None:
    quiet = write_inputs(tmp_path / "quiet", "nli", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    quiet["dev0"] = inputs["dev0"]
    stage = config("nli", by="validation", head_dropout=0.0, patience=2)
    one, two = run(tmp_path / "one", quiet, stage), run(tmp_path / "two", quiet, stage, devices=2)
    ours, theirs = (read_json(path / "summary.json")["selection"] for path in (one, two))
    assert ours.pop("value") == pytest.approx(theirs.pop("value"))
    assert ours == theirs
    assert_close(weights(one), weights(two))


def test_shards_cannot_be_judged_and_can_be_averaged(inputs: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--shard.*give `select: last` or `select: average`"):
        run(tmp_path / "judged", inputs, config("nli"), devices=2, shard=True)
    quiet = write_inputs(tmp_path / "quiet", "nli", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    stage = config("nli", by="average", judged=False, average=3, head_dropout=0.0)
    one = run(tmp_path / "one", quiet, stage)
    two = run(tmp_path / "two", quiet, stage, devices=2, shard=True)
    assert_close(weights(one), weights(two))


def test_adapters_are_chosen_and_not_averaged(inputs: dict[str, Path], tmp_path: Path) -> None:
    stage = config("nli", lora={"rank": 2}, learning_rate=3e-2, evaluate_every=5)
    found = run(tmp_path / "run", inputs, stage)
    assert (found / "adapters").is_dir()
    assert read_json(found / "summary.json")["selection"]["evaluations"] == 4
    with pytest.raises(ValueError, match="not the mean of their products"):
        TrainConfig(select="average", lora={})  # type: ignore[arg-type]
