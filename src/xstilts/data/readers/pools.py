"""Queries and the pools they search: BUCC 2018, LAReQA's XQuAD-R and Mewsli-X.

Sources: Zweigenbaum et al., LREC 2018; Roy et al., EMNLP 2020, google-research/xtreme `third_party/utils_lareqa.py`;
Ruder et al., EMNLP 2021 and `mewsli-x.md` of google-research/google-research.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from xstilts.core.errors import DataError
from xstilts.core.files import read_jsonl
from xstilts.core.packed import SUFFIXES, find, unpacked_name
from xstilts.data.examples import Example, PoolExample
from xstilts.data.readers.common import Ids, beside, checked, lines_of, shown, text, written
from xstilts.data.readers.squad import paragraphs

Parsed = TypeVar("Parsed")
_BRACED = re.compile(r"\{(.*?)\}")
_KEPT: ContextVar[dict[Path, Any] | None] = ContextVar("what `parsed_once` keeps", default=None)


@contextmanager
def parsed_once() -> Iterator[None]:
    """While this is open, what several languages read beside their own files (candidates) is parsed once and kept."""
    before = _KEPT.set({})
    try:
        yield
    finally:
        _KEPT.reset(before)


def _once(path: Path, parse: Callable[[Path], Parsed]) -> Parsed:
    kept = _KEPT.get()
    if kept is None:
        return parse(path)
    if path not in kept:
        kept[path] = parse(path)
    found: Parsed = kept[path]
    return found


@checked
def bucc(path: Path, language: str) -> Iterator[Example]:
    """One language's sentences (`id<TAB>sentence`) with the English ones and the gold pairs beside them.

    `zh-en.training.zh` has `zh-en.training.en` and `.gold` beside it; so has XTREME's `zh-en.test.zh` / `zh-en.dev.zh`.
    The sample set (`zh-en.sample.*`, or XTREME's `dev`) is read too, marked as sample, when another one is asked for.

    Raises:
        DataError: a sentence without id, an id twice, gold that names an unknown sentence, no sample set to tune on.
    """
    pair, _, rest = unpacked_name(path).partition(".")
    split = rest.partition(".")[0]
    yield from _bucc_split(path, pair, split, language, sample=False)
    if split in ("sample", "dev"):
        return
    for tuning in ("sample", "dev"):
        beside = path.with_name(f"{pair}.{tuning}.{language}")
        if found := find(beside):
            yield from _bucc_split(found, pair, tuning, language, sample=True)
            return
    raise DataError(f"no {pair}.sample.{language} (or dev) beside it: the threshold is tuned on the sample set", path)


def _bucc_split(path: Path, pair: str, split: str, language: str, sample: bool) -> Iterator[PoolExample]:
    queries = _sentences(path)
    candidates = _sentences(beside(path, f"{pair}.{split}.en"))
    wanted: dict[str, list[str]] | None = None
    if gold := find(path.with_name(f"{pair}.{split}.gold")):
        wanted = defaultdict(list)
        for line, words in enumerate(lines_of(gold), start=1):
            names = words.split("\t")
            if len(names) != 2:
                raise DataError(f"expected two sentence ids, found {len(names)} columns", gold, line)
            if names[0] not in queries or names[1] not in candidates:
                where, name = (language, names[0]) if names[0] not in queries else ("English", names[1])
                raise DataError(f"no {where} sentence {shown(name)} in the text files", gold, line)
            wanted[names[0]].append(names[1])
    elif sample:
        raise DataError(f"no {pair}.{split}.gold beside it: the threshold cannot be tuned", path)
    prefix = "sample:" if sample else ""
    for name, sentence in queries.items():
        found = None if wanted is None else tuple(prefix + target for target in wanted.get(name, ()))
        yield PoolExample(prefix + name, sentence, None, True, found, sample)
    for name, sentence in candidates.items():
        yield PoolExample(prefix + name, sentence, None, False, None, sample)


def _sentences(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for line, words in enumerate(lines_of(path), start=1):
        name, tab, sentence = words.partition("\t")
        if not tab or not name or not sentence.strip():
            raise DataError("expected an id, a tab and a sentence", path, line)
        if name in found:
            raise DataError(f"id {shown(name)} occurs twice", path, line)
        found[name] = sentence.strip()
    return found


@checked
def lareqa(path: Path, language: str) -> Iterator[Example]:
    """XQuAD-R: the questions of this file; candidates are the sentences of every language's file beside it.

    A question wants, in each language, the sentence in which its answer begins. As in the official script, a candidate
    is called `language_paragraph_sentence`, the query `question_language`, and a question whose answer begins in no
    sentence is left out.
    """
    wanted: dict[str, list[str]] = defaultdict(list)
    candidates: list[PoolExample] = []
    mine: list[tuple[str, str]] = []
    packed = [entry for suffix in SUFFIXES for entry in sorted(path.parent.glob(f"*.json.{suffix}"))]
    files = {entry.name.rpartition(".")[0]: entry for entry in packed}
    files |= {entry.name: entry for entry in path.parent.glob("*.json")} | {unpacked_name(path): path}
    for name, other in sorted(files.items()):
        sentences, questions = _once(other, partial(_xquad_r, code=name.partition(".")[0]))
        candidates += sentences
        for question, asked, answer in questions:
            wanted[question].append(answer)
            if other == path:
                mine.append((question, asked))
    for name, asked in mine:
        yield PoolExample(f"{name}_{language}", asked, None, True, tuple(wanted[name]))
    yield from candidates


@checked
def answer_sentences(path: Path, language: str) -> Iterator[Example]:
    """SQuAD 1.1 as retrieval: each question wants the sentence of its answer, read within its paragraph.

    Sentences are those of `sentence_breaks` where the file has them (LAReQA's SQuAD), else they end at `.`, `!` or `?`
    before a blank.
    """
    candidates, questions = _xquad_r(path, language)
    texts = {candidate.id: candidate for candidate in candidates}
    for name, asked, answer in questions:
        yield PoolExample(name, asked, None, True, (answer,))
    for answer in dict.fromkeys(answer for _, _, answer in questions):
        yield texts[answer]


def _xquad_r(path: Path, code: str) -> tuple[list[PoolExample], list[tuple[str, str, str]]]:
    """Candidates, and (question id, question, id of the candidate it wants)."""
    candidates: list[PoolExample] = []
    questions: list[tuple[str, str, str]] = []
    for number, (paragraph, asked) in enumerate(paragraphs(path), start=1):
        passage = paragraph["context"]
        breaks = _breaks(passage)
        if paragraph.get("sentence_breaks"):
            spans = _kind(paragraph["sentence_breaks"], list, "sentence_breaks", path)
            breaks = [_span(span, len(passage), f"a sentence of paragraph {number}", path) for span in spans]
        found = False
        for question in asked:
            if not question.answers or not question.question.strip():
                missing = "no answer" if question.question.strip() else "no text"
                raise DataError(f"question {shown(question.id)} has {missing}", path)
            start = question.answers[0].start
            holders = [k for k, (begin, end) in enumerate(breaks) if begin <= start < end]
            if holders:
                questions.append((question.id, question.question, f"{code}_{number}_{holders[0]}"))
                found = True
        if found:
            texts = [passage[begin:end] for begin, end in breaks]
            candidates += [PoolExample(f"{code}_{number}_{k}", words, passage, False) for k, words in enumerate(texts)]
    return candidates, questions


def _breaks(passage: str) -> list[tuple[int, int]]:
    ends = [i + 1 for i in range(len(passage) - 1) if passage[i] in ".!?" and passage[i + 1].isspace()]
    edges = [0, *ends, len(passage)]
    return [(begin, end) for begin, end in pairwise(edges) if passage[begin:end].strip()]


@checked
def mewslix(path: Path, language: str) -> Iterator[Example]:
    """Mewsli-X: one language's mentions in WikiNews; candidates are all of `candidate_set_entities.jsonl` beside it.

    A query is the mention, a colon, and its sentence with the mention in braces; a candidate is a description: the
    form of XTREME-R's baseline (`third_party/utils_mewslix.py`). Raises `DataError` when the articles'
    texts have not been filled in (the release comes without them; its own script puts them there).
    """
    ids = Ids(path)
    for line, row in read_jsonl(path):
        context, mentions = _field(row, "context", dict, path, line), _field(row, "mentions", list, path, line)
        if _field(context, "language", str, path, line) != language:
            continue
        for mention in mentions:
            name, query, wanted = _mention(context, mention, path, line)
            yield PoolExample(ids.new(name, line), query, None, True, (wanted,))
    yield from _once(beside(path, "candidate_set_entities.jsonl"), _entities)


def _entities(path: Path) -> list[PoolExample]:
    ids = Ids(path)
    return [
        _entity(ids.new(_field(row, "entity_id", str, path, line), line), row, path, line)
        for line, row in read_jsonl(path)
    ]


@checked
def mewslix_pairs(path: Path, language: str) -> Iterator[Example]:
    """Mewsli-X's English Wikipedia pairs: a mention and the entity it wants."""
    entities: dict[str, PoolExample] = {}
    ids = Ids(path)
    for line, row in read_jsonl(path):
        contextual = _field(row, "contextual_mention", dict, path, line)
        context = _field(contextual, "context", dict, path, line)
        if context.get("language", language) != language:
            continue
        name, query, wanted = _mention(context, _field(contextual, "mention", dict, path, line), path, line)
        entity = _entity(wanted, _field(row, "entity", dict, path, line), path, line)
        entities.setdefault(wanted, entity)
        yield PoolExample(ids.new(name, line), query, None, True, (wanted,))
    yield from entities.values()


def _entity(name: str, row: dict[str, Any], path: Path, line: int) -> PoolExample:
    words = _one_line(text(row, ("description",), path, line))
    if not words:
        raise DataError(f"entity {shown(name)} has no description", path, line)
    return PoolExample(name, words, None, False)


def _one_line(words: str) -> str:
    return " ".join(words.split())


def _field(row: Any, name: str, kind: type, path: Path, line: int) -> Any:
    return _kind(row.get(name) if isinstance(row, dict) else None, kind, name, path, line)


def _kind(value: Any, kind: type, name: str, path: Path, line: int | None = None) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise DataError(f"expected '{name}' to be of type {kind.__name__}, found {type(value).__name__}", path, line)
    return written(value, name, path, line) if isinstance(value, str) else value


def _span(value: Any, length: int, what: str, path: Path, line: int | None = None) -> tuple[int, int]:
    """Begin and end of `{"start": 0, "end": 5}` or `[0, 5]`, within a text of `length`."""
    edges: Any = [value.get("start"), value.get("end")] if isinstance(value, dict) else value
    whole = isinstance(edges, list) and len(edges) == 2 and all(type(edge) is int for edge in edges)
    if not whole or not 0 <= edges[0] < edges[1] <= length:
        raise DataError(f"{what} is not within its text of {length} characters: {shown(str(value))}", path, line)
    return edges[0], edges[1]


def _mention(context: dict[str, Any], mention: Any, path: Path, line: int) -> tuple[str, str, str]:
    """(id, query, entity)."""
    found = _field(mention, "mention_span", dict, path, line)
    name, entity = (_field(mention, part, str, path, line) for part in ("example_id", "entity_id"))
    words = _field(context, "text", str, path, line)
    if not words:
        raise DataError("the article has no text: run get-mewsli-x.sh of the release, which fills it in", path, line)
    begin, end = _span(found, len(words), f"mention {shown(name)}", path, line)
    if words[begin:end] != found.get("text", words[begin:end]):
        raise DataError(f"mention {shown(name)} is not at its offsets {begin}-{end}", path, line)
    spans = [
        _span(span, len(words), "a sentence", path, line)
        for span in _field(context, "sentence_spans", list, path, line)
    ]
    first, last = next(((one, two) for one, two in spans if one <= begin and end <= two), (0, len(words)))
    left, right = (_BRACED.sub(r"(\1)", part) for part in (words[first:begin], words[end:last]))
    return name, _one_line(f"{words[begin:end]}: {left} {{ {words[begin:end]} }} {right}"), entity
