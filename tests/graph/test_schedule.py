from __future__ import annotations

from graph.toy import stage
from xstilts.graph.execute import Schedule
from xstilts.graph.stage import Stage


def never(stage: Stage) -> bool:
    return False


def test_the_stage_with_the_longest_way_to_the_end_goes_first() -> None:
    short = stage("short")
    long = stage("tail", stage("middle", stage("head")))
    schedule = Schedule([short, long], never)
    first = schedule.next()
    assert first is not None
    assert first.label == "head"


def test_the_stage_with_the_higher_cost_goes_first() -> None:
    cheap = stage("tail", stage("middle", stage("head")))
    dear = Stage("add", 1, {"name": "dear"}, label="dear", settings={"cost": 10})
    first = Schedule([cheap, dear], never).next()
    assert first is dear


def test_a_stage_waits_for_its_inputs() -> None:
    head = stage("head")
    tail = stage("tail", head)
    schedule = Schedule([tail], never)
    assert schedule.next() == head
    assert schedule.next() is None
    schedule.done(head)
    assert schedule.next() == tail
    assert schedule.unfinished == 1


def test_inputs_of_finished_targets_are_not_wanted() -> None:
    head = stage("head")
    tail = stage("tail", head)
    schedule = Schedule([tail], lambda one: one == tail)
    assert schedule.cached == [head, tail]
    assert schedule.unfinished == 0


def test_a_missing_input_of_a_missing_target_is_wanted_even_behind_a_finished_one() -> None:
    head = stage("head")
    one, two = stage("one", head), stage("two", head)
    schedule = Schedule([one, two], lambda other: other == one)
    assert schedule.cached == [one]
    assert schedule.next() == head


def test_what_depends_on_a_failure_is_lost_once_and_the_rest_goes_on() -> None:
    a, b = stage("a"), stage("b")
    both, after = stage("both", a, b), stage("after", stage("both", a, b))
    free = stage("free")
    schedule = Schedule([after, free], never)
    assert schedule.failed(a) == [both, after]
    assert schedule.failed(b) == []
    assert schedule.unfinished == 1
