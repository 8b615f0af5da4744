"""Choices by number, letter or name: read where it is certain, else asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from xstilts.core.errors import DataError
from xstilts.data.examples import ChoiceExample
from xstilts.data.readers.columns import column_reader

Row = dict[str, Any]


def row(size: int, label: Any) -> Row:
    return {"question": "q", "choices": [f"c{i}" for i in range(size)], "label": label}


def hub(names: list[Any], label: Any) -> Row:
    return {"question": "q", "choices": {"text": [f"c{i}" for i in range(len(names))], "label": names}, "label": label}


def read(folder: Path, rows: list[Row], count_from: int | None = None, **columns: Any) -> list[int | None]:
    path = folder / "a.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    found = list(column_reader("multiple_choice", columns, count_from=count_from)(path, "en"))
    assert all(isinstance(one, ChoiceExample) for one in found)
    return [one.label for one in found]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("rows", "count_from", "expected"),
    [
        ([row(2, 0), row(5, 3)], None, [0, 3]),
        ([row(2, "0"), row(5, " 3 ")], None, [0, 3]),
        ([row(4, 1), row(3, 2), row(5, 5)], 1, [0, 1, 4]),
        ([row(4, 1), row(3, 2)], 0, [1, 2]),
        ([row(4, "A"), row(5, "E"), row(3, "b")], None, [0, 4, 1]),
        ([row(4, "A"), row(4, "4"), row(3, 1), row(5, "E\u00a0")], 1, [0, 3, 0, 4]),
        ([row(4, "D"), row(4, "0"), row(4, "3")], None, [3, 0, 3]),
        ([hub(list("ABCD"), "B"), hub(["1", "2", "3"], "2"), hub([1, 2, 3], 3)], None, [1, 1, 2]),
        ([hub(list("ABCD"), "B"), hub(["1", "2", "3"], "3")], 1, [1, 2]),
        ([{**row(3, "0"), "choices": ["2", "0", "1"]}, {**row(2, "A"), "choices": ["B", "A"]}], 0, [0, 0]),
        ([{**row(3, 0), "choices": ["2", "0", "1"]}, {**row(3, "A"), "choices": list("ABC")}], None, [0, 0]),
        ([{**row(2, "B"), "choices": [{"label": "A", "text": "x"}, {"label": "B", "text": "y"}]}], None, [1]),
    ],
)
def test_choices_are_called_by_number_letter_or_the_names_of_their_row(
    tmp_path: Path, rows: list[Row], count_from: int | None, expected: list[int]
) -> None:
    assert read(tmp_path, rows, count_from) == expected


@pytest.mark.parametrize(
    ("rows", "count_from", "message"),
    [
        (
            [row(4, 1), row(3, 2)] * 20,
            None,
            "no label is 0 in 40 rows: do the choices count from 1. Say `count_from: 1`",
        ),
        ([row(4, "A"), row(4, "1"), row(3, 2)], None, "no label is 0 in 2 rows"),
        (
            [row(4, 0), row(4, 4)],
            None,
            ":2: label should be a number from 0 to 3, found '4'; if they count from 1, say",
        ),
        ([row(4, 1), row(4, 0)], 1, ":2: label should be a number from 1 to 4, found '0'"),
        ([row(4, 5)], 1, ":1: label should be a number from 1 to 4, found '5'"),
        ([row(4, 4)], 0, r":1: label should be a number from 0 to 3, found '4'$"),
        ([row(3, "D")], None, ":1: label 'D' with 3 choices, A to C"),
        ([row(3, "АА")], None, ":1: label should be a number from 0 to 2, found 'АА'"),
        ([row(3, "-1")], None, ":1: label should be a number from 0 to 2, found '-1'"),
        ([row(3, None)], None, ":1: 'label' is empty: leave out rows without gold"),
        ([row(3, True)], None, ":1: label should be a number from 0 to 2, found 'true'"),
        ([hub(list("ABC"), 1)], None, ":1: unknown label '1'; labels are A, B, C"),
        ([hub(["A", "A"], "A")], None, ":1: two choices have the same label: A, A"),
        ([{**hub(["A", "B"], "A"), "choices": {"text": ["x"], "label": ["A", "B"]}}], None, "two lists `text` and"),
        (
            [{**row(3, "A"), "choices": ["B", "C", "A"]}],
            None,
            ":1: label 'A' means choice 1, and is the text of choice 3",
        ),
        ([{**row(3, "0"), "choices": ["2", "0", "1"]}], None, ":1: label '0' means .* choice 2: say `count_from: 0`"),
        ([{**row(2, 0), "choices": [{"label": "A"}, {"label": "B"}]}], None, "'choices' should be a list of texts"),
    ],
)
def test_what_is_open_or_wrong_is_asked_for(
    tmp_path: Path, rows: list[Row], count_from: int | None, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, rows, count_from)


def test_columns_of_choices_may_be_empty_at_the_end(tmp_path: Path) -> None:
    columns = {"choices": ["a", "b", "c", "d"], "label": "key"}
    reader = column_reader("multiple_choice", columns)
    path = tmp_path / "a.csv"
    path.write_text("question,a,b,c,d,key\nq,u,v,w,x,D\nq,u,v,w,,C\nq,u,v,,,1\nq,u,v,,,0\n")
    sizes = [(len(one.choices), one.label) for one in reader(path, "en")]  # type: ignore[union-attr]
    assert sizes == [(4, 3), (3, 2), (2, 1), (2, 0)]
    path.write_text("question,a,b,c,d,key\nq,u,v,w, ,C\n")
    assert [one.choices for one in reader(path, "en")] == [("u", "v", "w")]  # type: ignore[union-attr]
    path.write_text("question,a,b,c,d,key\nq,u,v,w,,D\n")
    with pytest.raises(DataError, match=r"a\.csv:2: label 'D' with 3 choices, A to C"):
        list(reader(path, "en"))
    path.write_text("question,a,b,c,d,key\nq,u,,w,x,A\n")
    with pytest.raises(
        DataError, match=r"a\.csv:2: choices should be two or more texts; only the last ones may be empty"
    ):
        list(reader(path, "en"))
    rows = [{"question": "q", "a": "x", "b": "y", "c": "z", "d": None, "key": "C"}]
    assert read(tmp_path, rows, **columns) == [2]


def test_names_in_order_go_on_as_labels(tmp_path: Path) -> None:
    reader = column_reader("multiple_choice", {}, labels=["A", "B", "C"])
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(row(3, "C ")) + "\n")
    assert [one.label for one in reader(path, "en")] == [2]  # type: ignore[union-attr]
    path.write_text(json.dumps(row(3, "1")) + "\n")
    with pytest.raises(DataError, match=r"unknown label '1'; labels are A, B, C; leave out `labels` if .*`count_from`"):
        list(reader(path, "en"))
