"""A table of scores with their per-example values.

Every value is a ratio of sums over examples, 100 * sum(numerator) / sum(denominator): accuracy has denominators of 1,
entity F1 has 2 * true positives over predicted + gold. So any resample of the examples has a value too.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import numpy as np
from numpy.typing import NDArray

from xstilts.core.errors import XstiltsError
from xstilts.core.files import write_text
from xstilts.core.scores import Score

Floats = NDArray[np.float64]
IDENTITY = ("task", "language", "split", "metric", "variant", "seed", "recipe", "backbone", "role")
COLUMNS = tuple(entry.name for entry in fields(Score))


class Run(NamedTuple):
    """One row of a results table: which model was taken through which recipe."""

    backbone: str
    recipe: str


@dataclass(frozen=True, eq=False)
class Examples:
    """Per-example values of one score, in the order of their ids.

    Attributes:
        ids: [n] strings.
        numerator, denominator: [n]; the score is 100 * sum(numerator) / sum(denominator).
        group: fingerprint of the ids (and of a constructed world): equal for scores over the same examples, also in
            several languages.
    """

    ids: NDArray[Any]
    numerator: Floats
    denominator: Floats
    group: str

    @classmethod
    def of(cls, ids: Iterable[str], numerator: Any, denominator: Any) -> Examples:
        """Sort by id; repeated ids keep their order. Raises `XstiltsError` on unequal lengths."""
        names = np.asarray(list(ids), dtype=np.str_)
        above, below = np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
        if not len(names) == len(above) == len(below):
            found = f"{len(names)} ids, {len(above)} numerators and {len(below)} denominators"
            raise XstiltsError(f"example values need one numerator and one denominator per id, found {found}")
        order = np.argsort(names, kind="stable")
        digest = hashlib.sha256("\x1f".join(names[order].tolist()).encode()).hexdigest()[:16]
        return cls(names[order], above[order], below[order], digest)

    @property
    def value(self) -> float:
        """The score of these examples, 0-100; 0 if nothing is counted, as in seqeval."""
        below = float(self.denominator.sum())
        return 100.0 * (float(self.numerator.sum()) / below) if below else 0.0


class Measured(NamedTuple):
    """A score, the values of its examples (None if they were not kept or not read), and their fingerprint, if known."""

    score: Score
    examples: Examples | None = None
    source: str = ""

    @property
    def run(self) -> Run:
        return Run(self.score.backbone, self.score.recipe)


@dataclass(frozen=True)
class ScoreTable:
    """Scores in a fixed order, none twice. Raises `XstiltsError` for two values of one, or one that is not a number."""

    rows: tuple[Measured, ...]

    def __post_init__(self) -> None:
        seen: dict[tuple[Any, ...], Measured] = {}
        for row in self.rows:
            key = tuple(getattr(row.score, name) for name in IDENTITY)
            if not math.isfinite(row.score.value):
                raise XstiltsError(
                    f"the score of {row.score.task} ({row.score.language}, seed {row.score.seed}, recipe "
                    f"{row.score.recipe}) is {row.score.value}, not a number: evaluate it again"
                )
            other = seen.setdefault(key, row)
            if other is not row and other.score.value != row.score.value:
                what = ", ".join(f"{name}={value}" for name, value in zip(IDENTITY, key) if value != "")
                raise XstiltsError(
                    f"two different values for one score ({what}): {other.score.value} (stage {other.score.stage}) and "
                    f"{row.score.value} (stage {row.score.stage}); give the folders of one experiment only"
                )
        object.__setattr__(self, "rows", tuple(seen.values()))

    @classmethod
    def of(cls, rows: Iterable[tuple[Score, Examples | None] | Score]) -> ScoreTable:
        """From scores, with or without examples; a measurement given twice with one value is kept once."""
        return cls(tuple(Measured(row) if isinstance(row, Score) else Measured(*row) for row in rows))

    @property
    def scores(self) -> list[Score]:
        return [row.score for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, **wanted: Any) -> ScoreTable:
        """Rows whose fields equal the given values; a tuple, list or set means any of its members.

        >>> ScoreTable.of([]).where(task="xnli", language=("de", "sw"))
        ScoreTable(rows=())
        """
        allowed = {name: one if isinstance(one, tuple | list | set) else (one,) for name, one in wanted.items()}
        rows = (row for row in self.rows if all(getattr(row.score, name) in one for name, one in allowed.items()))
        return ScoreTable(tuple(rows))

    def distinct(self, name: str) -> list[Any]:
        """The values of one field, in order of first appearance."""
        return list(dict.fromkeys(getattr(row.score, name) for row in self.rows))

    def runs(self) -> list[Run]:
        return list(dict.fromkeys(row.run for row in self.rows))

    def groups(self, *names: str) -> dict[tuple[Any, ...], ScoreTable]:
        """Sub-tables by the values of some fields, in order of first appearance."""
        parts: dict[tuple[Any, ...], list[Measured]] = {}
        for row in self.rows:
            parts.setdefault(tuple(getattr(row.score, name) for name in names), []).append(row)
        return {key: ScoreTable(tuple(rows)) for key, rows in parts.items()}

    def targets(self) -> ScoreTable:
        """Main values of target tasks, without the validation scores of tasks that have test scores of the backbone."""
        rows = [row for row in self.rows if row.score.role == "target" and row.score.main]
        tested = {(row.score.task, row.score.backbone) for row in rows if row.score.split == "test"}
        kept = (r for r in rows if r.score.split == "test" or (r.score.task, r.score.backbone) not in tested)
        return ScoreTable(tuple(kept))

    def to_csv(self, path: Path) -> None:
        """One score per line under a heading, without examples."""
        write_text(path, csv_text(COLUMNS, (score.row() for score in self.scores)))

    def to_parquet(self, path: Path) -> None:
        """One score per row with the columns of `to_csv`, without examples."""
        import pyarrow as pa  # takes longer than all else here
        import pyarrow.parquet as pq

        kinds = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
        schema = pa.schema([(name, kinds[kind]) for name, kind in get_type_hints(Score).items()])
        pq.write_table(pa.Table.from_pylist([score.row() for score in self.scores], schema), path)


def csv_text(columns: Collection[str], rows: Iterable[dict[str, Any]]) -> str:
    """Comma-separated values with LF line ends; None is empty.

    Text that a spreadsheet would run as a formula gets an apostrophe in front, which marks it as text.
    """
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return stream.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return "" if value is None else value
