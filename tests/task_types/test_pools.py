"""Mining against a literal computation, its threshold, and the ranking of a pool."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from backbones.tiny_models import tiny_backbone
from task_types.samples import CODER, LIMITS, rng
from xstilts.data.examples import PoolExample
from xstilts.stages.predicting import Predictor
from xstilts.task_types.features import Features
from xstilts.task_types.pools import Mining, Ranking, best_threshold, mine
from xstilts.task_types.sentences import unit

BACKBONE = tiny_backbone(tokenizer=CODER.tokenizer)


def literal_margins(queries: np.ndarray, candidates: np.ndarray, k: int) -> np.ndarray:
    """Ratio margins of all pairs, written out one by one."""
    x = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    y = candidates / np.linalg.norm(candidates, axis=1, keepdims=True)
    cosine = x @ y.T
    there = [sorted(row, reverse=True)[:k] for row in cosine]
    back = [sorted(row, reverse=True)[:k] for row in cosine.T]
    margins = np.zeros_like(cosine)
    for i in range(len(x)):
        for j in range(len(y)):
            margins[i, j] = cosine[i, j] / ((np.mean(there[i]) + np.mean(back[j])) / 2)
    return margins


@pytest.mark.parametrize(("n", "m"), [(30, 40), (3, 9), (1, 1)])
def test_mined_pairs_are_one_to_one_and_have_the_literal_margin(n: int, m: int) -> None:
    dice = np.random.default_rng(n)
    queries, candidates = dice.normal(size=(n, 8)) + 1, dice.normal(size=(m, 8)) + 1
    margins = literal_margins(queries, candidates, 4)
    pairs = mine(queries, candidates)
    assert len({query for query, _, _ in pairs}) == len({candidate for _, candidate, _ in pairs}) == len(pairs)
    assert [score for _, _, score in pairs] == sorted((score for _, _, score in pairs), reverse=True)
    for query, candidate, score in pairs:
        assert score == pytest.approx(margins[query, candidate], abs=1e-5)


def test_the_best_pair_of_all_is_mined_first() -> None:
    dice = np.random.default_rng(3)
    queries = dice.normal(size=(20, 16))
    order = dice.permutation(20)
    pairs = mine(queries, queries[order] + 0.1 * dice.normal(size=(20, 16)))
    assert {(query, int(order[candidate])) for query, candidate, _ in pairs} == {(i, i) for i in range(20)}


@pytest.mark.parametrize(
    ("right", "threshold"),
    [
        ({0}, 2.5),  # the first alone: midway to the second
        ({0, 1}, 1.5),
        ({0, 1, 2}, 1.0),  # all of them: the last one's own margin
        (set(), 0.0),
        ({1}, 1.5),
    ],
)
def test_the_threshold_maximises_f1(right: set[int], threshold: float) -> None:
    pairs = {("q0", "c0"): 3.0, ("q1", "c1"): 2.0, ("q2", "c2"): 1.0}
    gold = {(f"q{i}", f"c{i}") for i in right}
    assert best_threshold(pairs, gold) == threshold


def sentence(
    name: str, text: str, query: bool, gold: tuple[str, ...] | None = None, sample: bool = False
) -> PoolExample:
    return PoolExample(name, text, None, query, gold, sample)


POOL = [
    sentence("s1", "the cat sat", True, ("e1",)),
    sentence("s2", "a dog ran far", True, ()),
    sentence("s3", "a dog ran far", True, ()),  # twice on its side: never mined
    sentence("e1", "the cat sat", False),
    sentence("e2", "a dog ran far", False),
    sentence("sample:s", "we saw it", True, ("sample:e",), sample=True),
    sentence("sample:e", "we saw it", False, sample=True),
]


def test_mining_skips_repeated_sentences_and_tunes_on_the_sample_alone() -> None:
    mining = Mining()
    features = mining.encode(POOL, CODER, LIMITS, ())
    assert len(features) == len(POOL) - 1  # a repeated sentence is embedded once
    predictions = Predictor(BACKBONE, torch.nn.Identity(), mining, ())(features, LIMITS)
    assert {p.id: p.value for p in predictions} == {"s1": ["e1"], "s2": [], "s3": []}
    assert predictions[0].variant == "layer=1 raw, mean with special tokens, ratio margin k=4"
    # A sample on which nothing can be found leaves the threshold at 0, whatever the test gold says.
    blind = [e if e.id != "sample:s" else sentence("sample:s", "we saw it", True, (), sample=True) for e in POOL]
    again = Predictor(BACKBONE, torch.nn.Identity(), mining, ())(mining.encode(blind, CODER, LIMITS, ()), LIMITS)
    assert (again[0].extra["threshold"], predictions[0].extra["threshold"] > 0) == (0.0, True)


def ranked(examples: list[PoolExample]) -> Features:
    return Ranking().encode_apart(examples, CODER, LIMITS, ())


def test_identical_texts_rank_first_and_the_variant_counts_the_pool() -> None:
    ranking = Ranking()
    pool = [e for e in POOL if not e.query]
    queries = [e for e in POOL if e.query]
    predictor = Predictor(BACKBONE, torch.nn.Identity(), ranking, ())
    names, vectors = [e.id for e in pool], unit(np.stack(predictor.outputs(ranked(pool))))
    predictions = ranking.rank(ranked(queries), predictor.outputs(ranked(queries)), names, vectors)
    assert [p.value[0] for p in predictions] == ["e1", "e2", "e2", "sample:e"]
    assert all(sorted(p.value) == sorted(e.id for e in pool) for p in predictions)
    assert predictions[0].variant == "3 candidates, cosine, mean with special tokens"
    bare = replace(ranking, special_tokens=False).with_tokenizer(CODER.tokenizer)
    vectors = np.stack(Predictor(BACKBONE, torch.nn.Identity(), bare, ()).outputs(features := ranked(queries)))
    assert not np.allclose(vectors, np.stack(predictor.outputs(features)))
    found = bare.rank(features, list(vectors), [e.id for e in pool], unit(vectors[:3]))  # type: ignore[attr-defined]
    assert found[0].variant == "3 candidates, cosine, mean without special tokens"


def test_ranking_is_trained_with_the_batchs_other_candidates_as_negatives() -> None:
    ranking = Ranking(temperature=0.5)
    features = ranking.encode([POOL[0], POOL[3], POOL[5], POOL[6]], CODER, LIMITS, ())
    assert len(features) == 2
    batch = ranking.collate(features, np.array([0, 1]), rng())
    states = BACKBONE(batch.packed)
    q0, c0, q1, c1 = (v / np.linalg.norm(v) for v in ranking.outputs(torch.nn.Identity(), [states.detach()], batch))
    scores = np.array([[q0 @ c0, q0 @ c1], [q1 @ c0, q1 @ c1]]) / 0.5
    expected = -sum(scores[i, i] - np.log(np.exp(scores[i]).sum()) for i in range(2))
    loss = ranking.loss(torch.nn.Identity(), states, batch).detach()
    assert float(loss) == pytest.approx(expected, abs=1e-4)
