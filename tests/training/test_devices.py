"""Two processes train as one does: DDP and FSDP2 under gloo, their checkpoints, and what they say when they fail."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.writers import EXAMPLES, writer
from task_types.samples import as_part
from training.phases import (
    CONFIG,
    QUIET,
    Killed,
    assert_close,
    component,
    losses,
    run_phase,
    same,
    tiny_model,
    tiny_phase,
    train_stage,
    trained,
    write_inputs,
)
from xstilts.backbones.coder import Coder
from xstilts.backbones.load import save_backbone
from xstilts.backbones.packing import micro_batches
from xstilts.core.errors import ConfigError, StageError
from xstilts.core.files import read_json, write_json
from xstilts.core.machine import Machine
from xstilts.task_types import TASK_TYPES
from xstilts.tasks import Encoding
from xstilts.training.checkpoint import sift_checkpoints
from xstilts.training.distributed import Team, backends, recompute_layers
from xstilts.training.loop import collate, make_optimizer, train

TASKS = ("nli", "text", "parallel")
PHASE = train_stage(*(component(task, rate=0.34) for task in TASKS), head_dropout=0.0)
SHARDED = {"devices": 2, "shard": True}
REPLICATED = {"devices": 2}
MODES = {"DDP": REPLICATED, "FSDP2": SHARDED}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_inputs(tmp_path_factory.mktemp("inputs"), *TASKS, **QUIET)


def run(
    directory: Path, inputs: Mapping[str, Path], stop: int | None = None, config: Any = PHASE, **settings: Any
) -> Path:
    """`stop`: killed when that step reports, or asked to stop where no checkpoint is due."""
    directory.mkdir(parents=True, exist_ok=True)

    def report(data: Mapping[str, Any]) -> None:
        if stop is not None and round(data.get("fraction", 0) * 20) == stop:
            if settings.get("checkpoint_seconds"):
                os.kill(os.getpid(), signal.SIGTERM)
            else:
                raise Killed

    run_phase(config, directory, inputs, {"log_every": 1, "checkpoint_seconds": 1e-9, **settings}, report)
    return directory


@pytest.fixture(scope="module")
def alone(inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("alone"), inputs)


def test_a_checkpoint_moves_between_numbers_of_devices_and_ends_as_one_process_does(
    inputs: dict[str, Path], alone: Path, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "moving" / "checkpoint"
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "moving", inputs, stop=6, checkpoint_seconds=1e9, **SHARDED)
    told = read_json(checkpoint / "step.json")
    assert 6 <= told["step"] < 11, "the step in progress was saved"
    files = {f"shard-0000{rank}-model-00001-of-00001.safetensors" for rank in (1, 2)}
    assert told["files"].keys() == files == {path.name for path in checkpoint.glob("*.safetensors")}
    shutil.copytree(checkpoint, tmp_path / "damaged" / "checkpoint")
    path = tmp_path / "damaged" / "checkpoint" / max(files)
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    line = f"checkpoint: {path.name} has changed since it was written"
    assert sift_checkpoints(tmp_path / "damaged") == (0, [line])
    for stop, settings in ((11, {}), (16, REPLICATED)):
        with pytest.raises(Killed):
            run(tmp_path / "moving", inputs, stop=stop, **settings)
    assert 14 <= read_json(checkpoint / "step.json")["step"] < 20, "ranks may be ahead of what they have reported"
    assert_close(run(tmp_path / "moving", inputs, **SHARDED, offload=True), alone)


def test_weights_in_four_bits_are_not_sharded(inputs: dict[str, Path], tmp_path: Path) -> None:
    config = train_stage(component("nli"), lora={}, quantize="nf4")
    with pytest.raises(ConfigError, match=r"`quantize: nf4`\) cannot be sharded: leave out --shard"):
        run(tmp_path, inputs, config=config, **SHARDED)


WAITING = """
import sys, time
from datetime import timedelta
import torch
from torch.distributed.distributed_c10d import _set_pg_timeout
from xstilts.training.distributed import assembled, team
with assembled("cpu"):
    _set_pg_timeout(timedelta(seconds=1))
    if team().is_main:
        time.sleep(3)
    sys.stdout.write(str(team().leading(team().rank + 7)))
    try:
        if team().is_main:
            time.sleep(3)
        team().sum(torch.zeros(()))
    except RuntimeError as error:
        sys.stdout.write(" timeout" if "imed out" in str(error) else str(error))
