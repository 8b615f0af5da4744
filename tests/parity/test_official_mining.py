"""Our mining gives the pairs, threshold and F1 that the official script gave (`record_mining.py`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic

from xstilts.data.examples import PoolExample
from xstilts.metrics.retrieval import bitext_f1, group_pairs
from xstilts.task_types.features import Features
from xstilts.task_types.pools import Mining

RECORD = json.loads((Path(__file__).parent / "mining" / "bucc.json").read_text(encoding="utf-8"))


class Words:
    """Stands in for a tokenizer: one piece a text, for only the vectors matter here."""

    def pieces(self, texts: list[str]) -> list[np.ndarray]:
        return [np.array([1], dtype=np.int32) for _ in texts]

    def one(self, ids: np.ndarray, max_length: int) -> Any:
        del max_length
        from xstilts.backbones.coder import Segment

        return Segment(ids, 1)


def features(sources: list[tuple[str, str]], targets: list[tuple[str, str]], gold: list[tuple[str, str]]) -> Features:
    wanted = {source: tuple(t for s, t in gold if s == source) for source, _ in sources}
    examples = [PoolExample(name, text, None, True, wanted[name]) for name, text in sources]
    examples += [PoolExample(name, text, None, False) for name, text in targets]
    return Mining().encode(examples, Words(), _Limits(), ())  # type: ignore[arg-type]


class _Limits:
    max_length = 8


@pytest.mark.parametrize("case", RECORD["cases"], ids=lambda case: f"seed {case['seed']}")
def test_our_pairs_are_the_recorded_official_pairs(case: dict[str, Any]) -> None:
    sources, targets, x, y, gold = synthetic.corpora(case["seed"])
    encoded = features(sources, targets, gold)
    vectors = np.concatenate([x, y])
    outputs = [(8, vectors[int(example)]) for example in encoded.example]
    predictions = Mining().decode(encoded, outputs, (), _Limits())  # type: ignore[arg-type]
    pairs = sorted([p.id, target] for p in predictions for target in p.value)
    assert pairs == case["pairs"]
    assert predictions[0].extra["threshold"] == pytest.approx(case["threshold"], abs=1e-5)
    value = bitext_f1(*group_pairs(gold, [(a, b) for a, b in pairs]))["f1"].value
    assert value == pytest.approx(case["f1"], abs=1e-9)
    assert 20 < value < 100


def test_the_record_names_script_commit_and_command() -> None:
    assert all(RECORD[key] for key in ("script", "repository", "commit", "command"))
