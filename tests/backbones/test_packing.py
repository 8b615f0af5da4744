"""Laying segments into a pack, and batches into micro-batches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts.backbones.packing import micro_batches, pack

LENGTHS = st.lists(st.integers(1, 20), min_size=1, max_size=20)


@given(LENGTHS)
def test_every_segment_is_found_where_starts_says(lengths: list[int]) -> None:
    rows = [np.full(length, i) for i, length in enumerate(lengths)]
    batch = pack(rows, [length // 2 for length in lengths])
    assert batch.lengths == tuple(sorted(lengths, reverse=True))
    for i, (length, start) in enumerate(zip(lengths, batch.starts_S.tolist(), strict=True)):
        assert batch.ids_T[start : start + length].tolist() == [i] * length
        assert batch.positions_T[start : start + length].tolist() == list(range(length))
        assert batch.types_T[start : start + length].tolist() == [0] * (length // 2) + [1] * (length - length // 2)
        assert len(set(batch.segment_T[start : start + length].tolist())) == 1
    assert batch.cu_seqlens.diff().tolist() == list(batch.lengths)
    assert len(batch.ids_T) == sum(lengths)


def test_segments_of_equal_length_keep_their_order() -> None:
    assert pack([np.array([7, 7]), np.array([8, 8]), np.array([9])]).ids_T.tolist() == [7, 7, 8, 8, 9]


@pytest.mark.parametrize("rows", [[], [np.array([1]), np.array([], dtype=int)]])
def test_nothing_cannot_be_packed(rows: list[np.ndarray]) -> None:
    with pytest.raises(AssertionError):
        pack(rows)


@given(LENGTHS, st.integers(1, 60))
def test_micro_batches_hold_each_row_once_within_the_budget(lengths: list[int], budget: int) -> None:
    groups = micro_batches(np.asarray(lengths), budget)
    assert sorted(np.concatenate(groups).tolist()) == list(range(len(lengths)))
    for group in groups:
        assert len(group) == 1 or sum(lengths[i] for i in group) <= budget
