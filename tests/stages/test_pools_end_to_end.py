"""BUCC 2018, LAReQA and Mewsli-X from made-up official files to scores: one pool, computed once, for all languages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.pool_files import write_pools
from stages.tiny_experiment import run, run_all, scores, tiny_experiment
from xstilts.data.readers import pools
from xstilts.expand import Expansion
from xstilts.graph.stage import graph
from xstilts.graph.store import Store
from xstilts.tasks import TASKS


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pools(tmp_path_factory.mktemp("pools"))


def test_pools_are_trained_searched_and_scored(root: Path, tmp_path: Path) -> None:
    targets = [
        "bucc2018",
        {"task": "lareqa", "limit": 6},
        {"task": "mewslix", "languages": ["de", "tr"]},
    ]
    expansion = Expansion(tiny_experiment(targets=targets, recipes=[[], ["squad_sentences"]]), root)
    events = run_all(expansion, tmp_path)
    assert len(events["Done"]) == len(graph(expansion.stages()))
    for cell in expansion.cells:
        rows = [row for row in scores(tmp_path, cell.stage) if row["main"]]
        if cell.task == "bucc2018":
            (row,) = rows
            # Identical sentences on both sides are each other's nearest neighbours, whatever the encoder.
            assert (row["metric"], row["n"]) == ("f1", 20)
            assert row["value"] > 90
            assert "ratio margin k=4" in row["signature"]
        elif cell.task == "lareqa":
            assert {row["language"] for row in rows} == {"de", "el", "en"}
            assert {(row["metric"], row["n"]) for row in rows} == {("map_at_20", 6)}
            assert "48 candidates, cosine, mean with special tokens" in rows[0]["signature"]
        elif cell.task == "mewslix":
            assert {(row["language"], row["n"]) for row in rows} == {("de", 10), ("tr", 10)}
            assert "10 candidates" in rows[0]["signature"]
        else:
            assert (cell.task, cell.role, rows[0]["n"]) == ("squad_sentences", "intermediate", 4)


def test_the_pool_of_candidates_is_prepared_once(root: Path, tmp_path: Path) -> None:
    expansion = Expansion(tiny_experiment(targets=["lareqa"], recipes=[[]]), root)
    run_all(expansion, tmp_path)
    store = Store(tmp_path)
    prepared = [s for s in graph(expansion.stages()) if s.kind == "prepare" and s.config["task"] == "lareqa"]
    (folder,) = [store.directory(stage) for stage in prepared]
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == ["de", "el", "en", "pool"]


@pytest.mark.parametrize(("task", "parsed"), [("lareqa", 3), ("mewslix", 1)])
def test_what_all_languages_read_is_parsed_once(
    root: Path, tmp_path: Path, task: str, parsed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    for name in ("_xquad_r", "_entities"):
        parse = getattr(pools, name)

        def counted(path: Path, *more: Any, parse: Any = parse, **named: Any) -> Any:
            read.append(path)
            return parse(path, *more, **named)

        monkeypatch.setattr(pools, name, counted)
    target = {"task": task, "languages": ["de", "tr"]} if task == "mewslix" else task
    expansion = Expansion(tiny_experiment(targets=[target], recipes=[[]]), root)
    (stage,) = (s for s in graph(expansion.stages()) if s.kind == "prepare" and s.config["task"] == task)
    run([stage], tmp_path)
    assert len(read) == len({*read}) == parsed
    list(TASKS.get(task).load(root, "test", "de"))
    assert len(read) == 2 * parsed  # nothing is kept once the stage has ended


@pytest.mark.parametrize(
    ("task", "file"),
    [
        ("bucc2018", "bucc2018/zh-en.training.en"),
        ("bucc2018", "bucc2018/zh-en.sample.gold"),
        ("lareqa", "lareqa/xquad-r/el.json"),
        ("mewslix", "mewslix/candidate_set_entities.jsonl"),
    ],
)
def test_a_change_in_a_file_that_is_read_beside_makes_another_key(root: Path, task: str, file: str) -> None:
    target = {"task": task, "languages": ["zh" if task == "bucc2018" else "de"]}
    before = Expansion(tiny_experiment(targets=[target], recipes=[[]]), root).cells[0].stage.key
    path = root / file
    kept = path.read_text()
    path.write_text(kept + "\n")
    try:
        after = Expansion(tiny_experiment(targets=[target], recipes=[[]]), root).cells[0].stage.key
    finally:
        path.write_text(kept)
    assert before != after
