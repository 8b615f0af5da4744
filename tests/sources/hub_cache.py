"""A hub cache as huggingface_hub lays it out, with small Parquet files made up here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def put(
    cache: Path,
    repository: str,
    files: Mapping[str, Sequence[Mapping[str, Any]]],
    names: Mapping[str, Sequence[str]] | None = None,
    commit: str = "a" * 40,
    ref: str = "main",
) -> str:
    """Write a snapshot of a dataset repository; `names` are class names noted in the files' metadata."""
    folder = cache / f"datasets--{repository.replace('/', '--')}"
    (folder / "refs" / ref).parent.mkdir(parents=True, exist_ok=True)
    (folder / "refs" / ref).write_text(commit)
    (folder / "snapshots" / commit).mkdir(parents=True, exist_ok=True)
    features = {column: {"_type": "ClassLabel", "names": list(known)} for column, known in (names or {}).items()}
    for name, rows in files.items():
        path = folder / "snapshots" / commit / name
        path.parent.mkdir(parents=True, exist_ok=True)
        table = pa.Table.from_pylist(list(rows))
        noted = {b"huggingface": json.dumps({"info": {"features": features}}).encode()} if names else {}
        pq.write_table(table.replace_schema_metadata(noted), path)
    return commit
