"""Memory that does not suffice: fewer tokens at a time, the same numbers, and no gradient counted twice."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from stages.predictors import encoded, predictor, values
from task_types.samples import LIMITS, PAIRS
from training.phases import (
    CONFIG,
    FEATURES,
    QUIET,
    assert_close,
    component,
    run_phase,
    same,
    tiny_model,
    tiny_phase,
    train_stage,
    weights,
    write_inputs,
)
from xstilts.backbones.backbone import Backbone
from xstilts.core.errors import OutOfMemory
from xstilts.core.files import read_json
from xstilts.core.machine import Machine
from xstilts.stages.predicting import Predictor
from xstilts.training.loop import Losses, StepRecord, make_optimizer, train

DROPOUT = {"dropout": 0.1, "hidden_dropout_prob": 0.1}
TOKENS = 60


def short(*_: object) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def fails(monkeypatch: pytest.MonkeyPatch, when: Callable[[int, int], bool]) -> None:
    """No memory for the micro-batches of which `when(number, tokens)` is true."""
    forward, seen = Losses.forward, [0]

    def limited(self: Losses, source: int, batch: Any) -> Tensor:
        seen[0] += 1
        if when(seen[0], len(batch.packed.ids_T)):
            short()
        return forward(self, source, batch)

    monkeypatch.setattr(Losses, "forward", limited)


def run(model: Any, tokens: int, start: int = 0, optimizer: Any = None, stop: int | None = None) -> list[StepRecord]:
    phase = tiny_phase("nli", config=CONFIG.model_copy(update={"batch_size": 12}))
    steps = train(
        model, phase, optimizer or make_optimizer(model, CONFIG), Machine(micro_batch_tokens=tokens, log_every=3), start
    )
    return list(islice(steps, None if stop is None else stop - start))


@pytest.mark.parametrize("number", [1, 2, 3, 5, 9, 10])
def test_a_step_is_computed_again_from_its_beginning(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the first micro-batch of a step or after others: weights are those of two runs joined at that step."""
    calm = tiny_model("nli", **DROPOUT)
    counted: list[int] = []
    with monkeypatch.context() as patched:
        fails(patched, lambda n, _: counted.append(n) is not None)
        once = len(run(tiny_model("nli", **DROPOUT), TOKENS, stop=1))
    per_step = len(counted)
    assert (once, per_step > 2) == (1, True)
    step = (number - 1) // per_step
    optimizer = make_optimizer(calm, CONFIG)
    before = run(calm, TOKENS, 0, optimizer, step)
    with monkeypatch.context() as patched:
        fails(patched, lambda n, _: n == number)
        model = tiny_model("nli", **DROPOUT)
        records = run(model, TOKENS)
    now = records[-1].at_once
    assert now < TOKENS
    assert [record.at_once for record in records] == [TOKENS] * step + [now] * (8 - step)
    after = run(calm, now, step, optimizer)
    assert [float(r.loss) for r in records] == [float(r.loss) for r in (*before, *after)]
    assert same(weights(model), weights(calm))


def test_a_step_that_fails_in_the_backward_pass_leaves_no_gradient() -> None:
    """The embeddings' gradient is the last: all others of the micro-batch, and of those before it, are there."""
    model, calm = tiny_model("nli", **DROPOUT), tiny_model("nli", **DROPOUT)
    passes = [0]

    def fails_once(_: Tensor) -> None:
        passes[0] += 1
        if passes[0] == 2:
            short()

    model.backbone.embeddings.register_hook(fails_once)
    optimizer = make_optimizer(model, CONFIG)
    records = run(model, TOKENS, optimizer=optimizer)
    assert same(weights(model), weights(calm)) is False
    run(calm, records[0].at_once)
    assert same(weights(model), weights(calm))


def test_tokens_are_halved_until_they_fit_and_the_losses_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    calm, model = tiny_model("nli", **DROPOUT), tiny_model("nli", **DROPOUT)
    expected = run(calm, 8192)
    longest = int(FEATURES["nli"].lengths.max())
    fails(monkeypatch, lambda _, tokens: tokens > longest + 5)
    records = run(model, 8192)
    assert records[0].at_once <= longest + 5
    np.testing.assert_allclose([float(r.loss) for r in records], [float(r.loss) for r in expected], atol=1e-5)
    for name, value in weights(calm).items():
        torch.testing.assert_close(weights(model)[name], value, atol=2e-4, rtol=0, msg=name)


