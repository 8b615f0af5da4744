"""Features: tokenised instances as flat arrays, written once per (data, tokenizer) and memory-mapped by readers.

An *instance* is a unit of the batch plan: a pair of texts, a question with its choices, a window of a passage, a
translation pair. It has one or more *segments* (`backbones.packing`) and named columns for the loss and for decoding.
An *example* (one line of the official file) may have several instances.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Self

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
    """Tokenised instances, and the records of their examples.

    Attributes:
        tokens: Ragged, one cell per segment.
        type_splits: per segment, the position from which token type ids are 1.
        first_segment: [instances + 1] offsets into the segments.
        example: per instance, the index of its example.
        columns: further columns, with one cell per instance: arrays, or `Ragged`.
    """

    tokens: Ragged
    type_splits: Array
    first_segment: Array
    example: Array
    columns: Mapping[str, Any]
    stored: Sequence[Mapping[str, Any]] | Path

    @cached_property
    def records(self) -> Sequence[Mapping[str, Any]]:
        """Per example `id`, `gold` and fields of the type; read on first use."""
        return [row for _, row in read_jsonl(self.stored)] if isinstance(self.stored, Path) else self.stored

    def __len__(self) -> int:
        return len(self.first_segment) - 1

    @cached_property
    def lengths(self) -> Array:
        """Tokens of each instance, all segments together."""
        return np.diff(self.tokens.offsets[np.asarray(self.first_segment)])

    @property
    def longest(self) -> int:
        """Tokens of the longest segment."""
        return int(np.diff(self.tokens.offsets).max(initial=0))

    def instance(self, row: int) -> list[Array]:
        """The segments of one instance."""
        return [self.tokens[k] for k in range(int(self.first_segment[row]), int(self.first_segment[row + 1]))]

    def segments(self, rows: Sequence[int] | Array) -> tuple[list[Array], list[int], Array]:
        """The segments of some instances, their type splits, and [rows + 1] offsets of each row's first segment."""
        ids: list[Array] = []
        splits: list[int] = []
        offsets = [0]
        for row in rows:
            ids += self.instance(int(row))
            splits += self.type_splits[self.first_segment[row] : self.first_segment[row + 1]].tolist()
            offsets.append(len(ids))
        return ids, splits, np.asarray(offsets)

    def packed(self, rows: Sequence[int] | Array) -> tuple[Packed, Array]:
        """Some instances as one pack, and [rows + 1] offsets of each row's first segment in `starts_S`."""
        ids, splits, offsets = self.segments(rows)
        return pack(ids, splits), offsets

    def save(self, directory: Path) -> None:
        """Write the files that `load` reads."""
        with FeaturesWriter(directory) as writer:
            writer.append(self)

    @classmethod
    def load(cls, directory: Path) -> Features:
        """Memory-mapped features. Raises `DataError` if they are missing or damaged."""
        about = read_json(directory / "features.json")

        def array(name: str) -> Array:
            try:
                # A plain view of the map: slices of np.memmap itself cost ten times as much.
                value: Array = np.load(directory / f"{name}.npy", mmap_mode="r", allow_pickle=False).view(np.ndarray)
            except (OSError, ValueError) as error:
                raise DataError(f"damaged features ({error}); remove the folder and run again", directory) from None
            return value

        columns: dict[str, Any] = {name: array(f"column.{name}") for name in about["plain"]}
        columns |= {n: Ragged(array(f"column.{n}"), array(f"column.{n}.offsets")) for n in about["ragged"]}
        tokens, records = Ragged(array("tokens"), array("tokens.offsets")), directory / "records.jsonl"
        return cls(tokens, array("type_splits"), array("first_segment"), array("example"), columns, records)


