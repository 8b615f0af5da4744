"""Parquet files of dataset repositories on the hub, at one commit; no loader script is ever run.

`HF_ENDPOINT`, `HF_TOKEN`, `HF_HOME` and `HF_HUB_OFFLINE` work as everywhere in huggingface_hub. Two layouts are
known: that of repositories made of Parquet (`de/test-00000-of-00001.parquet`, or `data/...`), and that of the hub's own
conversion on the branch `refs/convert/parquet` (`de/test/0000.parquet`), for repositories that hold a script.
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
        DataError: the repository, revision or split cannot be had, or a part of the split is absent.
    """
    tried = []
    for asked in [revision] if revision else ["main", CONVERTED]:
        folder = _folder(origin, asked, last=asked in (revision, CONVERTED))
        if folder is not None and (files := _files(folder, origin)):
            return folder.name, _whole(files, origin)
        tried.append(asked)
    raise DataError(
        f"no Parquet of {origin.config} ({origin.split}) at {' or '.join(map(str, tried))}", f"hub:{origin.repository}"
    )


def _folder(origin: Parquet, revision: str, *, last: bool) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        found = snapshot_download(
            origin.repository, repo_type="dataset", revision=revision, allow_patterns=_patterns(origin)
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        if not last:
            return None
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{revision} cannot be had ({reason})", f"hub:{origin.repository}") from None
    return Path(found)


def _patterns(origin: Parquet) -> list[str]:
    config, split = origin.config, origin.split
    own = [f"{config}/{split}-*.parquet", f"{config}/{split}/*.parquet"]
    return [*own, f"data/{split}-*.parquet"] if config in ONLY_CONFIGS else own


def _files(folder: Path, origin: Parquet) -> list[Path]:
    for pattern in _patterns(origin):
        if files := sorted(folder.glob(pattern)):
            return files
    return []


def _whole(files: list[Path], origin: Parquet) -> list[Path]:
    """The files, if their numbers say that none is absent."""
    numbers = [int(match[1]) for file in files if (match := re.search(r"(\d{4,5})(-of-\d{5})?\b", file.name))]
    total = re.search(r"-of-(\d{5})", files[0].name)
    count = int(total[1]) if total else len(files)
    if numbers != list(range(count)):
        names = ", ".join(file.name for file in files[:4])
        raise DataError(f"parts of {origin.config} ({origin.split}) are absent: {names}", f"hub:{origin.repository}")
    return files


def read_parquet(files: Sequence[Path], columns: Sequence[str]) -> tuple[list[dict[str, Any]], dict[str, list[str]]]:
    """Rows of some columns, and the class names of those that hold class numbers.

    Raises:
        DataError: not Parquet, or a column is absent.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = []
    names: dict[str, list[str]] = {}
    for file in files:
        try:
            schema = pq.read_schema(file)
            absent = [column for column in columns if column not in schema.names]
            if absent:
                raise DataError(f"no column {', '.join(absent)}; columns are {', '.join(schema.names)}", file)
            rows += pq.read_table(file, columns=list(columns)).to_pylist()
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"not Parquet ({' '.join(str(error).split())[:120]})", file) from None
        names |= class_names(schema.metadata or {})
    return rows, names


def class_names(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    """Column -> names of its class numbers, as the `datasets` library notes them in a Parquet file."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    except (ValueError, AttributeError, RecursionError):
        return {}
    found = {}
    for column, feature in features.items() if isinstance(features, dict) else ():
        inner = feature.get("feature", feature) if isinstance(feature, dict) else feature
        if isinstance(inner, list) and inner:
            inner = inner[0]
        if isinstance(inner, dict) and isinstance(inner.get("names"), list):
            found[column] = [str(name) for name in inner["names"]]
    return found
