"""A tiny experiment as a file, and its runs from the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import xstilts as xs
from xstilts.core.files import read_json
from xstilts.microworld.world import TINY, write_world

EXPERIMENT = """\
name: tiny
seeds: [1]
backbones:
  - name: tiny
    architecture: xlm-roberta
    config: {{hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 24,
             max_position_embeddings: 400, hidden_dropout_prob: 0.0, attention_probs_dropout_prob: 0.0}}
    tokenizer: {{tasks: [micro_text], languages: [en], vocabulary: 300, characters: 5000}}
    pretrain: [micro_text]
recipes: [[]]
targets: [{{task: micro_topic, train: {{steps: {steps}}}}}]
languages: [en]
train: {{steps: 5, batch_size: 8, learning_rate: 1.0e-3, head_dropout: 0.0}}
"""


def is_pretrained(model: Path) -> bool:
    """Whether a train stage is finished, and that of pretraining."""
    return (model / "DONE").exists() and "micro_text" in read_json(model / "summary.json")["tasks"]


def scores(folder: Path, *words: str) -> dict[str, bytes]:
    """What `xstilts run` of a tiny experiment measures: key -> scores. Without words: in this process."""
    if not (folder / "world").exists():
        write_world(folder / "world", 7, TINY)
        (folder / "tiny.yaml").write_text(EXPERIMENT.format(steps=5), encoding="utf-8")
    store = folder / ("there" if words else "here")
    command = ["run", str(folder / "tiny.yaml"), "--data", str(folder / "world"), "--store", str(store), *words]
    if not words:
        xs.run(xs.load(folder / "tiny.yaml"), store=store, data=folder / "world", workers=0).result()
    else:
        program = [sys.executable, "-c", "from xstilts.cli import main; main()", *command, "--workers", "2"]
        done = subprocess.run(program, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
    found = {path.parent.name: path.read_bytes() for path in store.glob("evaluate/*/scores.jsonl")}
    assert found
    return found
