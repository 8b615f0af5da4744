"""Reads the folders that evaluation wrote: `scores.jsonl` and `examples.parquet`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from xstilts.core.errors import DataError
from xstilts.core.files import read_jsonl
from xstilts.core.scores import Score
from xstilts.stats.table import Examples, Measured, ScoreTable

Key = tuple[str, ...]
KEY = ("task", "language", "split", "metric", "variant")
TYPES: dict[str, type | tuple[type, ...]] = {"str": str, "int": int, "float": (int, float), "bool": bool}
TOLERANCE = 0.01


def read_table(folders: Sequence[Path], examples: Callable[[Score], bool] | None = None) -> ScoreTable:
    """All scores of `folders`, each holding `scores.jsonl` and, where kept, `examples.parquet`.

    Args:
        examples: which scores get their per-example values loaded; main values alone when not given (a sweep over
            layers has tens of others).

    Raises:
        DataError: a missing or damaged file, or a score that is not the ratio of its examples' sums.
    """
    wanted = (lambda score: score.main) if examples is None else examples
    return ScoreTable(tuple(row for folder in folders for row in read_folder(folder, wanted)))


def read_folder(folder: Path, wanted: Callable[[Score], bool]) -> Iterator[Measured]:
    """The scores of one folder; those that are `wanted` with their examples, where the folder keeps them."""
    scores = [_score(row, folder / "scores.jsonl", line) for line, row in read_jsonl(folder / "scores.jsonl")]
    path = folder / "examples.parquet"
    keys = {_key(score) for score in scores if wanted(score)}
    found = _examples(path, keys) if keys and path.exists() else {}
    for score in scores:
        examples = found.get(_key(score))
        if examples is not None and abs(examples.value - score.value) > TOLERANCE:
            raise DataError(
                f"{score.task} {score.language} {score.metric} is {score.value:.3f} in scores.jsonl but its examples "
                f"give {examples.value:.3f}: run the evaluation again",
                path,
            )
        yield Measured(score, examples)


def _key(score: Score) -> Key:
    return tuple(getattr(score, name) for name in KEY)


def _score(row: Any, path: Path, line: int) -> Score:
    if not isinstance(row, dict):
        raise DataError(f"expected a score as a JSON object, found {type(row).__name__}", path, line)
    known = {entry.name: entry for entry in fields(Score)}
    required = {name for name, entry in known.items() if entry.default is MISSING}
    if wrong := sorted((required - row.keys()) | (row.keys() - known.keys())):
        word = "without" if wrong[0] in required else "with the unknown field"
        raise DataError(f"a score {word} '{wrong[0]}': written by another version?", path, line)
    for name, value in row.items():
        kind = str(known[name].type)
        if not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "bool"):
            raise DataError(f"'{name}' of a score should be {kind}, found {value!r}", path, line)
    return Score(**row)


def _examples(path: Path, keys: set[Key]) -> dict[Key, Examples]:
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"not a readable Parquet file ({str(error).splitlines()[0]})", path) from None
    needed = (*KEY, "id", "numerator", "denominator")
    if missing := [name for name in needed if name not in table.column_names]:
        raise DataError(f"no column '{missing[0]}' (expected {', '.join(needed)})", path)
    codes, names = zip(*(_encoded(table, name) for name in KEY))
    parts, inverse = np.unique(np.stack(codes, axis=1), axis=0, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    ends = np.cumsum(np.bincount(inverse, minlength=len(parts)))
    ids = table.column("id")
    above, below = (table.column(name).to_numpy() for name in ("numerator", "denominator"))
    found = {}
    for number, (part, end) in enumerate(zip(parts, ends)):
        key = tuple(str(levels[code]) for levels, code in zip(names, part))
        if key in keys:
            rows = order[ends[number - 1] if number else 0 : end]
            found[key] = Examples.of(ids.take(pa.array(rows)).to_pylist(), above[rows], below[rows])
    return found


def _encoded(table: pa.Table, name: str) -> tuple[NDArray[np.int64], list[str]]:
    """Integer codes [rows] of a text column, and the text of each code."""
    column = table.column(name).cast(pa.string()).combine_chunks().dictionary_encode()
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.asarray(array.indices, dtype=np.int64), array.dictionary.to_pylist()
