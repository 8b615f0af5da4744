"""`xstilts plan`: the sentence, the table, the rows, JSON, and one-line errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from xstilts.session.grid import Grid
from xstilts.session.loading import load

EXPERIMENT = """\
name: planned
seeds: [1]
worlds: [1]
backbones:
  - name: tiny
    architecture: bert
    config: {hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 48}
    tokenizer: {tasks: [micro_text], languages: [en, qaa], vocabulary: 300, characters: 5000}
recipes: [[], [micro_nli]]
targets: [micro_topic]
languages: [en, qaa]
train: {steps: 3, batch_size: 4, learning_rate: 1.0e-3}
"""
BIG = """\
name: big
seeds: [1]
backbones: [{name: large, source: xlm-r-large}]
recipes: [[]]
targets: [{task: xnli, languages: [de]}]
train: {batch_size: 64}
"""


@pytest.fixture
def plan(tmp_path: Path, typed, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XSTILTS_DATA", raising=False)

    def call(text: str, *words: str) -> tuple[int, str, str]:
        (tmp_path / "plan.yaml").write_text(text, encoding="utf-8")
        return typed("plan", "plan.yaml", *words)

    return call


def test_a_plan_is_a_sentence_and_a_table_and_writes_nothing(plan, tmp_path: Path) -> None:
    code, out, err = plan(EXPERIMENT, "--device", "cpu")
    assert (code, err) == (0, "")
    first, _, rest = out.partition("\n")
    assert first.endswith("of disk (estimated).")
    assert "core-hours on cpu" in first
    rows = [line.split() for line in rest.strip().splitlines()]
    assert rows[0][:4] == ["stage", "backbone", "run", "finished"]
    assert [row[0] for row in rows[1:] if row[0] != "note:"][-1] == "total"
    assert ["train", "tiny", "3", "0"] in [row[:4] for row in rows]
    assert [path.name for path in tmp_path.iterdir()] == ["plan.yaml"]


def test_stages_have_a_row_each_and_json_has_everything(plan, tmp_path: Path) -> None:
    _, out, _ = plan(EXPERIMENT, "--stages")
    assert "tiny > micro_nli @seed 1" in out or "random > micro_nli @seed 1" in out
    _, out, _ = plan(EXPERIMENT, "--json", "--mfu", "0.3")
    document = json.loads(out)
    stages = Grid.of(load(tmp_path / "plan.yaml")).stages
    assert document["total"]["run"] == len(document["stages"]) == len(stages)
    assert {"leaks", "evaluate"} <= {stage.kind for stage in stages}
    assert document["machine"]["utilisation"] == {"usual": 0.3, "low": 0.3, "high": 0.3}
    trained = next(stage for stage in document["stages"] if stage["kind"] == "train")
    assert trained["memory"]["total"] > trained["memory"]["weights"] > 0
    assert trained["hours"]["low"] == trained["hours"]["high"]


def test_what_does_not_fit_is_named_with_ways_to_make_it_fit(plan) -> None:
    code, out, _ = plan(BIG, "--device", "t4")
    assert code == 0
    assert out.splitlines()[0].endswith("; 1 stage does not fit.")
    assert "does not fit: train large > mnli @seed 1" in out
    for way in ("--micro-batch-tokens", "--recompute", "--shard", "`lora`", "`quantize`"):
        assert way in out
    assert "no data folder: the plan uses official row counts" in out


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--device", "h10"), "unknown device 'h10'"),
        (("--mfu", "1.5"), "--mfu 1.5 is a share of the peak"),
        (("--data", "nowhere"), "no such data folder"),
    ],
)
def test_mistakes_are_one_line(plan, words: tuple[str, ...], problem: str) -> None:
    code, out, err = plan(BIG, *words)
    assert (code, out) == (2, "")
    assert problem in err
    assert len(err.strip().splitlines()) == 1
