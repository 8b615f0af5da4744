"""LogME against brute-force evidence, the H-score against its closed form, both against labels that mean nothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from xstilts.metrics.transferability import cosine, h_score, logme, mean_cosine, uniformity


def features(seed: int, items: int, size: int, apart: float, classes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, items)
    states = rng.normal(size=(items, size))
    states[np.arange(items), labels] += apart
    return states, labels


def brute_force(states: np.ndarray, labels: np.ndarray) -> float:
    """The largest log density of y under N(0, I / beta + F F^T / alpha), per item, the mean over classes."""
    best = []
    for number in np.unique(labels):
        y = (labels == number).astype(float)

        def minus(logs: np.ndarray, y: np.ndarray = y) -> float:
            covariance = np.exp(-logs[1]) * np.eye(len(y)) + np.exp(-logs[0]) * states @ states.T
            return -float(multivariate_normal.logpdf(y, np.zeros(len(y)), covariance)) / len(y)

        starts = ([0.0, 0.0], [3.0, 1.0], [6.0, 2.0])
        best.append(max(-minimize(minus, start, method="Nelder-Mead", tol=1e-9).fun for start in starts))
    return float(np.mean(best))


@pytest.mark.parametrize("items, size, classes", [(60, 5, 2), (60, 5, 3), (30, 40, 2)])
def test_logme_is_the_largest_evidence(items: int, size: int, classes: int) -> None:
    states, labels = features(1, items, size, 1.5, classes)
    assert logme(states, labels) == pytest.approx(brute_force(states, labels), abs=2e-4)


def test_h_score_of_one_feature_is_the_variance_between_classes_over_all() -> None:
    states, labels = features(2, 200, 2, 0.0)
    states = states[:, :1]
    states[:, 0] += 2.0 * labels
    means = np.array([states[labels == number].mean() for number in labels])
    assert h_score(states, labels) == pytest.approx(means.var() / states.var())


def test_h_score_lies_between_0_and_the_classes_less_one() -> None:
    states, labels = features(3, 300, 6, 100.0, classes=3)
    assert h_score(states, labels) == pytest.approx(2.0, abs=0.01)
    assert h_score(np.ones((4, 2)), np.array([0, 1, 0, 1])) == pytest.approx(0.0)


@pytest.mark.parametrize("score", [logme, h_score])
def test_separable_labels_score_higher_than_less_separable_and_those_than_shuffled_ones(score: object) -> None:
    assert callable(score)
    far, labels = features(4, 300, 10, 4.0)
    near, same = features(4, 300, 10, 1.0)
    assert np.array_equal(labels, same)
    shuffled = np.random.default_rng(0).permutation(labels)
    assert score(far, labels) > score(near, labels) + 0.05
    assert score(near, labels) > score(near, shuffled) + 0.05
    assert score(far, labels) > score(far, shuffled) + 0.05


@pytest.mark.parametrize("score", [logme, h_score])
def test_rotations_and_scales_change_nothing(score: object) -> None:
    assert callable(score)
    states, labels = features(5, 200, 8, 1.0)
    turned = states @ np.linalg.qr(np.random.default_rng(1).normal(size=(8, 8)))[0] * 7
    assert score(turned, labels) == pytest.approx(score(states, labels), rel=1e-3)


def test_vectors_that_are_one_are_not_even() -> None:
    around = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    assert uniformity(np.ones((5, 3))) == pytest.approx(0.0, abs=1e-9)
    assert uniformity(around) == pytest.approx(-np.log((4 * np.exp(-4) + 2 * np.exp(-8)) / 6))


def test_cosines() -> None:
    assert cosine(np.array([1.0, 1.0]), np.array([2.0, 2.0])) == pytest.approx(1.0)
    assert cosine(np.array([0.0, 0.0]), np.array([2.0, 2.0])) == 0.0
    large = {"a": np.array([1e6, 0.0]), "b": np.array([1.0, 0.0]), "only here": np.array([1.0])}
    assert mean_cosine(large, {"a": np.array([1.0, 0.0]), "b": np.array([0.0, 1.0])}) == pytest.approx(0.5)
    assert mean_cosine({}, large) == 0.0
