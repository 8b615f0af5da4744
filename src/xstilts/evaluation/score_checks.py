"""Checks that files of gold and predictions belong together; every error has the file, and the line if there is one.

Each refuses input that would silently give a wrong score: rows in another order, numbers counted from elsewhere, ids
or words of other files.
"""

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from operator import eq
from pathlib import Path
from typing import Any, NamedTuple
from unicodedata import normalize

from xstilts.core.errors import DataError, count
from xstilts.core.languages import meant
from xstilts.data.examples import ChoiceExample
from xstilts.data.readers.columns import ColumnReader
from xstilts.data.readers.common import shown
from xstilts.data.readers.labels import clean
from xstilts.data.readers.tagging import udpos
from xstilts.evaluation import prediction_files as forms
from xstilts.evaluation.prediction_files import Entry, is_json_lines, values_of
from xstilts.tasks import TASKS, Task

ENOUGH_ROWS = 10
"""Rows from which on a file with a single gold label, or without any hit, is taken for a wrong one."""
_HEADER = re.compile("(gold|pred|predicted|true)?[ _-]?(label|tag|prediction|pred|class|answer|gold)s?", re.IGNORECASE)


class ScoredFiles(NamedTuple):
    """The files that one call compares."""

    task: Task
    language: str
    gold: Path
    predictions: Path


class Matched(NamedTuple):
    """One gold and one prediction per example, their number as the task counts it, and a note for the signature."""

    golds: Sequence[Any]
    predictions: Sequence[Any]
    n: int
    note: str = ""


def check_files(files: ScoredFiles) -> None:
    """Refuse one file for both, and gold of MLQA whose name has other passages than those of the language."""
    with suppress(OSError):
        if files.gold.samefile(files.predictions):
            raise DataError("is given as gold and as predictions", files.gold)
    context = re.search("context-([a-z]{2})-", files.gold.name)
    if files.task.name == "mlqa" and context and context[1] != files.language:
        problem = f"its passages are in '{context[1]}', whose rules the official script uses"
        raise DataError(f"{problem}: give --language {context[1]}", files.gold)


def check_columns(files: ScoredFiles) -> None:
    """Refuse predictions of own tasks in more columns than gold, such as conlleval's with gold and prediction."""
    if files.task.name in TASKS:
        return
    counts = []
    for path in (files.gold, files.predictions):
        with suppress(DataError):
            if is_json_lines(path):
                return
            lines = (one for one in forms.plain_lines(path) if one.value.strip() and one.value[0] not in "#-")
            line, text, _ = next(lines)
            counts.append((len(text.split("\t") if "\t" in text else text.split()), line))
    if len(counts) == 2 and counts[1][0] > max(2, counts[0][0]):
        problem = f"has {counts[1][0]} columns, gold {counts[0][0]}: which one is predicted is not known"
        raise DataError(f"{problem}; give one word and its tag per line", files.predictions, counts[1][1])


