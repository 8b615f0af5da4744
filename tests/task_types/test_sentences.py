"""Sentence vectors, nearest neighbours, and the contrastive loss against a plain formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backbones.tiny_models import tiny_backbone
from task_types.samples import CODER, LIMITS, PARALLEL, rng, whole
from xstilts.evaluation.predict import Predictor
from xstilts.task_types.sentences import Contrastive, Retrieval, mean_pool, nearest_neighbours

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
            library = BACKBONE._padded_inputs(_Alone(ids[0]))  # type: ignore[arg-type]
            BACKBONE.model.set_attn_implementation("eager")
            try:
                with torch.no_grad():
                    states = BACKBONE.model(**library, output_hidden_states=True).hidden_states[layer]
            finally:
                BACKBONE.model.set_attn_implementation("xstilts_packed")
            rows.append(states[0].mean(0).numpy())
        sides.append(np.stack(rows))
    return sides[0], sides[1]


class _Alone:
    """The part of a pack that the padded route reads, for one sentence."""

    def __init__(self, ids: torch.Tensor) -> None:
        self.ids_T, self.lengths = ids, (len(ids),)
        self.segment_T, self.positions_T = torch.zeros_like(ids), torch.arange(len(ids))
        self.types_T = torch.zeros_like(ids)


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


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("chunk", [3, 4096])
def test_nearest_neighbours_are_those_of_brute_force(centred: bool, chunk: int) -> None:
    random = rng()
    queries, candidates = random.normal(size=(17, 8)) + 2.0, random.normal(size=(23, 8)) - 1.0
    found = nearest_neighbours(queries, candidates, centred, chunk)
    if centred:
        queries, candidates = queries - queries.mean(0), candidates - candidates.mean(0)
    assert found.tolist() == cosine(queries, candidates).argmax(1).tolist()


def test_ties_go_to_the_first() -> None:
    same = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    assert nearest_neighbours(same, same, centred=False).tolist() == [0, 0, 2]


def test_centring_undoes_a_shift_between_languages() -> None:
    random = rng()
    english = random.normal(size=(40, 8))
    shifted = english + 5 * np.eye(8)[0] + 0.01 * random.normal(size=(40, 8))
    right = np.arange(40)
    assert (nearest_neighbours(shifted, english, centred=True) == right).all()
    assert (nearest_neighbours(shifted, english, centred=False) == right).mean() < 0.9


def test_every_layer_raw_and_centred_is_predicted() -> None:
    predictions = Predictor(BACKBONE, torch.nn.Identity(), RETRIEVAL, ())(FEATURES, LIMITS)
    variants = list(dict.fromkeys(prediction.variant for prediction in predictions))
    assert variants == [f"layer={layer} {kind}" for layer in range(3) for kind in ("raw", "centred")]
    sources, targets = plain_vectors(1)
    nearest = cosine(targets, sources).argmax(1)  # English asks
    chosen = [prediction for prediction in predictions if prediction.variant == "layer=1 raw"]
    assert [(p.id, p.value) for p in chosen] == [(f"r{i}", f"r{j}") for i, j in enumerate(nearest)]


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
    np.testing.assert_allclose(mean_pool(states, packed)[:, 0].numpy(), expected, rtol=1e-5)


def test_retrieval_cannot_be_trained_on() -> None:
    with pytest.raises(NotImplementedError, match="not trained on"):
        RETRIEVAL.loss(torch.nn.Identity(), torch.zeros(1, 1), whole(RETRIEVAL, FEATURES))
