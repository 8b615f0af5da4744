"""Files and rows that are the same where they should differ, and files that changed since a run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

import xstilts as xs
from stages.tiny_experiment import BACKBONE, run
from xstilts.cli.check import found_lines
from xstilts.expand import Expansion
from xstilts.graph.store import Store
from xstilts.session.about import leaks_found
from xstilts.session.grid import Grid
from xstilts.session.reads import changed_files, odd_counts

TASK = {"type": "classification", "files": {"train": "train.csv", "test": "test-{language}.csv"}}
TRAIN = "text,label\nthe red house,warm\nthe blue house,cold\n"
OTHER = "text,label\ndas rote Haus,warm\ndas blaue Haus,cold\n"


def experiment(folder: Path, task: Any = TASK, **changes: Any) -> xs.Experiment:
    """A task of files in a folder, on a backbone without weights to load."""
    raw = {"type": "masked_lm", "files": {"train": "raw.csv"}}
    (folder / "raw.csv").write_text("text\na house\n", encoding="utf-8")
    backbone = {**BACKBONE, "tokenizer": {"tasks": ["raw"], "languages": ["en"], "vocabulary": 100}}
    select = "validation" if "validation" in task["files"] else "last"
    fields = {"name": "mine", "seeds": [1], "backbones": [backbone], "recipes": [[]], "targets": ["t"]}
    fields |= {"tasks": {"t": task, "raw": raw}, "train": {"steps": 2, "batch_size": 2, "select": select}}
    return xs.Experiment(**fields | changes).placed(folder / "mine.yaml")


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name.replace('_', '-')}.csv").write_text(text, encoding="utf-8")


def notes(folder: Path, task: Any = TASK) -> list[str]:
    found = xs.check(experiment(folder, task))
    assert found.problems == []
    return [line for line in found.notices if "same content" in line or "times" in line or "word for word" in line]


def test_different_files_are_not_mentioned(tmp_path: Path) -> None:
    write(tmp_path, train=TRAIN, test_en="text,label\na lamp,warm\nice,cold\n", test_de=OTHER)
    assert notes(tmp_path) == []


def test_training_files_copied_to_other_languages_are_named(tmp_path: Path) -> None:
    write(tmp_path, train=TRAIN, test_de=TRAIN, test_sw=TRAIN)
    (line,) = notes(tmp_path)
    assert line.startswith("the same content: train.csv (t, train, en), test-de.csv (t, test, de), test-sw.csv (t,")
    assert line.endswith("test data are training data")
    notices = xs.run(experiment(tmp_path), store=tmp_path / "store").notices
    assert line in notices


def test_a_language_that_is_a_copy_of_another_is_named(tmp_path: Path) -> None:
    write(tmp_path, train=TRAIN, test_de=OTHER, test_sw=OTHER)
    (line,) = notes(tmp_path)
    assert "test-de.csv (t, test, de), test-sw.csv (t, test, sw): is a file not translated" in line


def test_files_of_one_name_are_named_with_their_folders(tmp_path: Path) -> None:
    write(tmp_path, train=TRAIN)
    for code in ("de", "sw"):
        (tmp_path / code).mkdir()
        write(tmp_path / code, one=OTHER)
    task = {**TASK, "files": {"train": "train.csv", "test": "{language}/*.csv"}}
    (line,) = notes(tmp_path, task)
    assert "in de/one.csv, sw/one.csv" in map(str.strip, found_lines(xs.check(experiment(tmp_path, task)).files))
    assert line.startswith("the same content: de/one.csv (t, test, de), sw/one.csv (t, test, sw): is a file not")


@pytest.mark.parametrize(
    ("files", "end"),
    [
        (
            {"train": "train.csv", "validation": "train.csv", "test": "test-{language}.csv"},
            "test data are training data",
        ),
        ({"train": "train.csv", "validation": "test-de.csv", "test": "test-{language}.csv"}, "selected on test data"),
        (
            {"train": "train.csv + train.csv", "test": "test-{language}.csv"},
            "named 2 times: its rows are read that often",
        ),
        ({"train": "train.csv + again.csv", "test": "test-{language}.csv"}, "its rows count twice"),
    ],
)
def test_one_file_in_two_places_is_named(files: dict[str, str], end: str, tmp_path: Path) -> None:
    write(tmp_path, train=TRAIN, again=TRAIN, test_de=OTHER)
    (line,) = notes(tmp_path, {**TASK, "files": files})
    assert end in line


def test_a_file_with_a_column_of_languages_is_one_file(tmp_path: Path) -> None:
    rows = "text,label,language\nein Haus,warm,de\nnyumba,cold,sw\na roof,warm,en\n"
    write(tmp_path, train="text,label,language\na,warm,en\nb,cold,en\n", test=rows)
    files = {"train": "train.csv", "test": "test.csv"}
    assert (
        notes(tmp_path, {**TASK, "files": files, "columns": {"language": "language"}, "languages": ["en", "de", "sw"]})
        == []
    )


SENTENCES = {
    "en": "the red house stands at the end of the street and nobody lives there now",
    "de": "das rote Haus steht am Ende der Straße und niemand wohnt jetzt mehr dort",
    "ar": "يقع البيت الأحمر في نهاية الشارع ولا يعيش فيه أحد الآن",
    "zh": "红色的房子在街道的尽头现在没有人住在那里了",
}


def test_files_in_another_script_or_language_are_named(tmp_path: Path) -> None:
    """German in the Arabic file, English in the German one; Chinese is right."""
    rows = {code: TRAIN[:11] + f"{text},warm\n{text},cold\n" * 6 for code, text in SENTENCES.items()}
    files = {"train": rows["en"], "test_en": rows["en"] + "x,cold\n", "test_ar": rows["de"], "test_de": rows["en"]}
    write(tmp_path, **files, test_zh=rows["zh"])
    found = [line for line in xs.check(experiment(tmp_path)).notices if "check that it is the right file" in line]
    assert found == [
        f"t, test, {said}: check that it is the right file"
        for said in (
            "ar: 100 % of its letters are Latin, and Arabic is usually written in the Arabic script",
            "de: its text looks like English, not German",
        )
    ]
    assert set(found) <= set(xs.run(experiment(tmp_path), store=tmp_path / "store").notices)


def test_training_rows_in_test_files_are_counted_by_language(tmp_path: Path) -> None:
    write(tmp_path, train=TRAIN, test_de=OTHER + "The red house!,warm\n", test_sw=OTHER + "nyumba,warm\n")
    expected = "t: test examples that are training examples of t, word for word: 1 of 3 in de"
    assert notes(tmp_path) == [expected]
    assert expected in xs.run(experiment(tmp_path), store=tmp_path / "store").notices


def test_validation_rows_are_compared_with_training_and_test_rows(tmp_path: Path) -> None:
    task = {**TASK, "files": {**TASK["files"], "validation": "val.csv"}}
    write(
        tmp_path, train=TRAIN, val=OTHER + "The red house!,warm\n", test_de="text,label\ndas rote Haus,warm\nEis,cold\n"
    )
    assert notes(tmp_path, task) == [
        "t: validation examples that are training examples of t, word for word: 1 of 3 in en",
        "t: test examples that are validation examples of t, word for word: 1 of 2 in de",
    ]


def test_own_files_in_the_other_of_two_usual_scripts_are_named(tmp_path: Path) -> None:
    rows = "text,label\n" + "қизил уй кўчанинг охирида туради ва унда ҳозир ҳеч ким яшамайди,warm\nмуз,cold\n" * 6
    write(tmp_path, train=TRAIN, test_uz=rows)
    (line,) = [line for line in xs.check(experiment(tmp_path)).notices if "its letters" in line]
    said = "100 % of its letters are Cyrillic; Uzbek is written in the Latin script too: check that you mean this one"
    assert line == f"t, test, uz: {said}"


def test_a_pair_in_which_nothing_is_long_enough_to_compare_is_not_called_clean(tmp_path: Path) -> None:
    write(tmp_path, train=TRAIN, test_en="text,label\nan old mill,warm\nwet snow,cold\n")
    checks, store = Expansion(experiment(tmp_path)).checks(), tmp_path / "store"
    run(checks, store)
    (line,) = leaks_found(checks, Store(store))
    assert line.startswith("Not compared: 0 of 2 test examples of t are long enough to compare with the training data")


def test_short_test_examples_that_are_training_examples_are_counted(tmp_path: Path) -> None:
    write(tmp_path, train=TRAIN, test_en=TRAIN + "a boat,cold\n")
    checks, store = Expansion(experiment(tmp_path)).checks(), tmp_path / "store"
    run(checks, store)
    first, last = leaks_found(checks, Store(store))
    assert first.startswith("Not compared: 0 of 3")
    assert last.startswith("Leak: 2 of the 3 test examples of t that have only very short texts are also training")


def test_files_that_changed_since_a_run_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    write(folder, train=TRAIN, test_de=OTHER, test_sw=OTHER)
    (tmp_path / "store").mkdir()
    asked, store = experiment(folder), Store(tmp_path / "store")
    grid = Grid.of(asked)
    assert changed_files(grid.stages, store) == []
    os.utime(folder / "train.csv", (0, 0))
    assert changed_files(grid.stages, store) == []  # read again: its content is the same
    write(folder, test_de=OTHER.replace("Haus", "Dach"))
    (folder / "test-sw.csv").unlink()
    said = "files changed since this run: test-de.csv, test-sw.csv (gone); `xstilts run` recomputes the results"
    assert changed_files(grid.stages, store) == [said]
    shutil.rmtree(folder)
    assert changed_files(grid.stages, store) == []  # the data are elsewhere


def test_other_numbers_of_examples_than_the_releases_are_named() -> None:
    right = [("xnli", "test", "de", 5010), ("squad_v1", "train", "en", 10), ("tatoeba", "test", "xx", 3)]
    wrong = [("sib200", "test", "de", 701), ("sib200", "test", "tr", 149), ("sib200", "test", "en", 204)]
    (said,) = odd_counts([*right, *wrong])
    assert said.startswith("sib200 (test): not the official number of examples (de 701 of 204, tr 149 of 204): ")


def test_files_read_with_one_that_is_gone_are_named_together(tmp_path: Path) -> None:
    write(tmp_path, train=TRAIN, more="text,label\na barn,cold\n", test_de=OTHER)
    (tmp_path / "store").mkdir()
    task = {**TASK, "files": {"train": "train.csv + more.csv", "test": "test-{language}.csv"}}
    grid, store = Grid.of(experiment(tmp_path, task)), Store(tmp_path / "store")
    (tmp_path / "more.csv").unlink()
    (said,) = changed_files(grid.stages, store)
    assert "since this run: more.csv, train.csv (not all there);" in said


def test_scores_and_status_tell_of_changed_files(tmp_path: Path, typed) -> None:
    write(tmp_path, train=TRAIN, test_de=OTHER)
    asked = experiment(tmp_path, limit=1_000_000)
    (tmp_path / "mine.yaml").write_text(xs_yaml(asked), encoding="utf-8")
    file, store = tmp_path / "mine.yaml", tmp_path / "store"
    xs.run(xs.load(file), store=store, workers=0, device="cpu").result()
    xs.report(xs.load(file), store)
    assert typed("scores", file, "--store", store)[::2] == (0, "")
    assert "only a sample" not in (store / "reports/mine/report.md").read_text(encoding="utf-8")
    write(tmp_path, test_de=OTHER.replace("Haus", "Dach"))
    for command in ("scores", "status"):
        code, out, err = typed(command, file, "--store", store)
        assert code == 0
        assert out
        assert err == "note: files changed since this run: test-de.csv; `xstilts run` recomputes the results\n"
    xs.report(xs.load(file), store)
    assert "files changed since this run" in (store / "reports/mine/report.md").read_text(encoding="utf-8")


def xs_yaml(asked: xs.Experiment) -> str:
    import yaml

    return yaml.safe_dump(asked.model_dump(mode="json", exclude_defaults=True))
