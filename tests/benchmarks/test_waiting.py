"""The benchmark of waiting threads: a step is timed in a process of its own, beside a busy one."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # `benchmarks` is a folder of the repository, not of the package

from benchmarks.waiting import POLICIES, busy, step_seconds


def test_a_step_is_timed_beside_a_busy_process() -> None:
    with busy(1):
        assert step_seconds(list(POLICIES.values())[-1], threads=1, steps=1) > 0
