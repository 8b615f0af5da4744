"""`xstilts clean` lists what no experiment needs, and removes it with --remove."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from graph.toy import RUNNER, run_local, stage
from xstilts.graph.stage import to_rows
from xstilts.graph.store import Store

Typed = Callable[..., tuple[int, str, str]]
KEPT, OLD, KILLED = (stage(name) for name in ("kept", "old", "killed"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two finished stages, one of which an experiment needs, and a killed one."""
    store = Store(tmp_path / "store")
    list(run_local([KEPT, OLD], store, RUNNER, {}, 0))
    store.partial(KILLED).mkdir()
    (store.root / "experiments").mkdir()
    (store.root / "experiments" / "mine.json").write_text(json.dumps({"stages": to_rows([KEPT])}))
    return store


def test_it_lists_what_is_not_needed_and_removes_it_when_asked_to(store: Store, typed: Typed) -> None:
    code, out, err = typed("clean", "--store", store.root)
    assert code == 0
    assert out.split()[-3:-1] == ["add", "2"]
    assert err.startswith("Not needed: 2 folders, ")
    assert "Needed are the stages of mine." in err
    assert store.has(OLD)
    assert typed("clean", "--store", store.root, "--remove")[0] == 0
    assert [store.has(stage) for stage in (KEPT, OLD)] == [True, False]
    assert not store.partial(KILLED).exists()
    assert typed("clean", "--store", store.root)[2].startswith("Not needed: 0 folders")


def test_what_a_run_has_in_hand_stays(store: Store, typed: Typed) -> None:
    with store.lock(OLD):
        code, _, err = typed("clean", "--store", store.root, "--remove")
    assert code == 2
    assert "a run is using 1 of these folders, which were kept" in err
    assert store.has(OLD)


def test_a_store_that_knows_no_experiment_is_left_alone(store: Store, typed: Typed) -> None:
    (store.root / "experiments" / "mine.json").unlink()
    code, _, err = typed("clean", "--store", store.root, "--remove")
    assert (code, "remembers no experiment" in err) == (2, True)
    assert store.has(OLD)


@pytest.mark.parametrize("text", ['{"stages": ', '{"stages": [], "checksum": "0123456789abcdef0123"}'])
def test_a_damaged_grid_removes_nothing(store: Store, typed: Typed, text: str) -> None:
    (store.root / "experiments" / "other.json").write_text(text)
    code, _, err = typed("clean", "--store", store.root, "--remove")
    assert (code, "other.json is damaged: run that experiment again, or remove the file" in err) == (2, True)
    assert store.has(OLD)
