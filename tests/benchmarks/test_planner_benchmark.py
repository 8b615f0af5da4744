"""The planner's benchmark measures a real step; on a CPU its time alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # `benchmarks` is a folder of the repository, not of the package

from benchmarks import planner


@pytest.mark.parametrize("more", [(), ("--lora", "4")])
def test_a_step_is_measured_and_compared_with_the_plan(
    capsys: pytest.CaptureFixture[str], more: tuple[str, ...]
) -> None:
    planner.main(["--tokens", "128", "--segment", "32", "--steps", "1", "--json", *more])
    row = json.loads(capsys.readouterr().out)
    assert row["tokens"] == 256
    assert row["seconds"] > 0
    assert row["mfu"] * row["seconds"] > 0
    assert "memory" not in row


def test_tokens_are_whole_segments(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        planner.arguments(["--tokens", "100", "--segment", "64"])
    assert "--tokens 100 must be a multiple of --segment 64" in capsys.readouterr().err
