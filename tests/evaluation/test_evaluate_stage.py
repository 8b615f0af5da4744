"""Evaluate stages measure all that was prepared, and say what their numbers depend on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from xstilts.core.errors import DataError
from xstilts.core.files import read_jsonl, write_json, write_jsonl
from xstilts.evaluation.evaluate import run_evaluate
from xstilts.graph.job import Job
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store

LANGUAGES = ["de", "en"]
PREPARED = Stage("prepare", 1, {"languages": LANGUAGES})
TRAINED = Stage("train", 1, {})
PREDICTED = Stage("predict", 1, {}, {"model": TRAINED, "data": PREPARED})
MEASURED = {"task": "xnli", "split": "test", "metric": "accuracy", "main": "accuracy", "role": "target"}


def publish(store: Store, stage: Stage, environment: dict[str, Any] | None = None) -> Path:
    store.partial(stage).mkdir(parents=True, exist_ok=True)
    if environment is not None:
        write_json(store.partial(stage) / "environment.json", environment)
    assert store.publish(stage, datetime.now(UTC))
    return store.directory(stage)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path)
    data, predictions = made.partial(PREPARED), made.partial(PREDICTED) / "predictions"
    for language in LANGUAGES:
        write_jsonl(data / language / "records.jsonl", [{"id": "1", "gold": "a"}, {"id": "2", "gold": "b"}])
        write_jsonl(predictions / f"{language}.jsonl", [{"id": name, "prediction": "a"} for name in "12"])
    write_json(data / "languages.json", LANGUAGES)
    return made


def evaluate(store: Store, **environment: Any) -> list[dict[str, Any]]:
    publish(store, TRAINED, environment)
    inputs = {"data": publish(store, PREPARED), "predictions": publish(store, PREDICTED)}
    folder = store.root / "measured"
    folder.mkdir()
    run_evaluate(Job(Stage("evaluate", 1, MEASURED), folder, inputs))
    return [row for _, row in read_jsonl(folder / "scores.jsonl")]


def test_what_a_training_depended_on_is_in_the_signature_of_its_scores(store: Store) -> None:
    for row in evaluate(store, depends_on={"micro_batch_tokens": 512, "devices": 2}):
        parts = row["signature"].split(" | ")
        assert parts[-3:-1] == ["depends on devices=2", "depends on micro_batch_tokens=512"]


def test_else_the_signature_is_as_it_was(store: Store) -> None:
    assert ["depends" in row["signature"] for row in evaluate(store, torch="2.13")] == [False, False]


def test_a_language_too_few_or_too_many_is_refused(store: Store) -> None:
    write_json(store.partial(PREPARED) / "languages.json", ["en"])  # was measured in English alone, without a word
    with pytest.raises(DataError, match=r"expected the languages de, en, found en: remove this folder") as error:
        evaluate(store)
    assert "\n" not in str(error.value)


def test_a_language_without_predictions_is_refused(store: Store) -> None:
    (store.partial(PREDICTED) / "predictions" / "de.jsonl").unlink()
    with pytest.raises(DataError, match=r"expected the languages de, en, found en: remove this folder"):
        evaluate(store)
