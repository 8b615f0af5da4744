"""Scores by properties of the examples: numbers worked out by hand, for each kind of task, and a planted effect.

Stages are laid out and scored, not computed: a model would only blur what is expected.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

import xstilts as xs
from xstilts.core.errors import DataError
from xstilts.core.files import write_json, write_jsonl
from xstilts.evaluation.evaluate import run_evaluate
from xstilts.graph.job import Job
from xstilts.graph.store import Store
from xstilts.reports.diagnostics import diagnose
from xstilts.session.diagnostics import parts_of
from xstilts.session.grid import Grid
from xstilts.session.results import analysis_of

FILE = """\
name: mine
backbones: [{{name: base, source: model}}]
recipes: [[], [other]]
targets: [mine]
seeds: {seeds}
train: {{steps: 2, batch_size: 4, select: last}}
tasks:
  other: {{type: classification, files: {{train: other.jsonl, validation: other.jsonl}}}}
  mine:
    {task}
    files: {{train: mine.jsonl, validation: mine.jsonl, test: "test-{{language}}.jsonl"}}
"""
Said = Callable[[str, int, int], Any]
"""(recipe, seed, number of the example) -> prediction."""


def lay(folder: Path, task: str, rows: Mapping[str, list[dict[str, Any]]], said: Said, **more: Any) -> Path:
    """A finished experiment on a task of its own: files, gold and predictions. Returns its file."""
    for name in ("config", "tokenizer"):
        write_json(folder / "model" / f"{name}.json", {})
    write_json(folder / "model" / "model.safetensors", {})  # never opened
    write_jsonl(folder / "other.jsonl", [{"text": f"{label} {i}", "label": label} for i in range(8) for label in "ab"])
    write_jsonl(folder / "mine.jsonl", rows["en"])
    for language, some in rows.items():
        write_jsonl(folder / f"test-{language}.jsonl", some)
    seeds, gold, variant = more.get("seeds", [1]), more["gold"], more.get("variant", {})
    (folder / "mine.yaml").write_text(FILE.format(task=task, seeds=seeds), encoding="utf-8")
    experiment, store = xs.load(folder / "mine.yaml"), Store(folder / "store")
    grid = Grid.of(experiment, folder)
    for cell in (cell for cell in grid.cells if cell.role == "target"):
        data, answers = cell.stage.inputs["data"], cell.stage.inputs["predictions"]
        fresh = store.finished(data) is None
        for language in rows:
            examples = list(grid.experiment.task("mine").load((folder,), "test", language))
            golds = [{"id": one.id, "gold": gold(one)} for one in examples]
            told = [{"id": one.id, "prediction": said(cell.recipe, cell.seed, i)} for i, one in enumerate(examples)]
            if fresh:
                write_jsonl(store.directory(data) / language / "records.jsonl", golds)
            rows_said = [{**one, **variant} for one in told]
            write_jsonl(store.directory(answers) / "predictions" / f"{language}.jsonl", rows_said)
        if fresh:
            write_json(store.directory(data) / "languages.json", sorted(rows))
        for stage in (data, answers, cell.stage)[0 if fresh else 1 :]:
            if stage is cell.stage:
                places = {"data": store.directory(data), "predictions": store.directory(answers)}
                run_evaluate(Job(stage, store.directory(stage), places))
            store.directory(stage).rename(store.partial(stage))
            store.publish(stage, datetime.now(UTC))
    grid.remember(store, experiment)
    return folder / "mine.yaml"


def found(file: Path) -> dict[str, tuple[int, float, float]]:
    """`property bucket` -> (examples, baseline's score, gain), means over zero-shot languages."""
    grid, store = Grid.of(xs.load(file), file.parent), Store(file.parent / "store")
    analysis = analysis_of(grid, store, "")
    shown = {}
    for at in diagnose(analysis, parts_of(grid, store, analysis.table)).buckets:
        (own, gain) = (at.findings[run] for run in analysis.sections[0].runs)
        if not at.language:
            values = own.absolute.value, gain.gain.value
            shown[f"{at.property} {at.label}"] = at.examples, *(round(value, 1) for value in values)
            assert (gain.gain.low is None) == (at.examples < 30)
    return shown


def test_accuracy_by_length_and_label_with_bounds_from_english(tmp_path: Path) -> None:
    def rows(factor: int) -> list[dict[str, Any]]:
        each = [("a" * factor * (i + 1), "b" * 7, "warm" if i % 2 == 0 else "cold") for i in range(40)]
        return [dict(zip(("text", "pair", "label"), one)) for one in each]

    def said(recipe: str, seed: int, i: int) -> str:
        right = ("warm", "cold")[i % 2]
        return "warm" if recipe == "[]" or (i < 20) != (right == "warm") else "cold"

    file = lay(tmp_path, "type: classification", {"en": rows(1), "de": rows(2)}, said, gold=lambda one: one.label)
    assert found(file) == {
        "label warm": (20, 100.0, -50.0),
        "label cold": (20, 0.0, 50.0),
        "first text length \u2264 10": (5, 60.0, -60.0),
        "first text length 11\u201320": (5, 40.0, -40.0),
        "first text length 21\u201330": (5, 60.0, -60.0),
        "first text length > 30": (25, 48.0, 32.0),
        "second text length all": (40, 50.0, 0.0),
    }


def test_accuracy_of_choices(tmp_path: Path) -> None:
    rows = [{"context": "c" * (1 + i // 6), "choices": ["x", "y"], "label": int(i % 4 == 0)} for i in range(24)]
    file = lay(
        tmp_path,
        "type: multiple_choice",
        {"en": rows, "de": rows},
        lambda recipe, _, i: 0 if recipe == "[]" else i % 2,
        gold=lambda one: one.label,
    )
    shown = found(file)
    assert shown["right choice 1"] == (18, 100.0, -66.7)
    assert shown["right choice 2"] == (6, 0.0, 0.0)
    assert shown["context length \u2264 1"] == (6, 66.7, -50.0)


def test_reading_by_the_mean_of_f1_and_exact_match(tmp_path: Path) -> None:
    rows = [
        {"question": "q" * (1 + i % 2), "passage": "red fox " + "." * i, "answers": [{"text": "red fox", "start": 0}]}
        for i in range(20)
    ]
    file = lay(
        tmp_path,
        "type: span_qa",
        {"en": rows, "de": rows},
        lambda recipe, _, i: "red fox" if recipe == "[other]" and i % 2 else "red",
        gold=lambda one: [answer.text for answer in one.answers],
    )
    shown = found(file)
    assert shown["context length \u2264 12"] == (5, 33.3, 26.7)  # F1 2/3, exact 0; two of five become right: 2/5 of 2/3
    assert shown["question length \u2264 1"] == (10, 33.3, 0.0)
    assert shown["question length > 1"] == (10, 33.3, 66.7)
    assert shown["answer length all"] == (20, 33.3, 33.3)


def test_entities_by_type_and_length_count_gold_and_predicted_ones(tmp_path: Path) -> None:
    tags = ["B-PER", "I-PER", "O", "B-LOC"]
    rows = [{"words": list("wxyz"), "tags": tags} for _ in range(10)]
    answers = {"[]": ["B-PER", "I-PER", "O", "O"], "[other]": ["B-LOC", "I-LOC", "O", "B-LOC"]}
    file = lay(
        tmp_path,
        "type: tagging",
        {"en": rows, "de": rows},
        lambda recipe, *_: answers[recipe],
        gold=lambda one: list(one.tags),
    )
    assert found(file) == {
        "sentence length all": (10, 66.7, -16.7),  # 2 * 1 / (2 + 1), then 2 * 1 / (2 + 2)
        "entity type LOC": (10, 0.0, 66.7),
        "entity type PER": (10, 100.0, -100.0),
        "entity length \u2264 1": (10, 0.0, 100.0),
        "entity length > 1": (10, 100.0, -100.0),
    }


def test_words_by_tag(tmp_path: Path) -> None:
    rows = [{"words": ["w"] * (1 + i % 3), "tags": ["N", "V", "N"][: 1 + i % 3]} for i in range(30)]
    file = lay(
        tmp_path,
        "type: tagging\n    metric: token_accuracy",
        {"en": rows, "de": rows},
        lambda recipe, _, i: ["N" if recipe == "[]" else "V"] * (1 + i % 3),
        gold=lambda one: list(one.tags),
    )
    shown = found(file)
    assert shown["tag N"] == (40, 100.0, -100.0)
    assert shown["tag V"] == (20, 0.0, 100.0)
    assert shown["sentence length 2"] == (10, 50.0, 0.0)


def test_retrieval_by_length_of_the_sentence(tmp_path: Path) -> None:
    rows = [{"source": "s" * (1 + i), "target": f"t{i}"} for i in range(20)]
    ids: dict[int, str] = {}

    def gold(one: Any) -> str:
        ids[len(one.source) - 1] = one.id
        return str(one.id)

    file = lay(
        tmp_path,
        "type: retrieval",
        {"en": rows, "de": rows},
        lambda recipe, _, i: ids[i] if recipe == "[other]" or i < 4 else "none",
        gold=gold,
        variant={"variant": "layer=0 raw"},
    )
    assert found(file)["sentence length \u2264 5"] == (5, 80.0, 20.0)
    assert found(file)["sentence length > 15"] == (5, 0.0, 100.0)


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """Reading in two languages besides English; the recipe answers more questions about the longest contexts."""
    rows = [
        {"question": "who?", "passage": "fox " + "." * i, "answers": [{"text": "fox", "start": 0}]} for i in range(160)
    ]

    def said(recipe: str, seed: int, i: int) -> str:
        draw = Random(f"{recipe} {seed} {i}").random() if i % 4 == 0 else Random(f"{seed} {i}").random()
        return "fox" if draw < (0.9 if recipe == "[other]" and i >= 120 else 0.4) else "no"

    spoken = dict.fromkeys(("en", "de", "sw"), rows)
    texts = {"gold": lambda one: [answer.text for answer in one.answers], "seeds": [1, 2, 3]}
    return lay(tmp_path, "type: span_qa", spoken, said, **texts)


def test_an_effect_on_long_contexts_alone_is_found_there(planted: Path) -> None:
    page = xs.report(xs.load(planted), planted.parent / "store", planted.parent / "out", also=["diagnostics"])
    with (page.parent / "diagnostics.csv").open(encoding="utf-8") as file:
        rows = [
            row for row in csv.DictReader(file) if row["recipe"] == "[other]" and row["property"] == "context length"
        ]
    means = {row["bucket"]: row for row in rows if not row["language"]}
    assert [name for name, row in means.items() if row["clear"] == "True"] == ["> 123"]
    assert 35 < float(means["> 123"]["gain"]) < 65
    assert all(abs(float(row["gain"])) < 10 for name, row in means.items() if name != "> 123")
    assert {row["language"] for row in rows} == {"", "de", "sw"}
    told = (page.parent / "report.md").read_text(encoding="utf-8")
    assert "the largest difference: \\[other] on mine, context length > 123 +" in told
    assert "diagnostics.csv" in page.read_text(encoding="utf-8")


def test_other_data_than_was_measured_is_refused(planted: Path) -> None:
    (planted.parent / "test-de.jsonl").write_text(
        '{"question": "who?", "passage": "fox", "answers": [{"text": "fox", "start": 0}]}\n'
    )
    with pytest.raises(DataError, match=r"mine \(de\): example '\d+' was measured, but the data files do not have it"):
        xs.report(xs.load(planted), planted.parent / "store", planted.parent / "out", also=["diagnostics"])


def test_a_report_has_no_diagnostics_unless_asked(planted: Path) -> None:
    page = xs.report(xs.load(planted), planted.parent / "store", planted.parent / "out")
    assert not page.with_name("diagnostics.csv").exists()
    assert "Gain by length" not in page.read_text(encoding="utf-8")
