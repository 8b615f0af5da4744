"""What holds for every registered task; with a data folder, every split and language that is there is read.

The data folder is `$XSTILTS_DATA`, else `../shared/data` beside the repository; without one those tests are skipped.
"""

from __future__ import annotations

import csv
import importlib
import os
import re
from pathlib import Path

import pytest

from xstilts.core.errors import DataError, UnknownName
from xstilts.core.files import read_lines
from xstilts.core.languages import FIELDS, LANGUAGES
from xstilts.data.examples import (
    ChoiceExample,
    Example,
    ParallelExample,
    PlainText,
    PoolExample,
    SpanExample,
    TaggedExample,
    TextExample,
    gold_of,
)
from xstilts.data.readers.text import ebible_pairs
from xstilts.metrics import METRICS
from xstilts.tasks import TASKS, Split, Task

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("XSTILTS_DATA", REPOSITORY.parent / "shared" / "data"))
SHAPES: dict[str, type] = {
    "classification": TextExample,
    "multiple_choice": ChoiceExample,
    "span_qa": SpanExample,
    "tagging": TaggedExample,
    "retrieval": ParallelExample,
    "contrastive": ParallelExample,
    "mining": PoolExample,
    "ranking": PoolExample,
    "masked_lm": PlainText,
}
WITHHELD = {
    ("commonsense_qa", "test"),
    ("copa", "test"),
    ("panx", "test"),
    ("pawsx", "test"),
    ("tydiqa", "validation"),
}
"""Splits of which some language in the usual data folder has no gold; where gold came back, the entry must go."""

# rows of the development and test sets, as their papers and READMEs state them: (task, split) -> rows of every language
SIZES = {
    ("xnli", "validation"): 2490,
    ("xnli", "test"): 5010,
    ("pawsx", "validation"): 2000,
    ("pawsx", "test"): 2000,
    ("xquad", "test"): 1190,
    ("xcopa", "validation"): 100,
    ("xcopa", "test"): 500,
    ("ntrex", "test"): 1997,
    ("sib200", "train"): 701,
    ("sib200", "validation"): 99,
    ("sib200", "test"): 204,
    ("commonsense_qa", "train"): 9741,
    ("commonsense_qa", "validation"): 1221,
    ("social_iqa", "validation"): 1954,
    ("mnli", "validation"): 9815,
    ("snli", "validation"): 9842,
}

every_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
every_split = pytest.mark.parametrize(
    ("task", "split"),
    [(task, split) for task in TASKS for split in task.files],
    ids=lambda value: getattr(value, "name", value),
)
needs_data = pytest.mark.skipif(not (DATA / "MANIFEST.tsv").is_file(), reason=f"no data folder at {DATA}")


@every_task
def test_a_task_says_everything_about_itself(task: Task) -> None:
    assert re.fullmatch(r"[a-z0-9_]+", task.name)
    for word in (task.citation, task.licence, task.source, task.protocol):
        assert word.strip() == word != ""
    assert task.type in SHAPES
    assert task.files
    assert len(set(task.labels)) == len(task.labels)
    assert bool(task.labels) == (task.type in {"classification", "tagging"} and not task.open_labels)


@every_task
def test_a_task_is_measured_by_a_known_metric_on_a_split_it_has(task: Task) -> None:
    if task.type in {"masked_lm", "contrastive"}:
        assert (task.metric, task.main) == ("", "")
        return
    assert task.main in METRICS.get(task.metric).values
    assert task.evaluate_on in task.files or set(task.files) == {"train"}


@every_task
def test_a_tasks_languages_are_in_the_table_once(task: Task) -> None:
    assert set(task.languages) <= set(LANGUAGES)
    assert len(set(task.languages)) == len(task.languages)


@every_task
def test_train_on_names_a_task_of_the_same_type_and_labels_with_english_training_data(task: Task) -> None:
    if task.train_on is not None:
        other = TASKS.get(task.train_on)
        assert "train" not in task.files
        assert "train" in other.files
        assert "en" in other.languages
        assert other.labels == task.labels
        assert other.type == task.type


@every_task
def test_patterns_hold_one_known_field_and_stay_below_the_data_folder(task: Task) -> None:
    for patterns in [*task.files.values(), *task.gold.values()]:
        assert len(set(patterns)) == len(patterns)
        for pattern in patterns:
            assert set(re.findall(r"\{(.*?)\}", pattern)) <= set(FIELDS)
            assert len(set(re.findall(r"\{(.*?)\}", pattern))) <= 1
            assert not pattern.startswith("/")
            assert ".." not in pattern


@every_task
def test_nothing_is_available_in_an_empty_folder_and_the_message_says_what_was_looked_for(
    task: Task, tmp_path: Path
) -> None:
    language = task.languages[0]
    for split in task.files:
        assert task.available(tmp_path, split) == []
        with pytest.raises(DataError, match=re.escape(f"{task.name} ({split}, {language}): no file ")):
            task.load(tmp_path, split, language)
    with pytest.raises(UnknownName, match=f"language of {task.name}"):
        task.load(tmp_path, next(iter(task.files)), "nosuch")


