"""Own tasks from files to scores: raw text, a classification and a tagging task that no code knows."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from stages.tiny_experiment import BACKBONE, run, run_all, scores, tiny_experiment
from xstilts.expand import Expansion
from xstilts.graph.events import Failed

WORDS = {
    "en": {"billing": ("invoice", "refund"), "technical": ("crash", "login"), "other": ("hello", "thanks")},
    "de": {"billing": ("Rechnung", "Erstattung"), "technical": ("Absturz", "Anmeldung"), "other": ("hallo", "danke")},
}
TASKS: dict[str, Any] = {
    "raw": {"type": "masked_lm", "files": {"train": "raw/{language}.csv"}, "columns": {"text": "sentence"}},
    "support": {
        "type": "classification",
        "files": {"train": "support/train.csv", "test": "support/test.{language}.jsonl"},
        "columns": {"text": "body", "pair": "title", "label": "queue"},
        "languages": ["en", "de"],
        "holdout": 4,
    },
    "places": {
        "type": "tagging",
        "files": {"train": "places/en.conll", "test": "places/{language}.conll"},
        "columns": {"words": 1, "tags": 3},
        "languages": ["en", "de"],
        "metric": "token_accuracy",
    },
}
MODEL = {**BACKBONE, "tokenizer": {"tasks": ["raw"], "languages": ["en", "de"], "vocabulary": 100}}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    for name in ("raw", "support", "places"):
        (folder / name).mkdir(parents=True)
    for code, queues in WORDS.items():
        rows = [
            (f'about "{word}", number {i}', word, queue) for i in range(4) for queue in queues for word in queues[queue]
        ]
        with (folder / f"raw/{code}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("sentence",), *((body,) for body, _, _ in rows)])
        with gzip.open(folder / f"support/test.{code}.jsonl.gz", "wt") as packed:
            packed.writelines(json.dumps({"title": t, "body": b, "queue": q}) + "\n" for b, t, q in rows)
        if code == "en":
            with (folder / "support/train.csv").open("w", newline="") as file:
                csv.writer(file).writerows([("body", "title", "queue"), *rows])
        lines = [f"-DOCSTART- X O\n\n{word} X B-{queue}\nin X O\n" for _, word, queue in rows]
        (folder / f"places/{code}.conll").write_text("\n".join(lines))
    return folder


def own_experiment(**changes: Any) -> Any:
    fields = {"backbones": [MODEL], "recipes": [[], ["support"]], "targets": ["support", "places"], "tasks": TASKS}
    return tiny_experiment(**{**fields, **changes})


def test_own_tasks_are_trained_predicted_and_scored(root: Path, tmp_path: Path) -> None:
    expansion = Expansion(own_experiment(), root)
    run_all(expansion, tmp_path / "store")
    found = {}
    for cell in expansion.cells:
        for row in scores(tmp_path / "store", cell.stage):
            assert 0 <= row["value"] <= 100
            found[cell.recipe, cell.role, row["task"], row["language"]] = (row["metric"], row["n"])
    targets = {
        (recipe, "target", task, code): (metric, 24)
        for recipe in ("[]", "[support]")
        for task, metric in (("support", "accuracy"), ("places", "token_accuracy"))
        for code in ("en", "de")
    }
    assert found == {**targets, ("[support]", "intermediate", "support", "en"): ("accuracy", 4)}
    assert expansion.experiment.task("support").labels == ("billing", "other", "technical")


def test_an_own_task_can_be_learned(root: Path, tmp_path: Path) -> None:
    train = {"steps": 80, "batch_size": 8, "learning_rate": 5e-3, "select": "last"}
    expansion = Expansion(own_experiment(recipes=[[]], targets=["support", "places"], train=train), root)
    run_all(expansion, tmp_path / "store")
    for cell in expansion.cells:
        english = next(row for row in scores(tmp_path / "store", cell.stage) if row["language"] == "en")
        assert english["value"] > english["majority"] + 20, english


def test_a_label_that_training_lacks_is_one_line_with_its_place(root: Path, tmp_path: Path) -> None:
    path = root / "support/test.de.jsonl.gz"
    with gzip.open(path, "at") as packed:
        packed.write(json.dumps({"title": "?", "body": "?", "queue": "sales"}) + "\n")
    events = run(Expansion(own_experiment(recipes=[[]]), root).stages(), tmp_path / "store")
    (failed,) = events["Failed"]
    assert isinstance(failed, Failed)
    assert f"{path}:25: unknown label 'sales'; labels are billing, other, technical" in failed.error
    assert failed.log is None


@pytest.mark.parametrize(
    ("task", "languages", "measured"),
    [
        ({"files": {"train": "queues/de.csv"}, "holdout": 4, "languages": ["de"]}, ["de"], ["de"]),
        ({"files": {"train": "queues/{language}.csv"}, "holdout": 4}, ["sw", "de"], ["sw", "de"]),
        ({"files": {"train": "queues/{language}.csv", "test": "queues/{language}.csv"}}, ["all"], ["de", "sw"]),
        ({"files": {"train": "queues/{language}.csv", "test": "queues/{language}.csv"}}, ["sw"], ["sw"]),
    ],
)
def test_an_intermediate_task_without_english_is_measured_where_it_is_trained(
    root: Path, tmp_path: Path, task: dict[str, Any], languages: list[str], measured: list[str]
) -> None:
    (root / "queues").mkdir()
    for code in ("de", "sw"):
        rows = [(f"{word} {i}", queue) for i in range(4) for queue, words in WORDS["de"].items() for word in words]
        with (root / f"queues/{code}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *rows])
    own = {"type": "classification", "languages": ["de", "sw"], "labels": ["billing", "other", "technical"], **task}
    recipe = [[{"task": "queues", "languages": languages}]]
    asked = own_experiment(tasks={**TASKS, "queues": own}, recipes=[recipe], targets=["places"])
    expansion = Expansion(asked, root)
    (cell,) = (cell for cell in expansion.cells if cell.role == "intermediate")
    assert cell.stage.inputs["data"].config["languages"] == measured
    if measured != ["sw"]:
        run_all(expansion, tmp_path / "store")
        rows = scores(tmp_path / "store", cell.stage)
        assert {(row["language"], row["n"]) for row in rows} == {
            (code, 4 if "holdout" in task else 24) for code in measured
        }


def test_the_languages_of_a_task_without_english_must_be_named(root: Path) -> None:
    own = {
        "type": "classification",
        "files": {"train": "q.csv"},
        "languages": ["de"],
        "labels": ["a", "b"],
        "holdout": 4,
    }
    with pytest.raises(ValueError, match=r"'queues' has no English data: .* \{task: queues, languages: \[de\]\}"):
        own_experiment(tasks={**TASKS, "queues": own}, recipes=[["queues"]])
