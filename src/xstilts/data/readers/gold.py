"""Gold that is in a file of its own, one label a line, in the order of the examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from xstilts.core.errors import DataError
from xstilts.data.examples import ChoiceExample, Example, TextExample
from xstilts.data.readers.common import lines_of, one_of, shown


def attach_labels(examples: Sequence[Example], path: Path, labels: Sequence[str]) -> list[Example]:
    """The examples with the labels of `path`: names of classes for texts, numbers from 1 for choices.

    Raises:
        DataError: another number of lines than of examples, or an unknown label.
    """
    lines = lines_of(path)
    if len(lines) != len(examples):
        raise DataError(f"has {len(lines)} labels for {len(examples)} examples", path)
    labelled: list[Example] = []
    for number, (example, label) in enumerate(zip(examples, lines), start=1):
        if isinstance(example, ChoiceExample):
            if label not in (numbers := [str(n) for n in range(1, len(example.choices) + 1)]):
                raise DataError(f"expected a number from 1 to {numbers[-1]}, found {shown(label)}", path, number)
            labelled.append(replace(example, label=int(label) - 1))
        else:
            assert isinstance(example, TextExample), "only classes and choices have labels in a file of their own"
            labelled.append(replace(example, label=one_of(label, labels, path, number)))
    return labelled