class FeaturesBuilder:
    """Collects instances one by one."""

    def __init__(self) -> None:
        self._segments: list[Segment] = []
        self._first = [0]
        self._example: list[int] = []
        self._cells: dict[str, list[Any]] = {}
        self._records: list[Mapping[str, Any]] = []

    def __len__(self) -> int:
        return len(self._example)

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
        columns: dict[str, Any] = {}
        for name, cells in self._cells.items():
            assert len(cells) == len(self), f"column {name} misses cells"
            is_ragged = isinstance(cells[0], (list, tuple, np.ndarray))
            columns[name] = Ragged.of(cells) if is_ragged else np.asarray(cells, dtype=np.int32)
        tokens = Ragged.of([segment.ids for segment in self._segments])
        splits = np.asarray([segment.type_split for segment in self._segments], dtype=np.int32)
        first, example = np.asarray(self._first, dtype=np.int64), np.asarray(self._example, dtype=np.int64)
        return Features(tokens, splits, first, example, columns, self._records)


class FeaturesWriter:
    """Appends features to files, so that data may be larger than memory.

    The files are one `.npy` per array, `records.jsonl`, and `features.json` with the names of the columns.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._arrays: dict[str, _GrowingArray] = {}
        self._records: list[Mapping[str, Any]] = []
        self._part: int | None = None
        self._examples = 0

    def append(self, features: Features, part: int | None = None) -> None:
        """Add instances. `part`: number of a joined data set, kept in a column.

        Several calls may add to one part; their examples are counted from its first one.
        """
        if part is None or part != self._part:
            self._part, self._examples = part, len(self._records)
        self._records += features.records
        columns: dict[str, Any] = {"tokens": features.tokens, "type_splits": features.type_splits}
        columns |= {"first_segment": features.first_segment, "example": features.example + self._examples}
        columns |= {f"column.{name}": column for name, column in features.columns.items()}
        if part is not None:
            columns["column.part"] = np.full(len(features), part, dtype=np.int32)
        ragged = {name: column for name, column in columns.items() if isinstance(column, Ragged)}
        arrays = columns | {name: column.values for name, column in ragged.items()}
        arrays |= {f"{name}.offsets": column.offsets for name, column in ragged.items()}
        for name, array in arrays.items():
            if name not in self._arrays:
                self._arrays[name] = _GrowingArray(self.directory / f"{name}.npy", array.dtype)
            elif name == "first_segment" or name.endswith(".offsets"):
                counted = "type_splits" if name == "first_segment" else name.removesuffix(".offsets")
                array = array[1:] + self._arrays[counted].length - len(arrays[counted])
            self._arrays[name].extend(array)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for array in self._arrays.values():
            array.close()
        if kind is not None:
            return
        write_jsonl(self.directory / "records.jsonl", self._records)
        instances, tokens = self._arrays["example"].length, self._arrays["tokens"].length
        names = [name.removeprefix("column.") for name in self._arrays if name.startswith("column.")]
        ragged = [name for name in names if f"{name}.offsets" in names]
        plain = [name for name in names if name not in ragged and not name.endswith(".offsets")]
        counts = {"instances": instances, "examples": len(self._records), "tokens": tokens}
        write_json(self.directory / "features.json", {**counts, "ragged": ragged, "plain": plain})


class _GrowingArray:
    """A one-dimensional `.npy` file that grows; numpy's header leaves room for a longer length."""

    def __init__(self, path: Path, dtype: Any) -> None:
        self.dtype, self.length = np.dtype(dtype), 0
        self._stream: IO[bytes] = path.open("wb")
        self._header()

    def _header(self) -> None:
        about = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": (self.length,)}
        np.lib.format.write_array_header_1_0(self._stream, about)

    def extend(self, values: Array) -> None:
        self._stream.write(values.astype(self.dtype, copy=False).tobytes())
        self.length += len(values)

    def close(self) -> None:
        self._stream.seek(0)
        self._header()
        self._stream.close()


def tokens_of(parts: Iterable[Features]) -> Array:
    """All token ids that occur, int64, ascending."""
    values = [part.tokens.values for part in parts]
    used = np.zeros(1 + max((int(ids.max(initial=0)) for ids in values), default=0), dtype=bool)
    for ids in values:
        used[ids] = True
    return np.flatnonzero(used)
