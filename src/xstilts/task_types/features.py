"""Features: tokenised instances as flat arrays, written once per (data, tokenizer) and memory-mapped by every reader.

An *instance* is what the batch plan counts: one pair of texts, one question with all its choices, one window of a
passage, one translation pair. It has one or more *segments* (see `backbones.packing`) and named columns of gold or of
what decoding needs. An *example* (one line of the official file) may have several instances.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from xstilts.backbones.coder import Segment
from xstilts.backbones.packing import Packed, pack
from xstilts.core.errors import DataError
from xstilts.core.files import read_json, read_jsonl, write_json, write_jsonl

Array = np.ndarray


@dataclass(frozen=True)
class Ragged:
    """A column whose cells are arrays: cell i is `values[offsets[i]:offsets[i + 1]]`."""

    values: Array
    offsets: Array

    def __getitem__(self, i: int) -> Array:
        return self.values[self.offsets[i] : self.offsets[i + 1]]

    @classmethod
    def of(cls, cells: Sequence[Any], dtype: Any = np.int32) -> Ragged:
        lengths = np.fromiter((len(cell) for cell in cells), dtype=np.int64, count=len(cells))
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        flat = [np.asarray(cell, dtype=dtype) for cell in cells if len(cell)]
        return cls(np.concatenate(flat) if flat else np.zeros(0, dtype=dtype), offsets)


@dataclass(frozen=True)
class Features:
    """Tokenised instances.

    Attributes:
        tokens: Ragged, one cell per segment.
        type_splits: per segment, where token type ids become 1.
        first_segment: [instances + 1] offsets into the segments.
        example: per instance, the index of its example.
        columns: further columns per instance, plain arrays or Ragged.
        records: per example, what decoding and scoring need: `id`, `gold`, and the type's own fields.
    """

    tokens: Ragged
    type_splits: Array
    first_segment: Array
    example: Array
    columns: Mapping[str, Array | Ragged]
    records: Sequence[Mapping[str, Any]]

    def __len__(self) -> int:
        return len(self.first_segment) - 1

    @cached_property
    def lengths(self) -> Array:
        """Tokens of each instance, all segments together."""
        ends = self.tokens.offsets[np.asarray(self.first_segment)]
        return np.diff(ends)

    @property
    def longest(self) -> int:
        """Tokens of the longest segment."""
        return int(np.diff(self.tokens.offsets).max(initial=0))

    def segments(self, rows: Sequence[int] | Array) -> tuple[list[Array], list[int], Array]:
        """Segments of the given instances in order, their type splits, and [rows + 1] offsets of each row's first."""
        ids: list[Array] = []
        splits: list[int] = []
        offsets = [0]
        for row in rows:
            for k in range(int(self.first_segment[row]), int(self.first_segment[row + 1])):
                ids.append(self.tokens[k])
                splits.append(int(self.type_splits[k]))
            offsets.append(len(ids))
        return ids, splits, np.asarray(offsets)

    def instance(self, row: int) -> list[Array]:
        """The segments of one instance."""
        return [self.tokens[k] for k in range(int(self.first_segment[row]), int(self.first_segment[row + 1]))]

    def packed(self, rows: Sequence[int] | Array) -> tuple[Packed, Array]:
        """The given instances as one pack, and [rows + 1] offsets of each row's first segment in `starts_S`."""
        ids, splits, offsets = self.segments(rows)
        return pack(ids, splits), offsets

    def column(self, name: str) -> Array:
        value = self.columns[name]
        assert not isinstance(value, Ragged)
        return value

    def ragged(self, name: str) -> Ragged:
        value = self.columns[name]
        assert isinstance(value, Ragged)
        return value

    @classmethod
    def concat(cls, parts: Sequence[Features]) -> Features:
        """All instances of several features, in order, with a column `part` saying which one each came from."""
        names = parts[0].columns.keys()
        columns: dict[str, Array | Ragged] = {}
        for name in names:
            cells = [part.columns[name] for part in parts]
            if isinstance(cells[0], Ragged):
                columns[name] = _concat_ragged([part.ragged(name) for part in parts])
            else:
                columns[name] = np.concatenate([part.column(name) for part in parts])
        columns["part"] = np.repeat(np.arange(len(parts), dtype=np.int32), [len(part) for part in parts])
        segments = np.cumsum([0, *(len(part.type_splits) for part in parts)])
        examples = np.cumsum([0, *(len(part.records) for part in parts)])
        first = [part.first_segment[:-1] + base for part, base in zip(parts, segments[:-1], strict=True)]
        return cls(
            _concat_ragged([part.tokens for part in parts]),
            np.concatenate([part.type_splits for part in parts]),
            np.concatenate([*first, segments[-1:]]),
            np.concatenate([part.example + base for part, base in zip(parts, examples[:-1], strict=True)]),
            columns,
            [record for part in parts for record in part.records],
        )

    def save(self, directory: Path) -> None:
        """One `.npy` file per array, `records.jsonl`, and `features.json` naming the columns."""
        directory.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Array] = {
            "tokens": self.tokens.values,
            "tokens.offsets": self.tokens.offsets,
            "type_splits": self.type_splits,
            "first_segment": self.first_segment,
            "example": self.example,
        }
        for name, column in self.columns.items():
            if isinstance(column, Ragged):
                arrays[f"column.{name}"], arrays[f"column.{name}.offsets"] = column.values, column.offsets
            else:
                arrays[f"column.{name}"] = column
        for name, array in arrays.items():
            np.save(directory / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
        write_jsonl(directory / "records.jsonl", self.records)
        ragged = [name for name, column in self.columns.items() if isinstance(column, Ragged)]
        plain = [name for name in self.columns if name not in ragged]
        write_json(
            directory / "features.json",
            {
                "instances": len(self),
                "examples": len(self.records),
                "tokens": len(self.tokens.values),
                "ragged": ragged,
                "plain": plain,
            },
        )

    @classmethod
    def load(cls, directory: Path) -> Features:
        """Memory-mapped features. Raises `DataError` when the folder is none."""
        about = read_json(directory / "features.json")

        def array(name: str) -> Array:
            try:
                # A plain view of the map: slices of np.memmap itself cost ten times as much.
                value: Array = np.load(directory / f"{name}.npy", mmap_mode="r", allow_pickle=False).view(np.ndarray)
            except (OSError, ValueError) as error:
                raise DataError(f"damaged features ({error}); remove the folder and run again", directory) from None
            return value

        columns: dict[str, Array | Ragged] = {name: array(f"column.{name}") for name in about["plain"]}
        for name in about["ragged"]:
            columns[name] = Ragged(array(f"column.{name}"), array(f"column.{name}.offsets"))
        records = _Lines(directory / "records.jsonl")
        tokens = Ragged(array("tokens"), array("tokens.offsets"))
        return cls(tokens, array("type_splits"), array("first_segment"), array("example"), columns, records)


def _concat_ragged(columns: Sequence[Ragged]) -> Ragged:
    bases = np.cumsum([0, *(column.offsets[-1] for column in columns)])
    offsets = [column.offsets[:-1] + base for column, base in zip(columns, bases[:-1], strict=True)]
    return Ragged(np.concatenate([column.values for column in columns]), np.concatenate([*offsets, bases[-1:]]))


class _Lines(Sequence[Mapping[str, Any]]):
    """Records read when first asked for: training never does."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def _rows(self) -> list[Mapping[str, Any]]:
        return [row for _, row in read_jsonl(self.path)]

    def __getitem__(self, i: Any) -> Any:
        return self._rows[i]

    def __len__(self) -> int:
        return len(self._rows)


class FeaturesBuilder:
    """Collects instances one by one."""

    def __init__(self) -> None:
        self._segments: list[Segment] = []
        self._first = [0]
        self._example: list[int] = []
        self._cells: dict[str, list[Any]] = {}
        self._records: list[Mapping[str, Any]] = []

    def record(self, **fields: Any) -> int:
        """Add an example; returns its index."""
        self._records.append(fields)
        return len(self._records) - 1

    def add(self, example: int, segments: Sequence[Segment], **cells: Any) -> None:
        """Add an instance of `example`; every instance has the same cells."""
        self._segments.extend(segments)
        self._first.append(len(self._segments))
        self._example.append(example)
        for name, cell in cells.items():
            self._cells.setdefault(name, []).append(cell)

    def build(self) -> Features:
        columns: dict[str, Array | Ragged] = {}
        for name, cells in self._cells.items():
            assert len(cells) == len(self._example), f"column {name} misses cells"
            is_ragged = isinstance(cells[0], (list, tuple, np.ndarray))
            columns[name] = Ragged.of(cells) if is_ragged else np.asarray(cells, dtype=np.int32)
        return Features(
            Ragged.of([segment.ids for segment in self._segments]),
            np.asarray([segment.type_split for segment in self._segments], dtype=np.int32),
            np.asarray(self._first, dtype=np.int64),
            np.asarray(self._example, dtype=np.int64),
            columns,
            self._records,
        )


def tokens_of(parts: Iterable[Features]) -> Array:
    """The token ids that occur, int64, rising."""
    values = [part.tokens.values for part in parts]
    used = np.zeros(1 + max((int(ids.max(initial=0)) for ids in values), default=0), dtype=bool)
    for ids in values:
        used[ids] = True
    return np.flatnonzero(used)
