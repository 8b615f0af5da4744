"""The study benchmark counts the calls of a loop rightly, and its scripts do what xstilts does."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path

import pytest

from xstilts.backbones.load import random_backbone, save_backbone
from xstilts.core.files import read_jsonl, write_jsonl
from xstilts.data.examples import Answer, Example, SpanExample, TaggedExample, TextExample, to_row
from xstilts.tasks import Encoding

pytest.importorskip("accelerate", reason="the Trainer needs accelerate, which comes with the dev extra")
sys.path.insert(0, str(Path(__file__).parents[2]))  # `benchmarks` is a folder of the repository, not of the package

from benchmarks.loop import Loop
from benchmarks.measure import Spent
from benchmarks.rows import write_rows

from benchmarks import data, lengths, study

EXAMPLES: dict[str, list[Example]] = {
    "classification": [TextExample(str(i), "a red dog", "barks", label) for i, label in enumerate("abab")],
    "tagging": [TaggedExample(str(i), ("the", "red", "dog"), ("DET", "ADJ", "NOUN")) for i in range(4)],
    "span_qa": [SpanExample(str(i), "which dog", "there a red dog barks", (Answer("red", 8),)) for i in range(4)],
}


@pytest.fixture
def loop(tmp_path: Path) -> Loop:
    experiment = study.write_experiment(tmp_path / "study.yaml", tmp_path, 1.0)
    found = Loop(experiment, {target.task: ["en", "de", "fr"] for target in experiment.targets})
    found.training = dict.fromkeys(study.STEPS, Spent(10.0, 20.0))
    found.predicting = dict.fromkeys(study.TARGETS, Spent(4.0, 6.0))
    found.inside = dict.fromkeys(study.TARGETS, 1.0)
    found.models = [100]
    return found


def test_the_calls_of_a_loop_are_counted(loop: Loop) -> None:
    """Two seeds: 4 x 5 target phases and 3 beginnings of recipes each; or 4 recipes' phases again for each target."""
    assert loop.counted == 2 * (20 + 3) + 8 * 5 * 3
    assert loop.bytes_kept == 100 * 46
    assert loop.shared == Spent(46 * 10.0 + 120 * 4.0, 46 * 20.0 + 120 * 6.0)
    assert loop.separate == Spent(80 * 10.0 + 120 * 4.0, 80 * 20.0 + 120 * 6.0)


def test_the_scripts_get_all_rows_but_those_held_out_or_a_sample(tmp_path: Path) -> None:
    experiment = study.write_experiment(tmp_path / "study.yaml", tmp_path, 1.0)
    for folder in ("snli", "mnli"):
        rows = [{"gold_label": "neutral", "sentence1": f"{folder} {i}", "sentence2": "b"} for i in range(300)]
        (tmp_path / folder).mkdir()
        write_jsonl(tmp_path / folder / "train.jsonl", rows)
    for limit, number in ((0, 600 - study.HOLDOUT), (7, 7)):
        (file,) = write_rows(experiment, tmp_path, tmp_path, ("nli", "train", limit), ["en"]).values()
        assert len(file.read_text().splitlines()) == number


def test_one_start_a_cell_saves_the_others(loop: Loop) -> None:
    saved = 40 * 2  # cells x languages after the first
    assert loop.shared.wall - loop.one_start.wall == pytest.approx(saved * 3.0)
    assert loop.shared.cpu - loop.one_start.cpu == pytest.approx(saved * 6.0 * 3 / 4)


def test_a_line_through_two_scales_reaches_the_third() -> None:
    assert study.line(Spent(30.0, 50.0), Spent(20.0, 30.0), (0.2, 0.1, 1.0)) == Spent(110.0, 210.0)


def test_the_section_names_what_is_estimated_and_its_goal(loop: Loop, tmp_path: Path) -> None:
    loop.scores = [("xnli", "en", 60.0, 61.0), ("xnli", "de", 50.0, 52.0)]
    whole = object.__new__(study.Whole)
    whole.loop, whole.ours, whole.disk, whole.kinds = loop, Spent(100.0, 400.0), 2**30, {"train": (46, 350.0)}
    given = study.arguments(["--model", str(tmp_path), "--data", str(tmp_path)])
    said = study.body(whole, given, study.plain, None)
    assert "x4.10 (goal >= 3: met; estimated)" in said
    assert "166 stand in the estimated sums" in said
    assert "difference +1.5 with a standard error of 0.5" in said


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_script_trains_saves_and_predicts(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, folder = tmp_path / "rows.jsonl", tmp_path / "model"
    write_jsonl(rows, map(to_row, EXAMPLES[name]))
    texts = lengths.Texts(name, (), Encoding(), EXAMPLES[name])
    shape = {**data.SIZES["tiny"], "num_hidden_layers": 1, "hidden_size": 32, "num_attention_heads": 2}
    save_backbone(random_backbone("xlm-roberta", shape, data.make_tokenizer(texts), 0), folder)
    script = import_module(f"benchmarks.hf.{name}")

    def call(*words: object) -> None:
        monkeypatch.setattr(
            sys, "argv", [name, *map(str, words), "--use_cpu", "True", "--max_length", "64", "--doc_stride", "16"]
        )
        script.main()

    trained, predicted = tmp_path / "trained", tmp_path / "predicted"
    options = ["--max_steps", 30, "--learning_rate", 0.01, "--train_sampling_strategy", "group_by_length"]
    call("--model", folder, "--train_file", rows, "--output_dir", trained, *options)
    call("--model", trained, "--test_file", rows, "--output_dir", predicted)
    answers = [row["prediction"] for _, row in read_jsonl(predicted / "predictions.jsonl")]
    if name == "tagging":
        assert answers == [["DET", "ADJ", "NOUN"]] * 4
    elif name == "span_qa":
        assert answers == ["red"] * 4
    else:
        assert {*answers} <= {"a", "b"}
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["seconds"] > 0
