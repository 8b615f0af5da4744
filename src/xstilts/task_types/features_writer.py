"""Features that are appended to files, for data larger than memory; the files are those of `Features.save`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np

from xstilts.backbones.coder import Segment
from xstilts.core.files import write_json, write_jsonl
from xstilts.task_types.features import Array

WAITING = 4096
"""Instances that are kept until they are written together."""


class _Column:
    """A one-dimensional `.npy` file that grows; numpy leaves room in the header for a longer length."""

    def __init__(self, path: Path, dtype: Any) -> None:
        self.dtype, self.length = np.dtype(dtype), 0
        self._stream: IO[bytes] = path.open("wb")
        self._header()

    def _header(self) -> None:
        about = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": (self.length,)}
        np.lib.format.write_array_header_1_0(self._stream, about)

    def extend(self, values: Sequence[int] | Array) -> None:
        array = np.asarray(values, dtype=self.dtype)
        self._stream.write(array.tobytes())
        self.length += len(array)

    def close(self) -> None:
        self._stream.seek(0)
        self._header()
        self._stream.close()


class FeaturesWriter:
    """Collects instances of raw text one by one, and languages (`begin`) one after the other.

    Equal, byte for byte, to saving the concatenation of one `Features` for each language with one record each.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        kinds = {
            "tokens": np.int32,
            "tokens.offsets": np.int64,
            "type_splits": np.int32,
            "first_segment": np.int64,
            "example": np.int64,
            "column.part": np.int32,
        }
        self._columns = {name: _Column(directory / f"{name}.npy", dtype) for name, dtype in kinds.items()}
        for name in ("tokens.offsets", "first_segment"):
            self._columns[name].extend([0])
        self._records: list[dict[str, Any]] = []
        self._waiting: list[Sequence[Segment]] = []

    def begin(self, **record: Any) -> None:
        """The instances that follow belong to a further example, and to a further part."""
        self._write()
        self._records.append(record)

    def add(self, segments: Sequence[Segment]) -> None:
        """An instance of the last example."""
        self._waiting.append(segments)
        if len(self._waiting) >= WAITING:
            self._write()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._write()
        instances, tokens = self._columns["example"].length, self._columns["tokens"].length
        for column in self._columns.values():
            column.close()
        if kind is not None:
            return
        write_jsonl(self.directory / "records.jsonl", self._records)
        counts = {"instances": instances, "examples": len(self._records), "tokens": tokens}
        write_json(self.directory / "features.json", {**counts, "ragged": [], "plain": ["part"]})

    def _write(self) -> None:
        if not self._waiting:
            return
        columns, number = self._columns, len(self._records) - 1
        flat = [segment for segments in self._waiting for segment in segments]
        tokens, segments = columns["tokens"].length, columns["type_splits"].length
        columns["tokens"].extend(np.concatenate([segment.ids for segment in flat]))
        columns["tokens.offsets"].extend(tokens + np.cumsum([len(segment.ids) for segment in flat]))
        columns["type_splits"].extend([segment.type_split for segment in flat])
        columns["first_segment"].extend(segments + np.cumsum([len(each) for each in self._waiting]))
        for name in ("example", "column.part"):
            columns[name].extend([number] * len(self._waiting))
        self._waiting = []
