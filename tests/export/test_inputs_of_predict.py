"""What `predict` is given: pipes, packed files, files without suffix; guessed only where one reading is possible."""

from __future__ import annotations

import gzip
import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xstilts.core.errors import DataError, UnknownName
from xstilts.data.examples import TaggedExample, TextExample
from xstilts.export.predicting import check_pairs, examples_of, read_examples

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


def test_words_are_not_read_from_csv(tmp_path: Path) -> None:
    """The header was taken for a word."""
    (tmp_path / "a.csv").write_text("words\nA dog\n")
    with pytest.raises(DataError, match=r"tagging reads JSON, .* not CSV: words need --format words$"):
        read_examples(tmp_path / "a.csv", "tagging")


def test_values_of_python_are_read_as_rows_are() -> None:
    pd = pytest.importorskip("pandas")
    rows = [{"id": "p", "text": "a"}, {"id": "q", "text": "b"}]
    expected = [TextExample("p", "a", None, None), TextExample("q", "b", None, None)]
    for given in (rows, iter(rows), pd.DataFrame(rows), pa.Table.from_pylist(rows)):
        assert examples_of(given, "classification") == expected
    assert examples_of(pd.Series(["a"]), "classification") == [TextExample("0", "a", None, None)]
    sentence = [TaggedExample("0", ("A", "dog"), None)]
    words = ("A", "dog")
    for one in ("A dog", words, [*words], {"words": words}, {"tokens": [*words]}):
        assert examples_of([one], "tagging") == sentence
    assert examples_of(pd.DataFrame({"words": [np.array(words, object)]}), "tagging") == sentence


@pytest.mark.parametrize(
    ("inputs", "problem"),
    [
        ("A dog", r"^the inputs are one text: give a list$"),
        ({"text": "a"}, r"^the inputs are one mapping: give a list$"),
        ([1], r"^input 0: expected a text or a mapping by field, found int$"),
        ([["A", "dog"]], r"^input 0: expected a text or a mapping by field, found list$"),
        (["a", {"txt": "b"}], r"^input 1: unknown field 'txt' \(classification has id, text, pair\)$"),
        ([{"pair": "b"}], r"^input 0: no field 'text' \(classification has id, text, pair\)$"),
        ([{"id": 7, "text": "a"}, {"id": "7", "text": "b"}], r"^inputs: id '7' occurs twice \(first in example 0\)$"),
    ],
)
def test_values_of_python_that_are_no_rows_are_refused(inputs: object, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        examples_of(inputs, "classification")


def test_values_of_python_must_be_pairs_if_the_model_reads_pairs() -> None:
    both = examples_of(["a", {"text": "b", "pair": "c"}], "classification")
    with pytest.raises(DataError, match=r"^the model reads pairs of texts, and input 0 has none$"):
        check_pairs(both, True, None)
    with pytest.raises(DataError, match=r"^the model reads single texts, and input 1 has a `pair`: leave it out$"):
        check_pairs(both, False, None)
    check_pairs(both, None, None)
    check_pairs([], True, None)