def test_a_split_a_task_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"xquad has no train split \(it has: test\)"):
        TASKS.get("xquad").load(tmp_path, "train", "de")


def test_every_entry_opens_with_its_protocol() -> None:
    folder = Path(importlib.import_module("xstilts.tasks").__file__ or "").parent
    for path in set(folder.glob("*.toml")) - {folder / "microworld.toml"}:  # which has no official protocol
        entries = re.findall(r"((?:^#.*\n)*)^\[(\w+)\]$", path.read_text(), re.MULTILINE)
        assert entries
        assert [name for comment, name in entries if len(comment) < 40] == [], path.name


def check_example(task: Task, example: Example) -> None:
    """The right shape, and gold within the task's labels, choices and passage."""
    assert isinstance(example, SHAPES[task.type])
    assert example.id
    match example:
        case TextExample():
            assert example.label is None or example.label in task.labels
        case ChoiceExample():
            assert len(example.choices) >= 2
            assert example.label is None or 0 <= example.label < len(example.choices)
        case SpanExample():
            for answer in example.answers or ():
                assert answer.text
                assert example.passage[answer.start :].startswith(answer.text)
        case TaggedExample():
            assert example.words
            assert all(example.words)
            assert example.tags is None or len(example.tags) == len(example.words)
            assert task.open_labels or set(example.tags or ()) <= set(task.labels)
        case ParallelExample():
            assert example.source
            assert example.target
        case PoolExample():
            assert example.text
            assert example.query or example.gold is None
        case PlainText():
            assert example.text


def missing_verses(paths: list[Path]) -> int:
    """Blank lines and joined verses, the only ones a Bible may lose."""
    return sum(not line.strip() or line == "<range>" for path in paths for line in read_lines(path))


def manifest_rows() -> dict[str, int]:
    with (DATA / "MANIFEST.tsv").open(encoding="utf-8", newline="") as stream:
        rows = csv.DictReader(stream, delimiter="\t")
        return {row["path"]: int(row["rows"]) for row in rows if row["rows"]}


@needs_data
@every_split
def test_every_available_language_is_read_whole(task: Task, split: Split) -> None:
    expected = manifest_rows()
    available = task.available(DATA, split)
    if not available:
        pytest.skip(f"no {split} file of {task.name} in {DATA}")
    withheld = False
    for language in available:
        examples = task.load(DATA, split, language)
        assert len({example.id for example in examples}) == len(examples)
        for example in examples:
            check_example(task, example)
        # Pools hold both sides and the sample set; their counts are asserted beside their readers.
        if task.read is not ebible_pairs and task.type not in {"mining", "ranking"}:
            paths = task.paths(DATA, split, language)
            left_out = missing_verses(paths) if task.name == "text_ebible" else 0
            rows = sum(expected[path.relative_to(DATA).as_posix()] for path in paths)
            assert len(examples) == rows - left_out, (language, paths)
        assert len(examples) == SIZES.get((task.name, split), len(examples)), language
        none = {gold_of(example) is None for example in examples}
        assert len(none) == 1, f"gold of {language} is withheld in part"
        withheld |= none == {True}
    assert withheld == ((task.name, split) in WITHHELD)


@needs_data
def test_xnli_gold_is_balanced_and_taken_from_its_own_file() -> None:
    labels = [
        example.label for example in TASKS.get("xnli").load(DATA, "test", "de") if isinstance(example, TextExample)
    ]
    assert {label: labels.count(label) for label in labels} == dict.fromkeys(TASKS.get("xnli").labels, 1670)
    assert [path.name for path in TASKS.get("xnli").gold_paths(DATA, "test", "de")] == ["test-labels.txt"]


@needs_data
def test_several_files_of_a_split_keep_their_ids_apart() -> None:
    ids = [example.id for example in TASKS.get("udpos").load(DATA, "test", "en")]
    assert len(ids) == 2077 + 1000
    assert {name.partition(":")[0].rpartition("/")[2] for name in ids} == {"en_ewt-ud-test", "en_pud-ud-test"}
    assert TASKS.get("anli").load(DATA, "validation")[0].id.startswith("ANLI_analysis_r1_dev:")


@needs_data
@pytest.mark.parametrize(("language", "name"), [("de", "de-en.de"), ("sw", "sw-en.sw")])
def test_xtremes_own_tatoeba_is_refused(language: str, name: str) -> None:
    with pytest.raises(DataError, match="sorted"):
        list(TASKS.get("tatoeba").read(DATA / "tatoeba" / "xtreme_form" / name, language))


@needs_data
@every_split
def test_samples_in_the_official_layout_are_read(task: Task, split: Split) -> None:
    root = DATA / "format_samples"
    available = task.available(root, split)
    if not available:
        pytest.skip(f"no official sample of {task.name} ({split})")
    read = 0
    for language in available:
        if (
            task.name == "tydiqa" and language != {"train": "fi", "validation": "ar"}[split]
        ):  # one file of all languages
            continue
        for example in task.load(root, split, language):
            check_example(task, example)
            read += 1
    assert read
