"""A finished stage that is damaged is never used: a run computes it again, a reader refuses it in one line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from graph.toy import RUNNER, run_local, stage
from xstilts.core.errors import StoreError
from xstilts.graph.events import Cached, Done, Event, Progress
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store


def flip(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(bytes([data[0] ^ 1]) + data[1:])


def fold(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "flipped": flip,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"0"),
    "empty": lambda path: path.write_bytes(b""),
    "gone": Path.unlink,
    "a folder": fold,
    "nonsense": lambda path: path.write_bytes(b"\xff\xfe{"),
}
FILES = ("value.json", "parts.txt", "stage.json", "DONE")


def compute(store: Store, *stages: Stage, workers: int = 0) -> list[Event]:
    return list(run_local(stages, Store(store.root), RUNNER, {}, workers))


def done(events: list[Event]) -> list[str]:
    return [event.stage.config["name"] for event in events if isinstance(event, Done)]


def value(store: Store, one: Stage) -> int:
    return int((store.directory(one) / "value.json").read_text())


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_stage_is_set_aside_and_computed_again(store: Store, damage: str, file: str) -> None:
    one = stage("a")
    compute(store, one)
    DAMAGES[damage](store.directory(one) / file)
    events = compute(store, stage("b", one))  # with value.json flipped, b was 1 and is 2; or a traceback
    assert (value(store, one), value(store, stage("b", one))) == (1, 2)
    assert done(events) == ["a", "b"]
    told = [event.message for event in events if isinstance(event, Progress) and event.fraction is None]
    if (file, damage) not in (("DONE", "gone"), ("DONE", "a folder")):  # then it was not finished
        assert len(told) == 1
        assert f"{one.key} is damaged (" in told[0]
        assert "\n" not in told[0]
    assert store.directory(one).with_name(f".{one.key}.damaged").is_dir()
    assert not store.remove(store.unneeded({one.key}))
    assert [path.name for path in (store.root / "add").iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_reader_refuses_a_damaged_stage_in_one_line(store: Store, damage: str, file: str) -> None:
    one = stage("a")
    compute(store, one)
    assert store.finished(one) == store.directory(one)
    DAMAGES[damage](store.directory(one) / file)
    with pytest.raises(StoreError, match=rf"{one.key} is damaged \(.*\): `xstilts run` comp") as error:
        Store(store.root).finished(one)
    assert "\n" not in str(error.value)


def test_what_is_damaged_and_not_needed_is_not_computed(store: Store) -> None:
    one = stage("a")
    compute(store, stage("b", one))
    flip(store.directory(one) / "value.json")
    assert done(compute(store, stage("b", one))) == []
    flip(store.directory(one) / "stage.json")  # else every command that lists the store would stumble over it
    assert done(compute(store, stage("b", one))) == []
    assert not store.has(one)
    assert len(store.stages()) == 1


def test_what_a_reader_refused_is_computed_again_though_nothing_else_needs_it(store: Store) -> None:
    one, two = stage("a"), stage("b", stage("a"))
    compute(store, two)
    flip(store.directory(one) / "value.json")
    for _ in range(2):  # every reader refuses it, not only the first
        with pytest.raises(StoreError, match="is damaged"):
            Store(store.root).existing(one)
    assert done(compute(Store(store.root), two)) == ["a"]  # was: nothing, although the message said so
    assert value(store, one) == 1
    assert done(compute(Store(store.root), two)) == []


def test_a_stage_under_another_name_is_not_taken_for_it(store: Store) -> None:
    one, two = stage("a"), stage("b", stage("a"))
    compute(store, two)
    shutil.rmtree(store.directory(one))
    shutil.copytree(store.directory(two), store.directory(one))
    with pytest.raises(StoreError, match=r"stage\.json describes another stage"):
        store.finished(one)


@pytest.mark.parametrize("lost", ["gone", "flipped"])
def test_weights_that_lie_in_another_stage_are_checked_with_it(store: Store, lost: str) -> None:
    base = stage("base")
    adapter = stage("adapter", base, points=True)
    compute(store, adapter)
    if lost == "gone":
        shutil.rmtree(store.directory(base))
    else:
        flip(store.directory(base) / "value.json")
    with pytest.raises(StoreError, match="which is gone" if lost == "gone" else rf"{base.key} is damaged"):
        Store(store.root).finished(adapter)
    events = compute(store, stage("reader", adapter))
    assert done(events) == ["base", "reader"], "the adapter is still what was written"
    assert Cached(adapter) in events
    assert Store(store.root).finished(adapter)


def test_done_vouches_for_the_description_and_that_for_the_files(store: Store) -> None:
    one = stage("a")
    compute(store, one)
    folder = store.directory(one)
    assert (folder / "DONE").read_text() == sha256((folder / "stage.json").read_bytes()).hexdigest()
    (record,) = store.stages()
    assert record.files == {
        name: sha256((folder / name).read_bytes()).hexdigest() for name in ("parts.txt", "threads.json", "value.json")
    }


def test_two_runs_that_find_a_damage_do_not_set_aside_what_one_of_them_has_mended(store: Store) -> None:
    one = stage("a")
    compute(store, one)
    flip(store.directory(one) / "value.json")
    late = Store(store.root)
    assert late.fault(one)
    compute(store, stage("b", one))
    late.set_aside(one)
    assert store.has(one)
    assert late.fault(one) == ""


def test_a_file_where_a_stage_should_be_is_replaced(store: Store) -> None:
    one = stage("a")
    store.partial(one).mkdir(parents=True)
    store.directory(one).write_text("")
    assert store.publish(one, datetime.now(UTC))
    assert store.has(one)
