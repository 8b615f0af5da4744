"""With dropout on, no setting changes a number: token budget, processes, route. Where one does, the stage says so."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from task_types.samples import CODER, LIMITS, LINES
from training.phases import CONFIG, DATA, component, run_phase, tiny_phase, train_stage, write_inputs
from training.phases import tiny_model as quiet_model
from xstilts.core.files import read_json, read_jsonl
from xstilts.core.machine import Machine
from xstilts.stages.training import depends_on
from xstilts.task_types.simcse import SimCSE
from xstilts.training.loop import Losses, Phase, accumulate, collate, make_optimizer, train
from xstilts.training.mixture import Part
from xstilts.training.model import TaskModel

DROPOUT = {"hidden_dropout_prob": 0.2, "attention_probs_dropout_prob": 0.2}
BUDGETS = (128, 512, 8192)


def tiny_model(*tasks: str, **changes: Any) -> TaskModel:
    return quiet_model(*tasks, dropout=0.3, **{**DROPOUT, **changes})


def losses_of(model: TaskModel, phase: Phase, tokens: int) -> list[float]:
    settings = Machine(micro_batch_tokens=tokens)
    return [float(record.loss) for record in train(model, phase, make_optimizer(model, phase.config), settings)]


@pytest.mark.parametrize("task", DATA)
def test_the_budget_of_tokens_changes_no_loss(task: str) -> None:
    """Three steps of NLI before: 1.109, 1.131, 1.062 with 32 tokens and 1.146, 1.065, 1.154 with 8192."""
    phase = tiny_phase(task, config=CONFIG.model_copy(update={"batch_size": 12, "steps": 4}))
    cuts = [len(list(collate(phase, 0, Machine(micro_batch_tokens=tokens)))) for tokens in (32, *BUDGETS)]
    assert cuts[0] > 1 or task == "parallel"
    losses = [losses_of(tiny_model(task), phase, tokens) for tokens in (32, *BUDGETS)]
    for other in losses[1:]:
        np.testing.assert_allclose(other, losses[0], atol=1e-5, rtol=0)
    assert losses_of(tiny_model(task, **dict.fromkeys(DROPOUT, 0.0)), phase, 8192) != pytest.approx(losses[0], abs=1e-3)


def test_two_views_of_a_sentence_are_dropped_apart() -> None:
    """SimCSE's two passes over one text are two segments of one row."""
    kind = SimCSE(dropout=0.2)
    features = kind.encode(LINES, CODER, LIMITS, ())
    phase = tiny_phase("text")
    phase = Phase((Part("text", "simcse"),), (kind,), (features,), phase.plan, CONFIG)
    model = TaskModel(tiny_model("text").backbone, [], 0.0, 1)
    model.heads["text"] = kind.head(model.backbone, (), 0.0)
    losses, (batch,) = Losses(model, phase).train(), collate(phase, 0, Machine())
    states = model.backbone(batch.packed)
    first, second = batch.packed.starts_S[0], batch.packed.starts_S[1]
    assert batch.packed.ids_T[first] == batch.packed.ids_T[second]
    assert not torch.allclose(states[first], states[second], atol=1e-3)
    once, again = (float(accumulate(losses, phase, 0, [batch], "cpu")) for _ in range(2))
    assert once == again


def test_packed_and_padded_training_are_one() -> None:
    phase = tiny_phase("nli", "pos")
    losses = [losses_of(tiny_model("nli", "pos", route=route), phase, 64) for route in ("packed", "padded")]
    np.testing.assert_allclose(losses[0], losses[1], atol=1e-5)


TASKS = ("nli", "text", "parallel")
STAGE = train_stage(*(component(task, rate=0.34) for task in TASKS), head_dropout=0.3, steps=10)
MACHINES: Mapping[str, dict[str, Any]] = {
    "128 tokens": {"micro_batch_tokens": 128},
    "DDP": {"devices": 2, "micro_batch_tokens": 128},
    "FSDP2, computed twice": {"devices": 2, "shard": True, "recompute": True},
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_inputs(tmp_path_factory.mktemp("inputs"), *TASKS, **DROPOUT)


@pytest.fixture(scope="module")
def alone(inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("alone"), inputs)


def run(directory: Path, inputs: Mapping[str, Path], config: Any = STAGE, **settings: Any) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    run_phase(config, directory, inputs, {"log_every": 1, **settings}, lambda _: None)
    return directory


def losses(directory: Path) -> np.ndarray:
    return np.array([row["loss"] for _, row in read_jsonl(directory / "log.jsonl")])


@pytest.mark.parametrize("machine", MACHINES)
def test_a_stage_with_dropout_is_the_same_on_every_machine(
    machine: str, inputs: dict[str, Path], alone: Path, tmp_path: Path
) -> None:
    other = run(tmp_path / "other", inputs, **MACHINES[machine])
    np.testing.assert_allclose(losses(other), losses(alone), atol=1e-5, rtol=0)
    for name in ("trained.safetensors", "heads.safetensors"):
        ours, theirs = load_file(other / name), load_file(alone / name)
        for tensor in (name for name in ours if not name.endswith("key.bias")):
            torch.testing.assert_close(ours[tensor], theirs[tensor], atol=2e-4, rtol=0)
    assert not (other / "environment.json").exists()


def test_adapters_with_dropout_are_trained_alike_by_two_processes(inputs: dict[str, Path], tmp_path: Path) -> None:
    config = train_stage(component("nli"), steps=6, lora={"rank": 2, "dropout": 0.5})
    files = {role: inputs[role] for role in ("model", "data0")}
    one = run(tmp_path / "one", files, config)
    two = run(tmp_path / "two", files, config, devices=2, micro_batch_tokens=32)
    np.testing.assert_allclose(losses(one), losses(two), atol=1e-5)


def test_a_stage_says_what_it_depends_on(inputs: dict[str, Path], tmp_path: Path, monkeypatch: Any) -> None:
    assert depends_on(Machine(), False) == {}
    there = {"micro_batch_tokens": 512, "devices": 2, "device": "cuda"}
    assert depends_on(Machine(device="cuda:1", devices=2, micro_batch_tokens=512), True) == there
    monkeypatch.setattr("xstilts.stages.training.uncontrolled_dropout", lambda *_: True)
    files = {role: inputs[role] for role in ("model", "data0")}
    stage = run(tmp_path / "one", files, train_stage(component("nli"), steps=2))
    expected = {"depends_on": {"micro_batch_tokens": 8192, "devices": 1, "device": "cpu"}}
    assert read_json(stage / "environment.json") == expected
