"""The folder that XTREME's leaderboard and `evaluate.py` read: `{task}/test-{language}.tsv`, `.json` for answers.

One label or tag a line with an empty line between sentences; `id<TAB>id` for BUCC; for Tatoeba, one number a line: the
English sentences in sorted order ask, and the answer is the line of the other language's file, counted from 0. Source:
README, `mock_test_data` and `utils_preprocess.py` of google-research/xtreme. Every file is read again and held against
the gold records before the folder gets its name.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from xstilts.core.errors import DataError, XstiltsError
from xstilts.core.files import read_jsonl, write_text
from xstilts.evaluation import prediction_files as inputs
from xstilts.evaluation.evaluate import default_variant, protocol_of
from xstilts.tasks import TASKS


class Source(NamedTuple):
    """What one file is made of.

    Attributes:
        records: gold records of a prepare stage; predictions: a predict stage's file for the same language.
        english: Tatoeba: the English side in the order of the records.
    """

    task: str
    language: str
    records: Path
    predictions: Path
    english: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """Its place in the folder."""
        ending = "json" if TASKS.get(self.task).type == "span_qa" else "tsv"
        return f"{self.task}/test-{self.language}.{ending}"


class Pair(NamedTuple):
    """A gold record and what was predicted for it."""

    record: Mapping[str, Any]
    prediction: Any


def write_submission(sources: Sequence[Source], folder: Path) -> list[Path]:
    """Write and check all files, whole or not at all; returns them.

    Raises:
        DataError: a prediction is missing, or a written file does not fit its gold records.
        XstiltsError: the folder exists and is not empty, or there is nothing to write.
    """
    if not sources:
        raise XstiltsError("nothing to submit: no prediction of an official task is in the store")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise XstiltsError(f"{folder} exists and is not an empty folder: name another one with --to")
    scratch = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        for source in sources:
            write_text(scratch / source.file, text_of(source))
            check_file(source, scratch / source.file)
        if folder.exists():
            folder.rmdir()
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return [folder / source.file for source in sources]


def text_of(source: Source) -> str:
    """The text of one file. Raises `DataError` where a record has no prediction."""
    return _FORMS[TASKS.get(source.task).type].write(source, _pairs(source))


def check_file(source: Source, path: Path) -> None:
    """Read a file as `evaluate.py` would and hold it against the gold records: counts, known labels, ids.

    Raises:
        DataError: what does not fit, with the file's line where it has one.
    """
    records = [row for _, row in read_jsonl(source.records)]
    _FORMS[TASKS.get(source.task).type].check(source, records, path)


def _pairs(source: Source) -> list[Pair]:
    """Queries with their predictions of the main variant, in the order of the records."""
    variants: dict[str, dict[str, Any]] = {}
    for line, row in read_jsonl(source.predictions):
        if not isinstance(row, dict) or "id" not in row or "prediction" not in row:
            raise DataError('expected {"id": ..., "prediction": ...}', source.predictions, line)
        variants.setdefault(row.get("variant", ""), {})[row["id"]] = row["prediction"]
    _, layer = protocol_of(source.predictions.parent.parent)
    answers = variants[default_variant(list(variants), layer)] if variants else {}
    queries = [row for _, row in read_jsonl(source.records) if "gold" in row]
    if missing := [row["id"] for row in queries if row["id"] not in answers]:
        problem = f"{len(missing)} of {len(queries)} examples have no prediction, the first is '{missing[0]}'"
        raise DataError(problem, source.predictions)
    return [Pair(row, answers[row["id"]]) for row in queries]


def _lines(source: Source, pairs: Sequence[Pair]) -> str:
    return "".join(f"{pair.prediction}\n" for pair in pairs)


def _check_labels(source: Source, records: Sequence[Mapping[str, Any]], path: Path) -> None:
    items = inputs.predicted_labels(path)
    _same_number(len(items), len(records), "labels", path)
    _known(source, items, path)


def _sentences(source: Source, pairs: Sequence[Pair]) -> str:
    return "\n".join("".join(f"{tag}\n" for tag in pair.prediction) for pair in pairs)


def _check_sentences(source: Source, records: Sequence[Mapping[str, Any]], path: Path) -> None:
    sentences = inputs.sentences(path)
    _same_number(len(sentences), len(records), "sentences", path)
    for tags, record in zip(sentences, records):
        _known(source, tags, path)
        if len(tags) != record["words"]:
            raise DataError(f"{len(tags)} tags for the {record['words']} words of '{record['id']}'", path, tags[0].line)


def _answers(source: Source, pairs: Sequence[Pair]) -> str:
    said = {pair.record["id"]: pair.prediction for pair in pairs}
    return json.dumps(said, ensure_ascii=False, indent=2) + "\n"


def _check_answers(source: Source, records: Sequence[Mapping[str, Any]], path: Path) -> None:
    said, asked = inputs.predicted_answers(path), {record["id"] for record in records}
    _same_number(len(said), len(records), "answers", path)
    if said.keys() != asked:
        raise DataError(f"ids are not those of the questions: '{min(said.keys() ^ asked)}'", path)


def _mined(source: Source, pairs: Sequence[Pair]) -> str:
    return "".join(f"{pair.record['id']}\t{other}\n" for pair in pairs for other in pair.prediction or ())


def _check_mined(source: Source, records: Sequence[Mapping[str, Any]], path: Path) -> None:
    queries = {record["id"] for record in records if "gold" in record}
    candidates = {record["id"] for record in records} - queries
    for line, (here, there) in enumerate(inputs.pairs(path), start=1):
        if here not in queries or there not in candidates:
            raise DataError(f"'{here}' or '{there}' is no sentence of its side", path, line)


def _numbers(source: Source, pairs: Sequence[Pair]) -> str:
    """Line n is the answer to the n-th English sentence in sorted order: the 0-based line of the translation."""
    if len(source.english) != len(pairs):
        problem = f"{len(pairs)} records, but {len(source.english)} English sentences in the data folder"
        raise DataError(problem, source.records)
    place = {pair.record["id"]: number for number, pair in enumerate(pairs)}
    order = sorted(range(len(pairs)), key=lambda number: source.english[number].strip())
    return "".join(f"{place[pairs[number].prediction]}\n" for number in order)


def _check_numbers(source: Source, records: Sequence[Mapping[str, Any]], path: Path) -> None:
    items = inputs.indices(path)
    _same_number(len(items), len(records), "numbers", path)
    for line, number in items:
        if number >= len(records):
            raise DataError(f"{number} is no line of {len(records)}, counted from 0", path, line)


def _same_number(found: int, expected: int, what: str, path: Path) -> None:
    if found != expected:
        raise DataError(f"{found} {what} for {expected} gold records", path)


def _known(source: Source, items: Sequence[inputs.Item], path: Path) -> None:
    labels = TASKS.get(source.task).labels
    for line, label in items:
        if label not in labels:
            raise DataError(f"'{label}' is no label of {source.task} ({', '.join(labels)})", path, line)


class _Form(NamedTuple):
    """How a type of task is written, and how its file is held against the records."""

    write: Callable[[Source, Sequence[Pair]], str]
    check: Callable[[Source, Sequence[Mapping[str, Any]], Path], None]


_FORMS: Mapping[str, _Form] = {
    "classification": _Form(_lines, _check_labels),
    "tagging": _Form(_sentences, _check_sentences),
    "span_qa": _Form(_answers, _check_answers),
    "mining": _Form(_mined, _check_mined),
    "retrieval": _Form(_numbers, _check_numbers),
}
