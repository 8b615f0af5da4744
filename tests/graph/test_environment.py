"""Environments of stages: recorded, passed on, and reported if a graph mixes them."""

from __future__ import annotations

import platform
import re
from pathlib import Path
from typing import Any

import pytest

from graph.toy import RUNNER, run_local, stage
from xstilts.graph.environment import commit, merged, notes, remarks
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store


def computed(root: Path, *stages: Stage) -> Store:
    list(run_local(stages, Store(root), RUNNER, {}, 0))
    return Store(root)


def with_torch(name: str, version: str, *inputs: Stage, **depends: Any) -> Stage:
    told = {"torch": version, **({"depends_on": depends} if depends else {})}
    return stage(name, *inputs, environment=told)


def test_a_graph_of_one_version_says_nothing(tmp_path: Path) -> None:
    stages = [with_torch("a", "2.13"), with_torch("b", "2.13"), stage("c")]
    records = computed(tmp_path, *stages).records(stages)
    assert [record.environment for record in records] == [
        {"python": platform.python_version(), "torch": "2.13"},
        {"python": platform.python_version(), "torch": "2.13"},
        {"python": platform.python_version()},
    ]
    assert remarks(records) == []
    assert not list(tmp_path.rglob("environment.json"))


def test_a_graph_that_mixes_versions_says_so_in_one_sentence(tmp_path: Path) -> None:
    stages = [with_torch("a", "2.13"), *(with_torch(str(n), "2.11") for n in range(3)), with_torch("z", "2.12")]
    assert remarks(computed(tmp_path, *stages).records(stages)) == [
        "The stages were computed with torch 2.11 (3 stages), 2.12 (1) and 2.13 (1): "
        "small differences between scores may come from that."
    ]


def test_settings_that_a_number_depends_on_are_handed_on_to_all_that_read_it(tmp_path: Path) -> None:
    trained = with_torch("trained", "2.13", micro_batch_tokens=512)
    predicted = stage("predicted", trained)
    scored = stage("scored", predicted, stage("gold"))
    other = stage("other", with_torch("more", "2.13", trained, micro_batch_tokens=128, devices=2))
    store = computed(tmp_path, scored, other)
    of_scored, of_other = store.records([scored, other])
    assert of_scored.environment["depends_on"] == {"micro_batch_tokens": 512}
    assert of_other.environment["depends_on"] == {"devices": 2, "micro_batch_tokens": [128, 512]}
    assert notes(of_other.environment) == ("depends on devices=2", "depends on micro_batch_tokens=128, 512")
    assert remarks([of_scored, of_other]) == [
        "Some numbers depend on micro_batch_tokens, which was 128, 512 (1 stage) and 512 (1): "
        "compare only scores whose signatures agree in it."
    ]


def test_settings_of_several_stages_are_merged_whatever_their_order() -> None:
    one, two = {"a": 1, "b": [2, 3]}, {"a": 1, "b": 2, "c": "x"}
    assert merged([one, two]) == merged([two, one]) == {"a": 1, "b": [2, 3], "c": "x"}
    assert merged([]) == {}


def test_the_commit_of_the_package_is_known_in_a_checkout_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    found = commit.__wrapped__()
    if (Path(__file__).parents[2] / ".git").exists():
        assert re.fullmatch(r"[0-9a-f]{7,}(\+changes)?", found["xstilts_commit"])
    monkeypatch.setenv("PATH", "")
    assert commit.__wrapped__() == {}, "without git"
