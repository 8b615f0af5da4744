"""What `predict` is given: pipes, packed files, files without suffix; guessed only where one reading is possible."""

from __future__ import annotations

import gzip
import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xstilts.core.errors import DataError, UnknownName
from xstilts.data.examples import TaggedExample, TextExample
from xstilts.export.predicting import read_examples

ROWS = [{"text": 'a "b", c', "label": "x"}, {"text": "d", "label": "y"}]
LINES = "".join(f"{json.dumps(row)}\n" for row in ROWS)
TABLE = 'text,label\n"a ""b"", c",x\nd,y\n'


@pytest.fixture
def pipe() -> Iterator[Callable[[bytes], Path]]:
    ends: list[int] = []

    def make(content: bytes) -> Path:
        reading, writing = os.pipe()
        ends.append(reading)
        os.write(writing, content)
        os.close(writing)
        return Path(f"/dev/fd/{reading}")

    yield make
    for end in ends:
        os.close(end)


def parquet() -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "form", "ids"),
    [
        (LINES.encode(), "", ["1", "2"]),
        (json.dumps(ROWS, indent=1).encode(), "", ["1", "2"]),
        (gzip.compress(LINES.encode(), mtime=0), "", ["1", "2"]),
        (parquet(), "", ["1", "2"]),
        (TABLE.encode(), "", ["2", "3"]),
        (TABLE.encode("utf-16"), "", ["2", "3"]),
        (b'text;label\r\n"a ""b"", c";x\r\nd;y\r\n', "", ["2", "3"]),
        (b'text\tlabel\na "b", c\tx\nd\ty\n', "", ["2", "3"]),
        (b'text\n"a ""b"", c"\nd\n', "csv", ["2", "3"]),
        (b'a "b", c\n\nd\n', "txt", ["1", "3"]),
    ],
)  # fmt: skip
def test_tables_and_texts_come_through_a_pipe(
    content: bytes, form: str, ids: list[str], pipe: Callable[[bytes], Path]
) -> None:
    found = read_examples(pipe(content), "classification", form=form)
    assert found == [TextExample(ids[0], 'a "b", c', None, None), TextExample(ids[1], "d", None, None)]


def test_words_come_through_a_pipe(pipe: Callable[[bytes], Path]) -> None:
    words = [TaggedExample("1", ("a", "b"), None), TaggedExample("2", ("c",), None)]
    assert read_examples(pipe(b"a\nb\n\nc\n"), "tagging") == words
    assert read_examples(pipe(b'[{"words": ["a", "b"]}, {"words": ["c"]}]'), "tagging") == words
    assert read_examples(pipe(b"a b\nc\n"), "tagging", form="txt") == words


def test_what_could_be_read_in_two_ways_is_asked_for(tmp_path: Path, pipe: Callable[[bytes], Path]) -> None:
    for content in (b"text\na\n", b"Hello, world\nBye, world\n"):
        with pytest.raises(DataError, match=r"give --format jsonl, ndjson, json, parquet, csv, tsv, txt"):
            read_examples(pipe(content), "classification")
    with pytest.raises(UnknownName, match="unknown format 'cvs': did you mean csv"):
        read_examples(pipe(b""), "classification", form="cvs")
    path = tmp_path / "a.tsv"
    path.write_text('text\tlabel\n"No."\tx\n')
    with pytest.raises(DataError, match=r"belong to the text \(--format tsv\) or not \(--format csv\): say which"):
        read_examples(path, "classification")
    for form, text in (("tsv", '"No."'), ("csv", "No.")):
        assert read_examples(path, "classification", form=form) == [TextExample("2", text, None, None)]
    packed = tmp_path / "b.txt.bz2"
    packed.write_bytes(b"no bzip2")
    with pytest.raises(DataError, match=r"b\.txt\.bz2: cannot be read \(its name ends in \.bz2"):
        read_examples(packed, "tagging")


def test_a_language_is_asked_of_a_column_alone(tmp_path: Path) -> None:
    """It was ignored where no column was called `language`."""
    table, lines = tmp_path / "a.csv", tmp_path / "a.txt"
    table.write_text("text,lang\na,am\nb,cy\n")
    lines.write_text("a\n")
    with pytest.raises(DataError, match=r"no column 'language' for .* here: text, lang; say --columns language=lang$"):
        read_examples(table, "classification", language="am")
    columns = {"language": ("lang",)}
    assert [one.id for one in read_examples(table, "classification", columns, language="am")] == ["2"]
    with pytest.raises(DataError, match="holds no examples in language 'qqq'"):
        read_examples(table, "classification", columns, language="qqq")
    for kind, form in (("classification", ""), ("tagging", ""), ("tagging", "words")):
        with pytest.raises(DataError, match=r"has no column that says the language: leave out --language am$"):
            read_examples(lines, kind, language="am", form=form)
