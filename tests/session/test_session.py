"""The run layer: where files are found, what is remembered, what is said before a run, and how failures are told."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import xstilts as xs
from stages.tiny_experiment import BACKBONE, tiny_experiment
from xstilts.core.errors import ConfigError, DataError, StageError, StoreError, UnknownName
from xstilts.graph.events import Failed, Skipped
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.session.about import texts_of
from xstilts.session.grid import Grid, grid_of
from xstilts.session.run import Result
from xstilts.stages import KINDS

ROWS = "".join(f"{word} {i},{label}\n" for i in range(8) for word, label in (("red", "warm"), ("blue", "cold")))
FILE = """\
name: mine
backbones: [{name: tiny, source: model}]
recipes: [[]]
targets: [colours]
seeds: [1]
train: {steps: 2, batch_size: 4, select: last}
tasks:
  colours:
    type: classification
    files: {train: train.csv, validation: dev.csv, test: "test-{language}.csv"}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An experiment file with its data beside it."""
    place = tmp_path / "own"
    place.mkdir()
    for name in ("train", "dev", "test-en", "test-de"):
        (place / f"{name}.csv").write_text(f"text,label\n{ROWS}", encoding="utf-8")
    (place / "mine.yaml").write_text(FILE, encoding="utf-8")
    return place


def experiment(folder: Path, **changes: Any) -> xs.Experiment:
    """The file's experiment on a backbone without weights to load."""
    read = xs.load(folder / "mine.yaml")
    raw = {"type": "masked_lm", "files": {"train": "train.csv"}, "columns": {"text": "text"}}
    backbone = {**BACKBONE, "tokenizer": {"tasks": ["raw"], "languages": ["en"], "vocabulary": 100}}
    fields = read.model_dump() | {"backbones": [backbone], "tasks": {**read.tasks, "raw": raw}} | changes
    return xs.Experiment(**fields).placed(folder / "mine.yaml")


def measured(grid: Grid) -> list[str]:
    return list(grid.cells[0].stage.inputs["data"].config["languages"])


def test_importing_loads_neither_torch_nor_transformers() -> None:
    code = "import sys, xstilts as xs; xs.load, xs.Machine; assert not {'torch', 'transformers'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_public_name_is_there() -> None:
    assert all(callable(getattr(xs, name)) for name in xs.__all__)
    assert set(xs.__all__) <= set(dir(xs))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        xs.nothing  # noqa: B018


