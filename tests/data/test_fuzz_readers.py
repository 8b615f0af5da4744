"""Damaged files of every format: examples that hold what their class promises, or one line with file and line number.

`XSTILTS_FUZZ_EXAMPLES=20000 pytest tests/data/test_fuzz_readers.py` tries that many damaged files of each sample.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reader_samples import SAMPLES

from data.damage import DAMAGE, FUZZ, SEEDS, Edit, damaged, edits_of, is_one_line
from xstilts.core.errors import DataError
from xstilts.data.examples import (
    ChoiceExample,
    Example,
    ParallelExample,
    PlainText,
    PoolExample,
    SpanExample,
    TaggedExample,
    TextExample,
)
from xstilts.data.readers import pairs, tagging

LABELS = {
    pairs.nli: pairs.NLI_LABELS,
    pairs.xnli: pairs.NLI_LABELS,
    pairs.pawsx: pairs.PARAPHRASE_LABELS,
    pairs.qqp: pairs.PARAPHRASE_LABELS,
    pairs.sib200: pairs.TOPICS,
    tagging.udpos: tagging.UPOS,
    tagging.panx: tagging.NER,
    tagging.masakhaner: tagging.MASAKHANER,
    tagging.uner: tagging.UNER,
}
WHOLE_FILE = re.compile(r"holds no examples for language|has \d+ lines?, |the English side is sorted")
"""Faults of a whole file of lines, which have no line."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for entry in value:
            yield from _texts(entry)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _texts(getattr(value, field.name))


def _gold(example: Example, labels: tuple[str, ...]) -> Any:
    """The example's gold, which is right in itself; None where it is withheld."""
    match example:
        case SpanExample():
            for answer in example.answers or ():
                assert answer.text
                assert answer.start >= 0
                assert example.passage[answer.start : answer.start + len(answer.text)] == answer.text
            return example.answers
        case TextExample():
            assert example.label is None or example.label in labels
            return example.label
        case ChoiceExample():
            assert len(example.choices) >= 2
            assert example.label is None or (type(example.label) is int and 0 <= example.label < len(example.choices))
            return example.label
        case TaggedExample():
            assert example.words
            assert all(example.words)
            assert example.tags is None or (
                len(example.tags) == len(example.words) and (not labels or set(example.tags) <= {*labels})
            )
            return example.tags
        case ParallelExample():
            assert example.source.strip()
            assert example.target.strip()
            return ()
        case PoolExample():
            assert example.text.strip()
            return example.gold if example.query else ()
        case PlainText():
            assert example.text.strip()
            return ()
    raise AssertionError(f"nothing is known of {type(example)}")


def check_examples(examples: list[Example], labels: tuple[str, ...]) -> None:
    """What every reader promises."""
    assert examples
    ids = [example.id for example in examples]
    assert len(set(ids)) == len(ids)
    assert all(one.strip() for one in ids)
    assert len({_gold(example, labels) is None for example in examples}) == 1, "gold is in all examples or in none"
    for text in _texts(tuple(examples)):
        assert "\0" not in text
        text.encode()  # no halves of surrogate pairs: the text can be written to a file


def check_refusal(error: DataError, path: Path, beside: list[Path]) -> None:
    """One line that names the file, and the line in it where it has lines."""
    message = str(error)
    assert is_one_line(message)
    assert message.startswith(tuple(f"{file}:" for file in (path, *beside)))
    if ".json" not in path.suffixes:
        assert error.line is not None or WHOLE_FILE.search(message), message
    assert error.line is None or error.line >= 1


def read_damaged(name: str, folder: Path, edits: list[Edit], beside: bool = False) -> None:
    """Read the sample, or with `beside` what lies beside it, damaged; then mend it again."""
    sample = SAMPLES[name]
    place = folder / re.sub(r"\W", "_", name)
    path = place / sample.name
    if not place.exists():
        place.mkdir()
        sample.write(place)
    target = place / sorted(sample.beside)[edits[0].what % len(sample.beside)] if sample.beside and beside else path
    whole = (sample.beside[target.name] if target != path else sample.content).encode()
    target.write_bytes(damaged(whole, edits))
    try:
        examples = list(sample.read(path, sample.language))
    except DataError as error:
        check_refusal(error, path, [place / file for file in sample.beside])
    else:
        check_examples(examples, LABELS.get(sample.read, ()))
    finally:
        target.write_bytes(whole)


@pytest.mark.parametrize("name", SAMPLES)
@FUZZ
@given(edits=DAMAGE, beside=st.booleans())
def test_a_damaged_file_gives_whole_examples_or_one_line(
    name: str, folder: Path, edits: list[Edit], beside: bool
) -> None:
    read_damaged(name, folder, edits, beside)


@pytest.mark.parametrize("name", SAMPLES)
def test_so_do_many(name: str, folder: Path) -> None:
    for seed in range(SEEDS):
        edits = edits_of(seed)
        try:
            read_damaged(name, folder, edits, seed % 3 == 0)
        except Exception as error:
            error.add_note(f"seed {seed}: {edits}")
            raise
