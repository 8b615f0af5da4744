"""Rows as a data frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def frame(rows: Iterable[Mapping[str, Any]], columns: Iterable[str]) -> Any:
    """A pandas DataFrame where pandas is installed, else an Arrow table; `columns` stand there without rows too."""
    found = list(rows)
    names = list(dict.fromkeys([*columns, *(name for row in found for name in row)]))
    try:
        import pandas as pd
    except ImportError:
        import pyarrow as pa

        return pa.table({name: [row.get(name) for row in found] for name in names})
    return pd.DataFrame(found, columns=names)
