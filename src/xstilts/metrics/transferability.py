"""How well features fit labels, and how similar two data sets or tasks are: scores without training.

Shapes: features [N, D] and classes [N].
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
TOLERANCE = 1e-5
MOST_ROUNDS = 200


def logme(features_ND: Floats, classes_N: NDArray[np.int64]) -> float:
    """Logarithm of maximum evidence per item, the mean over classes (You et al. 2021, arXiv 2102.11005, section 4).

    Each class against the rest is a regression y = F w + noise with w ~ N(0, 1/alpha) and noise ~ N(0, 1/beta). Its
    evidence p(y | F, alpha, beta) is maximised by MacKay's fixed point, alpha = gamma / |m|^2 and beta = (N - gamma) /
    |y - F m|^2, until alpha / beta converges. Higher is better; only values for the same labels can be compared.
    """
    basis_NK, singular_K, _ = np.linalg.svd(features_ND.astype(np.float64), full_matrices=False)
    evidences = []
    for number in np.unique(classes_N):
        y_N = (classes_N == number).astype(np.float64)
        along_K = basis_NK.T @ y_N
        outside = max(float(y_N @ y_N - along_K @ along_K), 0.0)
        evidences.append(_evidence(singular_K**2, along_K**2, outside, features_ND.shape))
    return float(np.mean(evidences))


def _evidence(sigma_K: Floats, along_K: Floats, outside: float, shape: tuple[int, ...]) -> float:
    """The largest evidence per item of one regression.

    Args:
        sigma_K: eigenvalues of F F^T.
        along_K: squared components of y along their eigenvectors; outside: the rest of |y|^2.
    """
    items, tiny = shape[0], np.finfo(np.float64).tiny
    alpha = beta = 1.0
    for _ in range(MOST_ROUNDS):
        ratio = alpha / beta
        weight, residual = _parts(sigma_K, along_K, outside, ratio)
        gamma = float((sigma_K / (sigma_K + ratio)).sum())
        alpha, beta = gamma / max(weight, tiny), (items - gamma) / max(residual, TOLERANCE**2 * items)
        if abs(alpha / beta - ratio) <= TOLERANCE * ratio:
            break
    weight, residual = _parts(sigma_K, along_K, outside, alpha / beta)
    # log|alpha I + beta F^T F| - D log(alpha): directions without features cancel.
    volume = float(np.log1p(sigma_K * beta / alpha).sum())
    total = items * np.log(beta / (2 * np.pi)) - beta * residual - alpha * weight - volume
    return float(total / (2 * items))


def _parts(sigma_K: Floats, along_K: Floats, outside: float, ratio: float) -> tuple[float, float]:
    """|m|^2 and |y - F m|^2 of the posterior mean m."""
    weight = float((sigma_K * along_K / (sigma_K + ratio) ** 2).sum())
    return weight, float((along_K * (ratio / (sigma_K + ratio)) ** 2).sum()) + outside


def h_score(features_ND: Floats, classes_N: NDArray[np.int64]) -> float:
    """trace(cov(F)^-1 cov(E[F | class])) (Bao et al. 2019, An information-theoretic approach to transferability).

    Between 0 and min(D, classes - 1). The inverse is the pseudo-inverse, as in the authors' script.
    """
    centred_ND = features_ND.astype(np.float64) - features_ND.mean(axis=0)
    means_ND = np.empty_like(centred_ND)
    for number in np.unique(classes_N):
        means_ND[classes_N == number] = centred_ND[classes_N == number].mean(axis=0)
    inverse_DD = np.linalg.pinv(centred_ND.T @ centred_ND, rcond=1e-10, hermitian=True)
    return float(np.trace(inverse_DD @ (means_ND.T @ means_ND)))


def uniformity(vectors_ND: Floats) -> float:
    """Negative log of the mean of exp(-2 |x - y|^2) over pairs of unit vectors (Wang and Isola 2020, section 4.1.2).

    0 if all vectors are equal; higher if they are spread more evenly over the sphere.
    """
    unit_ND = vectors_ND / np.linalg.norm(vectors_ND, axis=1, keepdims=True).clip(min=1e-12)
    upper = np.triu_indices(len(unit_ND), k=1)
    squared = (2 - 2 * (unit_ND @ unit_ND.T))[upper]
    return float(-np.log(np.exp(-2 * squared).mean()))


def cosine(one_D: Floats, two_D: Floats) -> float:
    """Cosine of two vectors; 0 if one is zero."""
    length = float(np.linalg.norm(one_D) * np.linalg.norm(two_D))
    return float(one_D @ two_D) / length if length else 0.0


def mean_cosine(one: Mapping[str, Floats], two: Mapping[str, Floats]) -> float:
    """The mean cosine over the parts that both have, each with equal weight."""
    common = sorted(one.keys() & two.keys())
    return float(np.mean([cosine(one[name], two[name]) for name in common])) if common else 0.0
