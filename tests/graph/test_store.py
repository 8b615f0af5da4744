from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from graph.toy import stage
from xstilts.core.errors import StoreError
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store


def finish(store: Store, one: Stage) -> Path:
    with store.lock(one):
        (store.begin(one) / "value.json").write_text("1")
        assert store.publish(one, datetime.now(UTC))
    return store.directory(one)


def in_another_process(code: str, root: Path) -> subprocess.CompletedProcess[str]:
    lines = [
        "import sys; from pathlib import Path; from graph.toy import stage; from xstilts.graph.store import Store",
        "store, one = Store(Path(sys.argv[1])), stage('a')",
        code,
    ]
    path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, sys.path)])
    return subprocess.run(
        [sys.executable, "-c", "\n".join(lines), str(root)],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_finished_stage_tells_what_it_is(tmp_path: Path) -> None:
    store = Store(tmp_path)
    source = stage("a")
    one = stage("b", source, label="words", size=3)
    assert not store.has(one)
    directory = finish(store, one)
    assert directory == tmp_path / "add" / one.key
    assert store.has(one)
    assert [path.name for path in directory.parent.iterdir()] == [one.key]
    [record] = store.stages()
    assert (record.key, record.kind, record.label, record.directory) == (one.key, "add", "words", directory)
    assert record.config == {"name": "b", "size": 3}
    assert record.inputs == {"0": source.key}
    assert datetime.fromisoformat(record.started) <= datetime.fromisoformat(record.finished)
    assert record.host
    assert record.package


def test_a_directory_without_done_is_not_there_and_is_set_aside(tmp_path: Path) -> None:
    store, one = Store(tmp_path), stage("a")
    (finish(store, one) / "DONE").unlink()
    assert not store.has(one)
    assert store.stages() == []
    finish(store, one)
    assert store.has(one)
    aside = tmp_path / "add" / f".{one.key}.damaged"
    assert (aside / "value.json").exists()
    assert list(store.unneeded({one.key})) == [aside]


def test_stages_are_found_by_the_first_digits_of_their_key(tmp_path: Path) -> None:
    store = Store(tmp_path)
    stages = [stage(str(n)) for n in range(17)]  # more than hex digits: two begin alike
    for one in stages:
        finish(store, one)
    assert store.find(stages[0].key[:12]).key == stages[0].key
    with pytest.raises(StoreError, match="no finished stage 'zz'"):
        store.find("zz")
    with pytest.raises(StoreError, match=r"begins 17 keys .* give more digits"):
        store.find("")


def test_a_store_of_another_format_is_refused_with_what_to_do(tmp_path: Path) -> None:
    Store(tmp_path)
    (tmp_path / "STORE.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(
        StoreError, match=r"format 99 .* reads format 1: use the xstilts that made it, or choose"
    ) as error:
        Store(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["[]", "{}", '{"format": "1"}'])
def test_a_marker_that_says_nothing_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "STORE.json").write_text(content)
    with pytest.raises(StoreError, match=r"is a store of format .* and this xstilts reads format"):
        Store(tmp_path)


def test_a_folder_in_other_use_is_not_made_a_store(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(StoreError, match="has files and is not a store"):
        Store(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(StoreError, match="has files and is not a store"):
        Store(tmp_path / "thesis.tex")


def test_reading_a_store_that_is_not_there_does_not_make_one(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store in"):
        Store(tmp_path / "none", must_exist=True)
    assert not (tmp_path / "none").exists()


def test_a_damaged_description_is_named(tmp_path: Path) -> None:
    store, one = Store(tmp_path), stage("a")
    (finish(store, one) / "stage.json").write_text('{"kind":')
    with pytest.raises(StoreError, match=rf"{one.key} is damaged \(stage.json has changed .* computes it again"):
        store.stages()


def test_one_process_at_a_time_holds_a_stage(tmp_path: Path) -> None:
    store, one = Store(tmp_path), stage("a")
    ask = "with store.lock(one) as ours: print(ours)"
    with store.lock(one) as ours:
        assert ours
        assert in_another_process(ask, tmp_path).stdout == "False\n"
        with store.lock(stage("b")) as other:
            assert other
    assert in_another_process(ask, tmp_path).stdout == "True\n"
    assert list((tmp_path / "add").iterdir()) == [], "locks leave nothing behind"


def test_a_killed_holder_lets_go(tmp_path: Path) -> None:
    store = Store(tmp_path)
    die = "import os\nlock = store.lock(one); print(lock.__enter__(), flush=True); os.kill(os.getpid(), 9)"
    assert in_another_process(die, tmp_path).stdout == "True\n"
    with store.lock(stage("a")) as ours:
        assert ours


def test_a_lock_that_vanishes_while_it_is_looked_at_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, stat, failures = Store(tmp_path), Path.stat, [FileNotFoundError("its holder has just removed it")]

    def vanishing(path: Path, **options: bool) -> os.stat_result:
        if path.suffix == ".lock" and failures:
            raise failures.pop()
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", vanishing)
    with store.lock(stage("a")) as ours:  # was FileNotFoundError
        assert ours
    assert not failures


def test_a_lock_says_who_holds_it_and_since_when(tmp_path: Path) -> None:
    store, one = Store(tmp_path), stage("a")
    lock = tmp_path / "add" / f".{one.key}.lock"
    ask = "with store.lock(one) as ours: print(ours, store.holder(one))"
    with store.lock(one):
        told = in_another_process(ask, tmp_path).stdout
        assert re.fullmatch(rf"False process {os.getpid()} on \S+ since \d\d:\d\d\n", told)
        held = json.loads(lock.read_text())
        lock.write_text(json.dumps({**held, "since": "2020-02-03T23:30:00+00:00"}))
        assert re.search(r" since 2020-02-0\d \d\d:\d\d$", store.holder(one)), "of another day"
        for damaged in ("", "[]", "{}", '{"pid": 1, "host": "h", "since": 3}'):  # or of an older xstilts
            lock.write_text(damaged)
            assert store.holder(one) == "another process"


def test_sizes_and_cleaning(tmp_path: Path) -> None:
    store, done, used, left = Store(tmp_path), stage("done"), stage("used"), stage("left")
    finish(store, done)
    for one in (used, left):
        store.partial(one).mkdir()  # as a killed process leaves it
        (store.partial(one) / "checkpoint").write_bytes(b"x" * 1000)
    assert store.sizes()["unfinished"] == 2000
    assert store.sizes()["add"] > 100
    with store.lock(used) as ours:
        assert ours
        assert list(store.unneeded({done.key}).values()) == [1000, 1000]
        assert store.remove(store.unneeded({done.key})) == [store.partial(used)]
    assert store.partial(used).exists()
    assert not store.partial(left).exists()
    assert store.has(done)
    assert store.remove([store.partial(used)]) == []


def test_a_stage_of_many_files_appears_at_once(tmp_path: Path) -> None:
    store, one = Store(tmp_path), stage("a")
    store.partial(one).mkdir(parents=True)
    for n in range(500):
        (store.partial(one) / str(n)).touch()
    seen: list[int] = []

    def look() -> None:
        while not store.has(one):
            pass
        seen.append(len(list(store.directory(one).iterdir())))

    watcher = threading.Thread(target=look)
    watcher.start()
    store.publish(one, datetime.now(UTC))
    watcher.join()
    assert seen == [502]