"""


def test_ranks_wait_for_the_leading_one_longer_than_a_collective_may_take() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    meeting = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    ranks = [
        subprocess.Popen([sys.executable, "-c", WAITING], env=meeting | {"RANK": str(rank)}, stdout=subprocess.PIPE)
        for rank in range(2)
    ]
    said = [rank.communicate(timeout=300)[0].decode() for rank in ranks]
    assert said[1] == "7 timeout"


def test_a_gpu_that_offloads_has_collectives_for_both_kinds_of_tensors() -> None:
    assert backends("cuda") == "cpu:gloo,cuda:nccl"


@pytest.mark.parametrize(("kind", "mode"), [("qwen3", "FSDP2"), ("mt5", "FSDP2"), ("mt5", "DDP")])
def test_models_that_write_are_trained_by_two_processes(kind: str, mode: str, tmp_path: Path) -> None:
    """Output layers and decoders are computed outside the layers that are sharded one by one."""
    backbone = writer(kind)
    examples, labels = EXAMPLES["tagging_text"]
    features = TASK_TYPES.get("tagging_text").encode([*examples] * 4, Coder(backbone.tokenizer), Encoding(), labels)
    as_part(features).save(tmp_path / "data" / "all")
    save_backbone(backbone, tmp_path / "model" / "backbone")
    write_json(tmp_path / "model" / "about.json", {"route_asked": None, "output": "text"})
    part = {**component("nli"), "task": "tags", "type": "tagging_text", "labels": list(labels)}
    config = train_stage(part, steps=4)
    files = {"model": tmp_path / "model", "data0": tmp_path / "data"}
    one = run(tmp_path / "one", files, config=config)
    two = run(tmp_path / "two", files, config=config, **MODES[mode])
    np.testing.assert_allclose(losses(one), losses(two), atol=1e-5)


def test_a_rank_that_is_killed_ends_the_stage_which_goes_on_when_it_is_tried_again(
    inputs: dict[str, Path], alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes: dict[str, subprocess.Popen[bytes]] = {}

    def call(command: Sequence[str], **options: Any) -> int:
        process = processes[options["env"]["RANK"]] = subprocess.Popen(command, **options)
        return process.wait()

    def kill(data: Mapping[str, Any]) -> None:
        if round(data.get("fraction", 0) * 20) == 6:
            processes["1"].kill()

    found = tmp_path / "killed"
    found.mkdir()
    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "call", call)
        with pytest.raises(StageError, match=r"^rank 1 ended with SIGKILL; its output is in the stage's log\.txt$"):
            run_phase(PHASE, found, inputs, {"log_every": 1, "checkpoint_seconds": 1e-9, **REPLICATED}, kill)
    assert [process.poll() for process in processes.values()].count(None) == 0, "none still writes there"
    assert 4 <= read_json(found / "checkpoint" / "step.json")["step"] < 20
    assert_close(run(found, inputs, **REPLICATED), alone)


def test_what_ranks_print_is_in_the_log_and_no_stage_waits_for_one_that_cannot_be_started(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit('no such place')")
    with pytest.raises(StageError, match=r"^rank [01] ended with exit code 1; its output is in"):
        run(tmp_path / "run", inputs, **REPLICATED)
    assert "no such place" in (tmp_path / "run" / "log.txt").read_text()


def test_what_a_rank_raises_is_what_the_stage_says(inputs: dict[str, Path], tmp_path: Path) -> None:
    config = train_stage(component("nli"), learning_rate=1e30, steps=20)
    files = {role: inputs[role] for role in ("model", "data0")}
    with pytest.raises(StageError, match="lower the learning rate"):
        run(tmp_path, files, config=config, **REPLICATED)
    assert not (tmp_path / "heads.json").exists()


@given(st.lists(st.integers(1, 60), min_size=1, max_size=40), st.integers(60, 200), st.integers(2, 5))
def test_every_row_is_in_one_group_and_groups_for_ranks_are_even(lengths: list[int], budget: int, ranks: int) -> None:
    groups = micro_batches(np.array(lengths), budget, ranks)
    assert sorted(np.concatenate(groups)) == list(range(len(lengths)))
    assert all(len(group) for group in groups)
    joined = [lengths[i] for group in groups for i in group]
    assert joined == sorted(lengths, reverse=True)
    totals = [sum(lengths[i] for i in group) for group in groups]
    assert max(totals) <= sum(lengths) / min(len(lengths), ranks) + 60


def test_shares_cover_the_step_and_every_rank_has_as_many() -> None:
    phase = tiny_phase("nli")
    batches = list(collate(phase, 0, Machine(micro_batch_tokens=16)))
    assert len(batches) > 2
    shares = [Team(rank, 2).share(batches) for rank in range(2)]
    assert len(shares[0]) == len(shares[1])
    assert part_of_each(shares) == {id(batch): 1 for batch in batches}
    undivided = [Team(rank, 3).share(batches[:1]) for rank in range(3)]
    assert [share[0][1] for share in undivided] == [1 / 3] * 3
    for size in range(1, 8):
        shares = [Team(rank, size).share(batches) for rank in range(size)]
        assert len({len(share) for share in shares}) == 1
        assert part_of_each(shares) == pytest.approx({id(batch): 1 for batch in batches})
        assert all(factor > 0 for share in shares for _, factor in share), "0 times an infinite loss is NaN"


def part_of_each(shares: Iterable[Sequence[tuple[Any, float]]]) -> dict[int, float]:
    parts: Counter[int] = Counter()
    for share in shares:
        for batch, factor in share:
            parts[id(batch)] += factor  # type: ignore[assignment]
    return dict(parts)


def test_computing_activations_twice_changes_no_bit() -> None:
    dropout = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
    kept, again = tiny_model("nli", dropout=0.1, **dropout), tiny_model("nli", dropout=0.1, **dropout)
    recompute_layers(again.backbone)
    phase = tiny_phase("nli")
    trained(kept, phase)
    list(train(again, phase, make_optimizer(again, CONFIG), Machine()))
    assert same(kept.state_dict(), again.state_dict())
