"""What a decoder's tokens see: the left alone, or both sides of the segment, by batch; and where that is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backbones.tiny_models import (
    BY_NAME,
    TEXT,
    assert_close,
    decoder_tokenizer,
    library_model,
    sequences,
    tiny_backbone,
    together,
)
from task_types.samples import CHOICES, LABELS, LIMITS, PAIRS, QUESTIONS, SENTENCES, TAGS, rng, whole
from xstilts.backbones.backbone import check_packing
from xstilts.backbones.coder import Coder
from xstilts.backbones.names import Attention
from xstilts.backbones.packing import pack
from xstilts.core.errors import BackboneError
from xstilts.data.examples import SpanExample
from xstilts.stages.predicting import Predictor
from xstilts.task_types import TASK_TYPES

ROWS = sequences((9, 3, 7, 3, 1))
CODER = Coder(decoder_tokenizer())
PACKED = ("qwen3", "llama", "gemma3_text")
RIGHT = {"tagging", "span_qa", "masked_lm", "translation_lm"}


@pytest.mark.parametrize("name", ["qwen3", "llama"])
def test_attention_to_both_sides_is_the_librarys_without_a_mask(name: str) -> None:
    ours, library = tiny_backbone(name), library_model(BY_NAME[name])
    expected = []
    for row in ROWS:
        everything = torch.zeros(1, 1, len(row), len(row))
        expected.append(library(input_ids=torch.from_numpy(row)[None], attention_mask=everything).last_hidden_state[0])
    assert_close(together(ours, ROWS, right_context=True), expected)


@pytest.mark.parametrize("name", PACKED)
def test_back_ends_agree_on_both_sides_and_segments_stay_apart(name: str) -> None:
    ours, exact = tiny_backbone(name), tiny_backbone(name, backend="block_mask")
    both = together(ours, ROWS, right_context=True)
    assert_close(both, together(exact, ROWS, right_context=True))
    assert_close(both, [together(ours, [row], right_context=True)[0] for row in ROWS])
    causal = together(ours, ROWS)
    assert (both[0][0] - causal[0][0]).abs().max() > 1e-3  # the first token now sees what follows


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize(
    ("attention", "with_right", "without"),
    [
        ("auto", "bidirectional", "causal"),
        ("causal", "causal", "causal"),
        ("bidirectional", "bidirectional", "bidirectional"),
    ],
)
def test_the_choice_decides_and_auto_asks_the_task_type(
    name: str, attention: Attention, with_right: str, without: str
) -> None:
    backbone = tiny_backbone(name)
    backbone.set_attention(attention)
    check_packing(backbone)  # against the library's own attention, whatever is chosen
    assert (backbone.sees(True), backbone.sees(False)) == (with_right, without)
    plain = tiny_backbone(name)
    for asked, seen in ((True, with_right), (False, without)):
        assert_close(
            together(backbone, ROWS, right_context=asked), together(plain, ROWS, right_context=seen == "bidirectional")
        )


def test_types_whose_tokens_need_the_right_context() -> None:
    assert {name for name in TASK_TYPES.names() if TASK_TYPES.get(name).right_context} == RIGHT


@pytest.mark.parametrize("name", ["bert", "mt5", "eurobert"])
@pytest.mark.parametrize("attention", ["causal", "bidirectional"])
def test_an_encoder_has_no_choice(name: str, attention: Attention) -> None:
    with pytest.raises(BackboneError, match=f"`attention: {attention}` is for decoders") as raised:
        tiny_backbone(name).set_attention(attention)
    assert "\n" not in str(raised.value)
    assert tiny_backbone(name).sees(False) == "bidirectional"


@pytest.mark.parametrize("name", ["xglm", "bloom"])
def test_a_padded_decoder_is_causal_and_says_so(name: str) -> None:
    backbone = tiny_backbone(name)
    with pytest.raises(BackboneError, match="padded attention is causal") as raised:
        backbone.set_attention("bidirectional")
    assert "\n" not in str(raised.value)
    assert backbone.sees(True) == backbone.sees(False) == "causal"
    assert_close(together(backbone, ROWS, right_context=True), together(backbone, ROWS))


@pytest.mark.parametrize("name", [*PACKED, "xglm", "bloom"])
@pytest.mark.parametrize(
    ("kind", "data", "labels"), [("classification", PAIRS, LABELS), ("multiple_choice", CHOICES, ())]
)
def test_a_causal_head_reads_the_token_that_has_seen_all(name: str, kind: str, data, labels) -> None:
    backbone = tiny_backbone(name, tokenizer=CODER.tokenizer)
    task_type = TASK_TYPES.get(kind)
    features = task_type.encode(data, CODER, LIMITS, labels)
    head = task_type.head(backbone, labels, 0.0).eval()
    batch = whole(task_type, features)
    with torch.no_grad():
        states = backbone(batch.packed)
    head.requires_grad_(False)
    place = batch.packed.summary_S(backbone.summary)
    assert batch.packed.ids_T[place].tolist() == [CODER.tokenizer.eos_token_id] * len(place)
    torch.nn.init.normal_(head.out.weight)
    changed = states.clone()
    changed[batch.packed.ends_S] += torch.randn(states.shape[1], generator=torch.Generator().manual_seed(0))
    before, after = task_type.loss(head, states, batch), task_type.loss(head, changed, batch)
    assert abs(float(before - after)) > 1e-4
    changed = states + 1.0
    changed[batch.packed.ends_S] = states[batch.packed.ends_S]
    torch.testing.assert_close(task_type.loss(head, changed, batch), before)


def test_ends_lie_where_the_next_segment_begins() -> None:
    rows = sequences((3, 8, 1, 8, 5))
    batch = pack(rows)
    assert [int(batch.ids_T[end]) for end in batch.ends_S] == [int(row[-1]) for row in rows]
    assert batch.summary_S("first") is batch.starts_S
    assert batch.summary_S("last") is batch.ends_S


def test_no_answer_points_to_the_last_token_of_a_decoder() -> None:
    backbone = tiny_backbone("qwen3", tokenizer=CODER.tokenizer)
    task_type = TASK_TYPES.get("span_qa")
    features = task_type.encode([*QUESTIONS, SpanExample("none", "who ?", TEXT[0], ())], CODER, LIMITS, ())
    head = task_type.head(backbone, (), 0.0)
    batch = whole(task_type, features)
    empty = np.flatnonzero((features.columns["start"] == 0) & (features.columns["end"] == 0))
    assert 0 < len(empty) < len(features)
    certain = torch.zeros(len(batch.packed.ids_T), backbone.hidden_size)
    certain[batch.packed.ends_S, 0] = 50.0
    with torch.no_grad():
        head.out.weight.zero_()[:, 0] = 1.0
        alone = task_type.collate(features, empty, rng())
        there = torch.zeros(len(alone.packed.ids_T), backbone.hidden_size)
        there[alone.packed.ends_S, 0] = 50.0
        assert float(task_type.loss(head, there, alone)) < 1e-6
        assert all(row.nothing == pytest.approx(100.0) for row in task_type.outputs(head, [certain], batch))


@pytest.mark.parametrize(("kind", "right"), [("tagging", True), ("classification", False)])
def test_predictions_see_what_the_type_needs(kind: str, right: bool) -> None:
    data, labels = {"tagging": (SENTENCES, TAGS), "classification": (PAIRS, LABELS)}[kind]
    backbone = tiny_backbone("qwen3", tokenizer=CODER.tokenizer)
    task_type = TASK_TYPES.get(kind)
    features = task_type.encode(data, CODER, LIMITS, labels)
    head = task_type.head(backbone, labels, 0.0)
    torch.nn.init.normal_(head.out.weight)
    found = Predictor(backbone, head, task_type, labels).outputs(features)
    batch = whole(task_type, features)
    with torch.no_grad():
        expected, other = (
            task_type.outputs(head, [backbone(batch.packed, seen)], batch) for seen in (right, not right)
        )
    np.testing.assert_allclose(np.concatenate(found), np.concatenate(expected), atol=1e-4)
    assert not np.allclose(np.concatenate(found), np.concatenate(other), atol=1e-2)
