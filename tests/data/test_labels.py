"""Labels that are found in files: cleaned where that is safe, refused where they look like a slip of the pen."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pytest

from xstilts.core.errors import DataError
from xstilts.data.examples import gold_of
from xstilts.data.readers.columns import column_reader, labels_in
from xstilts.data.readers.labels import clean


def find(folder: Path, labels: Sequence[str | int], kind: str = "classification") -> tuple[str, ...]:
    rows = [{"text": f"t{i}", "label": label} for i, label in enumerate(labels)]
    if kind == "tagging":
        rows = [{"words": [f"w{i}"], "tags": [label]} for i, label in enumerate(labels)]
    path = folder / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return labels_in(column_reader(kind, {}), [path], "en")


@pytest.mark.parametrize("around", [" {}", "{} ", "\u00a0{}", "{}\u3000", "\u200b{}", "\ufeff{} \u200b ", "\t{}"])
def test_blanks_around_labels_and_tags_make_no_class(tmp_path: Path, around: str) -> None:
    assert find(tmp_path, ["b", "s", around.format("b")]) == ("b", "s")
    assert find(tmp_path, ["B-X", "O", around.format("B-X")], "tagging") == ("B-X", "O")
    (tmp_path / "test.csv").write_text(f'text,label\nx,"{around.format("b")}"\n')
    (one,) = column_reader("classification", {}, labels=("b", "s"))(tmp_path / "test.csv", "en")
    assert gold_of(one) == "b"


def test_blanks_behind_the_tags_of_lines_are_removed(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("Anna\tB-PER \nsaw\tO\u00a0\n\nBonn\tB-PER\nis\tO\n")
    reader = column_reader("tagging", {})
    assert labels_in(reader, [tmp_path / "a.conll"], "en") == ("B-PER", "O")
    assert [gold_of(one) for one in reader(tmp_path / "a.conll", "en")] == [("B-PER", "O")] * 2


def test_normal_forms_are_one_label(tmp_path: Path) -> None:
    name = "réclamation"
    assert find(tmp_path, [name, unicodedata.normalize("NFD", name), "x"]) == (name, "x")
    assert clean("a\u0301 \u200b\u00a0") == "á"


@pytest.mark.parametrize(
    ("labels", "line", "told"),
    [
        (["b", "b", "s", "B"], 4, r"'b' \(2\) and 'B' \(1\) look like one label: write them alike, or give `labels:`"),
        (["New York", "x", "New  York", "New  York"], 1, r"'New  York' \(2\) and 'New York' \(1\) .* one label"),
        (["a b", "x", "a b", "a\u00a0b"], 4, r"'a b' \(2\) and 'a\\xa0b' \(1\) look like one label"),
        (["ab", "ab", "a\u200bb"], 3, r"'ab' \(2\) and 'a\\u200bb' \(1\) look like one label"),
        (["Ａ", "A", "A", "b"], 1, r"'A' \(2\) and 'Ａ' \(1\) look like one label"),
        (["0", "1", "1.0", "1"], 3, r"'1' \(2\) and '1\.0' \(1\) look like one label"),
        (["bilim", "BİLİM", "bilim", "x"], 2, r"'bilim' \(2\) and 'BİLİM' \(1\) look like one label"),
        (["ısı", "ısı", "ISI", "x"], 3, r"'ısı' \(2\) and 'ISI' \(1\) look like one label"),
        (["❤", "❤", "❤\ufe0f"], 3, r"'\\u2764' \(2\) and '\\u2764\\ufe0f' \(1\) look like one label"),
        (["a", "a", "'a'", "b"], 3, r"'a' \(2\) and \"'a'\" \(1\) look like one label"),
        (["STRASSE", "straße", "straße", "x"], 1, "'straße' .2. and 'STRASSE' .1. look like one label"),
    ],
)
def test_labels_that_differ_by_next_to_nothing_are_shown_with_their_counts(
    tmp_path: Path, labels: list[str], line: int, told: str
) -> None:
    with pytest.raises(DataError, match=rf"train\.jsonl:{line}: {told}"):
        find(tmp_path, labels)


def test_types_of_tags_that_differ_by_case_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train\.jsonl:3: 'B-PER' \(2\) and 'I-per' \(1\) look like one label"):
        find(tmp_path, ["B-PER", "B-PER", "I-per", "O"], "tagging")
    assert len(find(tmp_path, ["B-PER", "I-PER", "E-PER", "O"], "tagging")) == 4


@pytest.mark.parametrize(
    ("labels", "marker"),
    [
        ([0, 1, 2, -1], "-1"),
        (["0", "1", "-100"], "-100"),
        (["0.0", "1.0", "-1.0"], "-1.0"),
        ([1, 2, 3, -1], "-1"),
        (["a", "b", "-1"], "-1"),
        (["a", "b", "nan"], "nan"),
        (["a", "b", "NaN"], "NaN"),
        (["a", "b", "None"], "None"),
        (["a", "b", "null"], "null"),
        (["a", "b", "<NA>"], "<NA>"),
        (["entailment", "neutral", "-"], "-"),
        (["a", "b", " nan "], "nan"),
        (["a", "b", "Nan"], "Nan"),
        (["0", "-1", "1", "-100"], "-100"),
        (["0", "1", "2", "\u22121"], "\u22121"),
        (["0", "1", "2", '"-1"'], '"-1"'),
        (["entailment", "neutral", "\u2014"], "\u2014"),
    ],
)
def test_markers_of_missing_gold_are_no_class(tmp_path: Path, labels: list[str | int], marker: str) -> None:
    line = len(labels)
    with pytest.raises(DataError, match=rf"train\.jsonl:{line}: label '{marker}' \(1\) .* remove such rows from the"):
        find(tmp_path, labels)


@pytest.mark.parametrize(
    "labels", [[-1, 1], [-2, -1, 0, 1, 2], [-100, -50, 50, 100], ["none", "a"], ["NONE", "FAVOR"], ["0", "1"]]
)
def test_labels_that_are_classes_are_taken(tmp_path: Path, labels: list[str | int]) -> None:
    assert set(find(tmp_path, labels)) == set(map(str, labels))


def test_punctuation_may_be_a_tag(tmp_path: Path) -> None:
    assert find(tmp_path, ["NN", "-", "?"], "tagging") == ("-", "?", "NN")
    with pytest.raises(DataError, match=r"train\.jsonl:2: label 'None'"):
        find(tmp_path, ["NN", "None", "VB"], "tagging")


def test_the_marker_is_named_in_the_file_that_has_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\nx,0\ny,1\n")
    (tmp_path / "b.csv").write_text("text,label\nx,1\ny,nan\n")
    with pytest.raises(DataError, match=r"b\.csv:3: label 'nan'"):
        labels_in(column_reader("classification", {}), [tmp_path / "a.csv", tmp_path / "b.csv"], "en")


@pytest.mark.parametrize("value", ["null", '""', "NaN", '" \\u00a0"'])
def test_an_empty_label_is_named(tmp_path: Path, value: str) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "x", "label": "a"}\n{"text": "y", "label": ' + value + "}\n")
    for labels in ((), ("a", "b")):
        with pytest.raises(DataError, match=r"a\.jsonl:2: 'label' is empty: leave out rows without gold"):
            list(column_reader("classification", {}, labels=labels)(tmp_path / "a.jsonl", "en"))


def test_an_empty_tag_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"words": ["x", "y"], "tags": ["O", " "]}\n')
    with pytest.raises(DataError, match=r"a\.jsonl:1: an empty tag"):
        list(column_reader("tagging", {})(tmp_path / "a.jsonl", "en"))
