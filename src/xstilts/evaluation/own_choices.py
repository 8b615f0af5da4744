"""Predicted choices of a user's own tasks, in the forms in which gold may be written."""

import re
from collections.abc import Sequence

from xstilts.core.errors import DataError
from xstilts.data.examples import ChoiceExample
from xstilts.data.readers.columns import ColumnReader
from xstilts.data.readers.common import shown
from xstilts.data.readers.labels import clean
from xstilts.evaluation import prediction_files as forms
from xstilts.evaluation.prediction_files import Entry, values_of
from xstilts.evaluation.score_checks import Matched, ScoredFiles, check_count, check_gold, in_order


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
    names = files.task.read.labels if isinstance(files.task.read, ColumnReader) else ()
    given = files.task.read.count_from if isinstance(files.task.read, ColumnReader) else None
    numbered = [(int(one.value), len(of.choices)) for one, of in zip(said, examples) if _is_number(one.value, names)]
    first = first_number(files, [pair for pair in numbered if pair[0] <= pair[1]], given or 0)
    places = [str(place_of(files, one, example, names, first)) for one, example in zip(said, examples)]
    note = " | choices counted from 1" * first
    return Matched(values_of(golds), places, len(golds), note)


def _is_number(value: str, names: Sequence[str]) -> bool:
    return bool(re.fullmatch("[0-9]{1,9}", value)) and value not in names


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
        may = f"give its number from {first}, a letter from A to {chr(ord('A') + len(texts) - 1)}, or its text"
        problem = f"{shown(said.value)} is no choice of example {shown(example.id)}, which has {len(texts)}: {may}"
        raise DataError(problem, files.predictions, said.line)
    if value in texts and value not in names and texts.index(value) != place:
        problem = f"{shown(said.value)} is both a place and the text of another choice of example {shown(example.id)}"
        raise DataError(f"{problem}: give letters from A instead", files.predictions, said.line)
    return place
