"""Languages that the table lacks: named by a task of one's own they are read and scored, else said or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from stages.tiny_experiment import BACKBONE, run_all, scores, tiny_experiment
from xstilts.core.errors import DataError
from xstilts.expand import Expansion
from xstilts.session.check import check, notices
from xstilts.session.grid import Grid

LABELS = ["no", "yes"]
FILES = {"train": "said/{language}.csv", "test": "said/{language}.csv"}
MODEL = {**BACKBONE, "tokenizer": {"tasks": ["raw"], "languages": ["en", "chr"], "vocabulary": 100}}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    for code, word in {"en": "yes", "chr": "ᎥᎥ", "sw": "ndiyo", "swa": "ndiyo"}.items():
        for name in ("said", "raw"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        rows = "".join(f"{word} {i},{LABELS[i % 2]}\n" for i in range(12))
        (folder / f"said/{code}.csv").write_text(f"text,label\n{rows}", encoding="utf-8")
        (folder / f"raw/{code}.txt").write_text(f"{word} 1 2 3\n" * 5, encoding="utf-8")
    return folder


def experiment(spoken: list[str] | None, files: dict[str, str] = FILES, **changes: Any) -> Any:
    said = {"type": "classification", "files": files, "labels": LABELS, "languages": spoken}
    raw = {"type": "masked_lm", "files": {"train": "raw/{language}.txt"}, "languages": ["en", "chr"]}
    fields = {"backbones": [MODEL], "recipes": [[]], "targets": ["said"], "tasks": {"said": said, "raw": raw}}
    return tiny_experiment(**{**fields, **changes})


def test_a_language_that_a_task_names_is_trained_on_and_scored(root: Path, tmp_path: Path) -> None:
    recipes = [
        [],
        [{"tasks": [{"task": "said", "languages": ["chr"]}, {"task": "raw", "languages": ["chr"], "rate": 0.5}]}],
    ]
    expansion = Expansion(experiment(["en", "chr"], recipes=recipes), root)
    run_all(expansion, tmp_path / "store")
    measured = {row["language"] for cell in expansion.cells for row in scores(tmp_path / "store", cell.stage)}
    assert measured == {"en", "chr"}


def test_files_that_are_left_aside_are_said(root: Path) -> None:
    def said(languages: list[str] | None) -> list[str]:
        made = experiment(languages)
        lines = notices(made, Grid.of(made, root), root)
        return [line for line in lines if not line.startswith("the same content")]  # one file is both splits here

    assert said(None) == ["said: files are not read for chr (name it under `languages`), swa (here: sw)"]
    assert said(["en", "chr"]) == []
    assert said(["en", "chr", "sw"]) == ["said: files are not read for swa (here: sw)"]
    assert said(["en", "chr", "yo"]) == [
        "said: no test file for yo (looked for said/{language}.csv); measured in 2 languages"
    ]


def test_where_nothing_is_left_they_are_in_the_message(root: Path) -> None:
    (root / "said/en.csv").rename(root / "train.csv")
    for code in ("sw", "swa"):
        (root / f"said/{code}.csv").unlink()
    files = {**FILES, "train": "train.csv"}
    with pytest.raises(DataError, match=r"no test files for any language .*; there are files for chr \(name it"):
        Expansion(experiment(None, files), root).stages()


@pytest.mark.parametrize(
    "changes",
    [
        {"source": "xyz"},
        {"languages": ["xyz"]},
        {"targets": [{"task": "said", "languages": ["xyz"]}]},
        {"recipes": [[{"tasks": [{"task": "raw", "languages": ["xyz"]}]}]]},
    ],
)
def test_a_code_that_no_task_names_is_a_mistake(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"unknown language 'xyz'.*list it under `languages` of your own task"):
        experiment(["en", "chr"], **changes)


def test_keys_columns_and_files_spell_a_language_as_they_like(root: Path, tmp_path: Path) -> None:
    """Rows of `zh_TW` were Simplified, and one row of `chr` refused the file although the task names it."""
    spellings = ["en", "zh_TW", "zh-HK", "zh-Hans", "cmn", "CHR", "x-elf", "und", "", "sh"]
    rows = "".join(f"{code} {i},{LABELS[i % 2]},{code}\n" for code in spellings for i in range(4))
    (root / "all.csv").write_text(f"text,label,language\n{rows}", encoding="utf-8")
    table = {"type": "classification", "files": {"train": "said/{language}.csv", "test": "all.csv"}, "labels": LABELS}
    spoken = ["eng", "zh-Hant-TW", "zho_Hans", "chr", "x-elf"]
    tasks: dict[str, Any] = {"said": {**table, "columns": {"language": "language"}, "languages": spoken}}
    tasks["raw"] = {"type": "masked_lm", "files": {"train": "raw/{language}.txt"}, "languages": ["en", "chr"]}
    own: dict[str, Any] = {"backbones": [MODEL], "recipes": [[]], "targets": ["said"], "tasks": tasks}
    said = tiny_experiment(**own, languages=["zh_HK", "zh", "chr", "x-elf"])
    assert (said.languages, said.tasks["said"].spoken) == (
        ("zh-Hant", "zh", "chr", "x-elf"),
        ("en", "zh-Hant", "zh", "chr", "x-elf"),
    )
    task = said.task("said")
    read = {code: [example.text[:-2] for example in task.load(root, "test", code)] for code in task.languages}
    assert {code: sorted(set(texts)) for code, texts in read.items()} == {
        "en": ["en"],
        "zh-Hant": ["zh-HK", "zh_TW"],
        "zh": ["cmn", "zh-Hans"],
        "chr": ["CHR"],
        "x-elf": ["x-elf"],
    }
    found = check(said, root)
    notes = found.notices
    assert not found.refused
    assert [note for note in notes if note.startswith("all.csv")] == [
        "all.csv: 12 rows are in none of the task's languages and left out: 'und' (4), '' (4), 'sh' (4)",
        "all.csv: 4 rows are left out, since the file is read in chr, x-elf, zh, zh-Hant only: 'en' (4)",
        "all.csv: 'zh-Hans' (4), 'cmn' (4) are read as one language, 'zh'",
        "all.csv: 'zh_TW' (4), 'zh-HK' (4) are read as one language, 'zh-Hant'",
    ]
