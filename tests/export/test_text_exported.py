"""Models that answer in text: plain transformers in another process gives their answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from export.exported import run_plain
from stages.text_experiment import expansion
from stages.tiny_experiment import run
from xstilts.core.errors import XstiltsError
from xstilts.core.files import read_jsonl
from xstilts.expand import GridCell
from xstilts.export.finished import Finished
from xstilts.export.write import export
from xstilts.graph.store import Store
from xstilts.task_types.features import Features

Typed = Callable[..., tuple[int, str, str]]
PLAIN = """
import json, sys, torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM
folder, asked = sys.argv[1], json.load(open(sys.argv[2]))
whole = AutoConfig.from_pretrained(folder).is_encoder_decoder
model = (AutoModelForSeq2SeqLM if whole else AutoModelForCausalLM).from_pretrained(folder).eval()
def score(prompt, answer):
    if whole:
        loss = model(torch.tensor([prompt + answer[-1:]]), labels=torch.tensor([answer])).loss
    else:
        labels = [-100] * len(prompt) + answer
        loss = model(torch.tensor([prompt + answer]), labels=torch.tensor([labels])).loss
    return -float(loss) * len(answer)
with torch.no_grad():
    print(json.dumps([[score(prompt, answer) for answer in answers] for prompt, *answers in asked]))
"""


@pytest.fixture(scope="module", params=["qwen3", "mt5"])
def finished(
    request: pytest.FixtureRequest, tiny_world: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, GridCell]]:
    store = tmp_path_factory.mktemp(request.param)
    lora = {"lora": {"rank": 2}} if request.param == "qwen3" else {}
    train = {"steps": 2, "batch_size": 4, "learning_rate": 0.02, "select": "last", **lora}
    cells = {cell.task: cell for cell in expansion(request.param, tiny_world, recipes=[[]], train=train).cells}
    assert run([cells[name].stage for name in ("micro_topic", "micro_tagging")], store)["Failed"] == []
    return store, cells


def test_another_process_scores_the_same_answers_alike(
    finished: tuple[Path, dict[str, GridCell]], tmp_path: Path
) -> None:
    store, cells = finished
    stage = cells["micro_topic"].stage
    made = export(Finished.find(Store(store), stage.key), tmp_path / "out")
    assert made.difference < 1e-5
    predicting = stage.inputs["predictions"]
    features = Features.load(Store(store).directory(predicting.inputs["data"]) / "qaa")
    asked = [[part.tolist() for part in features.instance(row)] for row in range(len(features))]
    (tmp_path / "asked.json").write_text(json.dumps(asked))
    theirs = json.loads(run_plain(PLAIN, tmp_path / "out", tmp_path / "asked.json"))
    labels = predicting.config["labels"]
    rows = [row for _, row in read_jsonl(Store(store).directory(predicting) / "predictions" / "qaa.jsonl")]
    assert len(rows) == len(theirs) > 3
    assert [row["prediction"] for row in rows] == [labels[scores.index(max(scores))] for scores in theirs]


def test_the_cards_code_runs(finished: tuple[Path, dict[str, GridCell]], tmp_path: Path) -> None:
    store, cells = finished
    export(Finished.find(Store(store), cells["micro_tagging"].stage.key), tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert "It answers `micro_tagging` (tagging) in text" in text
    assert run_plain(f"import os\nos.chdir({str(tmp_path)!r})\n{code}").endswith("\n")


def test_a_file_is_answered(finished: tuple[Path, dict[str, GridCell]], typed: Typed, tmp_path: Path) -> None:
    store, cells = finished
    (tmp_path / "in.txt").write_text("one two three\nfour five\n")
    key, to = cells["micro_tagging"].stage.key, tmp_path / "answers.jsonl"
    code, _, err = typed("predict", key, "--input", tmp_path / "in.txt", "--to", to, "--store", store)
    assert (code, err) == (0, "")
    assert [len(row["prediction"]) for _, row in read_jsonl(to)] == [3, 2]


def test_an_adapter_of_a_model_that_writes_is_merged(
    finished: tuple[Path, dict[str, GridCell]], tmp_path: Path
) -> None:
    store, cells = finished
    with pytest.raises(XstiltsError, match="leave it out to merge both"):
        export(Finished.find(Store(store), cells["micro_topic"].stage.key), tmp_path / "out", kind="peft")
