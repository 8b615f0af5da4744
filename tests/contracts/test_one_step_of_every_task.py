"""One step of every registered task, from files in its official format to its scores.

What the protocol does not train (sentence retrieval, mining) is measured after one step on parallel sentences; what has
no score of its own (raw and parallel text) is trained before a retrieval target.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from contracts.official_files import OFFICIAL, Laid, lay_files, measured
from stages.tiny_experiment import run_all, scores, tiny_experiment
from xstilts.core.files import read_json, read_jsonl
from xstilts.data.examples import asked
from xstilts.expand import Expansion, GridCell
from xstilts.graph.stage import Stage, graph
from xstilts.graph.store import Store
from xstilts.metrics import METRICS
from xstilts.stages.models import open_backbone
from xstilts.tasks import TASKS, Split, Task

TRAIN = {"steps": 1, "batch_size": 4, "learning_rate": 1e-3, "select": "last"}
HOLDOUT = 2
BEFORE = {"task": "micro_parallel", "languages": ["qaa"]}
AFTER = {"task": "micro_retrieval", "languages": ["qaa"]}
OWN_ENGLISH = {"masakhaner": {"like": "masakhaner", "files": {"train": ["own/ner.txt"]}, "languages": ["en"]}}
"""Tasks without English training files, whose labels no other task has: the user's own task trains their head."""


@dataclass(frozen=True)
class Plan:
    """An experiment of one step, and what must come of it.

    Attributes:
        fields: of the experiment.
        trained: the task of the step.
        task, split, role, items: of the cell that is looked at, with the number of examples per language.
    """

    fields: Mapping[str, Any]
    trained: str
    task: str
    split: str
    items: Mapping[str, int]
    role: str = "target"


def plan_of(task: Task, laid: Laid) -> Plan:
    """The smallest experiment in which a task is trained and measured as its protocol says."""
    this = {"task": task.name, "languages": list(laid.items)}
    before = {"recipes": [[[this]]], "targets": [AFTER]}
    if not task.metric:
        retrieval = OFFICIAL["micro_retrieval"].items
        return Plan(before, task.name, "micro_retrieval", "test", {"qaa": retrieval["qaa"]})
    if set(task.files) == {"train"}:
        held_out = {**before, "holdout": HOLDOUT}
        return Plan(held_out, task.name, task.name, "validation", {"en": HOLDOUT}, "intermediate")
    if task.type in ("retrieval", "mining"):
        after = {"recipes": [[[BEFORE]]], "targets": [this]}
        return Plan(after, "micro_parallel", task.name, task.evaluate_on, laid.items)
    target: dict[str, Any] = {"recipes": [[]], "targets": [this]}
    trained = task.train_on or task.name
    if task.name in OWN_ENGLISH:
        trained = "own"
        target.update(tasks={"own": OWN_ENGLISH[task.name]}, targets=[{**this, "train_on": "own"}])
    return Plan(target, trained, task.name, task.evaluate_on, laid.items)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    lay_files(folder)
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared, so that tokenizer, random backbone and English training sets are computed once."""
    return tmp_path_factory.mktemp("store")


def test_files_are_laid_out_for_registered_tasks_only() -> None:
    assert sorted(set(OFFICIAL) - set(TASKS.names())) == []


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_one_step_is_trained_predicted_and_scored(task: Task, root: Path, store: Path) -> None:
    if task.name not in OFFICIAL:
        wanted = ", ".join(patterns[0] for patterns in task.files.values())
        pytest.fail(
            f"no files of '{task.name}': add to OFFICIAL in tests/contracts/official_files.py what writes {wanted}"
        )
    laid = OFFICIAL[task.name]
    assert {code: len(ids_of(task, root, measured(task), code)) for code in laid.items} == laid.items
    if "train" in task.files and measured(task) != "train":
        assert {code: len(ids_of(task, root, "train", code)) for code in laid.train} == laid.train
    plan = plan_of(task, laid)
    expansion = Expansion(tiny_experiment(train=TRAIN, **plan.fields), root)
    run_all(expansion, store)
    cell = next(cell for cell in reversed(expansion.cells) if (cell.task, cell.role) == (plan.task, plan.role))
    check_training(plan, cell, Store(store))
    check_predictions(plan, cell, root, Store(store))
    check_scores(plan, cell, store)


def ids_of(task: Task, root: Path, split: Split, language: str) -> list[str]:
    """Ids of the examples that are trained on or measured, as the files have them."""
    return [example.id for example in task.load(root, split, language) if asked(example)]


def check_training(plan: Plan, cell: GridCell, store: Store) -> None:
    """One step on the right task, which moved the weights."""
    (stage,) = [stage for stage in graph([cell.stage]) if stage.kind == "train"]
    assert [part["task"] for part in stage.config["components"]] == [plan.trained]
    summary = read_json(store.directory(stage) / "summary.json")
    seen = summary["tasks"][plan.trained]
    assert (summary["steps"], seen["steps"]) == (1, 1)
    assert seen["items"] > 0
    ((_, row),) = read_jsonl(store.directory(stage) / "log.jsonl")
    assert 0 < row["loss"] < float("inf")
    before, after = weights(store, stage.inputs["model"]), weights(store, stage)
    assert before.keys() == after.keys()
    assert not all(before[name].equal(after[name]) for name in before)


def weights(store: Store, stage: Stage) -> Mapping[str, Any]:
    return open_backbone(store.directory(stage)).model.state_dict()


def check_predictions(plan: Plan, cell: GridCell, root: Path, store: Store) -> None:
    """In every language one line for each example, in file order; of each variant where there are several."""
    task = TASKS.get(plan.task)
    folder = store.directory(cell.stage.inputs["predictions"]) / "predictions"
    assert {path.stem for path in folder.iterdir()} == set(plan.items)
    for language, count in plan.items.items():
        variants: dict[str, list[str]] = defaultdict(list)
        for _, row in read_jsonl(folder / f"{language}.jsonl"):
            assert row["prediction"] is not None
            variants[row.get("variant", "")].append(row["id"])
        assert variants
        there = ids_of(task, root, measured(task), language)
        for ids in variants.values():
            assert len(ids) == count
            assert ids == [name for name in there if name in ids]  # some are held out of a training split


def check_scores(plan: Plan, cell: GridCell, store: Path) -> None:
    """In every language the task's main value, over all items, with the protocol it was measured by."""
    task = TASKS.get(plan.task)
    rows = [row for row in scores(store, cell.stage) if row["main"]]
    assert sorted(row["language"] for row in rows if row["metric"] == task.main) == sorted(plan.items)
    for row in rows:
        count = plan.items[row["language"]]
        assert 0 <= row["value"] <= 100
        assert (row["task"], row["split"], row["role"], row["n"]) == (plan.task, plan.split, plan.role, count)
        protocol = f"metric={task.metric} | script={METRICS.get(task.metric).script} | "
        assert row["signature"].startswith(f"{plan.task} | {row['language']} | {plan.split} | n={count} | {protocol}")
