"""Several experiments of a store: ranked by `xstilts scores`, and compared by `xstilts report`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from laid_store import lay_data, lay_experiment, lay_store

from xstilts.core.files import read_json, write_json
from xstilts.graph.store import Store
from xstilts.session.grid import Grid
from xstilts.session.loading import load


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two experiments; the second measures fewer languages of one target, on more seeds."""
    folder = tmp_path_factory.mktemp("laid")
    lay_data(folder / "data")
    for name, targets in (("one", ("pawsx", "tydiqa")), ("two", ("{task: pawsx, languages: [en, de, fr]}",))):
        text = lay_experiment(folder, targets).read_text().replace("name: laid", f"name: {name}")
        (file := folder / f"{name}.yaml").write_text(text)
        lay_store(file, folder / "data", folder / "runs")
        experiment = load(file)
        Grid.of(experiment, folder / "data").remember(Store(folder / "runs"), experiment)
    return folder / "runs"


def test_recipes_of_all_experiments_are_ranked_by_target_and_protocol(typed, store: Path) -> None:
    code, out, err = typed("scores", "--store", store)
    assert (code, err) == (0, "")
    first, second = out.split("\n\n")
    rows = [line.replace(" to ", "-to-").split() for line in first.splitlines()[2:6]]
    assert first.startswith("pawsx\nprotocol  score      interval  languages  seeds  experiment  backbone  recipe\n")
    assert [(row[0], row[3], row[4], row[5]) for row in rows] == [
        ("a", "6", "1", "one"), ("a", "6", "1", "one"), ("b", "2", "1", "two"), ("b", "2", "1", "two")
    ]  # fmt: skip
    assert float(rows[0][1]) >= float(rows[1][1])
    assert first.splitlines()[6:] == [
        "a: test, accuracy, 6 languages, 5 examples each",
        "b, not comparable with a: without es, ja, ko, zh",
    ]
    assert second.startswith("tydiqa\n")
    assert second.endswith("a: validation, exact match and f1, 8 languages, 4 examples each\n")


def test_the_ranking_has_all_fields_as_json_and_can_be_of_one_task(typed, store: Path) -> None:
    code, out, _ = typed("scores", "--store", store, "--task", "pawsx", "--json")
    rows = json.loads(out)
    assert code == 0
    assert {row["target"] for row in rows} == {"pawsx"}
    table = json.loads(typed("scores", store.parent / "two.yaml", "--store", store, "--json")[1])
    for row in rows[2:]:
        own = [one["value"] for one in table if one["recipe"] == row["recipe"] and one["language"] != "en"]
        assert row["score"] == pytest.approx(sum(own) / len(own))
        assert (row["experiment"], row["protocol"], row["examples"]) == ("two", "b", [["de", 5], ["fr", 5]])


@pytest.mark.parametrize(
    "words, message",
    [
        (["--task", "xnli"], "error: unknown task 'xnli'"),
        (["--language", "de"], "error: --language needs a FILE"),
        (["--benchmark", "xtreme"], "error: --benchmark needs a FILE"),
        (["--data", "."], "error: --data needs a FILE"),
    ],
)
def test_what_a_ranking_cannot_show_is_refused(typed, store: Path, words: list[str], message: str) -> None:
    code, out, err = typed("scores", "--store", store, *words)
    assert (code, out) == (2, "")
    assert err.startswith(message)
    assert err.count("\n") == 1


def test_an_experiment_that_cannot_be_read_is_named_and_left_out(typed, store: Path) -> None:
    grid = store / "experiments/two.json"
    kept = read_json(grid)
    write_json(grid, {**kept, "stages": []})
    code, out, err = typed("scores", "--store", store)
    other = store / "experiments/one.json"
    kept_too = read_json(other)
    write_json(other, {**kept_too, "stages": []})
    nothing = typed("scores", "--store", store)
    write_json(grid, kept)
    write_json(other, kept_too)
    assert nothing[0] != 0
    assert "one: left out, since another version" in nothing[2]
    assert code == 0
    assert "two" not in out
    assert err == "note: two: left out, since another version of xstilts ran it, or its file is damaged\n"


def test_a_report_of_several_files_compares_them(typed, store: Path, tmp_path: Path) -> None:
    files = [store.parent / "one.yaml", store.parent / "two.yaml"]
    code, out, err = typed("report", *files, "--store", store)
    assert (code, err) == (0, "")
    assert out.startswith("two against one: of 0 pairs of recipe and target that can be compared")
    assert "not compared: two with one: without es, ja, ko, zh" in out
    page = store / "reports/one+two/index.html"
    assert out.endswith(f"\n{page}\n")
    assert "one and two side by side" in page.read_text(encoding="utf-8")
    assert f"xstilts report {files[0]} {files[1]} --store {store}\n" in (page.parent / "report.md").read_text(
        encoding="utf-8"
    )
    assert typed("report", *files[::-1], "--store", store, "--to", tmp_path)[1].endswith(f"\n{tmp_path}/index.html\n")


def test_files_that_cannot_be_compared_are_refused_in_one_line(typed, store: Path) -> None:
    one, two = store.parent / "one.yaml", store.parent / "two.yaml"
    for words, message in (
        ((one, one), "error: two of the files are experiments called 'one': give one of them another `name:`\n"),
        ((one, two, "--texts"), "error: --texts shows examples of one experiment: name one FILE\n"),
    ):
        assert typed("report", *words, "--store", store) == (2, "", message)
