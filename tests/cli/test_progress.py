"""How a run looks in a log: a line for each stage that ends, and now and then one for a stage that takes long."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from xstilts.cli.progress import follow
from xstilts.graph.events import Done, Event, Progress, Started
from xstilts.graph.stage import Stage


def test_a_log_tells_once_a_minute_how_far_a_long_stage_is(capsys: pytest.CaptureFixture[str]) -> None:
    long, short = Stage("train", 1, {"a": 1}, label="a long one"), Stage("train", 1, {"a": 2}, label="a short one")
    now = [0.0]

    def events() -> Iterator[Event]:
        yield Started(long)
        for second in range(0, 150, 10):
            now[0] = float(second)
            yield Progress(long, second / 200, f"mnli loss {second}")
            if second == 80:
                yield Started(short)
                yield Progress(short, 0.5, "mnli loss 1")
                yield Done(short, 2.0)
        yield Progress(long, None, "of no known length")
        yield Done(long, 150.0)

    summary = follow(events(), 2, "log", clock=lambda: now[0])
    assert capsys.readouterr().out.splitlines() == [
        "[0/2] train a long one: 30%, mnli loss 60",
        "[1/2] train a short one (2.0 s)",
        "[1/2] train a long one: 60%, mnli loss 120",
        "[2/2] train a long one (150.0 s)",
    ]
    assert summary.counts["done"] == 2
