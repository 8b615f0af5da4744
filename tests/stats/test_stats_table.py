"""Reading, filtering and writing tables of scores."""

from __future__ import annotations

import csv

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from synthetic_scores import score

from xstilts.core.errors import DataError, XstiltsError
from xstilts.core.files import write_jsonl
from xstilts.stats.reading import read_folder
from xstilts.stats.table import Examples, ScoreTable

RUN = ("small", "[{nli, mlm}]")


def read_table(folders, wanted=lambda score: score.main):
    return ScoreTable(tuple(row for folder in folders for row in read_folder(folder, wanted)))


def write_folder(folder, scores, values, encoded=True, **replaced):
    write_jsonl(folder / "scores.jsonl", [one.row() | replaced for one in scores])
    columns = {name: [] for name in ("task", "language", "split", "metric", "variant", "id")}
    numbers = {"numerator": [], "denominator": []}
    for one, rows in zip(scores, values):
        for name, numerator, denominator in rows:
            for column in ("task", "language", "split", "metric", "variant"):
                columns[column].append(getattr(one, column))
            columns["id"].append(name)
            numbers["numerator"].append(float(numerator))
            numbers["denominator"].append(float(denominator))
    texts = {k: pa.array(v, pa.string()).dictionary_encode() if encoded else pa.array(v) for k, v in columns.items()}
    pq.write_table(pa.table(texts | numbers), folder / "examples.parquet", row_group_size=2)


@pytest.mark.parametrize("encoded", [True, False])
def test_a_folder_is_read_with_the_examples_of_each_score(tmp_path, encoded):
    scores = [
        score("tags", "aa", 1, RUN, 50.0, n=2),
        score("tags", "bb", 1, RUN, 75.0, n=2),
        score("tags", "bb", 1, RUN, 0.0, variant="layer=1 raw", main=False),
    ]
    values = [[("b", 1, 1), ("a", 0, 1)], [("a", 1, 2), ("b", 2, 2)], [("a", 0, 1), ("b", 0, 1)]]
    write_folder(tmp_path, scores, values, encoded)
    table = read_table([tmp_path])
    assert table.scores == scores
    assert table.rows[0].examples.ids.tolist() == ["a", "b"]
    assert table.rows[0].examples.numerator.tolist() == [0, 1]
    assert table.rows[1].examples.denominator.tolist() == [2, 2]
    assert table.rows[0].examples.group == table.rows[1].examples.group
    assert table.rows[2].examples is None
    everything = read_table([tmp_path], lambda _: True)
    assert everything.rows[2].examples.value == 0.0
    assert len(read_table([tmp_path, tmp_path])) == 3


def test_a_folder_without_examples_gives_scores_alone(tmp_path):
    write_jsonl(tmp_path / "scores.jsonl", [score("tags", "aa", 1, RUN, 50.0).row()])
    assert read_table([tmp_path]).rows[0].examples is None


def test_faults_in_a_folder_are_named_with_their_place(tmp_path):
    one = score("tags", "aa", 1, RUN, 50.0)
    with pytest.raises(DataError, match="no such file"):
        read_table([tmp_path])
    faults = [
        ({"value": "50"}, "scores.jsonl:1: 'value' of a score should be float, found '50'"),
        ({"seed": True}, "'seed' of a score should be int, found True"),
        ({"colour": 1}, "with the unknown field 'colour'"),
    ]
    for replaced, message in faults:
        write_folder(tmp_path, [one], [[("a", 1, 2)]], **replaced)
        with pytest.raises(DataError, match=message):
            read_table([tmp_path])
    row = one.row()
    del row["majority"]
    write_jsonl(tmp_path / "scores.jsonl", [row])
    with pytest.raises(DataError, match="a score without 'majority'"):
        read_table([tmp_path])
    write_jsonl(tmp_path / "scores.jsonl", [[1]])
    with pytest.raises(DataError, match="expected a score as a JSON object, found list"):
        read_table([tmp_path])


def test_faults_in_the_examples_are_named(tmp_path):
    one = score("tags", "aa", 1, RUN, 50.0)
    write_folder(tmp_path, [one], [[("a", 1, 1), ("b", 1, 1)]])
    with pytest.raises(DataError, match=r"is 50.000 in scores.jsonl but its examples give 100.000"):
        read_table([tmp_path])
    pq.write_table(pa.table({"task": ["tags"]}), tmp_path / "examples.parquet")
    with pytest.raises(DataError, match="no column 'language'"):
        read_table([tmp_path])
    (tmp_path / "examples.parquet").write_bytes(b"PAR1 damaged")
    with pytest.raises(DataError, match="not a readable Parquet file"):
        read_table([tmp_path])


def test_two_values_for_one_measurement_are_refused_and_equal_ones_kept_once():
    one, other = score("tags", "aa", 1, RUN, 50.0), score("tags", "aa", 1, RUN, 51.0)
    assert len(ScoreTable.of([one, one])) == 1
    with pytest.raises(XstiltsError, match="two different values for one score"):
        ScoreTable.of([one, other])


def test_example_values_of_unequal_length_are_refused():
    with pytest.raises(XstiltsError, match="found 2 ids, 1 numerators and 2 denominators"):
        Examples.of(["a", "b"], [1], [1, 1])


def test_examples_that_count_nothing_score_zero():
    assert Examples.of(["a"], [0], [0]).value == 0.0


def test_rows_are_filtered_and_grouped_by_any_field():
    rows = [score(task, language, 1, RUN, 50.0) for task in "ab" for language in ("aa", "bb")]
    table = ScoreTable.of(rows)
    assert [s.language for s in table.where(task="a").scores] == ["aa", "bb"]
    assert len(table.where(language=("aa", "bb"), task={"b"})) == 2
    assert table.distinct("task") == ["a", "b"]
    assert list(table.groups("task", "language")) == [("a", "aa"), ("a", "bb"), ("b", "aa"), ("b", "bb")]


def test_targets_prefer_test_scores_and_leave_out_what_enters_no_mean():
    rows = [
        score("a", "aa", 1, RUN, 50.0),
        score("a", "aa", 1, RUN, 40.0, split="validation"),
        score("b", "aa", 1, RUN, 40.0, split="validation"),
        score("a", "aa", 1, RUN, 60.0, main=False, metric="f1"),
        score("c", "en", 1, RUN, 60.0, role="intermediate"),
    ]
    assert [(s.task, s.split) for s in ScoreTable.of(rows).targets().scores] == [("a", "test"), ("b", "validation")]


def test_a_table_is_written_as_csv(tmp_path):
    table = ScoreTable.of([score("a", "aa", 1, RUN, 50.123456789, signature='f1 "x", v1')])
    table.to_csv(tmp_path / "s.csv")
    with (tmp_path / "s.csv").open(encoding="utf-8", newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert row == {name: str(value) for name, value in table.scores[0].row().items()}
