"""Commands: output, exit codes, one-line errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest

from xstilts.cli import VERBS, command_of, main
from xstilts.cli.options import DEFAULTS, command
from xstilts.microworld.world import TINY, write_world

EXPERIMENT = """\
name: tiny
title: A tiny experiment
question: Does it run?
seeds: [1, 2]
backbones:
  - name: tiny
    architecture: xlm-roberta
    config: {hidden_size: 16, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 24,
             max_position_embeddings: 400}
    tokenizer: {tasks: [micro_text], languages: [en, qaa], vocabulary: 300, characters: 5000}
    pretrain: [micro_text]
    controls: {random: auto, english: auto}
recipes: [[], [micro_nli], [[micro_nli, micro_qa]], [micro_nli, micro_nli]]
targets: [micro_topic, micro_retrieval]
languages: [en, qaa]
train: {steps: 1, batch_size: 4, learning_rate: 1.0e-3}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    write_world(folder / "world", 7, TINY)
    (folder / "tiny.yaml").write_text(EXPERIMENT, encoding="utf-8")
    return folder


@pytest.fixture
def xstilts(place: Path, typed, monkeypatch: pytest.MonkeyPatch):
    def call(*words: str, data: bool = True) -> tuple[int, str, str]:
        more = ["--data", str(place / "world")] if data else []
        monkeypatch.chdir(place)
        return typed(*words, *more)

    return call


