"""Predictions for a user's own tasks: choices as gold may write them, and labels that gold lacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import xstilts as xs
from xstilts.core.errors import DataError
from xstilts.core.scores import Score
from xstilts.evaluation.score import score_files

CHOICES = ["oak", "ash", "elm"]


def rows(*some: dict[str, Any]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in some)


def score(folder: Path, task: dict[str, Any], gold: str, said: list[Any]) -> Score:
    """The main score of an own task whose English gold is JSON lines or lines of words and tags."""
    name = "gold.conll" if task["type"] == "tagging" else "gold.jsonl"
    (folder / name).write_text(gold, encoding="utf-8")
    lines = (row if isinstance(row, str) and task["type"] == "tagging" else str(row) for row in said)
    (folder / "said.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    fields = {"files": {"train": name, "test": name}, "languages": ["en"], "holdout": 1}
    experiment = xs.Experiment(
        name="own", backbones=["xlm-roberta-base"], recipes=[[]], targets=["t"], tasks={"t": {**task, **fields}}
    ).placed(folder / "own.yaml")
    return score_files(experiment.task("t"), "en", folder / name, folder / "said.txt")[0]


def choices(labels: list[Any], **columns: Any) -> str:
    return rows(*({"question": f"q{n}", "choices": CHOICES, "label": one, **columns} for n, one in enumerate(labels)))


def test_tags_of_conlleval_with_gold_beside_them_are_refused(tmp_path: Path) -> None:
    """The fourth column of the predictions would be gold."""
    task = {"type": "tagging", "columns": {"words": 1, "tags": 4}}
    gold = "w0 NN B-NP B-PER\nw1 NN B-NP I-PER\n\nw0 NN B-NP O\n"
    with pytest.raises(DataError, match=r"said.txt:1: has 5 columns, gold 4: which one is predicted is not known"):
        score(tmp_path, task, gold, ["w0 NN B-NP B-PER O", "w1 NN B-NP I-PER O", "", "w0 NN B-NP O O"])
    assert score(tmp_path, task, gold, gold.splitlines()).value == 100.0


@pytest.mark.parametrize(
    "said", [[0, 1, 2, 1], ["A", "b", "C", "B"], ["oak", "ash", "elm", "ash"], [0, "ash", "c", "B"]]
)
def test_choices_are_numbers_letters_or_texts(tmp_path: Path, said: list[Any]) -> None:
    found = score(tmp_path, {"type": "multiple_choice"}, choices([0, 1, 2, 1]), said)
    assert (found.value, "counted from 1" in found.signature) == (100.0, False)


@pytest.mark.parametrize(
    ("said", "value", "note"), [([1, 2, 3, 2], 100.0, True), ([0, 1, 2, 1], 100.0, False), ([1, 1, 3, 2], 75.0, True)]
)
def test_numbers_of_choices_may_count_from_1_where_labels_do(
    tmp_path: Path, said: list[int], value: float, note: bool
) -> None:
    found = score(tmp_path, {"type": "multiple_choice", "count_from": 1}, choices([1, 2, 3, 2]), said)
    assert (found.value, "choices counted from 1" in found.signature) == (value, note)


@pytest.mark.parametrize(
    ("fields", "labels", "said", "message"),
    [
        ({"count_from": 1}, [1, 2, 1], [1, 2, 1], "no number is 0 or that of the last choice: .* give letters from A"),
        ({}, [0, 1, 2], [1, 2, 3], "numbers of choices count from 1; those of this task count from 0: subtract 1"),
        ({}, [0, 1, 2], [0, 7, 1], "said.txt:2: '7' is no choice of example '2', which has 3: give its number from 0"),
        ({}, [0, 1, 2], [0, "fir", 1], "said.txt:2: 'fir' is no choice of example '2'.* letter from A to C, or its"),
    ],
)
def test_choices_that_are_not_there_or_not_certain_are_refused(
    tmp_path: Path, fields: dict[str, Any], labels: list[int], said: list[Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        score(tmp_path, {"type": "multiple_choice", **fields}, choices(labels), said)


def test_a_text_that_two_choices_have_is_no_answer(tmp_path: Path) -> None:
    gold = rows({"question": "q", "choices": ["oak", "oak", "ash"], "label": 0})
    said = (
        r"'oak' is the text of 2 choices of example '1', which has 3: give its number from 0 or a letter from A to C$"
    )
    with pytest.raises(DataError, match=said):
        score(tmp_path, {"type": "multiple_choice"}, gold, ["oak"])


def test_named_choices_are_read_by_name(tmp_path: Path) -> None:
    task = {"type": "multiple_choice", "labels": ["yes", "no"], "columns": {"choices": ["c1", "c2"]}}
    gold = rows(*({"question": "q", "c1": "a", "c2": "b", "label": one} for one in ("yes", "no")))
    assert score(tmp_path, task, gold, ["yes", "no"]).value == 100.0


def test_choices_whose_names_or_texts_are_numbers_or_letters_are_read(tmp_path: Path) -> None:
    numbered = {"type": "multiple_choice", "labels": ["1", "2"], "columns": {"choices": ["c1", "c2"]}}
    gold = rows(*({"question": "q", "c1": "a", "c2": "b", "label": one} for one in ("1", "2")))
    assert score(tmp_path, numbered, gold, ["1", "2"]).value == 100.0
    sums = rows(*({"question": "q", "choices": ["12", "x", "40"], "label": one} for one in (0, 1, 2)))
    assert score(tmp_path, {"type": "multiple_choice"}, sums, ["12", "x", "40"]).value == 100.0


TAGS = "John B-PER\nlives O\nin O\nNew B-LOC\nYork I-LOC\n\nAde B-PER\nx O\n"


@pytest.mark.parametrize(("old", "new"), [("-PER", "_PER"), ("PER", "per"), ("-", "")])
def test_tags_in_another_spelling_are_refused(tmp_path: Path, old: str, new: str) -> None:
    tags = [line.rpartition(" ")[2].replace("LOC", "PER") for line in TAGS.splitlines()]
    gold = TAGS.replace("LOC", "PER")
    assert score(tmp_path, {"type": "tagging"}, gold, tags).value == 100.0
    with pytest.raises(DataError, match=r"not one predicted label but O occurs in gold: '.*' here, B-PER, I-PER there"):
        score(tmp_path, {"type": "tagging"}, gold, [tag.replace(old, new) for tag in tags])


def test_labels_that_gold_lacks_are_counted(tmp_path: Path) -> None:
    gold = rows(*({"text": f"t{n}", "label": "abc"[n % 3]} for n in range(6)))
    found = score(tmp_path, {"type": "classification"}, gold, ["A", "b", "c", "A", "b", "c"])
    assert found.value == pytest.approx(200 / 3)
    assert "labels that gold lacks=2" in found.signature
