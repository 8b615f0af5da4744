"""Existing translations: files in the task's own format, XTREME's published ones, or another task's.

XTREME's sets (gs://xtreme_translations): XNLI and PAWS-X as five columns without header (both English texts, both
translated, label; `contradictory` is contradiction), SQuAD and TyDiQA-GoldP as SQuAD's JSON with some wrong offsets.
Every translation must belong to one English example, or a held-out example could be trained on in another language.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from xstilts.core.errors import DataError
from xstilts.core.files import kind_of, read_json
from xstilts.data.examples import Answer, Example, SpanExample, TextExample
from xstilts.data.readers.common import one_of, tab_rows
from xstilts.data.readers.pairs import NLI_SPELLINGS
from xstilts.tasks import Task
from xstilts.translation.carry import Carried, QualityCheck, example_texts


class _Given(NamedTuple):
    """A translation as a file has it, with its id and the English texts beside it."""

    id: str
    carried: Carried
    english: Sequence[str] = ()


def given(
    task: Task, paths: Sequence[Path], language: str, sources: Sequence[Example], judge: QualityCheck
) -> list[Carried]:
    """The translations in some files, read as `task` says, under the ids of their English examples and in their order.

    Raises `DataError` where a file is in no known format, or does not say what its translations translate.
    """
    found = _paired(task, paths[0], [one for path in paths for one in _read(task, path, language)], sources)
    carried = []
    for source in sources:
        one = found.get(source.id, Carried(None, "not in the files"))
        if one.example is not None:
            pairs = list(zip(example_texts(source), example_texts(one.example)))
            reason = "another label" if _label(one.example) != _label(source) else judge(pairs)
            one = Carried(None, reason) if reason else one._replace(example=replace(one.example, id=source.id))
        carried.append(one)
    return carried


def _label(example: Example | None) -> Any:
    """The gold that must be equal in both languages, if any."""
    return getattr(example, "label", None)


def _read(task: Task, path: Path, language: str) -> Iterator[_Given]:
    kind = kind_of(path)
    if task.type.startswith("span_qa") and kind == "json":
        yield from _questions(path)
    elif task.type.startswith("classification") and kind == "tsv" and _is_xtreme(task, path):
        for line, row in tab_rows(path):
            if len(row) != 5:
                raise DataError(f"expected 5 columns as in XTREME's translations, found {len(row)}", path, line)
            *english, text, pair, label = row
            label = one_of(NLI_SPELLINGS.get(label, label), task.labels, path, line)
            yield _Given(str(line), Carried(TextExample(str(line), text, pair, label)), english)
    else:
        yield from (_Given(example.id, Carried(example)) for example in task.read(path, language))


def _is_xtreme(task: Task, path: Path) -> bool:
    _, row = next(tab_rows(path), (0, [""]))
    return len(row) == 5 and NLI_SPELLINGS.get(row[-1], row[-1]) in task.labels


def _questions(path: Path) -> Iterator[_Given]:
    """Questions of SQuAD's JSON; an answer at a wrong offset that occurs once in the passage is put at its place."""
    try:
        for article in read_json(path)["data"]:
            for paragraph in article["paragraphs"]:
                for asked in paragraph["qas"]:
                    yield _Given(str(asked["id"]), _question(paragraph["context"], asked))
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"not SQuAD's layout ({error!r:.80})", path) from None


def _question(passage: str, asked: Mapping[str, Any]) -> Carried:
    example = SpanExample(str(asked["id"]), asked["question"], passage, ())
    if asked.get("is_impossible"):
        return Carried(example)
    answer: Mapping[str, Any] = asked["answers"][0] if asked["answers"] else {"text": "", "answer_start": 0}
    text, start, method = answer["text"], answer["answer_start"], "files"
    if not text.strip():
        return Carried(None, "misplaced")
    if not isinstance(start, int) or start < 0 or passage[start : start + len(text)] != text:
        if passage.count(text) != 1:
            return Carried(None, "misplaced")
        start, method = passage.index(text), "found again"
    return Carried(replace(example, answers=(Answer(text, start),)), method=method)


def _paired(task: Task, path: Path, found: Sequence[_Given], sources: Sequence[Example]) -> dict[str, Carried]:
    """Id of an English example -> its translation: by id, by the English texts beside it, or by order."""
    ids = {one.id for one in found}
    if ids <= {source.id for source in sources} and not all(map(str.isdecimal, ids)):
        return {one.id: one.carried for one in found}
    if found and found[0].english and (by_text := _by_text(found, sources)):
        return by_text
    if len(found) != len(sources):
        problem = f"{len(found)} translations for {len(sources)} examples of {task.name}"
        raise DataError(f"{problem}, without ids or English texts to match them by", path)
    for n, (source, one) in enumerate(zip(sources, found), start=1):
        if one.carried.example and _label(one.carried.example) != _label(source):
            raise DataError(f"translation {n} has another label than English example {n} of {task.name}", path)
    return {source.id: one.carried for source, one in zip(sources, found)}


def _by_text(found: Sequence[_Given], sources: Sequence[Example]) -> dict[str, Carried]:
    """Pairs by the English texts; none unless nine in ten are found, since the texts may be in another form."""
    waiting: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for source in reversed(sources):
        waiting[tuple(" ".join(text.split()) for text in example_texts(source))].append(source.id)
    pairs = {}
    for one in found:
        if names := waiting.get(tuple(" ".join(text.split()) for text in one.english)):
            pairs[names.pop()] = one.carried
    return pairs if len(pairs) >= 0.9 * min(len(found), len(sources)) else {}
