"""A damaged file in an experiment: exit code 2, one line with file and line, and no half of a stage in the store."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from xstilts.microworld.world import TINY, write_world

EXPERIMENT = """\
name: damaged
title: A tiny experiment
question: What becomes of a damaged file?
seeds: [1]
backbones:
  - name: tiny
    architecture: xlm-roberta
    config: {hidden_size: 16, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 24,
             max_position_embeddings: 400}
    tokenizer: {tasks: [micro_text], languages: [en, qaa], vocabulary: 300, characters: 5000}
recipes: [[]]
targets: [micro_topic]
languages: [en, qaa]
train: {steps: 1, batch_size: 4, learning_rate: 1.0e-3}
"""


@pytest.fixture
def run(tmp_path: Path, typed, monkeypatch: pytest.MonkeyPatch):
    write_world(tmp_path / "world", 7, TINY)
    (tmp_path / "damaged.yaml").write_text(EXPERIMENT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, list[dict[str, str]], str]:
        code, out, err = typed("run", "damaged.yaml", "--data", "world", "--json", *words)
        return code, [json.loads(line) for line in out.splitlines() if line.startswith("{")], err

    return call


def _unknown_label(raw: bytes) -> bytes:
    lines = raw.split(b"\n")
    lines[3] = lines[3].replace(b"\t", b"\tno ", 1)
    return b"\n".join(lines)


@pytest.mark.parametrize(
    ("workers", "name", "damage", "place"),
    [
        ("1", "world/topic/en/train.tsv", _unknown_label, "train.tsv:4: unknown label 'no "),
        ("0", "world/topic/qaa/test.tsv", lambda raw: raw[:-1] + b"\xff\n", "test.tsv:21: not UTF-8 (byte 0xff)"),
        ("0", "world/text/en.txt", lambda raw: b"\0" + raw, ": holds a NUL byte"),
    ],
)
def test_a_damaged_file_ends_in_one_line_and_no_half_stage(
    run: Callable[..., tuple[int, list[dict[str, str]], str]],
    tmp_path: Path,
    workers: str,
    name: str,
    damage: Callable[[bytes], bytes],
    place: str,
) -> None:
    path = tmp_path / name
    path.write_bytes(damage(path.read_bytes()))
    code, events, err = run("--workers", workers)
    assert (code, err.count("\n")) == (2, 1)
    if "text" not in name:  # found before anything is computed
        assert err.startswith("error: ")
        assert events == []
    assert f"{name}:" in err
    assert place in err
    assert "Traceback" not in err
    failed = [event for event in events if event["event"] == "failed"]  # a leak check reads the same file
    assert len({event["error"] for event in failed}) == bool(events)
    skipped = [event for event in events if event["event"] == "skipped"]
    assert bool(skipped) == bool(events)
    store = tmp_path / "runs"
    for event in (*failed, *skipped):
        assert not (store / event["kind"] / event["key"]).exists()
    assert not list(store.glob("failures/*")), "a mistake in the data leaves no traceback"
