"""Experiments from Python: load, check, run, and read the results. Prints nothing and knows no command line."""

from collections.abc import Iterable, Mapping
from typing import Any


def frame(rows: Iterable[Mapping[str, Any]], columns: Iterable[str] = ()) -> Any:
    """Rows as a pandas DataFrame if pandas is installed, else as an Arrow table; with these columns even if empty."""
    found = list(rows)
    names = list(dict.fromkeys([*columns, *(name for row in found for name in row)]))
    try:
        import pandas as pd
    except ImportError:
        import pyarrow as pa

        return pa.table({name: [row.get(name) for row in found] for name in names})
    return pd.DataFrame(found, columns=names)
