"""Reads the folders that evaluation wrote: `scores.jsonl` and `examples.parquet`."""

from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from xstilts.core.errors import DataError
from xstilts.core.files import read_jsonl
from xstilts.core.scores import Score
from xstilts.stats.table import Examples, Measured

Key = tuple[str, ...]
KEY = ("task", "language", "split", "metric", "variant")
VALUES = ("id", "numerator", "denominator")
TYPES: dict[Any, type | tuple[type, ...]] = {str: str, int: int, float: (int, float), bool: bool}
"""Type of a field of a score -> types of its values in JSON."""
TOLERANCE = 0.01


def read_folder(folder: Path, wanted: Callable[[Score], bool]) -> Iterator[Measured]:
    """The scores in `scores.jsonl` of a folder, and the values by example of the `wanted` ones if it has them.

    Raises `DataError` for a missing or damaged file, and for a score that is not the ratio of its examples' sums.
    """
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
        kind: Any = known[name].type
        if not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind is not bool):
            raise DataError(f"'{name}' of a score should be {kind.__name__}, found {value!r}", path, line)
    return Score(**row)


def _examples(path: Path, keys: set[Key]) -> dict[Key, Examples]:
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"not a readable Parquet file ({str(error).splitlines()[0]})", path) from None
    if missing := [name for name in (*KEY, *VALUES) if name not in table.column_names]:
        raise DataError(f"no column '{missing[0]}' (expected {', '.join((*KEY, *VALUES))})", path)
    texts = {name: table.column(name).cast(pa.string()) for name in (*KEY, "id")}
    values = {name: table.column(name) for name in ("numerator", "denominator")}
    groups = pa.table(texts | values).group_by(list(KEY), use_threads=False)
    grouped = groups.aggregate([(name, "list") for name in VALUES])
    found = {}
    for row, key in enumerate(zip(*(grouped.column(name).to_pylist() for name in KEY), strict=True)):
        if key in keys:
            ids, above, below = (grouped.column(f"{name}_list")[row].values for name in VALUES)
            found[key] = Examples.of(ids.to_pylist(), above.to_numpy(), below.to_numpy())
    return found
