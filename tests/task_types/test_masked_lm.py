"""Masked language modelling: what is masked, how often, and where the output bias starts."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from backbones.tiny_models import TEXT, tiny_backbone
from task_types.samples import CODER, LINES, rng, whole
from xstilts.backbones.coder import Segment
from xstilts.data.examples import PlainText
from xstilts.task_types.base import Batch
from xstilts.task_types.features import Features, FeaturesBuilder
from xstilts.task_types.masked_lm import MaskedLM, MaskedLMHead, set_unigram_bias
from xstilts.task_types.raw_text import blocks
from xstilts.tasks.base import Encoding

MLM = MaskedLM()
MASK = CODER.mask_id


def many(seed: int = 0) -> Features:
    """About 24,000 tokens."""
    words = " ".join(TEXT).split(" ")
    random = rng(seed)
    lines = [PlainText(str(i), " ".join(random.choice(words, size=30))) for i in range(300)]
    return MLM.encode(lines, CODER, Encoding(max_length=64), ())


def originals(features: Features, batch: Batch) -> np.ndarray:
    packed, _ = features.packed(batch.rows)
    return packed.ids_T.numpy()


def test_fifteen_per_cent_are_predicted_and_eighty_ten_ten_replaced() -> None:
    features = many()
    batch = whole(MLM, features)
    before, after = originals(features, batch), batch.packed.ids_T.numpy()
    place, token = batch.targets["place_M"].numpy(), batch.targets["token_M"].numpy()
    ordinary = ~np.isin(before, list(CODER.special_ids))
    assert batch.count == len(place) == len(set(place.tolist()))
    assert abs(len(place) / ordinary.sum() - 0.15) < 1e-3
    assert (token == before[place]).all()
    untouched = np.setdiff1d(np.arange(len(before)), place)
    assert (before[untouched] == after[untouched]).all()
    masked, same = after[place] == MASK, after[place] == token
    assert abs(masked.mean() - 0.8) < 0.025
    assert abs(same.mean() - 0.1) < 0.025
    assert abs((~masked & ~same).mean() - 0.1) < 0.025
    assert len(set(after[place][~masked & ~same].tolist())) > 50


def test_special_and_unknown_tokens_are_never_masked() -> None:
    lines = [PlainText("0", "the house \u4e57 \u4e58 in \u4e59")] * 20
    features = MLM.encode(lines, CODER, Encoding(max_length=40), ())
    assert CODER.tokenizer.unk_token_id in features.tokens.values
    every = MaskedLM(rate=1.0)
    batch = whole(every, features)
    before = originals(features, batch)
    special = np.isin(before, list(CODER.special_ids))
    assert not special[batch.targets["place_M"].numpy()].any()
    assert batch.count == (~special).sum()
    assert (batch.packed.ids_T.numpy()[special] == before[special]).all()


def test_the_shares_are_options() -> None:
    features = many()
    batch = whole(MaskedLM(rate=0.4, masked=1.0, scrambled=0.0), features)
    place = batch.targets["place_M"].numpy()
    assert (batch.packed.ids_T.numpy()[place] == MASK).all()
    assert abs(len(place) / len(originals(features, batch)) - 0.4) < 0.03


def test_masking_is_drawn_anew_from_the_given_generator_alone() -> None:
    features = many()
    rows = np.arange(20)
    one, two, other = (MLM.collate(features, rows, rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(one.packed.ids_T, two.packed.ids_T)
    assert not torch.equal(one.packed.ids_T, other.packed.ids_T)


def test_a_batch_of_unknown_tokens_has_nothing_to_predict() -> None:
    features = MLM.encode([PlainText("0", "\u4e57")], CODER, Encoding(max_length=40), ())
    assert set(features.tokens.values.tolist()) <= CODER.special_ids | set(CODER.pieces(["▁"])[0].tolist())
    builder = FeaturesBuilder()
    builder.record(**features.records[0])
    builder.add(0, [Segment(np.array([0, 3, 3, 2], np.int32), 4)])
    batch = whole(MLM, builder.build())
    assert batch.count == 0
    backbone = tiny_backbone(tokenizer=CODER.tokenizer)
    assert float(MLM.loss(MLM.head(backbone, (), 0.0), backbone(batch.packed), batch).detach()) == 0.0


def flat(parts: Sequence[np.ndarray]) -> list[int]:
    return [int(i) for part in parts for i in part]


@given(st.lists(st.integers(0, 25), max_size=15), st.integers(1, 12), st.booleans())
def test_blocks_hold_all_lines_in_order_and_fit(lengths: list[int], room: int, join: bool) -> None:
    numbers = iter(range(1000))
    lines = [np.array([next(numbers) for _ in range(n)], dtype=np.int32) for n in lengths]
    done = blocks(lines, room, join)
    assert flat(done) == flat(lines)
    assert all(0 < len(block) <= room for block in done)
    ends = set(np.cumsum(lengths).tolist())
    position = 0
    for block in done:
        if not join:
            assert not ends & set(range(position + 1, position + len(block)))
        position += len(block)
    if join:
        assert all(len(a) + len(b) > room or len(a) == room for a, b in itertools.pairwise(done))


def test_lines_are_joined_only_when_asked() -> None:
    joined = MLM.encode(LINES, CODER, Encoding(max_length=500), ())
    apart = MLM.encode(LINES, CODER, Encoding(max_length=500, join=False), ())
    assert (len(joined), len(apart)) == (1, len(LINES))
    assert apart.tokens[0].tolist() == CODER.tokenizer(TEXT[0])["input_ids"]
    assert joined.lengths[0] == apart.lengths.sum() - 2 * (len(LINES) - 1)


def test_a_share_of_the_sequences_is_framed_as_two_texts_cut_behind_a_sentence() -> None:
    lines = [PlainText(str(i), "the house . a dog ? who wrote the book") for i in range(400)]
    features = MLM.encode(lines, CODER, Encoding(max_length=60, join=False, paired=0.3), ())
    alone = MLM.encode(lines, CODER, Encoding(max_length=60, join=False), ()).tokens[0].tolist()
    lengths = np.asarray(features.lengths)
    assert set(lengths.tolist()) == {len(alone), len(alone) + 2}
    assert abs((lengths > len(alone)).mean() - 0.3) < 0.08
    marks = {CODER.pieces([mark])[0][-1] for mark in ".?"}
    for row in np.flatnonzero(lengths > len(alone)):
        ids, split = features.tokens[row], int(features.type_splits[row])
        assert ids[split - 3] in marks
        assert ids[split - 2 : split].tolist() == [2, 2]
        assert [*ids[: split - 2].tolist(), *ids[split:].tolist()] == alone


def test_pairing_keeps_every_token_and_the_limit() -> None:
    for max_length in (9, 20, 60):
        features = MLM.encode(LINES, CODER, Encoding(max_length=max_length, paired=1.0), ())
        assert features.lengths.max() <= max_length
        special = list(CODER.special_ids - {CODER.tokenizer.unk_token_id})
        kept = [i for i in features.tokens.values.tolist() if i not in special]
        assert kept == flat(CODER.pieces(list(TEXT)))


def test_the_output_bias_starts_at_the_log_frequency() -> None:
    features = many()
    head = MLM.head(tiny_backbone(tokenizer=CODER.tokenizer), (), 0.0)
    assert isinstance(head, MaskedLMHead)
    set_unigram_bias(head, [features])
    share = head.bias.detach().exp().numpy()
    assert share.sum() == np.float32(1.0) or abs(share.sum() - 1) < 1e-5
    counts = np.bincount(features.tokens.values, minlength=len(share)) + 1.0
    np.testing.assert_allclose(share, counts / counts.sum(), rtol=1e-4)


def test_the_tied_weight_belongs_to_the_backbone_alone() -> None:
    backbone = tiny_backbone("electra", tokenizer=CODER.tokenizer)
    head = MLM.head(backbone, (), 0.0)
    assert sorted(name for name, _ in head.named_parameters()) == [
        "bias",
        "dense.bias",
        "dense.weight",
        "norm.bias",
        "norm.weight",
    ]
    logits = head(torch.randn(3, backbone.hidden_size, generator=torch.Generator().manual_seed(0)))
    assert logits.shape == (3, CODER.vocabulary)
    logits.sum().backward()
    assert backbone.embeddings.grad is not None
