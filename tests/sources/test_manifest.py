"""The manifest against the tasks: every path is one a reader looks at, every number belongs to a split there is."""

from __future__ import annotations

import re

import pytest

from xstilts.core.languages import LANGUAGES
from xstilts.data.locate import languages_there
from xstilts.sources.forms import FORMS
from xstilts.sources.manifest import ALL, DataFile, Direct, Parquet, by_hand, direct_files, hub_files, official_rows
from xstilts.tasks import TASKS, Task

every_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
BESIDE = re.compile(r"\.eng$|src\.eng\.txt$|-labels\.lst$|\.(en|gold)$")
"""Files that a reader opens beside the one it is given, and gold in files of its own."""


@every_task
def test_what_is_fetched_lies_where_the_tasks_own_reader_looks(task: Task, tmp_path) -> None:
    for number, item in enumerate([*direct_files(task.name), *hub_files(task.name)]):
        assert item.split in task.files
        assert item.language == ALL or item.language in task.languages
        if BESIDE.search(item.path):
            continue
        root = tmp_path / str(number)
        (root / item.path).parent.mkdir(parents=True)
        (root / item.path).touch()
        found = languages_there(root, task.files[item.split], task.languages)
        assert found == (list(task.languages) if item.language == ALL or task.languages == ("en",) else [item.language])


@every_task
def test_official_numbers_are_of_splits_and_languages_the_task_has(task: Task) -> None:
    for split in task.files:
        rows = official_rows(task.name, split)
        assert set(rows) <= set(task.languages)
        assert all(count > 0 for count in rows.values())


def test_official_numbers_are_those_of_the_papers() -> None:
    assert set(official_rows("xnli", "test").values()) == {5010}
    assert len(official_rows("xquad", "test")) == 12
    assert official_rows("squad_v1", "train") == {"en": 87599}
    assert official_rows("mlqa", "test") == {
        "en": 11590, "es": 5253, "de": 4517, "ar": 5335, "hi": 4918, "vi": 5495, "zh": 5137
    }  # fmt: skip
    tatoeba = official_rows("tatoeba", "test")
    assert len(tatoeba) == 112
    small = {"jv": 205, "ka": 746, "kk": 575, "ml": 687, "sw": 390, "ta": 307, "te": 234, "th": 548}
    assert {code: tatoeba[code] for code in small} == small
    assert official_rows("panx", "test")["yo"] == 100
    assert official_rows("udpos", "test") == {}


def test_downloads_are_pinned_by_commit_or_checksum() -> None:
    loose = {
        item.origin.url.partition("#")[0]
        for task in TASKS
        for item in direct_files(task.name)
        if isinstance(item.origin, Direct)
        and not re.fullmatch("[0-9a-f]{64}", item.origin.sha256)
        and not re.search("/[0-9a-f]{40}/", item.origin.url)
    }
    assert loose == {"https://dl.fbaipublicfiles.com/glue/data/QQP-clean.zip"}


def test_every_form_is_used_and_known() -> None:
    used = {item.origin.form for task in TASKS for item in hub_files(task.name) if isinstance(item.origin, Parquet)}
    assert used == set(FORMS)


def test_a_task_that_cannot_be_fetched_says_where_to_get_it_and_where_to_put_it() -> None:
    line = by_hand(TASKS.get("udpos"))
    assert "https://universaldependencies.org" in line
    assert "test: ud/UD_*/{language}_*-ud-test.conllu" in line


def test_a_data_sets_own_names_are_mapped_to_codes() -> None:
    items = {item.language: item for item in direct_files("sib200") if item.split == "test"}
    assert items["zh-Hant"] == DataFile(
        "sib200", "test", "zh-Hant", "sib200/annotated/zho_Hant/test.tsv", items["zh-Hant"].origin
    )
    assert set(items) == set(TASKS.get("sib200").languages) <= set(LANGUAGES)
