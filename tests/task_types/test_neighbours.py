"""Nearest neighbours by cosine and by margin against brute force, in blocks of any size."""

from __future__ import annotations

import numpy as np
import pytest

from task_types.samples import rng
from xstilts.task_types import sentences
from xstilts.task_types.sentences import nearest_neighbours, ratio_margins, unit


def cosines(queries: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    sides = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (queries, candidates))
    return next(sides) @ next(sides).T


def literal_margins(cosine: np.ndarray, k: int = 4) -> np.ndarray:
    """Artetxe and Schwenk 2019: the cosine over the mean of both sides' mean cosine with their k neighbours."""
    margins = np.zeros_like(cosine)
    for i in range(len(cosine)):
        for j in range(cosine.shape[1]):
            there, back = sorted(cosine[i])[-k:], sorted(cosine[:, j])[-k:]
            margins[i, j] = cosine[i, j] / (np.mean(there) / 2 + np.mean(back) / 2)
    return margins


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("cells", [23 * 3, 1, 1 << 28])
def test_nearest_neighbours_are_those_of_brute_force(
    centred: bool, cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentences, "CELLS", cells)
    random = rng()
    queries, candidates = random.normal(size=(17, 8)) + 2.0, random.normal(size=(23, 8)) - 1.0
    by_cosine = nearest_neighbours(queries, candidates, centred)
    by_margin = nearest_neighbours(queries, candidates, centred, "margin")
    if centred:
        queries, candidates = queries - queries.mean(0), candidates - candidates.mean(0)
    cosine = cosines(queries, candidates)
    assert by_cosine.tolist() == cosine.argmax(1).tolist()
    near = np.argsort(-cosine, axis=1)[:, :4]
    margins = np.take_along_axis(literal_margins(cosine), near, axis=1)
    assert by_margin.tolist() == near[np.arange(17), margins.argmax(1)].tolist()
    assert by_margin.tolist() != by_cosine.tolist()


def test_margins_are_the_formula_for_both_sides() -> None:
    random = rng(1)
    queries, candidates = random.normal(size=(9, 6)) + 1, random.normal(size=(3, 6)) + 1
    expected = literal_margins(cosines(queries, candidates))
    both = ratio_margins(unit(queries), unit(candidates))
    for (found, indices), margins in zip(both, (expected, expected.T), strict=True):
        taken = np.take_along_axis(margins, indices.numpy(), axis=1)
        np.testing.assert_allclose(found.numpy(), taken, rtol=1e-5)
    assert indices.shape == (3, 4)


def test_a_candidate_that_is_near_to_all_loses_by_margin() -> None:
    """The hub (index 0) is every query's nearest by cosine; the margin sees that it is near to all."""
    random = rng(2)
    right = np.eye(12, 24)
    queries = right + 0.9 + 0.02 * random.normal(size=(12, 24))
    candidates = np.concatenate([np.full((1, 24), 1.0), right * 3 + 0.6])
    assert set(nearest_neighbours(queries, candidates)) == {0}
    assert nearest_neighbours(queries, candidates, similarity="margin").tolist() == list(range(1, 13))


@pytest.mark.parametrize("similarity", ["cosine", "margin"])
def test_ties_go_to_the_first(similarity: str) -> None:
    same = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    assert nearest_neighbours(same, same, similarity=similarity).tolist() == [0, 0, 2]  # type: ignore[arg-type]


def test_centring_undoes_a_shift_between_languages() -> None:
    random = rng()
    english = random.normal(size=(40, 8))
    shifted = english + 5 * np.eye(8)[0] + 0.01 * random.normal(size=(40, 8))
    right = np.arange(40)
    assert (nearest_neighbours(shifted, english, centred=True) == right).all()
    assert (nearest_neighbours(shifted, english, centred=False) == right).mean() < 0.9
