"""How a run looks in a log: a line for each stage that ends, and now and then one for a stage that takes long."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from xstilts.cli.progress import Clock, follow
from xstilts.graph.events import Cached, Done, Event, Failed, Progress, Skipped, Started
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

    follow(events(), [long, short], "log", clock=lambda: now[0])
    assert capsys.readouterr().out.splitlines() == [
        "[0/2, 6 min left] train a long one: 30%, mnli loss 60, 2 min left",
        "[1/2, 53 s left] train a short one (2.0 s)",
        "[1/2, 44 s left] train a long one: 60%, mnli loss 120, 80 s left",
        "[1/2, 35 s left] train a long one: of no known length",
        "[2/2] train a long one (150.0 s)",
    ]


def test_a_log_names_a_failure_once_however_many_stages_it_stops(capsys: pytest.CaptureFixture[str]) -> None:
    bad = Stage("prepare", 1, {}, {}, "data")
    later = [Stage("train", 1, {"n": n}, {"data": bad}, f"model {n}") for n in range(3)]
    follow([Started(bad), Failed(bad, "no label"), *(Skipped(one, bad) for one in later)], [bad, *later], "log")
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("] FAILED prepare data: no label")
    assert second.endswith("] skipping all stages that need prepare data")


MESSAGES = (
    "waiting: computed by process 7 on host since 05:12",
    "its process ended with SIGKILL: trying once more",
)


@pytest.mark.parametrize("style", ["log", "json", "person"])
def test_messages_without_a_fraction_are_shown_in_every_style(style: Any, capsys: pytest.CaptureFixture[str]) -> None:
    one = Stage("train", 1, {}, label="[mnli]")
    events: list[Event] = [Started(one), *(Progress(one, message=said) for said in MESSAGES), Done(one, 1.0)]
    follow(events, [one], style)
    out = capsys.readouterr().out
    for said in MESSAGES:  # none of them was there but with --json
        assert sum(said in line for line in out.splitlines()) == 1
        assert style == "json" or f"train [mnli]: {said}" in out


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_shows_step_loss_and_speed_of_a_running_stage(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xstilts.cli.progress.Console", lambda: Console(force_terminal=True, width=width))
    one, other = Stage("train", 1, {}, label="[mnli] > [xnli] @seed 1"), Stage("evaluate", 1, {})
    values = {"step": 300, "steps": 1000, "task": "mnli", "loss": 0.5234, "tokens_per_second": 12345.6}
    follow([Cached(other), Started(one), Progress(one, 0.3, "for a log", values)], [one, other], "person")
    out = capsys.readouterr().out
    assert "1/2" in out
    last = [line for line in out.splitlines() if "train [mnli] >" in line][-1]
    assert "300/1000" in last
    assert "mnli loss 0.523, 12,346 tokens/s" in last
    assert "for a log" not in out


def test_json_lines_have_the_values_of_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    one = Stage("train", 1, {})
    follow([Progress(one, 0.5, "half", {"step": 7, "loss": 0.25})], [one], "json")
    row = json.loads(capsys.readouterr().out)
    assert (row["fraction"], row["message"], row["step"], row["loss"]) == (0.5, "half", 7, 0.25)


def test_the_time_left_counts_what_a_killed_run_had_done_and_what_costs_more() -> None:
    cached, small, large = (Stage("train", 1, {"n": n}, settings={"cost": c}) for n, c in enumerate((50.0, 1.0, 9.0)))
    now = [0.0]
    times = Clock([cached, small, large], lambda: now[0])
    for event in (Cached(cached), Started(small)):
        times.see(event)
    assert (times.overall, times.of(small)) == ("", "")
    now[0] = 100.0
    times.see(Done(small, 100.0))
    assert times.overall == "15 min left", "a tenth of the cost took 100 s"
    times.see(Started(large))
    times.see(Progress(large, 0.5))  # resumed in the middle
    now[0] = 200.0
    times.see(Progress(large, 0.75))
    assert times.of(large) == "2 min left"
    now[0] = 210.0
    times.see(Done(large, 110.0))
    assert times.overall == ""


def test_a_start_with_another_seed_begins_the_estimate_again() -> None:
    one, now = Stage("train", 1, {}), [0.0]
    times = Clock([one], lambda: now[0])
    for now[0], share in ((0.0, 0.0), (900.0, 0.9), (905.0, 0.0), (955.0, 0.05)):
        times.see(Progress(one, share))
    assert times.of(one) == "16 min left"


def test_the_time_left_goes_by_what_each_kind_of_stage_took_for_its_work() -> None:
    train = [Stage("train", 1, {"n": n}) for n in range(3)]
    predict = [Stage("predict", 1, {"n": n}) for n in range(2)]
    scored = Stage("evaluate", 1, {}, settings={"cost": 30.0})
    work = {train[0]: 10.0, train[1]: 20.0, train[2]: 40.0, predict[0]: 10.0, predict[1]: 10.0}
    now = [0.0]
    times = Clock([*train, *predict, scored], lambda: now[0], work)

    def at(second: float, *events: Event) -> str:
        now[0] = second
        for event in events:
            times.see(event)
        return times.overall

    assert at(0, Started(train[0]), Progress(train[0], 0.0)) == "", "nothing has been computed yet"
    assert at(100, Done(train[0], 100.0), Started(train[1]), Progress(train[1], 0.0)) == "14 min left", "10 s a unit"
    assert at(100, Started(predict[0])) == "14 min left"
    assert at(120, Done(predict[0], 20.0)) == "9 min left", "predictions take 2 s a unit, two stages at a time"
    for stage in train[1:]:
        at(150, Started(stage), Progress(stage, 0.0), Done(stage, 0.0))
    assert at(160, Done(predict[1], 0.0)) == "30 s left", "evaluation has not been seen: its cost counts, in seconds"
