"""How tables are written: every dialect is read back as it was, or refused with the key that decides; never guessed."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xstilts.core.errors import DataError
from xstilts.data.examples import Answer, SpanExample, TaggedExample, TextExample
from xstilts.data.readers.columns import ColumnReader, column_reader
from xstilts.data.readers.dialects import dialect_of
from xstilts.data.readers.tables import Header, table_rows

MANY = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
PIECES = st.sampled_from(['"', '""', "\t", "\n", ",", ";", "|", "a", "b c", "ü", "'", "{", "\\"])
CELLS = st.lists(PIECES, max_size=6).map("".join)
ROWS = st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6)
SUFFIX = {",": "csv", ";": "csv", "|": "csv", "\t": "tsv"}


def texts(path: Path, **more: Any) -> list[tuple[str, str]]:
    header = Header({"text": ("text",), "label": ("label",)}, **more)
    return [(row.record["text"], row.record["label"]) for row in table_rows(path, header, "en")]


def read_or_refused(path: Path) -> tuple[list[tuple[str, str]] | None, str]:
    """The rows, or None and why not."""
    try:
        return texts(path), ""
    except DataError as error:
        return None, str(error)


def written(rows: list[tuple[str, str]], **dialect: Any) -> str:
    stream = io.StringIO(newline="")
    csv.writer(stream, **dialect).writerows([("text", "label"), *rows])
    return stream.getvalue()


def filled(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [row for row in rows if any(cell.strip() for cell in row)]


def put(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@MANY
@given(
    rows=ROWS,
    separator=st.sampled_from(",;|\t"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    ends=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_csv_writers_write_is_read_back_or_refused_with_the_key(
    tmp_path: Path, rows: list[tuple[str, str]], separator: str, quoting: Any, ends: str, encoding: str
) -> None:
    text = written(rows, delimiter=separator, quoting=quoting, lineterminator=ends)
    path = put(tmp_path, f"a.{SUFFIX[separator]}", text.encode(encoding))
    assert texts(path, quoted=True, separator=separator) == filled(rows)
    found, refusal = read_or_refused(path)
    if found is None:
        assert "`quoted: true`" in refusal
        assert separator == "\t"
    else:
        assert found == filled(rows)
        assert ("UTF-16" in dialect_of(path)) == (encoding == "utf-16")


@MANY
@given(rows=ROWS)
def test_quotes_of_unquoted_tables_are_never_swallowed(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    rows = [tuple(cell.replace("\t", " ").replace("\n", " ") for cell in row) for row in rows]  # type: ignore[misc]
    path = put(tmp_path, "a.tsv", "".join(f"{text}\t{label}\n" for text, label in [("text", "label"), *rows]))
    assert texts(path, quoted=False) == filled(rows)
    found, refusal = read_or_refused(path)
    if found is None:
        assert "`quoted: false`" in refusal
    else:
        doubled = any(re.fullmatch('"[^"]*(""[^"]*)+"', cell) for row in rows for cell in row)
        assert found == filled(rows) or doubled


@MANY
@given(rows=ROWS, form=st.sampled_from(["lines", "list", "indented", "data"]))
def test_every_form_of_json_gives_the_same_rows(tmp_path: Path, rows: list[tuple[str, str]], form: str) -> None:
    objects = [{"text": text, "label": label} for text, label in rows]
    documents = {
        "lines": "".join(f"{json.dumps(one)}\n" for one in objects),
        "list": json.dumps(objects),
        "indented": json.dumps(objects, indent=1),
        "data": json.dumps({"version": {"data": [1]}, "data": objects, "more": []}, indent=2),
    }
    for name in ("a.json", "a.jsonl", "a.NDJSON", "a.csv"):
        assert texts(put(tmp_path, name, documents[form])) == rows


def test_tabs_with_csv_quoting(tmp_path: Path) -> None:
    path = put(tmp_path, "a.tsv", 'id\ttext\tlabel\n1\t"a ""double charge"" again"\tx\n2\tplain\ty\n')
    assert texts(path) == [('a "double charge" again', "x"), ("plain", "y")]  # was: the quotes were text
    assert dialect_of(path) == "quoted as in CSV"
    assert texts(path, quoted=False)[0][0] == '"a ""double charge"" again"'
    raw = put(tmp_path, "b.tsv", 'text\tlabel\n"a ""double charge"" again"\tx\nan 8" disk\ty\n')
    assert texts(raw)[0][0] == '"a ""double charge"" again"'
    assert dialect_of(raw) == ""
    spoken = put(tmp_path, "c.tsv", 'text\tlabel\nplain\tx\n"No."\ty\n')
    with pytest.raises(DataError) as caught:
        texts(spoken)
    assert str(caught.value) == (
        f"{spoken}:3: unclear whether the quotes in '\"No.\"' belong to the text (`quoted: false`) or not "
        "(`quoted: true`): say which"
    )
    lone = put(tmp_path, "d.tsv", 'text\tlabel\n"Go\tx\naway"\ty\n')  # one field over two lines, or two quotes
    with pytest.raises(DataError, match="unclear whether the quotes in '\"Go'"):
        texts(lone)
    assert texts(lone, quoted=False) == [('"Go', "x"), ('away"', "y")]
    long = put(tmp_path, "e.tsv", 'text\tlabel\n"one\ntwo\tthree"\tx\n')
    assert texts(long) == [("one\ntwo\tthree", "x")]
    wide = put(tmp_path, "f.csv", f'text,label\n"{"word " * 40_000}",x\n')
    assert len(texts(wide)[0][0]) == 200_000  # was: field larger than field limit (131072)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "text;label\nx, y;1\nz;2\n", "semicolons"),
        ("a.csv", '"text";"label"\r\n"x, y";"1"\r\n"z";"2"\r\n', "semicolons"),
        ("a.CSV", "sep=;\r\ntext;label\r\nx, y;1\r\nz;2\r\n", "a sep= line, semicolons"),
        ("a.csv", "sep=,\ntext,label\n\"x, y\",1\nz,2\n", "a sep= line"),
        ("a.csv", "text\tlabel\nx, y\t1\nz\t2\n", "tabs"),
        ("a.tsv", 'text,label\n"x, y",1\nz,2\n', "commas"),
        ("a.csv", "text|label\nx, y|1\n\nz|2\n", "bars"),
        (
            "a.csv",
            'text,label,,\n"x, y",1,,\n,,,\nz,2,,\n , ,,\n',
            "2 empty rows left out, columns without a name left out",
        ),
        ("a.csv", ',text,label\n0,"x, y",1\n1,z,2\n', "columns without a name left out"),
        ("a.tsv", "text\tlabel\t\nx, y\t1\t\n\t\t\nz\t2\n", "1 empty row left out, columns without a name left out"),
        ("a.csv", '{"text": "x, y", "label": "1"}\n{"text": "z", "label": "2"}\n', "JSON"),
    ],
)  # fmt: skip
def test_what_a_name_does_not_say_is_told_by_the_content(tmp_path: Path, name: str, text: str, words: str) -> None:
    for encoding in ("utf-8", "utf-16"):
        path = put(tmp_path, name, text.encode(encoding))
        assert texts(path) == [("x, y", "1"), ("z", "2")]
        both = words if encoding == "utf-8" else f"UTF-16, {words}"
        assert dialect_of(path) == both


def test_texts_with_semicolons_are_not_split(tmp_path: Path) -> None:
    path = put(tmp_path, "a.csv", "text\nx; y\nz; w\n")
    header = Header({"text": ("text",)})
    assert [row.record["text"] for row in table_rows(path, header, "en")] == ["x; y", "z; w"]
    path = put(tmp_path, "a.csv", "text;label\nx;y;1\nz;2\n")
    with pytest.raises(DataError) as caught:
        texts(path)
    assert "columns here: text;label;" in str(caught.value)
    doubt = "if its columns are separated by semicolons, say so, as in `separator: semicolon`"
    assert doubt in str(caught.value)
    with pytest.raises(DataError, match=r"a\.csv:2: expected 2 columns as in the header, found 3"):
        texts(path, separator=";")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "text,label,,\nx,y,1,\n", "a.csv:2: column 3 has no name in the header, but here it holds '1'"),
        ("a.csv", "text,label\nx,y,\n", "a.csv:2: expected 2 columns as in the header, found 3"),
        ("a.csv", "text,label\nx,y\ntext,label\nz,y\n", "a.csv:3: the header appears again (were files"),
        ("a.tsv", "text\tlabel\nx\ty\n\ufefftext\tlabel\r\n", "a.tsv:3: the header appears again"),
        ("a.csv", "text,label,,\nx\n", "a.csv:2: expected 4 columns as in the header, found 1"),
        ("a.jsonl", '{"text": "x", "label": "y", "label": "z"}\n', "a.jsonl:1: 'label' occurs twice in one object"),
        ("a.json", '[\n{"text": "x", "text": "y"}]', "a.json: 'text' occurs twice in one object"),
        ("a.jsonl", '{"text": "x", "label": "y"},\n{"text": "x", "label": "y"},\n', "a.jsonl:1: not JSON lines ("),
        ("a.json", '[{"text": "x", "label": "y"}\n{"text": "x"}]', "a.json:2: not JSON (Expecting ',' delimiter)"),
        ("a.json", '[{"text": "x", "label": "y"}]\n[]', "a.json:2: not JSON (Extra data)"),
        ("a.json", '[{"text": "x", "label": "y"},\n', "a.json:2: not JSON ("),
        ("a.json", '[{"text": "x", "label": "y"},\n\n  {"text": 1, "label": "y"}]', "a.json:3: 'text' should be text"),
        ("a.json", '[["x", "y"]]', "a.json:1: expected a JSON object, found list"),
        (
            "a.json",
            '{"version": "1.1", "data": [{"title": "t", "paragraphs": []}]}',
            "a.json:1: is SQuAD's JSON, not rows: use `like: squad_v1` (or squad_v2)",
        ),
        ("a.parquet", "text,label\n", "a.parquet: is not Parquet as its name says, or it is cut off"),
        ("a.txt", "text\tlabel\nx\ty\n", "a.txt: columns are read from .jsonl, .json, .csv, .tsv and .parquet files; "
         "if its first line is a header, call it .tsv"),
        ("a.csv", "text,label\nx,y\n".encode("utf-16-le"), "a.csv:1: holds a NUL byte: looks like UTF-16 without"),
        ("a.csv", "text,label\nGrüße,y\n".encode("cp1252"), "a.csv:2: not UTF-8 (byte 0xfc): looks like Windows-1252"),
        ("a.csv", "text,label\nx,y\n".encode("utf-16")[:-1], "a.csv:2: begins like UTF-16, but is damaged"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named_in_one_line(tmp_path: Path, name: str, text: str | bytes, message: str) -> None:
    with pytest.raises(DataError) as caught:
        list(column_reader("classification", {})(put(tmp_path, name, text), "en"))
    assert str(caught.value).startswith(f"{tmp_path}/{message}")
    assert "\n" not in str(caught.value)


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["x\ny", "z"], "label": [0, 1], "more": [[1], []]}), path)
    rows = list(column_reader("classification", {})(path, "en"))
    assert rows == [TextExample("1", "x\ny", None, "0"), TextExample("2", "z", None, "1")]
    answers = pa.array([{"text": ["b"], "answer_start": [2]}])
    pq.write_table(pa.table({"question": ["q"], "context": ["a b"], "answers": answers, "id": ["7"]}), path)
    assert list(column_reader("span_qa", {})(path, "en")) == [SpanExample("7", "q", "a b", (Answer("b", 2),))]
    pq.write_table(pa.table({"tokens": [["a", "b"]], "tags": [["O", "B-X"]]}), path)
    assert list(column_reader("tagging", {})(path, "en")) == [TaggedExample("1", ("a", "b"), ("O", "B-X"))]
    other = tmp_path / "b.csv"
    other.write_bytes(path.read_bytes())
    assert dialect_of(other) == "Parquet"
    pq.write_table(pa.table({"text": ["x", None], "label": ["a", "b"]}), path)
    with pytest.raises(DataError, match=r"a\.parquet:2: 'text' should be text, found NoneType"):
        list(column_reader("classification", {})(path, "en"))
    path.write_bytes(path.read_bytes()[:-40] + bytes(36) + b"PAR1")
    with pytest.raises(DataError, match=r"a\.parquet: damaged Parquet \("):
        list(column_reader("classification", {})(path, "en"))


def test_rows_of_a_list_are_numbered_and_those_of_lines_keep_their_line(tmp_path: Path) -> None:
    row = '{"text": "x", "label": "y"}'
    reader = column_reader("classification", {})
    assert [one.id for one in reader(put(tmp_path, "a.json", f"[{row}, {row}]"), "en")] == ["1", "2"]
    assert [one.id for one in reader(put(tmp_path, "a.jsonl", f"{row}\n\n{row}\n"), "en")] == ["1", "3"]


def test_a_dialect_that_is_not_given_leaves_keys_as_they_were() -> None:
    plain = column_reader("classification", {})
    assert plain.to_json() == {
        "type": "classification",
        "columns": {"id": ("id",), "text": ("text",), "pair": ("pair",), "label": ("label",)},
        "optional": ("id", "pair"),
        "labels": (),
        "no_answer": False,
        "quoted": False,
    }
    for quoted in (None, True, False):
        for separator in ("", ";"):
            reader = ColumnReader("classification", plain.columns, quoted=quoted, separator=separator)
            assert ColumnReader.from_json(json.loads(json.dumps(reader.to_json()))) == reader
