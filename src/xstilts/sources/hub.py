"""Parquet files of dataset repositories on the hub, at one commit; no loader script is ever run.

`HF_ENDPOINT`, `HF_TOKEN`, `HF_HOME` and `HF_HUB_OFFLINE` work as everywhere in huggingface_hub. Two layouts are
known: repositories made of Parquet (`de/test-00000-of-00001.parquet`, or `data/...`), and the hub's own conversion on
the branch `refs/convert/parquet` (`de/test/0000.parquet`) of repositories that hold a script.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xstilts.core.errors import DataError
from xstilts.sources.manifest import Parquet

CONVERTED = "refs/convert/parquet"
ONLY_CONFIGS = ("default", "plain_text", "squad_v2")
"""Names of a repository's only configuration, whose files may be in `data/`."""


def snapshot(origin: Parquet, revision: str | None) -> tuple[str, list[Path]]:
    """The commit, and the Parquet files of one split in their order.

    Args:
        revision: commit, branch or tag; `None` is `main` or, where that holds no Parquet, the hub's conversion.

    Raises:
        DataError: the repository, revision or split is not available, or a part of the split is missing.
    """
    from huggingface_hub import snapshot_download

    config, split, problem = origin.config, origin.split, ""
    patterns = [f"{config}/{split}-*.parquet", f"{config}/{split}/*.parquet"]
    patterns += [f"data/{split}-*.parquet"] * (config in ONLY_CONFIGS)
    for asked in [revision] if revision else ["main", CONVERTED]:
        try:
            path = snapshot_download(origin.repository, repo_type="dataset", revision=asked, allow_patterns=patterns)
        except (OSError, ValueError) as error:  # of HTTP too
            problem = f"{asked} is not available ({' '.join(str(error).split())[:200]})"
            continue
        files = next(filter(None, (sorted(Path(path).glob(pattern)) for pattern in patterns)), [])
        if files:
            total = re.search(r"-of-(\d{5})", files[0].name)
            if len(files) == (int(total[1]) if total else len(files)):
                return Path(path).name, files
            problem = f"parts of {config} ({split}) are missing: {', '.join(file.name for file in files[:4])}"
            break
        problem = f"no Parquet of {config} ({split}) at {asked}"
    raise DataError(problem, f"hub:{origin.repository}")


def read_parquet(files: Sequence[Path], columns: Sequence[str]) -> tuple[list[dict[str, Any]], dict[str, list[str]]]:
    """Rows of some columns, and the class names of those that hold class numbers.

    Raises:
        DataError: not Parquet, or a column is missing.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = []
    names: dict[str, list[str]] = {}
    for file in files:
        try:
            schema = pq.read_schema(file)
            if missing := [column for column in columns if column not in schema.names]:
                raise DataError(f"no column {', '.join(missing)}; columns are {', '.join(schema.names)}", file)
            rows += pq.read_table(file, columns=list(columns)).to_pylist()
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"not Parquet ({' '.join(str(error).split())[:120]})", file) from None
        names |= class_names(schema.metadata or {})
    return rows, names


def class_names(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    """Column -> names of its class numbers, as the `datasets` library writes them into a Parquet file."""
    found = {}
    try:
        for column, feature in json.loads(metadata[b"huggingface"])["info"]["features"].items():
            inner = feature.get("feature", feature) if isinstance(feature, dict) else feature
            inner = inner[0] if isinstance(inner, list) and inner else inner
            if isinstance(inner, dict) and isinstance(inner.get("names"), list):
                found[column] = [str(name) for name in inner["names"]]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}
    return found
