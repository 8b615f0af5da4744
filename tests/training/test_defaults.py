"""What an experiment leaves open is set by its examples and the model's width; what it says stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from xstilts.expand import Expansion
from xstilts.experiment import Experiment
from xstilts.graph.stage import Stage, graph
from xstilts.stages.resolve import shape_of
from xstilts.stages.selection import in_words_by_default
from xstilts.training.config import BATCH, ENOUGH, EPOCHS, MOST_EPOCHS, STEPS, TrainConfig, fitted


@pytest.mark.parametrize(("examples", "epochs"), [(20, MOST_EPOCHS), (ENOUGH, EPOCHS), (10**6, EPOCHS)])
def test_few_examples_are_seen_more_often(examples: int, epochs: int) -> None:
    assert fitted(TrainConfig(), examples, 768).epochs == epochs


@pytest.mark.parametrize("examples", [300, 700, 3000, ENOUGH - 1])
@pytest.mark.parametrize("batch_size", [8, 32])
def test_whole_epochs_reach_the_floor_of_steps_and_hardly_pass_it(examples: int, batch_size: int) -> None:
    seen = fitted(TrainConfig(batch_size=batch_size), examples, 768).epochs * examples
    assert STEPS * BATCH <= seen < STEPS * BATCH + examples


@pytest.mark.parametrize(("width", "rate"), [(128, 3e-4), (384, 1e-4), (768, 3e-5), (1024, 1e-5), (None, 2e-5)])
def test_the_rate_falls_with_the_width_and_is_ten_times_that_for_adapters(width: int | None, rate: float) -> None:
    assert fitted(TrainConfig(), 300, width).learning_rate == rate
    assert fitted(TrainConfig(lora={}), 300, width).learning_rate == pytest.approx(10 * rate)


def test_what_is_said_stays() -> None:
    said = TrainConfig(epochs=2.0, learning_rate=2e-5)
    assert fitted(said, 10, 128) == said
    steps = fitted(TrainConfig(steps=7), 10, 128)
    assert (steps.steps, steps.epochs, steps.learning_rate) == (7, TrainConfig().epochs, 3e-4)


@pytest.mark.parametrize(
    ("source", "architecture", "fields", "width"),
    [
        ("xlm-r-large", None, {}, 1024),
        ("mt5-base", None, {}, 768),
        ("somebody/a-model", None, {}, None),
        (None, "xlm-roberta", {"hidden_size": 16}, 16),
    ],
)
def test_widths_are_read_where_something_tells(source: Any, architecture: Any, fields: Any, width: Any) -> None:
    assert shape_of(source, architecture, fields, "head")["width"] == width


def trained(folder: Path, rows: int, **more: Any) -> dict[str, Any]:
    """What the key of the stage says that trains on a file of so many rows."""
    return dict(stage_of(folder, rows, **more).config["train"])


def stage_of(folder: Path, rows: int, **more: Any) -> Stage:
    (folder / "train.csv").write_text("text,label\n" + "".join(f"row {i},{'ab'[i % 2]}\n" for i in range(rows)))
    (folder / "de.csv").write_text("text,label\neins,a\n")
    files = {"train": "train.csv", "test": "{language}.csv"}
    own = {"type": "classification", "files": files, "columns": {"text": "text", "label": "label"}}
    fields: dict[str, Any] = {
        "name": "own",
        "seeds": [1],
        "backbones": [{"name": "base", "source": "xlm-r-base"}],
        "recipes": [[]],
        "targets": ["mine"],
        "tasks": {"mine": {**own, "holdout": 20}},
    }
    experiment = Experiment(**{**fields, **more}).placed(folder / "own.yaml")
    (stage,) = (stage for stage in graph(Expansion(experiment).stages()) if stage.kind == "train")
    return stage


def test_keys_hold_figures_that_follow_the_rows_less_what_is_held_out(tmp_path: Path) -> None:
    found = trained(tmp_path, 320)
    assert (found["epochs"], found["learning_rate"]) == (float(-(-STEPS * BATCH // 300)), 3e-5)
    assert trained(tmp_path, ENOUGH + 21)["epochs"] == EPOCHS
    assert trained(tmp_path, 320, limit=50)["epochs"] == MOST_EPOCHS


def test_the_same_figures_said_aloud_are_the_same_stage(tmp_path: Path) -> None:
    left_open = stage_of(tmp_path, 320)
    train = {name: left_open.config["train"][name] for name in ("epochs", "learning_rate")}
    said = stage_of(tmp_path, 320, train=train)
    assert said == left_open
    assert in_words_by_default([said]) == ()
    (sentence,) = in_words_by_default([left_open])
    assert sentence.endswith(f"mine: {train['epochs']:g} epochs, rate 3e-05.")
    half = trained(tmp_path, 320, train={"epochs": 1})
    assert (half["epochs"], half["learning_rate"]) == (1, 3e-5)


def test_a_file_that_cannot_be_read_is_told_where_it_is_read(tmp_path: Path) -> None:
    stage_of(tmp_path, 320)
    labels = {"mine": {"type": "classification", "labels": ["a", "b"], "holdout": 20}}
    labels["mine"] |= {"files": {"train": "bad.csv", "test": "{language}.csv"}, "columns": {"text": "text"}}
    (tmp_path / "bad.csv").write_text("text,label\nonly one column\n")
    assert trained(tmp_path, 320, tasks=labels)["epochs"] == EPOCHS
