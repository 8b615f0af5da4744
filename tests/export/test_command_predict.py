"""`xstilts predict`: a user's file in, JSON lines out, equal to the store's predictions for the same inputs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from export.exported import World
from xstilts.core.errors import DataError
from xstilts.core.files import read_jsonl
from xstilts.export.finished import Finished
from xstilts.graph.store import Store
from xstilts.session.models import Model
from xstilts.tasks import TASKS

Typed = Callable[..., tuple[int, str, str]]
TYPES = ("micro_topic", "micro_nli", "micro_choice", "micro_tagging", "micro_qa")


def rows_of(task: str, world: World) -> list[dict[str, Any]]:
    """The measured examples of a task as rows of our columns, with gold that must not be read."""
    split = world.stages[task].config["split"]
    rows = []
    for example in TASKS.get(task).load(world.data, split, "en"):
        row = {name: getattr(example, name) for name in example.__slots__ if getattr(example, name) is not None}
        rows.append({**row, "label": "nonsense", "answers": 0, "tags": 7})
    return rows


@pytest.mark.parametrize("task", TYPES)
def test_predictions_are_those_of_the_store(task: str, world: World, typed: Typed, tmp_path: Path) -> None:
    stage, (file, to) = world.stages[task], (tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    file.write_text("".join(json.dumps(row) + "\n" for row in rows_of(task, world)), encoding="utf-8")
    code, out, err = typed("predict", stage.key, "--input", file, "--to", to, "--store", world.store, "--json")
    assert code == 0, err
    expected = Store(world.store).directory(stage.inputs["predictions"]) / "predictions" / "en.jsonl"
    theirs = {row["id"]: row for _, row in read_jsonl(expected)}
    found = {row["id"]: row for _, row in read_jsonl(to)}
    assert found.keys() >= theirs.keys()
    for name, row in theirs.items():
        assert found[name].keys() == row.keys()
        assert found[name]["prediction"] == row["prediction"]
    assert json.loads(out)["examples"] == len(found)
    piped = typed("predict", stage.key, "--input", file, "--to", "-", "--store", world.store)
    assert piped == (0, to.read_text(encoding="utf-8"), "")


def test_lines_of_text_words_and_tables_are_read(world: World, typed: Typed, tmp_path: Path) -> None:
    def said(task: str, name: str, text: str, *words: str) -> list[dict[str, Any]]:
        (tmp_path / name).write_text(text, encoding="utf-8")
        code, _, err = typed(
            "predict",
            world.key(task),
            "--input",
            tmp_path / name,
            "--to",
            tmp_path / "o",
            "--store",
            world.store,
            *words,
        )
        assert code == 0, err
        return [row for _, row in read_jsonl(tmp_path / "o")]

    assert [row["id"] for row in said("micro_topic", "a.txt", "Ivan dri .\n\nTea\n")] == ["1", "3"]
    assert [len(row["prediction"]) for row in said("micro_tagging", "b.txt", "Ivan dri .\nTea\n")] == [3, 1]
    conll = "Ivan\tX\ndri\tY\n\nTea\tX\n"
    assert [len(row["prediction"]) for row in said("micro_tagging", "c.conll", conll)] == [2, 1]
    treebank = "".join(f"{n}\t{form}{8 * chr(9)}_\n" for n, form in (("1-2", "Ivandri"), (1, "Ivan"), (2, "dri")))
    assert [len(row["prediction"]) for row in said("micro_tagging", "d.txt", treebank)] == [2]
    table = 'body;,language,name\n"Ivan, dri",de,q1\nTea,sw,q2\n'.replace(";", "")
    columns = ("--columns", "text=body,id=name")
    assert [row["id"] for row in said("micro_topic", "d.csv", table, *columns)] == ["q1", "q2"]
    assert [row["id"] for row in said("micro_topic", "d.csv", table, *columns, "--language", "sw")] == ["q2"]
    choices = "question\ta\tb\nwho ?\tIvan\tTea\n"
    (row,) = said("micro_choice", "e.tsv", choices, "--columns", "choices=a+b")
    assert row["prediction"] in (0, 1)
    assert len(row["scores"]) == 2


BAD = {
    "no column": ("micro_topic", "a.csv", "body\nx\n", (), "a.csv:1: no column 'text' for text; columns here: body"),
    "no JSON": ("micro_topic", "a.jsonl", '{"text": "x"}\n{\n', (), "a.jsonl:2: not JSON"),
    "an id twice": ("micro_topic", "a.jsonl", '{"id": 1, "text": "x"}\n' * 2, (), "a.jsonl:2: id '1' occurs twice"),
    "no pair": (
        "micro_nli",
        "a.txt",
        "x\n",
        (),
        "a.txt: the model reads pairs of texts, and no column is named 'pair'",
    ),
    "a pair": ("micro_topic", "a.csv", "text,pair\nx,y\n", (), "a.csv: the model reads single texts"),
    "plain text": ("micro_qa", "a.txt", "x\n", (), "a.txt: span_qa needs columns"),
    "nothing": ("micro_topic", "a.txt", "\n", (), "a.txt: holds no examples"),
    "no file": ("micro_topic", None, "", (), "nowhere.txt: no such file"),
    "a field": (
        "micro_topic",
        "a.csv",
        "x\n",
        ("--columns", "txt=x"),
        "--columns: 'txt=x' should be FIELD=COLUMN; did",
    ),
    "a language": ("micro_topic", "a.txt", "x\n", ("--language", "klingon"), "unknown language 'klingon'"),
    "a device": (
        "micro_topic",
        "a.txt",
        "x\n",
        ("--device", "abacus"),
        "--device abacus: this machine has no such",
    ),
    "no head": ("micro_retrieval", "a.txt", "x\n", (), "has no head that can predict"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_read_is_one_line_and_nothing_is_written(
    case: str, world: World, typed: Typed, tmp_path: Path
) -> None:
    task, name, text, words, message = BAD[case]
    file = tmp_path / (name or "nowhere.txt")
    if name:
        file.write_text(text, encoding="utf-8")
    before = sorted(tmp_path.iterdir())
    code, out, err = typed(
        "predict", world.key(task), "--input", file, "--to", tmp_path / "out.jsonl", "--store", world.store, *words
    )
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_python_refuses_what_the_command_refuses(world: World) -> None:
    def model(task: str) -> Model:
        return Model(Finished.find(Store(world.store), world.key(task)))

    with pytest.raises(DataError, match="the model reads pairs of texts, and input 0 has none"):
        model("micro_nli").predict(["x"])
    single = model("micro_topic")
    with pytest.raises(DataError, match="the model reads single texts, and input 1 has a `pair`"):
        single.predict(["x", {"text": "x", "pair": "y"}])
    assert [row["id"] for row in single.predict([{"id": "p", "text": "x"}, "y"])] == ["p", "1"]
