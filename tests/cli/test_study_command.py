"""`xstilts study` and `xstilts claims`: listed, run, judged, written up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from xstilts.experiment import Experiment
from xstilts.microworld.world import TINY, write_world
from xstilts.planning.amounts import lay_out
from xstilts.session.loading import load
from xstilts.studies.files import packaged, studies

STUDY = """\
name: tiny
title: A tiny study
seeds: [1, 2]
backbones:
  - name: tiny
    architecture: xlm-roberta
    config: {hidden_size: 16, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 24,
             max_position_embeddings: 400}
    tokenizer: {tasks: [micro_text], languages: [en, qaa], vocabulary: 300, characters: 5000}
recipes: [[], [micro_nli]]
targets: [micro_topic, micro_retrieval]
languages: [en, qaa]
train: {steps: 1, batch_size: 4, learning_rate: 1.0e-3}
study:
  question: Does it help?
  citation: someone
  cost: seconds
  falsified_by: no gain
  effects: [{label: Gain, contrast: {recipe: "[micro_nli]"}}]
  claims:
    - {id: helps, statement: It helps., citation: someone, test: {recipe: "[micro_nli]", is: above}}
    - {id: open, citation: someone, untested: nothing tells,
       statement: "It is so, as a sentence says that is too long for a single line of eighty columns."}
  references: {someone: Someone 2020.}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    write_world(folder / "world", 7, TINY)
    (folder / "tiny.yaml").write_text(STUDY, encoding="utf-8")
    (folder / "plain.yaml").write_text(STUDY[: STUDY.index("study:")], encoding="utf-8")
    return folder


@pytest.fixture
def xstilts(place: Path, typed, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(place)
    return typed


def test_a_study_is_run_judged_and_written_up(xstilts, place: Path) -> None:
    code, out, err = xstilts("study", "tiny.yaml", "--data", "world", "--workers", "0", "--to", "pages/tiny.md")
    assert (code, err) == (0, "")
    assert "It helps." in (place / "runs/reports/tiny/index.html").read_text(encoding="utf-8")
    page = (place / "pages/tiny.md").read_text(encoding="utf-8")
    assert page.startswith("# A tiny study\n\nDoes it help?\n\n**Too few seeds to say (2 of at least 3): of 1 recipe, ")
    assert "\n\n**Of 2 claims, 1 is undecided (helps), 1 is not tested (open).**\n" in page
    assert "```\nxstilts study tiny.yaml --data world\n```" in page
    assert "```\nname: tiny\n" in page
    assert "micro_topic: micro_topic | " in page
    assert "Minutes of computing, summed over workers:" in page
    *_, heading, helps, statement, unsure, first, second = out.splitlines()
    assert heading.split() == ["claim", "verdict", "probability", "p,", "Holm"]
    assert (helps.split()[:2], unsure.split()[:2]) == (["helps", "undecided"], ["open", "not"])
    assert (statement, second) == ("    It helps.", "    columns.")
    assert len(first) <= 80

    code, out, _ = xstilts("claims", "tiny.yaml", "--data", "world", "--json", "--to", "again.md")
    rows = {row["claim"]: row for row in json.loads(out)}
    assert code == 0
    assert rows["helps"]["reason"].startswith("an intermediate task that was not learned")
    assert 0 <= rows["helps"]["confidence"] <= 1
    assert (rows["open"]["verdict"], rows["open"]["reason"]) == ("not tested", "nothing tells")
    assert (place / "again.md").read_text(encoding="utf-8") == page.replace("(tiny.svg)", "(again.svg)")
    assert (place / "again.svg").read_bytes() == (place / "pages/tiny.svg").read_bytes()

    code, out, _ = xstilts("run", "tiny.yaml", "--data", "world", "--workers", "0")
    assert "Too few seeds to say (2 of at least 3): of 1 recipe, [micro_nli] is at" in " ".join(out.split())
    assert max(map(len, out.split("report: ")[0].splitlines())) <= 100
    assert "It helps." in (place / "runs/reports/tiny/index.html").read_text(encoding="utf-8")
    assert "(unchanged)" in xstilts("run", "tiny.yaml", "--data", "world", "--workers", "0")[1]
    (place / "tiny.yaml").write_text(STUDY.replace("It helps.", "It helps much."), encoding="utf-8")
    assert "(unchanged)" not in xstilts("run", "tiny.yaml", "--data", "world", "--workers", "0")[1]
    (place / "tiny.yaml").write_text(STUDY, encoding="utf-8")

    code, out, _ = xstilts("status", "tiny.yaml", "--data", "world", "--json")
    assert all(row["finished"] == row["of"] for row in json.loads(out)["stages"])


def test_studies_are_listed_with_question_and_cost(xstilts) -> None:
    code, out, _ = xstilts("study", "--json")
    assert code == 0
    assert [row["study"] for row in json.loads(out)] == studies()
    code, out, _ = xstilts("study")
    assert "curriculum\n    What do sequential" in out
    assert "    cost: " in out


@pytest.mark.parametrize(
    "words, message",
    [
        (["study", "curiculum"], "unknown study or file 'curiculum': did you mean curriculum"),
        (["study", "none.yaml"], "none.yaml: no such file"),
        (["study", "plain.yaml", "--data", "world"], "plain.yaml: no `study:` block"),
        (["claims", "tiny.yaml", "--data", "world", "--store", "none"], "no store in"),
        (["study", "tiny.yaml", "--executor", "pbs"], "--executor pbs: choose one of local, slurm, ray"),
        (["study", "tiny.yaml", "--data", "world", "--remote", "bucket"], "--remote bucket: give the URL of a folder"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(xstilts, words: list[str], message: str) -> None:
    code, out, err = xstilts(*words)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_the_papers_grid_is_planned_from_files_that_are_there(xstilts, place: Path) -> None:
    experiment = load(packaged("table1"))
    without = [recipe for recipe in experiment.recipes if "ccg" not in recipe.label and recipe.label != "joint"]
    fields = experiment.model_dump(exclude={"recipes"})
    lay_out(Experiment(**fields, recipes=without), place / "official")
    for split in ("train", "dev", "test"):
        file = place / "official/ccg" / f"ccg.{split}"
        file.parent.mkdir(exist_ok=True)
        file.write_text("Bees sleep\tN S\\NP\n", encoding="utf-8")
    code, out, err = xstilts("study", "table1", "--data", "official", "--plan", "--device", "h100")
    assert (code, err) == (0, "")
    assert "GPU-hours on" in out
    assert "XLM-R Large" in out
