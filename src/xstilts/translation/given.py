"""Translations that are there: files in the task's own format, XTREME's published ones, or another task's.

XTREME's translate-train sets (gs://xtreme_translations): XNLI and PAWS-X as five columns without header (premise and
hypothesis in English, both translated, label; `contradictory` is contradiction), SQuAD and TyDiQA-GoldP as SQuAD's JSON
whose answers are not always at their offsets.

Every translation must be that of one English example, or a held-out example could be trained on in another language.
They belong together by id, by the English texts beside them, or by order where there are as many with the same labels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from xstilts.core.errors import DataError
from xstilts.core.files import kind_of, read_json
from xstilts.data.examples import Answer, Example, SpanExample, TextExample
from xstilts.data.readers.common import tab_rows
from xstilts.tasks import Task
from xstilts.translation.carry import Carried, example_texts
from xstilts.translation.quality import Judge

_OTHER_WORDS = {"contradictory": "contradiction"}
_COLUMNS = 5


@dataclass(frozen=True)
class _Given:
    """A translation as a file has it: what was said of its place, and the English texts beside it."""

    carried: Carried
    english: tuple[str, str] | None = None


def given(task: Task, paths: Sequence[Path], language: str, sources: Sequence[Example], judge: Judge) -> list[Carried]:
    """The translations in some files, under the ids of their English examples and in their order.

    Args:
        task: whose reader reads them.
        sources: the English examples.

    Raises:
        DataError: a file that is not in a known format, or translations of which it is not known what they translate.
    """
    found = [one for path in paths for one in _read(task, path, language)]
    by_source = _paired(task, paths[0], found, sources)
    carried = []
    for source in sources:
        one = by_source.get(source.id)
        if one is None:
            carried.append(Carried(None, "not in the files"))
        elif one.example is None:
            carried.append(one)
        elif not isinstance(source, SpanExample) and _label(one.example) != _label(source):
            carried.append(Carried(None, "another label"))
        else:
            pairs = list(zip(example_texts(source), example_texts(one.example)))
            reason = judge(pairs)
            carried.append(Carried(None, reason) if reason else replace_id(one, source.id))
    return carried


def replace_id(one: Carried, name: str) -> Carried:
    """The translation under another id."""
    assert one.example is not None
    return one._replace(example=replace(one.example, id=name))


def _label(example: Example) -> Any:
    """What must be the same in both languages; of tags their number is not."""
    return getattr(example, "label", None)


def _read(task: Task, path: Path, language: str) -> Iterator[_Given]:
    if task.type.startswith("span_qa") and kind_of(path) == "json":
        yield from _questions(path)
    elif _is_xtreme(task, path):
        yield from _five_columns(task, path)
    else:
        yield from (_Given(Carried(example)) for example in task.read(path, language))


def _is_xtreme(task: Task, path: Path) -> bool:
    if not task.type.startswith("classification") or kind_of(path) != "tsv":
        return False
    _, row = next(tab_rows(path), (0, []))
    return len(row) == _COLUMNS and _OTHER_WORDS.get(row[-1], row[-1]) in task.labels


def _five_columns(task: Task, path: Path) -> Iterator[_Given]:
    for line, row in tab_rows(path):
        if len(row) != _COLUMNS:
            raise DataError(f"expected {_COLUMNS} columns as in XTREME's translations, found {len(row)}", path, line)
        first, second, text, pair, label = row
        label = _OTHER_WORDS.get(label, label)
        if label not in task.labels:
            raise DataError(f"unknown label '{label[:60]}'; labels are {', '.join(task.labels)}", path, line)
        yield _Given(Carried(TextExample(str(line), text, pair, label)), (first, second))


def _questions(path: Path) -> Iterator[_Given]:
    """Questions of SQuAD's JSON; an answer that is not at its offset, but once in the passage, is put there."""
    try:
        for article in read_json(path)["data"]:
            for paragraph in article["paragraphs"]:
                for asked in paragraph["qas"]:
                    yield _Given(_question(paragraph["context"], asked))
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"not SQuAD's layout ({error!r:.80})", path) from None


def _question(passage: str, asked: Mapping[str, Any]) -> Carried:
    example = SpanExample(str(asked["id"]), asked["question"], passage, ())
    if asked.get("is_impossible") or not asked["answers"]:
        return Carried(example) if asked.get("is_impossible") else Carried(replace(example, answers=None), "misplaced")
    text, start = asked["answers"][0]["text"], asked["answers"][0]["answer_start"]
    if text.strip() and isinstance(start, int) and start >= 0 and passage[start : start + len(text)] == text:
        return Carried(replace(example, answers=(Answer(text, start),)), method="files")
    if text.strip() and passage.count(text) == 1:
        return Carried(replace(example, answers=(Answer(text, passage.index(text)),)), method="found again")
    return Carried(replace(example, answers=None), "misplaced")


def _paired(task: Task, path: Path, found: Sequence[_Given], sources: Sequence[Example]) -> dict[str, Carried]:
    """Id of an English example -> its translation."""
    ids = [one.carried.example.id for one in found if one.carried.example]
    known = {source.id for source in sources}
    if not all(name.isdecimal() for name in ids) and known.issuperset(ids):
        pairs = list(zip(ids, found))
    elif found and found[0].english and (pairs_by_text := _by_text(found, sources)):
        pairs = pairs_by_text
    elif len(found) == len(sources):
        labels = [
            (_label(one.carried.example), _label(source)) for one, source in zip(found, sources) if one.carried.example
        ]
        if wrong := next((n for n, (ours, theirs) in enumerate(labels, start=1) if ours != theirs), 0):
            raise DataError(f"translation {wrong} has another label than English example {wrong} of {task.name}", path)
        pairs = [(source.id, one) for source, one in zip(sources, found)]
    else:
        raise DataError(
            f"{len(found)} translations of {len(sources)} examples of {task.name}, and neither ids nor English texts "
            "beside them say which belong together",
            path,
        )
    return {name: _settled(one.carried) for name, one in pairs}


def _by_text(found: Sequence[_Given], sources: Sequence[Example]) -> list[tuple[str, _Given]]:
    """Pairs by the English texts; none unless nine in ten are found, since the texts may be in another form."""
    waiting: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for source in reversed(sources):
        waiting[tuple(" ".join(text.split()) for text in example_texts(source))].append(source.id)
    pairs = []
    for one in found:
        names = waiting.get(tuple(" ".join(text.split()) for text in one.english or ()))
        if names:
            pairs.append((names.pop(), one))
    return pairs if len(pairs) >= 0.9 * min(len(found), len(sources)) else []


def _settled(carried: Carried) -> Carried:
    return Carried(None, carried.reason) if carried.reason else carried
