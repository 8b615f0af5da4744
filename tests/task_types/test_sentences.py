"""Sentence vectors, retrieval, and the contrastive loss against a plain formula."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from backbones.tiny_models import TOKENIZERS, tiny_backbone
from task_types.samples import CODER, LIMITS, PARALLEL, whole
from xstilts.backbones.coder import Coder
from xstilts.backbones.packing import pack
from xstilts.data.examples import ParallelExample
from xstilts.stages.predicting import Predictor
from xstilts.task_types.sentences import Contrastive, Retrieval, nearest_neighbours, pool

RETRIEVAL, CONTRASTIVE = Retrieval(), Contrastive()
FEATURES = RETRIEVAL.encode(PARALLEL, CODER, LIMITS, ())
BACKBONE = tiny_backbone(tokenizer=CODER.tokenizer)


def plain_vectors(layer: int) -> tuple[np.ndarray, np.ndarray]:
    """Means over the tokens of each sentence by itself: sources, targets."""
    sides = []
    for texts in ([e.source for e in PARALLEL], [e.target for e in PARALLEL]):
        rows = []
        for text in texts:
            ids = torch.tensor([CODER.tokenizer(text)["input_ids"]])
            BACKBONE.model.set_attn_implementation("eager")
            try:
                with torch.no_grad():
                    states = BACKBONE.model(ids, output_hidden_states=True).hidden_states[layer]
            finally:
                BACKBONE.model.set_attn_implementation("xstilts_packed")
            rows.append(states[0].mean(0).numpy())
        sides.append(np.stack(rows))
    return sides[0], sides[1]


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a / np.linalg.norm(a, axis=1, keepdims=True)) @ (b / np.linalg.norm(b, axis=1, keepdims=True)).T


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_vectors_of_every_layer_are_means_over_all_tokens(layer: int) -> None:
    batch = whole(RETRIEVAL, FEATURES)
    with torch.no_grad():
        states = BACKBONE.hidden_states(batch.packed)
    outputs = np.stack(RETRIEVAL.outputs(torch.nn.Identity(), states, batch))
    assert outputs.shape == (len(PARALLEL), 2, 3, 32)
    sources, targets = plain_vectors(layer)
    np.testing.assert_allclose(outputs[:, 0, layer], sources, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(outputs[:, 1, layer], targets, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("tokenizer", ["bpe", "wordpiece"])
def test_means_without_special_tokens_are_over_the_text_alone(tokenizer: str) -> None:
    coder = Coder(TOKENIZERS[tokenizer]())
    told = replace(RETRIEVAL, special_tokens=False).with_tokenizer(coder.tokenizer)
    features = told.encode((*PARALLEL, ParallelExample("u", "\u2603 dog", "a \u2603")), coder, LIMITS, ())
    batch = whole(told, features)
    states = [torch.randn(len(batch.packed.ids_T), 8, generator=torch.Generator().manual_seed(k)) for k in range(2)]
    found = np.stack(told.outputs(torch.nn.Identity(), states, batch)).reshape(-1, 2, 8)
    assert coder.tokenizer.unk_token_id in batch.packed.ids_T.tolist()  # an unknown word is text
    for segment, start in enumerate(batch.packed.starts_S.tolist()):
        length = len(features.tokens[segment])
        for layer, layer_states in enumerate(states):
            expected = layer_states[start + 1 : start + length - 1].mean(0)
            np.testing.assert_allclose(found[segment, layer], expected, rtol=1e-4, atol=1e-6)


def test_a_sentence_of_special_tokens_alone_is_their_mean() -> None:
    packed = pack([np.array([0, 7, 8, 2]), np.array([0, 2])])
    states = torch.arange(6.0)[:, None]
    assert pool(states, packed, without=frozenset({0, 2}))[:, 0].tolist() == [1.5, 4.5]


def test_special_tokens_cannot_be_left_out_before_the_tokenizer_is_known() -> None:
    silent = replace(RETRIEVAL, special_tokens=False)
    with pytest.raises(AssertionError, match="with_tokenizer"):
        silent.outputs(torch.nn.Identity(), [torch.zeros(99, 4)], whole(silent, FEATURES))
    assert RETRIEVAL.with_tokenizer(CODER.tokenizer) is RETRIEVAL


def test_the_contrastive_loss_pools_without_special_tokens_where_asked() -> None:
    told = replace(CONTRASTIVE, special_tokens=False).with_tokenizer(CODER.tokenizer)
    batch = whole(CONTRASTIVE, FEATURES)
    with torch.no_grad():
        states = BACKBONE(batch.packed)
        losses = [float(one.loss(torch.nn.Identity(), states, batch)) for one in (CONTRASTIVE, told)]  # type: ignore[attr-defined]
    kept = ~np.isin(batch.packed.ids_T, sorted(CODER.frame_ids))
    means = []
    for segment, start in enumerate(batch.packed.starts_S.tolist()):
        here = slice(start, start + len(FEATURES.tokens[segment]))
        means.append(states[here][kept[here]].mean(0).numpy())
    scores = cosine(np.stack(means[::2]), np.stack(means[1::2])) / 0.05
    logs = [np.log(np.exp(s - s.max(1, keepdims=True)).sum(1)) + s.max(1) - np.diag(s) for s in (scores, scores.T)]
    assert losses[1] == pytest.approx(0.5 * float(np.sum(logs)), rel=1e-4)
    assert losses[0] != pytest.approx(losses[1], rel=1e-3)


def test_every_layer_raw_and_centred_is_predicted() -> None:
    predictions = Predictor(BACKBONE, torch.nn.Identity(), RETRIEVAL, ())(FEATURES, LIMITS)
    variants = list(dict.fromkeys(prediction.variant for prediction in predictions))
    assert variants == [f"layer={layer} {kind}" for layer in range(3) for kind in ("raw", "centred")]
    sources, targets = plain_vectors(1)
    nearest = cosine(targets, sources).argmax(1)  # English asks
    chosen = [prediction for prediction in predictions if prediction.variant == "layer=1 raw"]
    assert [(p.id, p.value) for p in chosen] == [(f"r{i}", f"r{j}") for i, j in enumerate(nearest)]
    by_margin = Predictor(BACKBONE, torch.nn.Identity(), replace(RETRIEVAL, similarity="margin"), ())(FEATURES, LIMITS)
    expected = nearest_neighbours(targets, sources, similarity="margin")
    assert [p.value for p in by_margin if p.variant == "layer=1 raw"] == [f"r{j}" for j in expected]


def test_the_contrastive_loss_is_the_plain_formula() -> None:
    batch = whole(CONTRASTIVE, FEATURES)
    with torch.no_grad():
        states = BACKBONE(batch.packed)
        found = float(CONTRASTIVE.loss(torch.nn.Identity(), states, batch))
    scores = cosine(*plain_vectors(2)) / 0.05
    total = 0.0
    for i in range(len(PARALLEL)):
        for row in (scores[i], scores[:, i]):
            total -= 0.5 * (row[i] - np.log(np.exp(row - row.max()).sum()) - row.max())
    assert found == pytest.approx(total, rel=1e-4)
    assert batch.count == len(PARALLEL)


def test_pooling_follows_the_order_of_the_given_segments() -> None:
    packed, _ = FEATURES.packed(np.array([3, 0]))
    states = packed.ids_T[:, None].float()
    expected = [np.mean(FEATURES.tokens[k]) for k in (6, 7, 0, 1)]
    np.testing.assert_allclose(pool(states, packed)[:, 0].numpy(), expected, rtol=1e-5)


def test_retrieval_cannot_be_trained_on() -> None:
    with pytest.raises(NotImplementedError, match="not trained on"):
        RETRIEVAL.loss(torch.nn.Identity(), torch.zeros(1, 1), whole(RETRIEVAL, FEATURES))
