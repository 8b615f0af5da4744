"""A warning before bf16 runs on a CPU that emulates it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from xstilts.backbones import backbone
from xstilts.graph.stage import Stage
from xstilts.session.run import slow_bf16


@pytest.mark.parametrize(
    ("config", "device", "slow", "said"),
    [
        ({"train": {"precision": "bf16"}}, "cpu", True, True),
        ({"precision": "bf16"}, "cpu", True, True),
        ({"train": {"precision": "fp32"}}, "cpu", True, False),
        ({"train": {"precision": "bf16"}}, "cpu", False, False),
        ({"train": {"precision": "bf16"}}, "cuda", True, False),
    ],
)
def test_a_cpu_without_bf16_is_named_before_the_run(
    config: dict[str, object], device: str, slow: bool, said: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(backbone, "bf16_is_slow", lambda device: slow)
    grid = SimpleNamespace(stages=[Stage("train", 1, config, {}, "training", {})])
    assert ["no bf16 instructions" in line for line in slow_bf16(grid, device)] == [True] * said


def test_only_cpus_are_slow() -> None:
    assert not backbone.bf16_is_slow("cuda")
