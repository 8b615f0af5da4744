"""The files of a leaderboard folder: their form, the official numbering of Tatoeba, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from xstilts.core.errors import DataError, XstiltsError
from xstilts.core.files import read_lines, write_jsonl, write_text
from xstilts.core.languages import LANGUAGES
from xstilts.evaluation.score import score_files
from xstilts.evaluation.submission import SubmissionFile, check_file, values_of, write_submission
from xstilts.stats.benchmarks import averages
from xstilts.stats.table import ScoreTable
from xstilts.tasks import TASKS
from xstilts.tasks.benchmarks import BENCHMARKS

OFFICIAL = "layer=0 raw"


def source(folder: Path, task: str, records: list[dict[str, Any]], said: list[Any], **more: Any) -> SubmissionFile:
    golds, predictions = folder / "records.jsonl", folder / "de.jsonl"
    variant = {"variant": OFFICIAL} if task == "tatoeba" else {}
    queries = [row["id"] for row in records if "gold" in row]
    write_jsonl(golds, records)
    write_jsonl(predictions, ({"id": i, "prediction": value, **variant} for i, value in zip(queries, said)))
    return SubmissionFile(task, "de", golds, predictions, **more)


LABELS = [{"id": "7", "gold": "neutral"}, {"id": "8", "gold": "neutral"}]
WORDS = [{"id": "1", "gold": ["O", "B-PER"], "words": 2}, {"id": "2", "gold": ["O"], "words": 1}]
QUESTIONS = [{"id": "a", "gold": ["x"]}, {"id": "b", "gold": ["y"]}]
SENTENCES = [{"id": "1", "gold": "1"}, {"id": "2", "gold": "2"}, {"id": "3", "gold": "3"}]
POOL = [
    {"id": "de-1", "gold": ["en-2"]},
    {"id": "de-2", "gold": []},
    {"id": "en-1"},
    {"id": "en-2"},
    {"id": "sample:de-9", "tune": ["sample:en-9"]},
]
FORMS: list[tuple[str, list[dict[str, Any]], list[Any], str, dict[str, Any]]] = [
    ("xnli", LABELS, ["neutral", "entailment"], "neutral\nentailment\n", {}),
    ("panx", WORDS, [["O", "I-LOC"], ["O"]], "O\nI-LOC\n\nO\n", {}),
    ("xquad", QUESTIONS, ["Zürich", ""], '{\n  "a": "Zürich",\n  "b": ""\n}\n', {}),
    ("bucc2018", POOL, [["en-2"], []], "de-1\ten-2\n", {}),
    # Sorted: "apple." (line 3), "Bee." before it in code points (line 1), "cat." (line 2).
    ("tatoeba", SENTENCES, ["2", "2", "1"], "1\n0\n1\n", {"english": ("Bee.", "cat.", "apple.")}),
]


@pytest.mark.parametrize(("task", "records", "said", "text", "more"), FORMS, ids=[row[0] for row in FORMS])
def test_a_file_has_the_official_form_and_passes_its_check(
    tmp_path: Path, task: str, records: list[dict[str, Any]], said: list[Any], text: str, more: dict[str, Any]
) -> None:
    one = source(tmp_path, task, records, said, **more)
    (written,) = write_submission([one], tmp_path / "out")
    assert written == tmp_path / "out" / task / ("test-de.json" if task == "xquad" else "test-de.tsv")
    assert written.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("task", "text"),
    [
        ("xnli", "neutral\nneutral\n"),
        ("panx", "O\nI-LOC\nO\n"),
        ("xquad", '{"a": "Zürich", "c": ""}'),
        ("bucc2018", "de-1\ten-1\n"),
        ("tatoeba", "0\n1\n1\n"),
    ],
)
def test_a_file_that_does_not_say_what_was_predicted_is_refused(tmp_path: Path, task: str, text: str) -> None:
    records, said, written, more = next(row[1:] for row in FORMS if row[0] == task)
    one = source(tmp_path, task, records, said, **more)
    path = tmp_path / one.place
    write_text(path, written)
    check_file(one, values_of(one), path)
    write_text(path, text)
    with pytest.raises(DataError, match="does not read back as the predictions of"):
        check_file(one, values_of(one), path)


def test_a_missing_prediction_leaves_no_folder(tmp_path: Path) -> None:
    one = source(tmp_path, "xnli", LABELS, ["neutral"])
    with pytest.raises(DataError, match="1 of 2 examples have no prediction, the first is '8'"):
        write_submission([one], tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["de.jsonl", "records.jsonl"]


def test_a_folder_in_use_and_an_empty_submission_are_refused(tmp_path: Path) -> None:
    one = source(tmp_path, "xnli", LABELS, ["neutral", "neutral"])
    with pytest.raises(XstiltsError, match="is not an empty folder"):
        write_submission([one], tmp_path)
    with pytest.raises(XstiltsError, match="nothing to submit"):
        write_submission([], tmp_path / "out")
    (tmp_path / "out").mkdir()
    assert write_submission([one], tmp_path / "out")


def test_right_answers_to_tatoeba_are_the_official_labels(tmp_path: Path, data_dir: Path) -> None:
    """The released mock labels are the first ten lines of the real ones."""
    compared = 0
    for path in sorted((data_dir / "xtreme_mock_test_data" / "labels" / "tatoeba").iterdir()):
        code = path.stem.removeprefix("test-")
        if code not in TASKS.get("tatoeba").available(data_dir, "test") or code not in LANGUAGES:
            continue
        pairs = TASKS.get("tatoeba").load(data_dir, "test", code)
        records = [{"id": pair.id, "gold": pair.id} for pair in pairs]
        english = tuple(pair.target for pair in pairs)  # type: ignore[union-attr]
        one = source(tmp_path, "tatoeba", records, [pair.id for pair in pairs], english=english)
        expected = read_lines(path)
        assert one.form.text(values_of(one)).splitlines()[: len(expected)] == expected, code
        compared += 1
    assert compared >= 10


def test_the_mock_submission_has_the_official_task_means(data_dir: Path) -> None:
    """The nine values and their mean as `evaluate.py` gives them for the released mock files."""
    folder = data_dir / "xtreme_mock_test_data"
    scores = []
    for task in BENCHMARKS["xtreme"].languages:
        for gold in sorted((folder / "labels" / task).iterdir()):
            found = score_files(task, gold.stem.removeprefix("test-"), gold, folder / "predictions" / task / gold.name)
            needed = BENCHMARKS["xtreme"].values(task)
            for score in found:
                split = BENCHMARKS["xtreme"].split(task)
                main = score.metric in needed if needed else score.main
                scores.append(replace(score, split=split, main=main))
    (standing,) = averages(ScoreTable.of(scores), BENCHMARKS["xtreme"]).standings
    assert standing.overall.label == "XTREME"
    expected = {
        "xnli": 30.666666666666668,
        "pawsx": 51.42857142857143,
        "udpos": 70.21746048354693,
        "panx": 57.50793650793652,
        "xquad": (77.27272727272727 + 79.9586776859504) / 2,
        "mlqa": (57.142857142857146 + 81.76870748299321) / 2,
        "tydiqa": (88.88888888888889 + 97.22222222222223) / 2,
        "bucc2018": 55.0,
        "tatoeba": 53.611111111111114,
    }
    assert {task.task: task.value for task in standing.tasks} == pytest.approx(expected, abs=1e-9)
    assert standing.overall.value == pytest.approx(sum(expected.values()) / 9, abs=1e-9)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_benchmarks_agree_with_the_tasks(name: str) -> None:
    one = BENCHMARKS[name]
    assert sorted(task for tasks in one.groups.values() for task in tasks) == sorted(one.languages)
    for task in one.languages:
        if task in TASKS:
            found = TASKS.get(task)
            assert one.split(task) == found.evaluate_on, task
            assert set(one.languages[task]) <= set(found.languages), task
            assert bool(one.values(task)) == (found.type == "span_qa"), task
