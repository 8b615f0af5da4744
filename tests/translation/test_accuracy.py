"""Alignment by embeddings, against the truth of a microworld."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from xstilts.backbones.load import load_backbone, random_backbone
from xstilts.data.examples import Answer, SpanExample
from xstilts.microworld.encoders import encoder_path
from xstilts.translation.align import Aligner, _aligned
from xstilts.translation.project import Alignment, Words


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`tools/projection_table.py`, which measures."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "tools"))
    yield importlib.import_module("projection_table")
    del sys.modules["projection_table"], sys.modules["marked"]


@pytest.fixture(scope="module")
def aligner() -> Aligner:
    return Aligner(load_backbone(str(encoder_path(1, "mlm"))))


@pytest.mark.parametrize("task", ["micro_qa", "micro_ner", "micro_tagging"])
def test_a_trained_encoder_projects_better_than_a_random_one(
    task: str, aligner: Aligner, tool: Any, tmp_path: Path
) -> None:
    drawn = tool.items(tmp_path, 1, task, 24)
    like = aligner.backbone
    fields = {key: value for key, value in like.config.to_diff_dict().items() if key not in ("model_type", "dtype")}
    random = Aligner(random_backbone(like.config.model_type, fields, like.tokenizer, seed=0))
    trained, control = (tool.accuracy(drawn["en"], drawn["qab"], "qab", one) for one in (aligner, random))
    assert trained.right > control.right + 10
    assert trained.projected > control.projected


def in_place(pairs: Sequence[tuple[Words, Words]]) -> list[Alignment]:
    """Aligns words by their number."""
    return [Alignment(frozenset((i, i) for i in range(min(map(len, pair)))), (0,) * len(pair[1])) for pair in pairs]


def test_what_is_measured_is_agreement_with_the_world(tool: Any, tmp_path: Path) -> None:
    drawn = tool.items(tmp_path, 1, "micro_ner", 24)
    same = tool.accuracy(drawn["en"], drawn["en"], "en", in_place)
    assert (same.projected, same.right) == (100.0, 100.0)
    assert tool.accuracy(drawn["en"], drawn["qac"], "qac", in_place).right < 50


def test_what_is_not_projected_counts_as_wrong(tool: Any) -> None:
    def of_ann(pairs: Sequence[tuple[Words, Words]]) -> list[Alignment]:
        return [
            one if "Ann" in pair[0] else one._replace(links=frozenset()) for one, pair in zip(in_place(pairs), pairs)
        ]

    both = [SpanExample(name, "Whom?", f"{name} saw Bob", (Answer("Bob", 8),)) for name in ("Ann", "Eve")]
    found = tool.accuracy(both, both, "qab", of_ann)
    assert (found.projected, found.right) == (50.0, 50.0)


def test_a_word_s_nearest_is_that_of_its_most_similar_piece(aligner: Aligner) -> None:
    source = torch.eye(2), np.array([0, 1])
    target = torch.tensor([[0.6, 0.5], [0.1, 0.9]]), np.array([0, 0])
    assert _aligned(source, target, (2, 1)) == Alignment(frozenset({(0, 0), (1, 0)}), (1,))
    assert aligner.layer == round(2 * aligner.backbone.layers / 3) < aligner.backbone.layers


def test_equal_sentences_are_aligned_word_by_word_and_long_ones_are_cut(aligner: Aligner) -> None:
    words = ["Ann", "saw", "the", "dog", "."]
    same, long = aligner([(words, words), (words * 60, words * 60)])
    assert same == Alignment(frozenset((i, i) for i in range(5)), tuple(range(5)))
    assert len(long.nearest) == 300
