"""The hash that drops: its rates, what must be independent, its scale, and that no machine changes a bit of it."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from backbones.tiny_models import sequences
from xstilts.backbones.dropout import (
    Dropout,
    HashDropout,
    identities,
    segment_keys,
    site_of,
)
from xstilts.backbones.packing import pack

ROWS, COLUMNS = 2048, 384
PATHS = tuple(f"encoder.layer.{layer}.output.dropout" for layer in range(8))


def tokens(count: int = ROWS) -> Tensor:
    """Identities as they occur: 16 segments of neighbouring positions."""
    keys = segment_keys(np.arange(16), np.zeros(16, dtype=int))
    each = count // 16
    return torch.cat([identities(torch.tensor([int(key)], dtype=torch.int32), torch.arange(each)) for key in keys])


def masks(p: float, seed: int = 3, path: str = PATHS[0], count: int = ROWS) -> Tensor:
    """What is kept, as numbers of mean 0 and variance 1."""
    hashed = HashDropout()
    hashed.begin(seed, tokens(count)[None])
    kept = hashed.drop(torch.ones(1, count, COLUMNS), p, site_of(path))[0] > 0
    return (kept.double() - (1 - p)) / (p * (1 - p)) ** 0.5


def sigmas(products: Tensor) -> float:
    """How many standard deviations the mean of independent numbers of variance 1 is from 0."""
    return abs(float(products.mean())) * products.numel() ** 0.5


@pytest.mark.parametrize("p", [0.05, 0.1, 0.5, 0.9])
def test_the_share_that_is_dropped_is_the_one_asked_for(p: float) -> None:
    one = masks(p)
    assert sigmas(one) < 4
    for dimension, count in ((0, COLUMNS), (1, ROWS)):
        sums = one.sum(dimension) / one.shape[dimension] ** 0.5  # each of variance 1
        assert abs(float(sums.square().mean()) - 1) < 4 * (2 / count) ** 0.5  # chi-square
        assert float(sums.abs().max()) < 5.5


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_neighbours_are_independent(p: float) -> None:
    one = masks(p)
    assert sigmas(one[:, 1:] * one[:, :-1]) < 4, "columns"
    assert sigmas(one[1:] * one[:-1]) < 4, "tokens"
    assert sigmas(one * masks(p, seed=4)) < 4, "steps"
    assert sigmas(one * masks(p, path=PATHS[1])) < 4, "sites"
    assert sigmas(one[1:, 1:] * one[1:, :-1] * one[:-1, 1:] * one[:-1, :-1]) < 4, "squares"


def test_no_two_columns_tokens_or_sites_are_alike() -> None:
    one = masks(0.5)
    for each in (one.T, one, torch.stack([masks(0.5, path=path, count=64).flatten() for path in PATHS])):
        each = each[:512]
        correlations = (each @ each.T) / each.shape[1] ** 0.5
        apart = correlations[~torch.eye(len(each), dtype=torch.bool)]
        assert float(apart.abs().max()) < 6
        assert abs(float(apart.square().mean()) - 1) < 0.05 if len(each) > 100 else True


def test_heads_of_attention_are_independent() -> None:
    hashed = HashDropout()
    hashed.begin(1, tokens(256).view(4, 64))
    kept = hashed.drop(torch.ones(4, 12, 64, 64), 0.5, 7) > 0
    signs = kept.double() * 2 - 1
    assert sigmas(signs[:, 1:] * signs[:, :-1]) < 4
    assert sigmas(signs) < 4


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_mean_is_kept_and_gradients_are_those_of_torch(dtype: torch.dtype) -> None:
    hashed = HashDropout()
    hashed.begin(3, tokens()[None])
    x = torch.randn(1, ROWS, COLUMNS, generator=torch.Generator().manual_seed(0)).to(dtype).requires_grad_()
    dropped = hashed.drop(x, 0.1, 5)
    dropped.sum().backward()
    kept = dropped != 0
    assert dropped.dtype == dtype
    torch.testing.assert_close(dropped[kept], (x.detach()[kept].double() / 0.9).to(dtype))
    assert x.grad is not None
    torch.testing.assert_close(x.grad, (kept.double() / 0.9).to(dtype))
    ones = hashed.drop(torch.ones_like(x), 0.1, 5)
    assert float(ones.double().mean()) == pytest.approx(1, abs=0.003)


def test_all_may_be_dropped_and_nothing() -> None:
    hashed = HashDropout()
    hashed.begin(3, tokens()[None])
    x = torch.ones(1, ROWS, 8)
    assert not hashed.drop(x, 1.0, 5).any()
    assert hashed.drop(x, 1 - 1e-12, 5).isfinite().all()
    assert torch.equal(Dropout(0.0)(x), x)


def test_any_number_of_threads_gives_the_same_bits() -> None:
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(masks(0.1))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(found[0], other) for other in found[1:])


def test_bits_are_what_they_were() -> None:
    """On every machine: another hash here is another number in every store (raise the version of `train`)."""
    digest = hashlib.sha256(np.packbits((masks(0.1, count=64) > 0).numpy()).tobytes()).hexdigest()
    assert digest[:16] == "a0e9c09a9c3e4c24"


def test_identities_are_of_row_part_and_position_whatever_the_pack() -> None:
    rows = sequences((3, 9, 9, 5))
    place, part = np.array([0, 0, 1, 2]), np.array([0, 1, 0, 0])
    whole = pack(rows).planned(1, place, part)
    cut = pack(rows[1:3]).planned(1, place[1:3], part[1:3])
    for i, j in ((1, 0), (2, 1)):
        begin, other = int(whole.starts_S[i]), int(cut.starts_S[j])
        assert torch.equal(whole.identity_T[begin : begin + 9], cut.identity_T[other : other + 9])
    assert len(whole.identity_T.unique()) == 26


def test_without_a_plan_dropout_is_torchs() -> None:
    ours, theirs, x = Dropout(0.5), nn.Dropout(0.5), torch.ones(50)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        expected = theirs(x)
        torch.manual_seed(1)
        assert torch.equal(ours(x), expected)
