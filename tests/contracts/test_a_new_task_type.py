"""A new task type needs two files, those that CONTRIBUTING.md names. Here a copy of the package gets one."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from filecmp import dircmp
from pathlib import Path

import pytest

import xstilts

SOURCE = Path(xstilts.__file__).parent
DESCRIPTION, MACHINERY = "data/readers/types.toml", "task_types/toy.py"
ENTRY = """
[toy]
machinery = "toy:Toy"
fields = { text = ["text"], label = ["label"] }
make = "make_text"
metrics = ["accuracy"]
labels = "classes"
answers = "text-classification"
score = "match_labels"
"""
CLASS = '''
"""Text classification by the mean of all states."""

import torch
import torch.nn.functional as F
from torch import nn

from xstilts.task_types.base import Batch, Prediction, TaskType, indices
from xstilts.task_types.features import FeaturesBuilder
from xstilts.task_types.sentences import pool


class Toy(TaskType):
    def encode(self, examples, coder, limits, labels):
        builder = FeaturesBuilder()
        for example, ids in zip(examples, coder.pieces([example.text for example in examples]), strict=True):
            index = builder.record(id=example.id, gold=example.label)
            label = -1 if example.label is None else labels.index(example.label)  # `xstilts predict` has no gold
            builder.add(index, [coder.one(ids, limits.max_length)], label=label)
        return builder.build()

    def head(self, backbone, labels, dropout):
        return nn.Linear(backbone.hidden_size, len(labels))

    def collate(self, features, rows, rng):
        packed, _ = features.packed(rows)
        return Batch(packed, {"label_B": indices(features.columns["label"][rows])}, len(rows), rows)

    def loss(self, head, states_TH, batch):
        return F.cross_entropy(head(pool(states_TH, batch.packed)), batch.targets["label_B"], reduction="sum")

    def outputs(self, head, states, batch):
        return head(pool(states[-1], batch.packed)).argmax(-1).tolist()

    def decode(self, features, outputs, labels, limits):
        return [Prediction(record["id"], labels[best]) for record, best in zip(features.records, outputs, strict=True)]
'''
EXPERIMENT = """\
name: toy
seeds: [1]
backbones:
  - name: tiny
    architecture: xlm-roberta
    config: {hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 24}
    tokenizer: {tasks: [lines], languages: [en], vocabulary: 80}
tasks:
  lines: {type: masked_lm, files: {train: "train.{language}.jsonl"}}
  weather: {type: toy, files: {train: "train.{language}.jsonl", test: "test.{language}.jsonl"}, languages: [en, de]}
recipes: [[]]
targets: [weather]
train: {steps: 60, batch_size: 4, learning_rate: 1.0e-2, select: last}
"""
WORDS = {"en": {"warm": "sun", "cold": "snow"}, "de": {"warm": "sun", "cold": "snow"}}


def changed(one: dircmp[str], folder: str = "") -> list[str]:
    """Files that only one of two trees has, or that differ."""
    below = [path for name, part in one.subdirs.items() for path in changed(part, f"{folder}{name}/")]
    return [*below, *(folder + name for name in (*one.left_only, *one.right_only, *one.diff_files))]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with the toy type, and its data."""
    folder = tmp_path_factory.mktemp("tree")
    package = folder / "xstilts"
    shutil.copytree(SOURCE, package, ignore=shutil.ignore_patterns("encoders", "__pycache__"))
    (package / DESCRIPTION).write_text((package / DESCRIPTION).read_text("utf-8") + ENTRY, "utf-8")
    (package / MACHINERY).write_text(CLASS, "utf-8")
    (folder / "toy.yaml").write_text(EXPERIMENT, "utf-8")
    for code, classes in WORDS.items():
        rows = [{"text": f"{word} {i}", "label": label} for i in range(4) for label, word in classes.items()]
        for split in ("train", "test"):
            (folder / f"{split}.{code}.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return folder


def xstilts_of(tree: Path, *words: str) -> str:
    """What the command of the copy prints."""
    command = [sys.executable, "-m", "xstilts", *words]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_touches_the_two_files_that_contributing_names(tree: Path) -> None:
    pages = (SOURCE.parents[1] / "CONTRIBUTING.md").read_text("utf-8")
    section = re.search(r"## Adding a task type\n(.*?)\n## ", pages, re.DOTALL)
    assert section, "CONTRIBUTING.md has no such section"
    named = re.findall(r"`src/xstilts/([^`]+)`", section[1])
    touched = changed(dircmp(SOURCE, tree / "xstilts", ignore=["encoders", "__pycache__"]))
    assert sorted(touched) == [DESCRIPTION, MACHINERY]
    assert [one.startswith(path) for one, path in zip(sorted(touched), named, strict=True)] == [True, True]


def test_it_is_shown(tree: Path) -> None:
    shown = xstilts_of(tree, "show", "toy")
    assert "toy:Toy" in shown
    assert "accuracy" in shown


def test_it_is_read_prepared_trained_evaluated_predicted_and_scored(tree: Path) -> None:
    where = ("--data", str(tree), "--store", str(tree / "store"))
    xstilts_of(tree, "run", "toy.yaml", *where, "--workers", "0")
    rows = json.loads(xstilts_of(tree, "scores", "toy.yaml", *where[2:], "--json"))
    assert {(row["task"], row["language"], row["n"]) for row in rows} == {("weather", code, 8) for code in WORDS}
    assert all(row["value"] > row["majority"] for row in rows)
    (stage,) = [path.parents[1].name for path in (tree / "store").glob("predict/*/predictions/de.jsonl")]
    xstilts_of(tree, "predict", stage, "--store", "store", "--input", "test.de.jsonl", "--to", "out.jsonl")
    files = ("--language", "de", "--gold", "test.de.jsonl", "--predictions", "out.jsonl")
    (scored,) = json.loads(xstilts_of(tree, "score", "weather", "--experiment", "toy.yaml", *files, "--json"))
    assert (scored["value"], scored["n"]) == next((row["value"], row["n"]) for row in rows if row["language"] == "de")