def test_own_files_lie_beside_the_experiment_file_wherever_one_stands(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert measured(Grid.of(experiment(folder))) == ["de", "en"]


def test_own_files_are_looked_for_in_every_data_folder_and_by_absolute_path(folder: Path, tmp_path: Path) -> None:
    before = [cell.stage.key for cell in Grid.of(experiment(folder)).cells]
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    shutil.move(folder / "train.csv", first)
    for name in ("test-en.csv", "test-de.csv"):
        shutil.move(folder / name, second)
    assert [cell.stage.key for cell in Grid.of(experiment(folder), [first, second]).cells] == before
    with pytest.raises(DataError, match=r"colours has no test files.*") as caught:
        Grid.of(experiment(folder), first)
    assert str(folder) in str(caught.value)
    absolute = {
        "train": str(first / "train.csv"),
        "validation": "dev.csv",
        "test": str(second / "test-{language}.csv"),
    }
    tasks = {"colours": {"type": "classification", "files": absolute}}
    raw = {"type": "masked_lm", "files": {"train": str(first / "train.csv")}, "columns": {"text": "text"}}
    assert measured(Grid.of(experiment(folder, tasks={**tasks, "raw": raw}))) == ["de", "en"]


def test_a_folder_that_is_not_there_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none: no such data folder"):
        xs.check(experiment(folder), tmp_path / "none")


def test_check_counts_rows_labels_and_steps(folder: Path) -> None:
    (folder / "test-sw.csv").write_text("text,label,note\nred 1,warm ,a\nblue 2,cold,b\n", encoding="utf-8")
    found = xs.check(experiment(folder, languages=["en", "de", "sw", "hi"]))
    rows = {(one.split, one.language): (one.rows, dict(one.labels)) for one in found.files if one.task == "colours"}
    assert rows["test", "sw"] == (2, {"warm": 1, "cold": 1})
    assert rows["train", "en"] == (16, {"warm": 8, "cold": 8})
    tokenizers = "text; not read: 'label'"  # the column of the raw text that the tokenizer is trained on
    assert {one.columns for one in found.files} == {"text, label", "text, label; not read: 'note'", tokenizers}
    assert ("validation", "de") not in rows  # files that are not by language are in the source language
    assert [(one.steps, one.batch_size) for one in found.phases] == [(2, 4)]
    assert "colours: no test file for hi (looked for test-{language}.csv); measured in 3 languages" in found.notices
    assert not any("optimizer steps" in line for line in found.notices)  # so many were asked for
    brief = xs.check(experiment(folder, train={"epochs": 1, "batch_size": 4, "select": "last"}))
    assert any("fewer than 50 optimizer steps" in line for line in brief.notices)
    assert found.problems == []


def test_a_holdout_that_takes_all_training_examples_is_refused_before_a_run(folder: Path, tmp_path: Path) -> None:
    text = FILE.replace("validation: dev.csv, ", "") + "    holdout: 16\n"
    (folder / "mine.yaml").write_text(text, encoding="utf-8")
    found = xs.check(experiment(folder))
    assert found.phases == ()
    line = "colours: `holdout: 16` takes all of its 16 training examples: hold out fewer"
    assert found.problems == [line]
    with pytest.raises(DataError, match=re.escape(line)):
        xs.run(experiment(folder), store=tmp_path / "store")


def test_check_names_every_damaged_file_at_once_and_a_run_refuses_the_first(folder: Path, tmp_path: Path) -> None:
    (folder / "test-de.csv").write_text("text,label\nrot 1,heiss\n", encoding="utf-8")
    (folder / "test-en.csv").write_text("text;label\nred 1\n", encoding="utf-8")
    asked = experiment(folder)
    problems = xs.check(asked).problems
    assert {name for name in ("test-de.csv:2", "test-en.csv") for line in problems if name in line} == {
        "test-de.csv:2",
        "test-en.csv",
    }
    with pytest.raises(DataError, match=r"test-de\.csv:2"):
        xs.run(asked, store=tmp_path / "store")


def test_one_wrong_column_is_one_line_however_many_files_lack_it(folder: Path) -> None:
    text = FILE.replace("type: classification", "type: classification\n    columns: {text: body}")
    (folder / "mine.yaml").write_text(text, encoding="utf-8")
    (line,) = xs.check(experiment(folder)).problems
    assert "train.csv:1: no column 'body' for text; columns here: text, label" in line
    assert line.endswith("; and 3 more files")
    (folder / "dev.csv").write_text("body,label\nred\n", encoding="utf-8")
    first, second = xs.check(experiment(folder)).problems
    assert first.endswith("; and 2 more files")
    assert "dev.csv:2: expected 2 columns as in the header, found 1" in second


def test_labels_that_are_in_doubt_are_shown_with_the_rest(folder: Path) -> None:
    with (folder / "train.csv").open("a", encoding="utf-8") as file:
        file.write("red 9,Warm\n")
    found = xs.check(experiment(folder))
    assert any("look like one label" in line for line in found.problems)
    counts = next(one.labels for one in found.files if one.split == "train" and one.task == "colours")
    assert counts == {"warm": 8, "cold": 8, "Warm": 1}


def test_a_file_or_a_name_stands_for_its_experiment(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.yaml: no such file"):
        xs.check("nowhere.yaml")
    with pytest.raises(StoreError):
        xs.scores("demo", tmp_path / "store")


def test_results_are_read_without_the_data(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, store = experiment(folder), Store(tmp_path / "store")
    before = Grid.of(asked)
    assert before.remember(store, asked) == ""
    shutil.rmtree(folder)
    after = grid_of(asked, store)
    assert [cell.stage.key for cell in after.cells] == [cell.stage.key for cell in before.cells]
    assert [stage.key for stage in after.stages] == [stage.key for stage in before.stages]
    titled = asked.model_copy(update={"title": "Another title"})
    assert grid_of(titled, store).experiment.title == "Another title"
    with pytest.raises(ConfigError, match="'mine', or xstilts itself, has changed since it was run here"):
        grid_of(asked.model_copy(update={"seeds": (2,)}), store)
    unused = next(name for name in KINDS if name not in {stage.kind for stage in before.stages})
    monkeypatch.setitem(KINDS, unused, KINDS[unused]._replace(version=99))
    assert len(grid_of(asked, store).cells) == len(before.cells), "a kind of stage that the experiment does not have"
    monkeypatch.setitem(KINDS, "evaluate", KINDS["evaluate"]._replace(version=99))
    with pytest.raises(ConfigError, match="has changed since it was run here"):
        grid_of(asked, store)


def test_results_of_one_machine_are_read_on_another(folder: Path, tmp_path: Path) -> None:
    asked, remote = experiment(folder), f"memory://{uuid4()}"
    one, two = tmp_path / "one", tmp_path / "two"
    first = xs.run(asked, one, workers=0, device="cpu", remote=remote).result()
    assert first.counts["cached"] == first.counts["failed"] == 0
    second = xs.run(asked, two, workers=0, device="cpu", remote=remote).result()
    assert second.counts == {"cached": first.counts["done"]}
    assert not (two / "train").exists(), "nothing that scores do not need is fetched"
    assert list(xs.scores(asked, two)) == list(xs.scores(asked, one))
    assert xs.scores(asked, two).equals(xs.scores(asked, one))
    pages = [xs.report(asked, store).with_name("scores.csv").read_text() for store in (one, two)]
    assert pages[0] == pages[1]


def test_a_second_experiment_of_one_name_is_said(folder: Path, tmp_path: Path) -> None:
    asked, store = experiment(folder), Store(tmp_path / "store")
    grid = Grid.of(asked)
    assert grid.remember(store, asked) == grid.remember(store, asked) == ""
    edited = asked.model_copy(update={"seeds": (7,)})
    assert Grid.of(edited).remember(store, edited) == ""  # the same file, edited
    other = asked.placed(folder / "other.yaml")
    assert f"another experiment 'mine', from {folder / 'mine.yaml'}" in Grid.of(other).remember(store, other)


def test_worlds_read_no_data_and_say_so(tmp_path: Path) -> None:
    asked = tiny_experiment(worlds=[1], targets=["micro_topic"])
    assert xs.check(asked, tmp_path).notices[0].endswith("--data is not read")


def test_a_cause_is_told_once_with_all_that_it_stops(tmp_path: Path) -> None:
    bad, other, apart = (Stage("prepare", 1, {"n": n}, {}, f"data {n}") for n in range(3))
    later = [Stage("train", 1, {"n": n}, {"data": bad}, f"model {n}") for n in range(7)]
    result = Result()
    for event in (Failed(bad, "a.csv:3: no label"), Failed(other, "a.csv:3: no label"), Failed(apart, "b.csv: empty")):
        result.add(event)
    for n, loss in enumerate(("2.83", "2.81")):
        problem = f"the loss is nan at step 1 (the last finite loss was {loss}): lower the learning rate"
        result.add(Failed(Stage("train", 1, {"seed": n}, {}, f"run {n}"), problem))
    for stage in later:
        result.add(Skipped(stage, bad))
    assert result.causes == [
        "prepare data 0: a.csv:3: no label; and 1 more of its kind; and 7 stages that need it",
        "prepare data 2: b.csv: empty",
        f"train run 0: {problem.replace('2.81', '2.83')}; and 1 more of its kind",
    ]


def test_a_failed_run_raises_from_result(tiny_world: Path, tmp_path: Path) -> None:
    place = tmp_path / "model"
    place.mkdir()
    for name in ("config.json", "tokenizer.json"):
        (place / name).write_text("{}", encoding="utf-8")
    (place / "model.safetensors").write_bytes(b"no weights")
    asked = tiny_experiment(backbones=[{"name": "none", "source": str(place)}], targets=["micro_topic"])
    with pytest.raises(StageError, match=r"^(tokenizer|start) .*stages that need it"):
        xs.run(asked, store=tmp_path / "store", data=tiny_world, workers=0).result()


def test_a_cell_that_is_not_there_or_not_alone_is_named(tmp_path: Path) -> None:
    asked = tiny_experiment(worlds=[1], seeds=[1, 2], targets=["micro_topic"])
    store = Store(tmp_path / "store")
    Grid.of(asked).remember(store, asked)
    with pytest.raises(UnknownName, match=r"unknown recipe '\[mnli\]': did you mean \[micro_nli\]"):
        xs.model(asked, store.root, recipe="[mnli]")
    with pytest.raises(ConfigError, match="has the seeds 1, 2: name one with seed="):
        xs.model(asked, store.root, recipe="[micro_nli]")


def test_own_predictions_are_scored_by_the_tasks_own_metric(folder: Path) -> None:
    said = folder / "said.txt"
    said.write_text("warm\n" * 16, encoding="utf-8")
    asked = experiment(folder)
    assert xs.score("colours", "en", folder / "test-en.csv", said, asked) == {"accuracy": 50.0}
    said.write_text("warm\n" * 15, encoding="utf-8")
    with pytest.raises(DataError, match="15 labels, but 16 in"):
        xs.score("colours", "en", folder / "test-en.csv", said, asked)
    rows = "".join(f'{{"id": "{line}", "prediction": "cold"}}\n' for line in range(2, 18))
    (folder / "said.jsonl").write_text(rows + '{"id": "99", "prediction": "cold"}\n', encoding="utf-8")
    with pytest.raises(DataError, match="17 labels, but 16 in"):
        xs.score("colours", "en", folder / "test-en.csv", folder / "said.jsonl", asked)


def test_texts_of_test_examples_are_read_by_target_and_language(folder: Path) -> None:
    texts = texts_of(Grid.of(experiment(folder), folder))("colours", "de")
    assert len(texts) == 16
    assert set(texts.values()) == {f"{word} {i}" for i in range(8) for word in ("red", "blue")}
    for changes, said in (({"worlds": {1: 1}}, "constructed: omit it"), ({"data": ()}, "name it with --data")):
        with pytest.raises(ConfigError, match=said):
            texts_of(replace(Grid.of(experiment(folder), folder), **changes))
