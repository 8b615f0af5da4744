"""Curves, costs and input files, as they are read from the stages of a grid."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from xstilts.core.files import write_json, write_jsonl
from xstilts.expand import GridCell
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.session.training import costs, inputs, logged


def train(label: str, model: Stage, *tasks: str, kind: str = "train", **more: Any) -> Stage:
    config = {"components": [{"task": task} for task in tasks], "label": label, **more.pop("config", {})}
    return Stage(kind, 1, config, {"model": model, **more}, label=f"{label} @seed 1")


START = Stage("start", 1, {})
JOINT = train("xlm > {nli, mlm}", START, "nli", "mlm")
RUNS = [train("xlm > {nli, mlm} > topics, rate", JOINT, "topics", config={"rate": rate}) for rate in (1, 2)]
SWEEP = train(
    "xlm > {nli, mlm} > topics", JOINT, "topics", kind="choose", config={"learning_rates": [1e-5, 2e-5]},
    run0=RUNS[0], run1=RUNS[1],
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(tmp_path)
    rows = [{"step": step, "task": ("nli", "mlm")[step % 2], "loss": 3.0 - step} for step in range(3)]
    scored = [{"task": "nli", "value": 50.0, "majority": 33.0}, {"task": "nli", "value": 70.0, "majority": 35.0}]
    write_jsonl(found.directory(JOINT) / "log.jsonl", rows)
    write_jsonl(found.directory(JOINT) / "evaluations.jsonl", [{"step": 3, "value": 60.0, "scores": scored}])
    write_jsonl(found.directory(RUNS[1]) / "log.jsonl", [{"step": 0, "task": "topics", "loss": 1.0}])
    (found.directory(RUNS[0])).mkdir(parents=True)
    (found.directory(RUNS[0]) / "log.jsonl").write_text('{"step": 0, "task"')
    return found


def grid(model: Stage) -> Any:
    scored = Stage("evaluate", 1, {}, {"predictions": Stage("predict", 1, {}, {"model": model})})
    experiment = SimpleNamespace(targets=[SimpleNamespace(task="topics")], trained_on=lambda target: target.task)
    recipes = ("[{nli, mlm}]", "other")  # which share all stages
    return SimpleNamespace(
        cells=[GridCell(1, "xlm", name, "topics", "target", scored) for name in recipes], experiment=experiment
    )


def test_each_task_of_a_mixture_and_each_run_of_a_sweep_has_its_curve_once(store: Store) -> None:
    found = logged(grid(SWEEP), store)
    assert [(one.view, one.title, list(one.losses)) for one in found] == [
        ("before the target", "{nli, mlm}: nli", [(1, 3.0), (3, 1.0)]),
        ("before the target", "{nli, mlm}: mlm", [(2, 2.0)]),
        ("topics", "[{nli, mlm}], rate 2e-05", [(1, 1.0)]),
    ], "the log of the other rate is damaged"
    assert (found[0].scores, found[0].majority) == ([(3, 60.0)], 34.0)
    assert (found[1].scores, found[1].majority) == ([], None)


def test_a_store_without_logs_has_no_curves(tmp_path: Path) -> None:
    assert logged(grid(SWEEP), Store(tmp_path)) == ()


def test_costs_are_summed_by_kind_and_files_that_are_gone_have_no_size(tmp_path: Path) -> None:
    def record(kind: str, name: str, seconds: float, **files: int) -> Any:
        for file, size in files.items():
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / file).write_bytes(b"x" * size)
        return SimpleNamespace(kind=kind, seconds=seconds, directory=tmp_path / name, files=dict.fromkeys(files, ""))

    trained = [record("train", "a", 60, weights=10), record("train", "b", 120, weights=5)]
    for name, tokens in (("a", 100), ("b", 11)):
        write_json(tmp_path / name / "summary.json", {"tasks": {"nli": {"tokens": tokens}, "mlm": {"tokens": 1}}})
    predicted = record("predict", "c", 600, answers=7)
    assert costs([*trained, predicted]) == (("predict", 1, 10.0, None, 7), ("train", 2, 3.0, 113, 15))
    (tmp_path / "b/weights").unlink()
    assert costs(trained) == (("train", 2, 3.0, 113, None),)


def test_files_are_listed_once_with_who_read_them() -> None:
    read = {"task": "xnli", "split": "test", "files": {"de": {"test-de.tsv": "12ab"}, "sw": {"test-sw.tsv": "34cd"}}}
    stages = [
        Stage("start", 1, {"files": {"model.safetensors": "56ef"}}, label="XLM-R"),
        Stage("prepare", 1, read),
        Stage("prepare", 2, read),
        Stage("prepare", 1, {"task": "micro", "split": "test", "files": {"world": True}}),
    ]
    assert [tuple(row.values()) for row in inputs(stages)] == [
        ("start XLM-R", "", "model.safetensors", "56ef"),
        ("xnli test", "de", "test-de.tsv", "12ab"),
        ("xnli test", "sw", "test-sw.tsv", "34cd"),
    ]
