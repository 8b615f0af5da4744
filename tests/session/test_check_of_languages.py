"""What `check` says of own files with a column of languages, and of files of a language that are not read."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from session.own_files import ROWS, TABLE, TRAIN, checked, notes

LISTED = {**TRAIN, "columns": {"language": "language"}}
ONE_FILE = {**TRAIN, "files": {"train": "train.csv", "test": "test.csv"}}
HEADER = "text,label,language\n"
ENGLISH = HEADER + ROWS.replace("\n", ",en\n")
MIXED = HEADER + "a,yes,am\nb,no,ti\nc,no,am\n"


@pytest.mark.parametrize("declared", [{}, {"languages": ["en", "am", "ti"]}])
def test_rows_that_disagree_with_the_language_of_their_file_are_counted(
    tmp_path: Path, declared: dict[str, object]
) -> None:
    found = notes(checked(tmp_path, LISTED | declared, train_csv=ENGLISH, test_am_csv=MIXED, test_ti_csv=MIXED))
    assert "test-am.csv: 1 row is left out, since the file is read in am only: 'ti' (1)" in found
    assert "test-ti.csv: 2 rows are left out, since the file is read in ti only: 'am' (2)" in found
    assert not any(note.startswith("train.csv") for note in found)


def test_a_column_of_languages_that_is_not_listed_is_told(tmp_path: Path) -> None:
    found = notes(checked(tmp_path, ONE_FILE, train_csv=ENGLISH, test_csv=MIXED))
    said = "the column 'language' is not listed, so all rows count as en, even 'am' (2), 'ti' (1)"
    assert [note for note in found if "listed" in note] == [f"test.csv: {said}; say `columns: {{language: language}}`"]
    own = MIXED.replace("ti", "amh_Ethi").replace("am\n", "Python\n")
    assert not any("listed" in note for note in notes(checked(tmp_path, TRAIN, train_csv=TABLE, test_am_csv=own)))


def test_a_column_of_languages_says_which_are_measured(tmp_path: Path) -> None:
    task = {**ONE_FILE, "columns": {"language": "language"}}
    found = checked(tmp_path, task, train_csv=ENGLISH, test_csv=MIXED)
    assert not found.problems
    assert {(one.split, one.language): one.rows for one in found.files} == {
        ("train", "en"): 16,
        ("test", "am"): 2,
        ("test", "ti"): 1,
    }
    listed = checked(tmp_path, {**task, "languages": ["en", "am", "cy"]}, train_csv=ENGLISH, test_csv=MIXED)
    assert [(one.split, one.language) for one in listed.files] == [("train", "en"), ("test", "am")]
    assert "t: no test file or rows for en, cy (looked for test.csv); measured in 1 language" in notes(listed)
    (problem,) = checked(tmp_path, task, train_csv=ENGLISH, test_csv=HEADER + "a,yes,jp\n").problems
    assert problem.endswith("t has no test files or rows for any language (looked for test.csv)")
    (problem,) = checked(tmp_path, task, train_csv=ENGLISH, test_csv=HEADER + "a,yes\n").problems
    assert re.search(r"test\.csv:2: expected 3 columns as in the header, found 2$", problem)


def test_rows_left_out_of_training_are_told_although_labels_are_missing(tmp_path: Path) -> None:
    train = ENGLISH.replace("no,en", "no,fr")
    found = checked(tmp_path, LISTED | {"languages": ["en", "am"]}, train_csv=train, test_am_csv=MIXED)
    (problem,) = found.problems
    assert problem.endswith("train.csv: only one label in rows of 'en', 'yes': give `labels:`")
    assert "train.csv: 8 rows are in none of the task's languages and left out: 'fr' (8)" in found.notices


def test_files_that_look_like_those_of_a_language_and_are_not_read_are_told(tmp_path: Path) -> None:
    for name in ("test.am.csv.gz", "test.am.csv.xz", "test.ps (1).csv", "test.hy.csv ", "test.en-old.csv"):
        (tmp_path / name).write_text(TABLE)
    (tmp_path / "test.cy.csv.gz").write_bytes(gzip.compress(TABLE.encode()))
    task = {**TRAIN, "files": {"train": "test.train.csv", "test": "test.{language}.csv"}}
    files = {"test.train_csv": TABLE, "test.am_csv": TABLE, "test.final_csv": TABLE}
    found = notes(checked(tmp_path, task, **files))
    assert [note for note in found if " is not read" in note] == [
        "t: test.am.csv.gz is not read (test.am.csv is)",
        "t: test.am.csv.xz is not read (test.am.csv is)",
        "t: test.final.csv is not read ('final' is not a language)",
        "t: test.hy.csv  is not read (blanks in the name differ from 'test.{language}.csv')",
        "t: test.ps (1).csv is not read ('ps (1)' is not a language)",
    ]
    assert "t: files are not read for en-old (not the code of one language)" in found
