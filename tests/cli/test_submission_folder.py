"""A submission scored from its files gives the store's scores; official means say what they lack."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from laid_store import ENGLISH, TARGETS, lay_data, lay_experiment, lay_store

from xstilts.core.files import read_jsonl, write_json, write_jsonl, write_text
from xstilts.evaluation.score import score_files
from xstilts.expand import Expansion
from xstilts.graph.store import Store
from xstilts.session.loading import load
from xstilts.tasks import TASKS
from xstilts.tasks.benchmarks import XTREME


@pytest.fixture(scope="module")
def laid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("laid")
    lay_data(folder / "data")
    lay_store(lay_experiment(folder), folder / "data", folder / "runs")
    return folder


@pytest.fixture
def place(laid: Path, tmp_path: Path) -> Path:
    """The laid experiment with a store of the test's own."""
    shutil.copytree(laid / "runs", tmp_path / "runs")
    shutil.copy(laid / "laid.yaml", tmp_path / "laid.yaml")
    (tmp_path / "data").symlink_to(laid / "data")
    return tmp_path


@pytest.fixture
def xstilts(place: Path, typed, monkeypatch: pytest.MonkeyPatch):
    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.chdir(place)
        return typed(words[0], "laid.yaml", "--data", "data", *words[1:])

    return call


def gold_file(folder: Path, task: str, records: list[dict[str, Any]]) -> Path:
    """Gold in XTREME's evaluation form, written independently of the submission."""
    path = folder / ("gold.json" if TASKS.get(task).type == "span_qa" else "gold.tsv")
    golds = [record for record in records if "gold" in record]
    if path.suffix == ".json":
        context = " ".join(text for g in golds for text in g["gold"])
        asked = [
            {
                "id": g["id"],
                "question": "?",
                "answers": [{"text": text, "answer_start": context.index(text)} for text in g["gold"]],
            }
            for g in golds
        ]
        write_json(path, {"data": [{"paragraphs": [{"context": context, "qas": asked}]}]})
        return path
    if task == "tatoeba":
        lines = [str(number) for number in sorted(range(len(ENGLISH)), key=lambda number: ENGLISH[number])]
    elif task == "bucc2018":
        lines = [f"{g['id']}\t{other}" for g in golds for other in g["gold"]]
    elif TASKS.get(task).type == "tagging":
        lines = [line for g in golds for line in (*g["gold"], "")]
    else:
        lines = [g["gold"] for g in golds]
    write_text(path, "".join(f"{line}\n" for line in lines))
    return path


def of_task(place: Path, task: str, kind: str) -> Path:
    """The folder of the baseline's stage of one kind."""
    cells = Expansion(load(place / "laid.yaml"), place / "data").cells
    cell = next(c for c in cells if (c.role, c.task, c.recipe) == ("target", task, "[]"))
    stage = cell.stage if kind == "evaluate" else cell.stage.inputs[{"predict": "predictions", "prepare": "data"}[kind]]
    return Store(place / "runs").directory(stage)


def test_the_folder_scores_as_the_store_does(xstilts, place: Path) -> None:
    code, out, err = xstilts("submission", "--recipe", "[]", "--to", "out", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["complete"]
    assert len(told["files"]) == sum(map(len, XTREME.values())) == len(list((place / "out").rglob("*.*")))
    assert [row["files"] for row in told["tasks"]] == [f"{len(c)}/{len(c)}" for c in XTREME.values()]
    means: dict[str, dict[str, list[float]]] = {}
    for task in TARGETS:
        prepared, evaluated = (of_task(place, task, kind) for kind in ("prepare", "evaluate"))
        rows = [row for _, row in read_jsonl(evaluated / "scores.jsonl")]
        kept = {(row["language"], row["metric"]): row["value"] for row in rows if row["main"]}
        for language in XTREME[task]:
            gold = gold_file(place, task, [row for _, row in read_jsonl(prepared / language / "records.jsonl")])
            written = place / "out" / task / f"test-{language}{gold.suffix}"
            found = {score.metric: score.value for score in score_files(task, language, gold, written)}
            for metric in [name for code, name in kept if code == language]:
                assert found[metric] == pytest.approx(kept[language, metric], abs=1e-9), (task, language, metric)
                means.setdefault(task, {}).setdefault(metric, []).append(found[metric])
    by_task = {t: sum(sum(v) / len(v) for v in found.values()) / len(found) for t, found in means.items()}
    code, out, _ = xstilts("scores", "--benchmark", "xtreme", "--json")
    run = next(run for run in json.loads(out)["runs"] if run["recipe"] == "[]")
    assert {row["task"]: row["value"] for row in run["tasks"]} == pytest.approx(by_task, abs=1e-9)
    assert run["overall"]["name"] == "XTREME"
    assert run["overall"]["value"] == pytest.approx(sum(by_task.values()) / 9, abs=1e-9)


def test_an_incomplete_folder_is_refused_with_what_is_missing(xstilts, place: Path) -> None:
    shutil.rmtree(of_task(place, "xquad", "predict"))
    code, out, err = xstilts("submission", "--recipe", "[]", "--to", "out")
    assert code == 2
    assert err.startswith("error: not a complete XTREME submission: 8/9 tasks have all their files; run")
    assert err.count("\n") == 1
    (line,) = [line for line in out.splitlines() if line.startswith("xquad")]
    assert line.split(maxsplit=2)[1:] == ["0/11", "all: not finished: `xstilts run` computes it"]
    assert not (place / "out").exists()
    code, out, err = xstilts("submission", "--recipe", "[]", "--to", "out", "--partial")
    assert (code, err) == (0, "")
    assert "xquad" in out
    assert sorted(path.name for path in (place / "out").iterdir()) == sorted(set(TARGETS) - {"xquad"})


def test_a_damaged_prediction_is_one_line_and_leaves_nothing(xstilts, place: Path) -> None:
    stage = of_task(place, "xnli", "predict")
    path = stage / "predictions" / "sw.jsonl"
    rows = [row for _, row in read_jsonl(path)]
    write_jsonl(path, rows[:-1])
    code, _, err = xstilts("submission", "--recipe", "[]", "--to", "out")
    assert code == 2
    assert err == (
        f"error: {stage} is damaged (predictions/sw.jsonl has changed since it was written): "
        "`xstilts run` computes it again\n"
    )
    assert [p.name for p in place.iterdir() if "out" in p.name] == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--recipe", "[snli]"], "unknown recipe '[snli]': did you mean [mnli]"),
        (["--recipe", "[]", "--backbone", "large"], "unknown backbone 'large'"),
        (["--recipe", "[]", "--seed", "7"], "unknown seed '7': known: 1"),
    ],
)
def test_a_run_that_is_not_there_is_one_line(xstilts, words: list[str], message: str) -> None:
    code, out, err = xstilts("submission", *words, "--to", "out")
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_a_choice_left_open_is_asked_for(xstilts, place: Path) -> None:
    text = (place / "laid.yaml").read_text(encoding="utf-8").replace("seeds: [1]", "seeds: [1, 2]")
    (place / "laid.yaml").write_text(text, encoding="utf-8")
    code, _, err = xstilts("submission", "--recipe", "[]", "--to", "out")
    assert (code, err) == (2, "error: the experiment has the seeds 1, 2: choose one with --seed\n")
    code, _, err = xstilts("submission", "--recipe", "[]", "--seed", "1", "--to", "out")
    assert (code, err) == (0, "")


