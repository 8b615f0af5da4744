"""How much data a stage reads: counted if its features are prepared, else estimated.

Numbers of rows are those of the official releases (`sources/rows.tsv`), of the files if no source states them, or of
the microworld. Tokens per row are assumed by task type (`Usual` in `xstilts.data.readers.types`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xstilts.core.files import read_json
from xstilts.data.examples import asked
from xstilts.data.readers.types import TYPES
from xstilts.graph.stage import Stage
from xstilts.graph.store import Store
from xstilts.stages.reading import root_of, split_of, task_of
from xstilts.stages.rows import is_empty, rows_of
from xstilts.tasks.base import Encoding
from xstilts.training.mixture import language_probabilities

SPREAD = 1.25
"""sum(n^2) sum(1) / sum(n)^2 of segment lengths: 1.1 for pairs, 1.2 for passages, 1.6 for single sentences."""
JOINED = 0.95
"""Share of a block of joined lines that is filled."""
BYTES_PER_TOKEN = 5.0
"""Of UTF-8 text in the languages of a multilingual corpus."""
NEW_TOKENS = (300.0, 0.29)
"""n tokens of text have a n^b different ones. Of English tasks in a multilingual vocabulary, 20,000 tokens have 5,000
and 2.7 M have 18,000."""
POOLS: Mapping[str, int] = {"mewslix": 1_000_000}
"""Candidates that all languages search, if the files are missing: Mewsli-X has about a million."""


@dataclass(frozen=True)
class Amount:
    """A set of instances.

    Attributes:
        tokens: mean per instance, with languages as training samples them.
        keys: mean over tokens of the length of their segment.
        segments: mean per instance; `longest`: the most tokens an instance can have.
        rows: examples; span QA makes several instances of one, raw text one of several.
        estimated: not counted; `note`: says if rows are assumed too.
    """

    instances: float
    tokens: float
    keys: float
    segments: float
    longest: int
    rows: float
    estimated: bool
    note: str = ""

    @property
    def total(self) -> float:
        return self.instances * self.tokens


def amount(prepared: Stage, store: Store | None, exponent: float = 1.0) -> Amount:
    """The data of a prepare stage, all languages together; estimated if it is not finished in a store.

    Languages are sampled by size to the power of `exponent`, which matters if their lengths differ. Raises `DataError`
    if files that must be counted are missing or damaged.
    """
    if store is not None and store.has(prepared):
        return _counted(store.directory(prepared), exponent)
    return _estimated(prepared)


def tokens_in(prepared: Stage, store: Store | None) -> np.ndarray | None:
    """The token ids that a prepare stage has, [A], ascending; None if it is not finished."""
    if store is None or not store.has(prepared):
        return None
    files = sorted(store.directory(prepared).glob("*/tokens.npy"))
    return np.unique(np.concatenate([np.unique(np.load(file)) for file in files]))


def read_over(kind: str, labels: int) -> tuple[float, tuple[str, ...]]:
    """How often prediction of a type reads its data, and a note on what is not counted."""
    written = kind in ("span_qa_text", "tagging_text")
    note = ("time to generate answers token by token is not included",) if written else ()
    return TYPES.get(kind).usual.passes or float(max(1, labels)), note


def disk_of_features(kind: str, amount: Amount) -> float:
    """Bytes: 4 per token, offsets of segments and instances, columns, and records; text is assumed by task type."""
    usual = TYPES.get(kind).usual
    per_instance = 12.0 * amount.segments + 24.0
    return amount.instances * (usual.feature * amount.tokens + per_instance) + usual.record * amount.rows


def _counted(directory: Path, exponent: float) -> Amount:
    folders = [path.parent for path in sorted(directory.glob("*/features.json"))]
    offsets = [np.load(folder / "tokens.offsets.npy") for folder in folders]
    segments = np.concatenate([np.diff(one) for one in offsets])
    firsts = [np.load(folder / "first_segment.npy") for folder in folders]
    lengths = np.concatenate([np.diff(one[first]) for one, first in zip(offsets, firsts)])
    mean, part = float(lengths.mean()), folders[0] / "column.part.npy"
    if len(folders) == 1 and part.exists() and exponent != 1.0:
        mean = _drawn(lengths, np.load(part), exponent)
    return Amount(
        instances=len(lengths),
        tokens=mean,
        keys=float((segments.astype(np.float64) ** 2).sum() / segments.sum()),
        segments=len(segments) / len(lengths),
        longest=int(lengths.max()),
        rows=sum(read_json(folder / "features.json")["examples"] for folder in folders),
        estimated=False,
    )


def _drawn(lengths: np.ndarray, part: np.ndarray, exponent: float) -> float:
    """Mean length if languages are sampled by tokens to the power of `exponent`, as in the batch plan."""
    groups = [lengths[part == language] for language in range(int(part.max()) + 1)]
    shares = language_probabilities([int(own.sum()) for own in groups], exponent)
    return float(sum(share * own.mean() for share, own in zip(shares, groups, strict=True)))


def _estimated(prepared: Stage) -> Amount:
    config = prepared.config
    kind, usual, encoding = TYPES.get(config["type"]), TYPES.get(config["type"]).usual, Encoding(**config["encoding"])
    longest, (counts, note) = encoding.max_length, rows_of(prepared)
    rows = float(sum(counts.values()))
    if kind.raw:
        return _raw_text(prepared, encoding, rows, note)
    if config["task"] in POOLS and not config["combined"]:
        pool = _pool(prepared)
        rows = rows + pool if note or config["limit"] else rows - pool * (len(counts) - 1)
    tokens = float(min(usual.tokens, longest))
    keys, segments = min(SPREAD * tokens, float(longest)), usual.segments
    return Amount(rows * usual.instances, tokens * segments, keys, segments, longest * segments, rows, True, note)


def _raw_text(prepared: Stage, encoding: Encoding, rows: float, note: str) -> Amount:
    """Joined lines fill blocks; single lines are sentences."""
    longest, size = float(encoding.max_length), _size_of_files(prepared)
    tokens = JOINED * longest if encoding.join else min(float(TYPES.get("masked_lm").usual.tokens), longest)
    keys = tokens if encoding.join else min(SPREAD * tokens, longest)
    instances = size / BYTES_PER_TOKEN / tokens if size and encoding.join else rows
    return Amount(instances, tokens, keys, 1.0, encoding.max_length, rows, True, "" if size else note)


def _size_of_files(prepared: Stage) -> int:
    if prepared.settings.get("roots") is None:
        return 0
    task, split, root = task_of(prepared), split_of(prepared.config), root_of(prepared.settings)
    return sum(p.stat().st_size for code in prepared.config["languages"] for p in task.paths(root, split, code))


def _pool(prepared: Stage) -> int:
    """Candidates that are in the files of every language, and are read once."""
    root, code = root_of(prepared.settings), prepared.config["languages"][0]
    task, split = task_of(prepared), split_of(prepared.config)
    if all(is_empty(path) for path in task.paths(root, split, code)):
        return POOLS[prepared.config["task"]]
    return sum(not asked(example) for example in task.load(root, split, code))
