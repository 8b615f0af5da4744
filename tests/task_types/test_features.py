"""Features on disk: saved, memory-mapped, joined."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from task_types.samples import CHOICES, CODER, LABELS, LIMITS, LINES, PAIRS, PARALLEL, QUESTIONS, SENTENCES, TAGS, whole
from xstilts.core.errors import DataError
from xstilts.task_types import TASK_TYPES
from xstilts.task_types.features import Features, FeaturesWriter, Ragged

ALL = {
    "classification": TASK_TYPES.get("classification").encode(PAIRS, CODER, LIMITS, LABELS),
    "multiple_choice": TASK_TYPES.get("multiple_choice").encode(CHOICES, CODER, LIMITS, ()),
    "span_qa": TASK_TYPES.get("span_qa").encode(QUESTIONS, CODER, LIMITS, ()),
    "tagging": TASK_TYPES.get("tagging").encode(SENTENCES, CODER, LIMITS, TAGS),
    "retrieval": TASK_TYPES.get("retrieval").encode(PARALLEL, CODER, LIMITS, ()),
    "contrastive": TASK_TYPES.get("contrastive").encode(PARALLEL, CODER, LIMITS, ()),
    "masked_lm": TASK_TYPES.get("masked_lm").encode(LINES, CODER, LIMITS, ()),
}
every_type = pytest.mark.parametrize("name", ALL)


def contents(features: Features) -> list[object]:
    """All that there is, as lists."""
    cells = {
        name: [column[i].tolist() for i in range(len(features))] for name, column in sorted(features.columns.items())
    }
    tokens = [features.tokens[k].tolist() for k in range(len(features.type_splits))]
    numbers = [array.tolist() for array in (features.type_splits, features.first_segment, features.example)]
    return [tokens, *numbers, cells, [dict(record) for record in features.records], features.lengths.tolist()]


@every_type
def test_saved_features_come_back_the_same(name: str, tmp_path: Path) -> None:
    ALL[name].save(tmp_path)
    loaded = Features.load(tmp_path)
    assert contents(loaded) == contents(ALL[name])
    assert len(loaded) == len(ALL[name])
    batch, again = whole(TASK_TYPES.get(name), ALL[name]), whole(TASK_TYPES.get(name), loaded)
    assert batch.packed.ids_T.tolist() == again.packed.ids_T.tolist()
    assert {k: v.tolist() for k, v in batch.targets.items()} == {k: v.tolist() for k, v in again.targets.items()}


@every_type
def test_joined_features_hold_all_parts(name: str, tmp_path: Path) -> None:
    one = ALL[name]
    with FeaturesWriter(tmp_path) as writer:
        for number in range(2):
            writer.append(one, number)
    both = Features.load(tmp_path)
    assert both.columns["part"].tolist() == [0] * len(one) + [1] * len(one)
    assert both.lengths.tolist() == 2 * one.lengths.tolist()
    assert len(both.records) == 2 * len(one.records)
    for row in range(len(one)):
        for k in (row, row + len(one)):
            assert [ids.tolist() for ids in both.segments([k])[0]] == [ids.tolist() for ids in one.segments([row])[0]]
            assert both.records[both.example[k]] == one.records[one.example[row]]
            for column in one.columns:
                assert both.columns[column][k].tolist() == one.columns[column][row].tolist()


def test_arrays_are_mapped_and_records_read_only_when_asked_for(tmp_path: Path) -> None:
    ALL["tagging"].save(tmp_path)
    loaded = Features.load(tmp_path)
    assert isinstance(loaded.tokens.values.base, np.memmap)
    assert not loaded.tokens.values.flags.writeable
    (tmp_path / "records.jsonl").unlink()
    assert len(whole(TASK_TYPES.get("tagging"), loaded).rows) == len(SENTENCES)
    with pytest.raises(DataError, match="no such file"):
        len(loaded.records)


@pytest.mark.parametrize("fault", ["missing", "cut"])
def test_damaged_features_are_named(fault: str, tmp_path: Path) -> None:
    ALL["tagging"].save(tmp_path)
    path = tmp_path / "tokens.npy"
    path.unlink() if fault == "missing" else path.write_bytes(path.read_bytes()[:90])
    with pytest.raises(DataError, match=r"damaged features.*run again"):
        Features.load(tmp_path)


def test_a_folder_without_features_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"features.json: no such file"):
        Features.load(tmp_path)


@given(st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=8))
def test_ragged_columns_keep_every_cell(cells: list[list[int]]) -> None:
    ragged = Ragged.of(cells)
    assert [ragged[i].tolist() for i in range(len(cells))] == cells


@every_type
def test_segments_follow_the_rows_asked_for(name: str) -> None:
    features = ALL[name]
    rows = list(range(len(features)))[::-1]
    ids, splits, offsets = features.segments(rows)
    assert len(ids) == len(splits) == offsets[-1]
    packed, again = features.packed(rows)
    assert again.tolist() == offsets.tolist()
    for segment, start in zip(ids, packed.starts_S.tolist(), strict=True):
        assert packed.ids_T[start : start + len(segment)].tolist() == segment.tolist()