def test_own_data_and_first_examples_are_neither_submitted_nor_counted(xstilts, place: Path) -> None:
    shutil.rmtree(place / "runs")
    own = "tasks: {mine: {like: xnli, files: {test: ['XNLI-1.0/xnli.test.tsv']}}}\n"
    file = lay_experiment(place, ("{task: pawsx, limit: 3}", "panx", "mine"), own)
    lay_store(file, place / "data", place / "runs")
    code, out, _ = xstilts("scores", "--benchmark", "xtreme")
    assert code == 0
    assert "not counted: pawsx: measured on a sample of 3 examples of each language" in out
    assert "not counted: mine: the experiment's own task (like xnli), not the official data" in out
    assert "40/40 languages" in out
    assert "1/9 tasks, missing xnli, pawsx," in out
    assert "  XTREME " not in out
    code, out, _ = xstilts("submission", "--recipe", "[]", "--to", "out", "--partial")
    assert "0/7    all: measured on a sample of 3 examples of each language" in out
    assert sorted(path.name for path in (place / "out").iterdir()) == ["panx"]


def test_a_layer_chosen_on_test_scores_is_neither_submitted_nor_counted(xstilts, place: Path) -> None:
    shutil.rmtree(place / "runs")
    file = lay_experiment(place, ("tatoeba", "panx"))
    choosing = "source: {}, retrieval: {{layer: {{validate_on: [fr, de]}}}}".format(place / "data/model")
    write_text(file, file.read_text(encoding="utf-8").replace(f"source: {place / 'data/model'}", choosing))
    lay_store(file, place / "data", place / "runs")
    code, out, _ = xstilts("scores", "--benchmark", "xtreme")
    assert code == 0
    assert "not counted: tatoeba: its layer was chosen on test scores, of de, fr" in out
    code, out, _ = xstilts("submission", "--recipe", "[]", "--to", "out", "--partial")
    assert "all: its layer was chosen on test scores, of de, fr" in out
    assert sorted(path.name for path in (place / "out").iterdir()) == ["panx"]


def test_a_submission_from_released_treebanks_has_a_note(xstilts, place: Path) -> None:
    copy = place / "copy"
    shutil.copytree(place / "data", copy)
    (place / "data").unlink()
    copy.rename(place / "data")
    write_text(place / "data/ud/UD_German-GSD/de_gsd-ud-test.conllu", "x\n")
    shutil.rmtree(place / "runs")
    lay_store(lay_experiment(place, ("udpos",)), place / "data", place / "runs")
    code, out, _ = xstilts("submission", "--recipe", "[]", "--to", "out", "--partial", "--json")
    notes = {row["task"]: row["note"] for row in json.loads(out)["tasks"]}
    assert code == 0
    assert notes.pop("udpos") == "from released treebanks, which split some words differently from XTREME: de"
    assert set(notes.values()) == {""}


def test_benchmark_and_filter_exclude_each_other(xstilts) -> None:
    code, out, err = xstilts("scores", "--benchmark", "xtreme", "--task", "xnli")
    assert (code, out) == (2, "")
    assert err == "error: --benchmark counts all tasks and languages: leave out --task\n"
    code, _, err = xstilts("scores", "--benchmark", "extreme")
    assert (code, err) == (2, "error: unknown benchmark 'extreme': did you mean xtreme or xtreme-r?\n")


def test_the_human_table_and_the_report_show_coverage(xstilts, place: Path) -> None:
    code, out, err = xstilts("scores", "--benchmark", "xtreme-r")
    assert (code, err) == (0, "")
    lines = [line for line in out.splitlines() if " part of XTREME-R " in line]
    assert len(lines) == 2
    assert "7/10 tasks, missing xcopa, mewslix, lareqa; not all languages of udpos (33/38), panx (40/48)" in lines[0]
    code, _, err = xstilts("report", "--to", "report")
    assert (code, err) == (0, "")
    for name in ("index.html", "report.md"):
        text = (place / "report" / name).read_text(encoding="utf-8")
        assert "Official means" in text
        assert "XTREME" in text
        assert "15/15" in text