class Typed(NamedTuple):
    """The result of a command."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def first(place: Path) -> Typed:
    """The first run of the experiment."""
    words = ["xstilts", "run", "tiny.yaml", "--workers", "0", "--data", str(place / "world")]
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        patch.chdir(place)
        patch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as stop:
            main()
    return Typed(int(stop.value.code or 0), out.getvalue(), err.getvalue())


@pytest.fixture
def finished(first: Typed, xstilts):
    """Commands on a store with the finished experiment."""
    assert first.code == 0, first.err
    return xstilts


def test_a_run_prints_its_table_and_writes_its_report(first: Typed, place: Path) -> None:
    assert (first.code, first.err) == (0, "")
    assert "micro_topic" in first.out
    assert "random encoder" in first.out
    page = place / "runs/reports/tiny/index.html"
    assert "English-only pretraining" in page.read_text(encoding="utf-8")
    assert (page.parent / "scores.csv").exists()


def test_a_second_run_computes_nothing_and_shows_the_table(finished) -> None:
    code, out, _ = finished("run", "tiny.yaml", "--workers", "0")
    assert code == 0
    assert "0 computed" in out
    assert "(unchanged)" in out
    assert "random encoder" in out, "the table is shown all the same"


def test_status_counts_the_stages_of_an_experiment(finished) -> None:
    code, out, _ = finished("status", "tiny.yaml", "--json")
    assert code == 0
    assert all(row["finished"] == row["of"] for row in json.loads(out)["stages"])


def test_status_counts_the_stages_of_a_store(finished) -> None:
    code, out, _ = finished("status", data=False)
    assert code == 0
    assert "train" in out


def test_models_are_listed_with_their_heads(finished) -> None:
    code, out, _ = finished("list", "models", "--json", data=False)
    assert code == 0
    assert {row["heads"] for row in json.loads(out)} >= {"micro_nli (classification)", "micro_topic (classification)"}


def test_scores_of_one_task_and_language_have_their_signatures(finished) -> None:
    code, out, _ = finished("scores", "tiny.yaml", "--task", "micro_topic", "--language", "qaa", "--json")
    rows = json.loads(out)
    assert code == 0
    assert {row["recipe"] for row in rows} == {"[]", "[micro_nli]", "[{micro_nli, micro_qa}]", "[micro_nli, micro_nli]"}
    assert {row["language"] for row in rows} == {"qaa"}
    assert all(row["signature"].startswith("micro_topic | qaa | test | n=20") for row in rows)


def test_scores_of_a_language_that_was_not_measured_are_refused(finished) -> None:
    code, out, err = finished("scores", "tiny.yaml", "--language", "qaz")
    assert (code, out, err) == (2, "", "error: unknown language 'qaz': did you mean qaa?\n")


def test_a_stage_is_shown_by_the_beginning_of_its_key(finished, place: Path) -> None:
    key = next(path.name for path in (place / "runs/train").iterdir() if not path.name.startswith("."))
    code, out, _ = finished("show", key[:8], data=False)
    assert code == 0
    assert key in out


def test_a_report_is_written_where_it_is_asked_for(finished, place: Path) -> None:
    code, _, _ = finished("report", "tiny.yaml", "--to", "elsewhere")
    assert code == 0
    html = (place / "elsewhere/index.html").read_text(encoding="utf-8")
    charts = json.loads(html.partition('id="data">')[2].partition("</script>")[0])["charts"]
    titles = {(one["view"], one["title"]) for one in charts}
    joint = "{micro_nli, micro_qa}"
    assert {view for view, _ in titles} >= {"tiny (random encoder): micro_topic", "tiny: before the target"}
    assert {title for view, title in titles if view == "tiny: micro_topic"} == {
        "[]", "[micro_nli]", f"[{joint}]", "[micro_nli, micro_nli]"
    }  # fmt: skip
    assert ("tiny: before the target", f"micro_text > {joint}: micro_nli") in titles
    (chart,) = (one for one in charts if (one["view"], one["title"]) == ("tiny: micro_topic", "[]"))
    assert (chart["seeds"], chart["steps"], chart["majority"]) == ([1, 2], [1], 20.0)
    report = (place / "elsewhere/report.md").read_text(encoding="utf-8")
    world = place / "world"
    assert f"xstilts run tiny.yaml --data {world}\nxstilts report tiny.yaml --data {world}\n" in report
    assert all(part in report for part in ("| train | ", "- machine: ", "- tokenizers: "))
    assert "micro_topic test,qaa," in (place / "elsewhere/inputs.csv").read_text(encoding="utf-8")


def test_the_command_line_of_a_report_has_the_options_that_change_numbers() -> None:
    given = {**DEFAULTS, "device": "cuda:1", "threads": 3, "shard": True, "workers": 4, "remote": "s3://own"}
    line = command("run", Path("a b.yaml"), [Path("d")], ["limit=5"], Path("runs/x"), given)
    options = "--data d --set limit=5 --store runs/x --device cuda:1 --threads 3 --shard"
    assert line == f"xstilts run 'a b.yaml' {options}"
    assert command("study", "scale", None, (), Path("runs"), DEFAULTS) == "xstilts study scale"


@pytest.mark.parametrize("what", ["tasks", "languages", "metrics", "backbones"])
def test_lists_are_tables_for_people_and_json_for_machines(xstilts, what: str) -> None:
    code, out, _ = xstilts("list", what, "--json", data=False)
    rows = json.loads(out)
    assert code == 0
    code, out, _ = xstilts("list", what, data=False)
    assert len(out.splitlines()) == (len(rows) + 1 if rows else 0)


@pytest.mark.parametrize("name", ["xquad", "de", "squad_v1", "xlm-r-large"])
def test_one_thing_is_shown(xstilts, name: str) -> None:
    code, out, _ = xstilts("show", name, data=False)
    assert code == 0
    assert name in out


@pytest.mark.parametrize(
    "words, message",
    [
        (["list", "taks"], "error: unknown list 'taks': did you mean tasks?"),
        (["show", "xqad", "--store", "none"], "did you mean xquad"),
        (["run", "none.yaml"], "error: none.yaml: no such file"),
        (["status", "--store", "none"], "error: no store in"),
        (["report", "tiny.yaml", "--store", "none", "--data", "world"], "error: no store in"),
        (["run", "tiny.yaml"], "error: experiment 'tiny' reads official files of micro_"),
        (["run", "tiny.yaml", "--data", "none"], "error: none: no such data folder"),
        (["score", "xquad", "--language", "dee", "--gold", "a", "--predictions", "b"], "did you mean de?"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(xstilts, words: list[str], message: str) -> None:
    code, out, err = xstilts(*words, data=False)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_a_store_of_another_format_is_refused(xstilts, place: Path) -> None:
    other = place / "other"
    other.mkdir()
    (other / "STORE.json").write_text('{"format": 99}', encoding="utf-8")
    code, _, err = xstilts("run", "tiny.yaml", "--store", "other")
    assert code == 2
    assert "format 99" in err


def _with_backbone(place: Path, name: str, backbone: str) -> str:
    head, tail = EXPERIMENT.partition("backbones:")[0], EXPERIMENT[EXPERIMENT.index("targets:") :]
    (place / name).write_text(f"{head}backbones: [{backbone}]\nrecipes: [[]]\n{tail}", encoding="utf-8")
    return name


def test_a_model_folder_that_is_none_is_refused_before_anything_runs(xstilts, place: Path) -> None:
    (place / "empty").mkdir()
    file = _with_backbone(place, "empty.yaml", "{name: broken, source: ./empty}")
    code, out, err = xstilts("run", file, "--workers", "0", "--store", "empty-store")
    assert (code, out) == (2, "")
    assert "config.json is missing (found: nothing)" in err
    assert err.count("\n") == 1
    for name in ("config.json", "tokenizer.json"):
        (place / "empty" / name).write_text("{}", encoding="utf-8")
    code, _, err = xstilts("run", file, "--workers", "0", "--store", "empty-store")
    assert (code, err.count("\n")) == (2, 1)
    assert "backbone './empty' has no weights (model.safetensors, " in err
    assert not (place / "empty-store").exists()


def test_a_store_that_cannot_be_written_is_one_line(xstilts, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "a-file").touch()
    code, out, err = xstilts("run", "tiny.yaml", "--store", "a-file/store")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "cannot make a store in" in err
    (place / "read-only").mkdir()
    monkeypatch.setattr("os.access", lambda path, mode: not (mode & os.W_OK and Path(path).name == "read-only"))
    code, out, err = xstilts("run", "tiny.yaml", "--store", "read-only")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1, err
    assert "read-only cannot be written to: choose another folder with --store" in err


def test_a_damaged_model_fails_its_stage_in_one_line_and_the_run_with_1(xstilts, place: Path) -> None:
    (place / "damaged").mkdir()
    (place / "damaged/config.json").write_text("{", encoding="utf-8")
    (place / "damaged/tokenizer.json").write_text("{", encoding="utf-8")
    (place / "damaged/model.safetensors").write_bytes(b"")
    file = _with_backbone(place, "damaged.yaml", "{name: broken, source: ./damaged}")
    code, _, err = xstilts("run", file, "--workers", "0", "--store", "damaged-store")
    assert code == 1
    assert "cannot be loaded" in err
    assert "Traceback" not in err


def test_the_help_lists_every_verb_with_the_first_line_of_its_own_help(typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = typed("--help")
    assert code == 0
    for verb, (panel, _, summary) in VERBS.items():
        assert (command_of(verb).help or "").split("\n\n")[0] == summary
        assert f" {verb} " in out
        assert panel in out


def test_score_and_list_start_without_torch() -> None:
    code = (
        "import sys; from xstilts.cli import main; sys.argv = ['xstilts', 'list', 'tasks']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules, 'torch was imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
