"""The notebook in examples/ runs from top to bottom, and what it shows is what the run layer computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from xstilts.core.scores import Score

NOTEBOOK = Path(__file__).parents[2] / "examples" / "first-experiment.ipynb"


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The names that the notebook's cells leave behind."""
    names: dict[str, Any] = {"__name__": "__main__"}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("notebook"))
        for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                exec("".join(cell["source"]), names)
        names["folder"] = Path.cwd()
    return names


def rows(table: Any) -> list[dict[str, Any]]:
    return list(table.to_dict("records") if hasattr(table, "to_dict") else table.to_pylist())


def test_a_run_is_checked_computed_and_kept(executed: dict[str, Any]) -> None:
    found = executed["found"]
    assert found.problems == []
    assert {one.rows for one in found.files if one.split == "test"} == {120}
    assert [one.steps for one in found.phases] == [30, 30, 30]
    assert executed["run"].outcome.counts["failed"] == 0
    folder = executed["folder"]
    again = executed["xs"].run(executed["experiment"], store=folder / "runs", data=folder / "data", workers=1).result()
    assert again.counts["done"] == 0


def test_scores_and_gains_are_rows_by_language(executed: dict[str, Any]) -> None:
    scores = rows(executed["scores"])
    assert set(scores[0]) == set(Score.__dataclass_fields__)
    measured = {(row["recipe"], row["language"]): row["value"] for row in scores if row["role"] == "target"}
    assert len(measured) == 12
    for row in rows(executed["gains"]):
        if row["language"]:
            expected = measured["[micro_nli]", row["language"]] - measured["[]", row["language"]]
            assert row["value"] == pytest.approx(expected, abs=1e-6)
    assert {row["language"] for row in rows(executed["gains"])} == {"", *(code for _, code in measured)}


def test_the_report_is_written_and_the_model_answers(executed: dict[str, Any]) -> None:
    assert (executed["folder"] / "report" / "index.html").is_file()
    answers = executed["model"].predict(["the dog eats the apple", {"text": "a red house", "id": "second"}])
    assert [answer["id"] for answer in answers] == ["0", "second"]
    assert {answer["prediction"] for answer in answers} <= set(executed["model"].head.labels)


def test_the_model_has_the_score_that_the_run_measured(executed: dict[str, Any]) -> None:
    place = {"role": "target", "recipe": "[micro_nli]", "language": "qaa"}
    (row,) = (row for row in rows(executed["scores"]) if place.items() <= row.items())
    gold, answers = executed["folder"] / "data/topic/qaa/test.tsv", executed["folder"] / "answers.jsonl"
    found = executed["xs"].score("micro_topic", language="qaa", gold=gold, predictions=answers)
    assert found[row["metric"]] == pytest.approx(row["value"])
