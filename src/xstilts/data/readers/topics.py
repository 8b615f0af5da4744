"""SIB-200's topics (Adelani et al., EACL 2024): tab-separated with csv quoting, as pandas writes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from xstilts.core.errors import DataError
from xstilts.data.examples import Example, TextExample
from xstilts.data.readers.common import Ids, checked, csv_rows, one_of

TOPICS = ("science/technology", "travel", "politics", "sports", "health", "entertainment", "geography")


@checked
def sib200(path: Path, language: str) -> Iterator[Example]:
    """Columns `index_id`, `category`, `text`; ids and row order are the same in all languages."""
    yield from labelled_texts(path, TOPICS)


def labelled_texts(path: Path, labels: Sequence[str]) -> Iterator[Example]:
    """Rows of SIB-200's form with classes of its own."""
    rows = csv_rows(path, "\t")
    _, header = next(rows, (1, []))
    if header != ["index_id", "category", "text"]:
        raise DataError(f"expected the header index_id, category, text, found {', '.join(header)[:80]!r}", path, 1)
    ids = Ids(path)
    for line, row in rows:
        if len(row) != 3:
            raise DataError(f"expected 3 columns, found {len(row)}", path, line)
        yield TextExample(ids.new(row[0], line), row[2], None, one_of(row[1], labels, path, line))
