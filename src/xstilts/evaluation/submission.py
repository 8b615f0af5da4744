"""The folder that XTREME's leaderboard and `evaluate.py` read: `{task}/test-{language}.tsv`, `.json` for answers.

One label or tag per line, an empty line between sentences; `id<TAB>id` for BUCC. Tatoeba has one number per line: the
queries are the English sentences in sorted order, the answer is the line of the other language's file, counted from 0.
Source: README, `mock_test_data` and `utils_preprocess.py` of google-research/xtreme.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from xstilts.core.errors import DataError, XstiltsError
from xstilts.core.files import new_folder, read_jsonl, write_text
from xstilts.evaluation import prediction_files as forms
from xstilts.evaluation.prediction_files import values_of as plain
from xstilts.tasks import TASKS


class SubmissionForm(NamedTuple):
    """How the files of a type of task are read and written, and how they end."""

    read: Callable[[Path], Any]
    text: Callable[[Any], str]
    ending: str = "tsv"


def _lines(values: Sequence[Any]) -> str:
    return "".join(f"{value}\n" for value in values)


_FORMS: Mapping[str, SubmissionForm] = {
    "classification": SubmissionForm(lambda path: plain(forms.labels(path)), _lines),
    "tagging": SubmissionForm(
        lambda path: [plain(sentence.value) for sentence in forms.sentences(path)],
        lambda sentences: "\n".join(map(_lines, sentences)),
    ),
    "span_qa": SubmissionForm(
        forms.answers, lambda said: json.dumps(said, ensure_ascii=False, indent=2) + "\n", "json"
    ),
    "mining": SubmissionForm(forms.pairs, lambda pairs: _lines(["\t".join(pair) for pair in pairs])),
    "retrieval": SubmissionForm(lambda path: plain(forms.indices(path)), _lines),
}


class SubmissionFile(NamedTuple):
    """The content of one file of the folder.

    Attributes:
        records: gold records of a prepare stage.
        predictions: a predict stage's file for the same language.
        english: of Tatoeba, the English sentences in the order of the records.
    """

    task: str
    language: str
    records: Path
    predictions: Path
    english: tuple[str, ...] = ()

    @property
    def form(self) -> SubmissionForm:
        """The form of its task type."""
        return _FORMS[TASKS.get(self.task).type]

    @property
    def place(self) -> str:
        """Path of the file in the folder."""
        return f"{self.task}/test-{self.language}.{self.form.ending}"


def write_submission(files: Sequence[SubmissionFile], folder: Path) -> list[Path]:
    """Write all files and read them back, all or none; returns them.

    Raises `DataError` if a prediction is missing, or a written file does not read back as the predictions, and
    `XstiltsError` if the folder exists and is not empty, or there is nothing to write.
    """
    if not files:
        raise XstiltsError("nothing to submit: no prediction of an official task is in the store")
    with new_folder(folder) as scratch:
        for file in files:
            values = values_of(file)
            write_text(scratch / file.place, file.form.text(values))
            check_file(file, values, scratch / file.place)
    return [folder / file.place for file in files]


def values_of(file: SubmissionFile) -> Any:
    """The values of a file, in the order of the records. Raises `DataError` where a record has no prediction."""
    answers = {str(row.id): row.value for row in forms.json_rows(file.predictions)}
    queries = [row["id"] for _, row in read_jsonl(file.records) if "gold" in row]
    if missing := [name for name in queries if name not in answers]:
        problem = f"{len(missing)} of {len(queries)} examples have no prediction, the first is '{missing[0]}'"
        raise DataError(problem, file.predictions)
    said = {name: answers[name] for name in queries}
    if (kind := TASKS.get(file.task).type) == "mining":
        return [(name, other) for name, others in said.items() for other in others or ()]
    return said if kind == "span_qa" else _numbers(said, file) if kind == "retrieval" else list(said.values())


def check_file(file: SubmissionFile, values: Any, path: Path) -> None:
    """Raises `DataError` where `path`, read as `evaluate.py` would, does not say `values`."""
    if file.form.read(path) != values:
        raise DataError(f"does not read back as the predictions of {file.predictions}", path)


def _numbers(answers: Mapping[str, Any], file: SubmissionFile) -> list[int]:
    """For each English sentence in sorted order, the 0-based line of its translation."""
    if len(file.english) != len(answers):
        problem = f"{len(answers)} records, but {len(file.english)} English sentences in the data folder"
        raise DataError(problem, file.records)
    place = {name: number for number, name in enumerate(answers)}
    said = list(answers.values())
    order = sorted(range(len(said)), key=lambda number: file.english[number].strip())
    return [place[said[number]] for number in order]
