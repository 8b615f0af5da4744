"""Stages at a time in the memory of one machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from xstilts.core.machine import Machine
from xstilts.graph.events import Notice
from xstilts.graph.places import Needs
from xstilts.graph.pool import Pool
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.session import executors

BASE = {
    "model_type": "xlm-roberta",
    "vocab_size": 250_002,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
}


def graph(folder: Path, size: int, count: int = 1) -> list[Stage]:
    """Predictions of a pretrained model: XLM-R base in shape, with a file of weights that says `size` bytes."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(BASE))
    with (folder / "model.safetensors").open("wb") as file:
        file.truncate(size)
    start = Stage("start", 1, {}, settings={"source": str(folder)})
    data = Stage("prepare", 2, {"task": "xnli", "type": "classification", "rows": {"en": 100}, "files": {}})
    config = {"type": "classification", "precision": "fp32", "labels": ["a", "b"]}
    return [Stage("predict", 2, {**config, "n": n}, {"model": start, "data": data}) for n in range(count)]


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> None:
    from xstilts.planning import planner
    from xstilts.planning.amounts import Amount

    sizes = Amount(instances=100, rows=100, tokens=50.0, keys=50.0, segments=1.0, longest=100, estimated=True)
    monkeypatch.setattr(planner, "amount", lambda *given: sizes)


@pytest.mark.usefixtures("taken")
def test_weights_states_and_the_process_count(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    assert executors.peaks(graph(tmp_path / "tiny", 1_000_000), store, Machine()) == {}, "torch is not imported for it"
    peaks = executors.peaks(graph(tmp_path / "base", 1_112_000_000), store, Machine())
    assert set(peaks) == {"predict"}
    assert 1.1e9 + executors.PROCESS < peaks["predict"] < 2.0e9 + executors.PROCESS


@pytest.mark.usefixtures("taken")
@pytest.mark.parametrize(("workers", "limit"), [(None, 5e9), (8, float("inf"))])
def test_stages_that_do_not_fit_wait_unless_the_user_gives_a_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int | None, limit: float
) -> None:
    monkeypatch.setattr(executors, "available", lambda: 5e9)
    monkeypatch.setattr(executors, "cores", lambda: 8)
    made: list[Pool] = []
    monkeypatch.setattr(executors, "execute", lambda stages, work, pool: made.append(pool) or iter(()))
    stages, store = graph(tmp_path / "base", 1_112_000_000, 4), Store(tmp_path / "store")
    (note,) = list(executors.carry_out(stages, store, Machine("cpu", workers)))
    assert isinstance(note, Notice)
    assert "5.0 GB can be used" in note.message
    assert ("fewer stages run in parallel" if workers is None else "8 at a time (--workers)") in note.message
    assert made[0]._memory == limit
    assert made[0]._needs["predict"] == Needs(0, None)
    assert made[0]._needs["predict"].memory > 1e9


@pytest.mark.usefixtures("taken")
def test_a_single_stage_that_fits_does_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "available", lambda: 5e9)
    monkeypatch.setattr(executors, "cores", lambda: 8)
    monkeypatch.setattr(executors, "execute", lambda stages, work, pool: iter(()))
    stages, store = graph(tmp_path / "base", 1_112_000_000), Store(tmp_path / "store")
    assert list(executors.carry_out(stages, store, Machine("cpu"))) == []


def test_free_memory_is_that_of_this_machine() -> None:
    assert 1e7 < executors.available() < 1e14


def test_memory_that_others_in_the_container_use_is_not_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Limit 30 MB, 20 MB used, 5 MB of that a cache of files; the folder inside has no limit."""
    inner = tmp_path / "job"
    for folder, limit in ((tmp_path, "30000000"), (inner, "max")):
        folder.mkdir(exist_ok=True)
        for name, text in (("max", limit), ("current", "20000000"), ("stat", "anon 15000000\ninactive_file 5000000\n")):
            (folder / f"memory.{name}").write_text(text)
    monkeypatch.setattr(executors, "_control_groups", lambda: [inner, tmp_path])
    assert executors.available() == pytest.approx(executors.SHARE * 15e6)