def test_what_fits_in_no_way_is_one_line_with_remedies(monkeypatch: pytest.MonkeyPatch) -> None:
    fails(monkeypatch, lambda _, tokens: True)
    with pytest.raises(
        OutOfMemory, match=r"cpu is out of memory at step 0 of nli with \d+ tokens, which cannot be"
    ) as one:
        run(tiny_model("nli"), 8192)
    assert "try --recompute, more --devices with --shard" in str(one.value)
    assert one.value.tokens == 0
    phase = tiny_phase("parallel")
    model = tiny_model("parallel")
    with pytest.raises(OutOfMemory, match="step 0 of parallel with"):
        next(train(model, phase, make_optimizer(model, CONFIG), Machine()))


def stage_of(directory: Path, inputs: Mapping[str, Path], **settings: Any) -> tuple[Path, list[str]]:
    said: list[str] = []
    config = train_stage(component("nli"), batch_size=12, head_dropout=0.0)
    directory.mkdir()
    run_phase(
        config,
        directory,
        inputs,
        {"log_every": 1, **settings},
        lambda data: said.append(data["message"]) if "fraction" not in data else None,
    )
    return directory, said


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_inputs(tmp_path_factory.mktemp("inputs"), "nli", **QUIET)


def test_a_stage_tells_it_and_writes_it_down(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xstilts.stages.training.uncontrolled_dropout", lambda *_: True)
    fails(monkeypatch, lambda number, _: number == 6)
    found, said = stage_of(tmp_path / "run", inputs)
    (row,) = read_json(found / "summary.json")["accidents"]
    assert row == {"what": "out of memory", "tokens": 8192, "now": row["now"]}
    line = f"out of memory in step 5: continuing with {row['now']} tokens at a time, not 8192"
    assert said == [line]
    depends = read_json(found / "environment.json")["depends_on"]
    assert depends["micro_batch_tokens"] == [row["now"], 8192]
    assert not (found / "accidents.json").exists()


SHORT = """
import os, sys
if "RANK" in os.environ and sys.argv[:1] != ["-c"]:
    import torch
    from xstilts.training.loop import Losses
    forward, seen = Losses.forward, [0]
    def limited(self, source, batch):
        seen[0] += 1
        if os.environ["RANK"] == "1" and seen[0] > 3 and len(batch.packed.ids_T) > {limit}:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, source, batch)
    Losses.forward = limited
"""


@pytest.mark.parametrize("settings", [{}, {"shard": True}], ids=["DDP", "FSDP2"])
def test_all_ranks_begin_again_when_one_has_no_memory(
    settings: dict[str, Any], inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of two fails in its fourth micro-batch, while the first waits for it in the middle of a sum."""
    calm, nothing = stage_of(tmp_path / "calm", inputs)
    limit = 3 * int(FEATURES["nli"].lengths.max())
    (tmp_path / "sitecustomize.py").write_text(SHORT.replace("{limit}", str(limit)))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    found, said = stage_of(tmp_path / "short", inputs, devices=2, **settings)
    (row,) = read_json(found / "summary.json")["accidents"]
    assert row["now"] <= limit
    assert [line for line in said if "memory" in line] == [
        f"out of memory: continuing with {row['now']} tokens at a time, not 8192"
    ]
    assert nothing == []
    (found / "summary.json").write_text((calm / "summary.json").read_text())
    assert_close(found, calm)


def test_predictions_are_the_same_with_fewer_tokens_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    one, features = predictor("nli"), encoded("nli", PAIRS * 3)
    expected = values(one(features, LIMITS))
    forward, limit = Backbone.forward, int(features.lengths.max()) + 5

    def limited(self: Backbone, batch: Any, right_context: bool = False) -> Tensor:
        if len(batch.ids_T) > limit:
            raise torch.OutOfMemoryError
        return forward(self, batch, right_context)

    monkeypatch.setattr(Backbone, "forward", limited)
    assert values(one(features, LIMITS)) == expected
    assert one.tokens <= limit
    monkeypatch.setattr(Predictor, "_computed", lambda *_: None)
    with pytest.raises(OutOfMemory, match="cpu is out of memory at prediction with"):
        one(features, LIMITS)
