"""What `check` says of own files that are read otherwise than their owner may think."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import xstilts as xs
from session.own_files import ROWS, TABLE, TRAIN, checked, experiment, notes
from xstilts.cli.check import found_lines
from xstilts.core.errors import BackboneError, ConfigError, DataError, UnknownName
from xstilts.graph.store import Store
from xstilts.session.check import Check, look
from xstilts.session.grid import Grid
from xstilts.tasks import TASKS

SENTENCE = "Anna\tB-PER\nist\tO\nda\tO\n\n"


def test_rows_outside_the_languages_of_the_task_are_counted_by_code(tmp_path: Path) -> None:
    task = {**TRAIN, "files": {"train": "train.csv", "test": "test.csv"}, "languages": ["en", "ja"]}
    rows = "text,label,lang\na,yes,ja\nb,no,jp\nc,no,jp\nd,no,kr\ne,yes,en\n"
    train = "text,label,lang\n" + "".join(f"{row},en\n" for row in ROWS.split("\n")[:-1])
    found = checked(tmp_path, {**task, "columns": {"language": "lang"}}, train_csv=train, test_csv=rows)
    told = "test.csv: 3 rows are in none of the task's languages and left out: "
    assert told + "'jp' (2, did you mean ja?), 'kr' (1, did you mean ko?)" in notes(found)


@pytest.mark.parametrize(("code", "near"), [("jp", "ja"), ("cn", "zh")])
def test_two_letters_that_are_no_language_are_refused(tmp_path: Path, code: str, near: str) -> None:
    with pytest.raises(ConfigError, match=rf"unknown language '{code}': did you mean {near}\?$"):
        experiment(tmp_path, {**TRAIN, "languages": ["en", code]})


def test_files_named_after_countries_are_told_with_the_language(tmp_path: Path) -> None:
    names = {f"test_{code}_csv": TABLE for code in ("en", "cz", "jp", "kr", "chr")}
    found = notes(checked(tmp_path, TRAIN, train_csv=TABLE, **names))
    advice = "chr (name it under `languages`), cz (did you mean cs?), jp (did you mean ja?)"
    assert f"t: files are not read for {advice}" in found
    assert "t: 'kr' is read as Kanuri; the code of Korean is 'ko'" in found


@pytest.mark.parametrize(
    ("like", "train", "test"),
    [
        ("panx", SENTENCE * 6, "Anna B-PER\nist O\n\n"),
        ("panx", SENTENCE * 6, "Anna\nist\n\n"),
        ("panx", SENTENCE.replace("\t", " "), SENTENCE),
        ("xnli", "a\tb\tneutral\nc\td\tentailment\n", "a\tb\nc\td\n"),
    ],
)
def test_gold_that_is_needed_and_withheld_is_refused_before_training(
    tmp_path: Path, like: str, train: str, test: str
) -> None:
    files = {"train": "train.tsv", "test": "test-{language}.tsv"}
    asked = experiment(tmp_path, {"like": like, "files": files}, train_tsv=train, test_de_tsv=test)
    (problem,) = xs.check(asked).problems
    bare = "train" if " " in train else "test-de"
    said = "every line ends in a blank and a tag" if " " in train + test else "has no gold: t (test, de) needs it"
    assert problem.startswith(f"{tmp_path / bare}.tsv:1: {said}")
    assert not any("no gold" in line for line in found_lines(xs.check(asked).files))
    with pytest.raises(DataError) as refused:
        look(Grid.of(asked), Store(tmp_path / "store"))
    assert str(refused.value) == problem


def test_labels_that_training_has_and_test_files_lack_are_told(tmp_path: Path) -> None:
    same = "text,label\n" + "".join(f"a{n},yes\n" for n in range(30))
    found = checked(tmp_path, TRAIN, train_csv=TABLE, test_en_csv=TABLE, test_et_csv=same)
    told = ["no row has the label 'no'", "all 30 rows have the label 'yes': was the gold removed?"]
    assert [one.notes for one in found.files if one.language == "et"] == [tuple(told)]
    lines = list(found_lines(found.files))
    assert [line.strip() for line in lines if "no row" in line] == [f"note: {told[0]} (et)"]
    given = checked(tmp_path, {**TRAIN, "labels": ["yes", "no", "maybe"]})
    assert "no row has the label 'maybe'" in notes(given)


@pytest.mark.parametrize("pairs_in", ["training", "test"])
def test_a_text_that_only_some_files_have_is_refused(tmp_path: Path, pairs_in: str) -> None:
    """Models would read pairs in one file and single texts in another."""
    paired = "text,pair,label\n" + ROWS.replace(",", ",p,")
    files = (
        {"train_csv": paired, "test_et_csv": TABLE}
        if pairs_in == "training"
        else {"train_csv": TABLE, "test_et_csv": paired}
    )
    asked = experiment(tmp_path, TRAIN, **files)
    lacks, has = ("test-et.csv", "train.csv") if pairs_in == "training" else ("train.csv", "test-et.csv")
    said = rf"{lacks}: no column 'pair' for `pair`, which .*{has} has: models would read other inputs here"
    (problem,) = xs.check(asked).problems
    assert re.search(said, problem)
    with pytest.raises(DataError, match=said):
        look(Grid.of(asked), Store(tmp_path / "store"))


def test_choices_that_are_all_the_first_are_told(tmp_path: Path) -> None:
    rows = [{"question": "q", "choices": ["x", "y"], "label": i % 2} for i in range(12)]
    first = "".join(json.dumps({**row, "label": 0}) + "\n" for row in rows)
    task = {"type": "multiple_choice", "files": {"train": "train.jsonl", "test": "test-{language}.jsonl"}}
    both = "".join(json.dumps(row) + "\n" for row in rows)
    found = checked(tmp_path, task, train_jsonl=both, test_en_jsonl=first)
    assert "all 12 rows have the label 'choice 1': was the gold removed?" in notes(found)


def test_files_that_look_read_and_are_not_are_told(tmp_path: Path) -> None:
    (tmp_path / "test-de.csv").symlink_to("annex/object")
    (tmp_path / "test-fr.csv").mkdir()
    task = {**TRAIN, "files": {"train": ["train.csv", "more.csv"], "test": "test-{language}.csv"}}
    files = {"train_csv": TABLE, "more_csv": TABLE, "test_en_csv": TABLE, "test_et_CSV": TABLE}
    found = notes(checked(tmp_path, task, **files))
    assert "t: test-de.csv is not read (a link to a missing file)" in found
    assert "t: test-fr.csv is not read (a folder)" in found
    assert "t: test-et.CSV is not read (upper and lower case differ from 'test-{language}.csv')" in found
    assert "t: more.csv is not read, since train.csv has files; 'train.csv + more.csv' reads both" in found
    both = {**task, "files": {**task["files"], "train": "train.csv + more.csv"}}
    assert not any("more.csv is not read" in note for note in notes(checked(tmp_path, both)))


@pytest.mark.parametrize("suffix", ["tsv", "csv", "conll"])
def test_tagged_words_may_be_called_like_tables(tmp_path: Path, suffix: str) -> None:
    files = {"train": f"train.{suffix}", "test": f"test-{{language}}.{suffix}"}
    task = {"type": "tagging", "files": files, "columns": {"words": 1, "tags": 2}}
    found = checked(tmp_path, task, **{f"train_{suffix}": SENTENCE * 4, f"test_en_{suffix}": SENTENCE})
    assert not found.problems
    assert {one.split: one.rows for one in found.files} == {"train": 4, "test": 1}


def test_sentences_that_are_not_separated_are_told(tmp_path: Path) -> None:
    files = {"train": "train.conll", "test": "test-{language}.conll"}
    long = SENTENCE * 4 + SENTENCE.replace("\n\n", "\n") * 100
    found = checked(tmp_path, {"type": "tagging", "files": files}, train_conll=long, test_en_conll=SENTENCE)
    told = "1 row has more words than `max_length`, the first at train.conll:17: put an empty line after each sentence"
    assert told in notes(found)


def test_texts_in_a_wrong_encoding_are_told_with_their_place(tmp_path: Path) -> None:
    odd = TABLE + "gr\u00fcn,yes\ngr\ufffdn,yes\nF\u00c3\u00bc\u00c3\u0178e,no\n"
    found = notes(checked(tmp_path, TRAIN, train_csv=odd, test_en_csv=TABLE))
    assert [note for note in found if "U+FFFD" in note] == [
        "2 rows have U+FFFD or wrongly decoded text, the first at train.csv:19: was another encoding read as UTF-8?"
    ]


def test_pairs_of_equal_texts_are_told(tmp_path: Path) -> None:
    task = {"type": "retrieval", "files": {"test": "test-{language}.csv"}}
    found = notes(checked(tmp_path, task, test_de_csv="source,target\n" + "one,one\ntwo,two\n"))
    assert "both sides of all pairs are the same text" in found
    found = notes(checked(tmp_path, task, test_de_csv="source,target\n" + "eins,one\n"))
    assert "a single pair: with no other candidate, any model scores 100" in found


def test_a_task_without_training_files_is_no_intermediate_task(tmp_path: Path) -> None:
    asked = experiment(tmp_path, TRAIN, train_csv=TABLE, test_en_csv=TABLE)
    fields = asked.model_dump() | {"recipes": [["xcopa"]], "tasks": asked.tasks}
    with pytest.raises(DataError, match=r"xcopa has no train split \(it has: validation, test\)"):
        Grid.of(xs.Experiment(**fields).placed(asked.file), tmp_path)
    task = asked.task("t")
    with pytest.raises(UnknownName, match=r"unknown language of t '999': .* `xstilts show t --experiment FILE`"):
        task.paths(tmp_path, "test", "999")
    with pytest.raises(UnknownName, match=r"unknown language of panx '999': .* `xstilts show panx` shows them"):
        TASKS.get("panx").paths(tmp_path, "test", "999")


def test_worlds_have_no_official_tasks() -> None:
    fields = {"name": "w", "worlds": [1], "backbones": [{"name": "m", "source": "microworld:mlm"}], "seeds": [1]}
    asked = xs.Experiment(**fields, recipes=[["copa"]], targets=["micro_nli"], train={"steps": 2, "select": "last"})
    with pytest.raises(ConfigError, match="`worlds:` reads microworlds, and task 'copa' is not a microworld task"):
        Grid.of(asked)


def test_a_backbone_beside_the_experiment_file_is_named(tmp_path: Path) -> None:
    """A source is relative to the working folder, files are relative to the experiment file."""
    asked = experiment(tmp_path, TRAIN, train_csv=TABLE, test_en_csv=TABLE)
    (tmp_path / "encoder").mkdir()

    def check_of(source: str) -> Check:
        backbone = asked.backbones[0].model_copy(update={"source": source})
        return xs.check(asked.model_copy(update={"backbones": (backbone,)}))

    looked = rf"'./encoder': no such folder: looked for {re.escape(str(Path.cwd()))}/encoder, from the working folder"
    with pytest.raises(BackboneError, match=rf"{looked}; {re.escape(str(tmp_path))}/encoder exists: give this path$"):
        check_of("./encoder")
    with pytest.raises(BackboneError, match=r"from the working folder$"):
        check_of("./nowhere")
    (note,) = [one for one in check_of("encoder").notices if "neither" in one]
    assert note.endswith(f"look for it on the hub; {tmp_path}/encoder exists: give this path")
