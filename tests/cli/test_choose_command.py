"""`xstilts choose`, typed: what it prints, what it writes, what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from stages.tiny_experiment import tiny_experiment
from xstilts.cli.choose import split_words

Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("file") / "tiny.yaml"
    path.write_text(yaml.safe_dump(json.loads(tiny_experiment(targets=["micro_topic"]).model_dump_json())))
    return path


def test_a_choice_is_printed_and_written(typed: Typed, file: Path, tiny_world: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    words = ["choose", file, "--target", "micro_topic", "--data", tiny_world, "--store", store, "--workers", 0]
    code, out, err = typed(*words, "--budget", "100%")
    assert code == 0, err
    assert "| 2    |" in out
    assert "`[micro_nli]`" in out
    assert "Spent" in out
    assert "train" in err
    page = (store / "reports" / "choose-micro_topic.md").read_text()
    assert page in out
    code, out, err = typed(*words, "--budget", "1", "--json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert {row["recipe"] for row in document["rows"]} == {"[]", "[micro_nli]"}
    assert document["rungs"][0]["share"] == 0.125
    assert 0 < document["spent"] < document["full"]


@pytest.mark.parametrize(
    "words, problem",
    [
        ([], "name the task to choose for with --target"),
        (["--target", "micro_topic"], "give an experiment file, or --backbone and --from"),
        (["FILE", "--target", "micro_topix"], "unknown task 'micro_topix': did you mean micro_topic"),
        (
            ["FILE", "--target", "micro_topic", "--from", "micro_nly"],
            "unknown task 'micro_nly': did you mean micro_nli",
        ),
        *(
            (["FILE", "--target", "micro_topic", f"--budget={budget}"], f"--budget {budget}: give a share of the full")
            for budget in ("lots", "0", "2", "", "-1", "20m", "300%")
        ),
        (["FILE", "--target", "micro_topic", "--budget", "0.001"], "--budget 0.001 is too small"),
    ],
)
def test_mistakes_are_one_line(
    typed: Typed, file: Path, tiny_world: Path, tmp_path: Path, words: list[str], problem: str
) -> None:
    given = [file if word == "FILE" else word for word in words]
    code, out, err = typed("choose", *given, "--data", tiny_world, "--store", tmp_path / "store", "--workers", 0)
    assert (code, out) == (2, "")
    assert problem in err
    assert err.strip().splitlines()[-1].startswith("error: ")
    assert "Traceback" not in err


def test_a_shipped_study_can_be_chosen_from(typed: Typed, tmp_path: Path) -> None:
    words = ("choose", "table1", "--target", "xnli", "--from", "squad_v1,[hellaswag]", "--data", tmp_path)
    code, _, err = typed(*words, "--store", tmp_path / "store", "--workers", 0)
    assert (code, "no such file" in err) == (2, False)
    assert "squad_v1 (train, en)" in err or "mnli (train, en)" in err


def test_candidates_may_be_recipes_of_several_phases() -> None:
    found = split_words("[micro_nli, micro_qa], micro_choice,micro_choice, [{micro_nli, micro_qa}]")
    assert found == ["[micro_nli, micro_qa]", "micro_choice", "[{micro_nli, micro_qa}]"]