def check_numbers(files: ScoredFiles, golds: Sequence[int], said: Sequence[int]) -> None:
    """Refuse Tatoeba's numbers if they fit gold better when read otherwise."""
    size = len(golds)
    lines = "follow the lines of the text; XTREME sorts the English sentences and counts from 0"
    inverse = tuple(sorted(range(size), key=golds.__getitem__))
    others = {
        range(1, size + 1): lines,
        range(size): lines,
        tuple(gold + 1 for gold in golds): "count from 1, not 0",
        inverse: "give the English sentence of each line; XTREME wants the line of each sorted English sentence",
    }
    for other, what in others.items():
        if sum(map(eq, other, said)) > max(sum(map(eq, golds, said)), size // 10 + 3):  # more than chance
            raise DataError(f"the numbers {what}", files.predictions)


def check_gold(files: ScoredFiles, items: Sequence[Entry]) -> None:
    """Refuse withheld and unknown labels, and the single placeholder that XTREME's preprocessing puts for gold."""
    task, labels = files.task, files.task.labels if files.task.type != "multiple_choice" else ()
    if not items:
        raise DataError(f"holds no gold for {task.name} in language '{files.language}'", files.gold)
    for line, label, _ in items:
        if label is None:
            raise DataError("gold is withheld in this file: take the official labels", files.gold, line)
        if labels and label not in labels and (task.read is not udpos or label != "_"):
            problem = f"{shown(label)} is not a label of {task.name} ({', '.join(labels)}); is this gold?"
            raise DataError(problem, files.gold, line)
    if len(items) >= ENOUGH_ROWS and len({str(item.value) for item in items}) == 1:
        same = f"all {len(items)} gold labels are {str(items[0].value)[:60]!r}"
        raise DataError(f"{same}: the gold of this test file was removed; use the official labels", files.gold)


def check_labels(files: ScoredFiles, golds: Sequence[Entry], predictions: Sequence[Entry]) -> str:
    """A note on predicted labels that the task does not have: wrong answers, as in the official scripts.

    Raises `DataError` if the first line is a header, or no predicted label is known: predictions of another task.
    """
    if not predictions:
        return ""
    labels = files.task.labels
    known = {item.value for item in golds} | set(labels)
    first = predictions[0]
    if first.value not in known and _HEADER.fullmatch(first.value):
        problem = f"{shown(first.value)} is a header, not a label of {files.task.name}: delete this line"
        raise DataError(problem, files.predictions, first.line)
    found = set(values_of(predictions))
    if not known.intersection(found) or (files.task.type == "tagging" and found - {"O"} and not found & known - {"O"}):
        there = shown(", ".join(sorted(map(str, known - {"O"} or known))[:5])).strip("'")
        odd = next((one for one in predictions if one.value != "O"), first)
        but = " but O" if "O" in known & found else ""
        problem = f"not one predicted label{but} occurs in gold: {shown(odd.value)} here, {there} there"
        raise DataError(problem, files.predictions, odd.line)
    strange = sum(one.value not in (labels or known) for one in predictions)
    return f" | {'unknown labels' if labels else 'labels that gold lacks'}={strange}" if strange else ""


def check_count(files: ScoredFiles, golds: Sequence[Any], predictions: Sequence[Any], what: str) -> None:
    """Refuse predictions whose number is not that of gold."""
    if len(golds) != len(predictions):
        plural = {"index": "indices"}.get(what, f"{what}s")
        here = f"{len(predictions)} {what if len(predictions) == 1 else plural}"
        raise DataError(f"{here}, but {len(golds)} in {files.gold}", files.predictions)


def in_order(files: ScoredFiles, golds: Sequence[Entry], predictions: list[Entry]) -> list[Entry]:
    """Predictions in the order of gold: JSON lines by id, other files as they are.

    Ids of JSON lines may count rows (from 0, 1, or below a header 2) if gold has no ids, or ids that count upwards.

    Raises `DataError` for other ids that are not those of gold.
    """
    place = {one.id: one for one in predictions}
    there, here = [one.id for one in golds], [one.id for one in predictions]
    if None not in place and place.keys() == set(there):
        return [place[name] for name in there]
    if not is_json_lines(files.predictions):
        return predictions
    counted = any(here == [str(start + row) for row in range(len(here))] for start in (0, 1, 2))
    numbers = [int(name) for name in there if name is not None and re.fullmatch("[0-9]{1,18}", name)]
    if counted and (None in there or (len(numbers) == len(there) and numbers == sorted(numbers))):
        return predictions
    if None in there:
        odd = next(one for row, one in enumerate(predictions) if one.id != str(row + (here[0] == "1")))
        problem = f"the gold file has no ids, and id {shown(odd.id)} is not a row number"
        remedy = "put the rows in the order of gold and number them from 0"
        raise DataError(f"{problem}: {remedy}", files.predictions, odd.line)
    check_ids(files, [str(name) for name in there], {str(name): one for name, one in place.items()})
    return predictions


def check_ids(files: ScoredFiles, golds: Collection[str], said: Mapping[str, Any]) -> None:
    """Refuse predictions for ids that gold does not have, with the nearest that has no prediction."""
    known = set(golds)
    if not (extra := [name for name in said if name not in known]):
        return
    absent = [name for name in golds if name not in said]
    near = difflib.get_close_matches(extra[0], absent[:1000], n=1) or absent[:1]
    are = f"{count(len(extra), 'id')} {'is' if len(extra) == 1 else 'are'} not in {files.gold}"
    lacking = f"; gold ids without prediction: {len(absent)} of {len(known)}, such as {shown(near[0])}" if near else ""
    line = getattr(said[extra[0]], "line", None)
    raise DataError(f"{are}, the first is {shown(extra[0])}{lacking}", files.predictions, line)


def by_id(files: ScoredFiles, golds: Mapping[str, Any], said: Mapping[str, Any], missing: Any) -> Matched:
    """Join by id. Raises `DataError` when nothing was predicted, or something for an id that gold does not have."""
    check_ids(files, golds, said)
    if not said:
        raise DataError(f"no predictions for the {count(len(golds), 'id')} of {files.gold}", files.predictions)
    absent = len(golds) - len(said)
    note = f" | missing={absent}" if absent else ""
    if absent and files.task.metric == "squad_v2":
        note += ", counted as wrong (evaluate-v2.0.py leaves them out)"
    return Matched(list(golds.values()), [said.get(name, missing) for name in golds], len(golds), note)


def check_sentences(files: ScoredFiles, golds: Sequence[Entry], predictions: Sequence[Entry]) -> None:
    """Refuse sentences with another number of tags, and other words where both files have words."""
    for number, (gold, predicted) in enumerate(zip(golds, predictions, strict=False), start=1):
        tags = predicted.value
        there = f"{files.gold.name}:{gold.line}" if gold.line else f"{shown(gold.id)} of {files.gold.name}"
        if len(gold.value) != len(tags):
            problem = (
                f"sentence {number} has {count(len(tags), 'tag')}, but {len(gold.value)} in {there}; "
                f"{count(len(predictions), 'sentence')} here, {len(golds)} there; sentences must not be cut or split"
                f"{', nor words joined, as in XTREME' if files.gold.match('*.conllu*') else ''}"
            )
            raise DataError(problem, files.predictions, tags[0].line)
        for place, (right, tag) in enumerate(zip(gold.value, tags), start=1):
            if right.id and tag.id and _bare(right.id) != _bare(tag.id):
                problem = f"word {place} of sentence {number} is {shown(tag.id)}, but {shown(right.id)} in {there}"
                remedy = "put the sentences in the order of the gold file"
                raise DataError(f"{problem}: {remedy}", files.predictions, tag.line)
    check_count(files, golds, predictions, "sentence")


def _bare(word: str) -> str:
    """A word without WikiANN's prefix (`de:`) and blanks, in one Unicode normal form."""
    return "".join(normalize("NFC", re.sub(r"^\s*[a-z]{2,3}(-[a-z]+)*:(?=.)", "", word)).split())


def language_note(files: ScoredFiles, what: str, words: Iterable[str]) -> str:
    """A note that words of a file's name, or of its ids, name another language of the task, and not the one asked."""
    codes = [meant(word).partition("-")[0] for word in words]
    others = [code for code in codes if code in {one.partition("-")[0] for one in files.task.languages}]
    if not others or files.language.partition("-")[0] in codes or files.task.name not in TASKS:
        return ""
    return f" | note: {shown(what)} says {others[-1]}, not {files.language}"


def own_choices(files: ScoredFiles, examples: Sequence[ChoiceExample]) -> Matched:
    """Numbers, letters, names or texts of choices, as gold may be written.

    Numbers count from 0, as those of `xstilts predict`. Where the task's labels count from 1, so may the numbers, if
    one of them says so: a 0, or the number of the last choice.
    """
    golds = [Entry(None, None if one.label is None else str(one.label), one.id) for one in examples]
    check_gold(files, golds)
    predictions = forms.labels(files.predictions)
    check_count(files, golds, predictions, "label")
    said = in_order(files, golds, predictions)
    read = files.task.read
    names, given = (read.labels, read.count_from) if isinstance(read, ColumnReader) else ((), None)
    pairs = [(one.value, len(of.choices)) for one, of in zip(said, examples) if one.value not in names]
    numbered = [(int(value), size) for value, size in pairs if re.fullmatch("[0-9]{1,9}", value)]
    first = first_number(files, [pair for pair in numbered if pair[0] <= pair[1]], given or 0)
    places = [str(place_of(files, one, example, names, first)) for one, example in zip(said, examples)]
    return Matched(values_of(golds), places, len(golds), " | choices counted from 1" * first)


def first_number(files: ScoredFiles, numbers: Sequence[tuple[int, int]], declared: int) -> int:
    """Whether predicted numbers of choices count from 0 or from 1, which only tasks that count from 1 may do.

    `numbers`: each with the number of the example's choices; larger ones can only be texts. `declared`: the number of
    the first choice in gold. Raises `DataError` if both are possible, or no row says that they count from 1.
    """
    from_0 = all(number < size for number, size in numbers)
    from_1 = all(1 <= number <= size for number, size in numbers)
    if numbers and from_1 and not (from_0 or declared):
        problem = "numbers of choices count from 1; those of this task count from 0"
        raise DataError(f"{problem}: subtract 1, or give letters from A", files.predictions)
    if numbers and declared and from_0 and from_1:
        problem = "no number is 0 or that of the last choice: they may count from 0 or from 1"
        raise DataError(f"{problem}; give letters from A instead", files.predictions)
    return int(bool(numbers) and bool(declared) and from_1)


def place_of(files: ScoredFiles, said: Entry, example: ChoiceExample, names: Sequence[str], first: int) -> int:
    """The place of a predicted choice, from 0: of its name, letter, number from `first` on, or text.

    Raises `DataError` if the example has no such choice, or the prediction means two of them.
    """
    texts, value = [clean(text) for text in example.choices], clean(said.value)
    if value in names:
        place = names.index(value)
    elif re.fullmatch("[A-Za-z]", value):
        place = ord(value.upper()) - ord("A")
    else:
        place = int(value) - first if re.fullmatch("[0-9]{1,9}", value) else -1
    if not 0 <= place < len(texts) and texts.count(value) == 1:
        place = texts.index(value)
    if not 0 <= place < len(texts):
        same = texts.count(value)
        what = f"the text of {same} choices" if same else "no choice"
        may = f"give its number from {first} or a letter from A to {chr(ord('A') + len(texts) - 1)}"
        problem = f"{shown(said.value)} is {what} of example {shown(example.id)}, which has {len(texts)}: {may}"
        raise DataError(problem + ", or its text" * (not same), files.predictions, said.line)
    if value in texts and value not in names and texts.index(value) != place:
        problem = f"{shown(said.value)} is both a place and the text of another choice of example {shown(example.id)}"
        raise DataError(f"{problem}: give letters from A instead", files.predictions, said.line)
    return place
