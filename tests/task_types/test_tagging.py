"""Tagging: every word gets its prediction, however long the sentence."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from backbones.tiny_models import TEXT, TOKENIZERS
from task_types.samples import CODER, LIMITS, SENTENCES, TAGS, whole
from xstilts.backbones.coder import Coder
from xstilts.data.examples import TaggedExample
from xstilts.task_types.classification import Tagging, cut
from xstilts.tasks.base import Encoding

TAGGING = Tagging()
WORDS = [word for text in TEXT for word in text.split(" ")]
CODERS = {name: Coder(make()) for name, make in TOKENIZERS.items()}


def tagged(words: list[str], name: str = "t") -> TaggedExample:
    return TaggedExample(name, tuple(words), tuple(TAGS[len(word) % len(TAGS)] for word in words))


@pytest.mark.parametrize("name", CODERS)
@pytest.mark.parametrize("max_length", [4, 9, 16, 500])
def test_gold_comes_back_through_any_cutting(name: str, max_length: int) -> None:
    examples = [tagged(WORDS, "long"), tagged(WORDS[:3], "short"), tagged(["Donaudampfschifffahrt", "x"], "word")]
    features = TAGGING.encode(examples, CODERS[name], Encoding(max_length=max_length), TAGS)
    assert features.lengths.max() <= max_length
    outputs = [features.columns["tag"][row] for row in range(len(features))]
    predictions = TAGGING.decode(features, outputs, TAGS, LIMITS)
    assert [(p.id, tuple(p.value)) for p in predictions] == [(e.id, e.tags) for e in examples]
    assert [record["gold"] for record in features.records] == [list(e.tags or ()) for e in examples]


@pytest.mark.parametrize("name", CODERS)
def test_each_word_is_read_at_its_first_piece(name: str) -> None:
    coder = CODERS[name]
    features = TAGGING.encode([tagged(WORDS)], coder, Encoding(max_length=20), TAGS)
    assert len(features) > 3
    batch = whole(TAGGING, features)
    firsts = [int(ids[0]) for ids in coder.word_pieces(WORDS)]
    assert batch.packed.ids_T[batch.targets["word_W"]].tolist() == firsts
    assert batch.count == len(WORDS)


class Unchanged(torch.nn.Module):
    """A head that gives the states it reads."""

    def forward(self, states: torch.Tensor, place: object) -> torch.Tensor:
        return states


def test_rows_may_be_asked_for_in_any_order() -> None:
    features = TAGGING.encode(SENTENCES, CODER, LIMITS, TAGS)
    batch = TAGGING.collate(features, np.array([2, 0]), np.random.default_rng(0))
    expected = [TAGS.index(tag) for row in (2, 0) for tag in SENTENCES[row].tags or ()]
    assert batch.targets["tag_W"].tolist() == expected
    states = torch.nn.functional.one_hot(batch.packed.ids_T, 200).float()
    rows = TAGGING.outputs(Unchanged(), [states], batch)
    assert [len(row) for row in rows] == [4, 4]
    assert rows[0].tolist() == [int(ids[0]) for ids in CODER.word_pieces(SENTENCES[2].words)]


def test_withheld_tags_can_be_predicted() -> None:
    features = TAGGING.encode([TaggedExample("a", ("the", "dog"), None)], CODER, LIMITS, TAGS)
    assert features.records[0]["gold"] is None
    assert TAGGING.decode(features, [np.array([1, 2])], TAGS, LIMITS)[0].value == ["VERB", "ADP"]


def test_a_lost_word_is_a_fault_of_ours() -> None:
    features = TAGGING.encode(SENTENCES, CODER, LIMITS, TAGS)
    with pytest.raises(AssertionError, match="lost words"):
        TAGGING.decode(features, [np.array([0])] * len(features), TAGS, LIMITS)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30), st.integers(9, 30))
def test_cuts_lie_between_words_and_fit(lengths: list[int], room: int) -> None:
    parts = list(cut([np.zeros(n) for n in lengths], room))
    assert [i for begin, end in parts for i in range(begin, end)] == list(range(len(lengths)))
    sizes = [sum(lengths[begin:end]) for begin, end in parts]
    assert all(0 < size <= room for size in sizes)
    # as few cuts as going left to right allows
    assert all(size + lengths[end] > room for size, (_, end) in zip(sizes[:-1], parts[:-1], strict=True))
