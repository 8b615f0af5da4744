"""Queries and the pools they search: BUCC 2018, LAReQA's XQuAD-R and Mewsli-X.

Protocols: google-research/xtreme `third_party/utils_lareqa.py` and `utils_mewslix.py`, and `mewsli-x.md` of
google-research/google-research.
"""

import re
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from xstilts.core.decoding import SUFFIXES, find, unpacked_name
from xstilts.core.errors import DataError
from xstilts.core.files import Kept
from xstilts.core.languages import LANGUAGES
from xstilts.data.examples import PoolExample
from xstilts.data.readers.common import FileRow, Ids, Placed, beside, checked, json_rows, lines_of, shown
from xstilts.data.readers.squad import paragraphs

_BRACED = re.compile(r"\{(.*?)\}")
parsed_once = Kept("parsed_once")
"""A block in which a file of candidates that several languages share is parsed once."""


def _once(path: Path, parse: Callable[[Path], Any]) -> Any:
    kept = parsed_once.values()
    if path not in kept:
        kept[path] = parse(path)
    return kept[path]


@checked
def bucc(path: Path, language: str) -> Placed:
    """One language's sentences (`id<TAB>sentence`) with the English ones and the gold pairs beside them.

    `zh-en.training.zh` has `zh-en.training.en` and `.gold` beside it; so has XTREME's `zh-en.test.zh` / `zh-en.dev.zh`.
    The sample set (`zh-en.sample.*`, or XTREME's `dev`) is read too, marked as sample, when another one is asked for.
    Raises `DataError` for a sentence without id, a repeated id, gold for an unknown sentence, and no sample set.
    """
    pair, _, rest = unpacked_name(path).partition(".")
    split = rest.partition(".")[0]
    yield from _bucc(path, f"{pair}.{split}", language, sample=False)
    if split in ("sample", "dev"):
        return
    for tuning in ("sample", "dev"):
        if found := find(path.with_name(f"{pair}.{tuning}.{language}")):
            yield from _bucc(found, f"{pair}.{tuning}", language, sample=True)
            return
    raise DataError(f"no {pair}.sample.{language} (or dev) beside it: the threshold is tuned on the sample set", path)


def _bucc(path: Path, stem: str, language: str, sample: bool) -> Placed:
    queries, candidates = _sentences(path), _sentences(beside(path, f"{stem}.en"))
    wanted: dict[str, list[str]] = defaultdict(list)
    gold = find(path.with_name(f"{stem}.gold"))
    if gold is None and sample:
        raise DataError(f"no {stem}.gold beside it: the threshold cannot be tuned", path)
    for line, words in enumerate(lines_of(gold) if gold else (), start=1):
        names = words.split("\t")
        if len(names) != 2:
            raise DataError(f"expected two sentence ids, found {len(names)} columns", gold, line)
        for name, known, where in zip(names, (queries, candidates), (language, "English")):
            if name not in known:
                raise DataError(f"no {where} sentence {shown(name)} in the text files", gold, line)
        wanted[names[0]].append(names[1])
    prefix = "sample:" if sample else ""
    for name, sentence in queries.items():
        found = tuple(prefix + target for target in wanted.get(name, ())) if gold else None
        yield None, PoolExample(prefix + name, sentence, None, True, found, sample)
    for name, sentence in candidates.items():
        yield None, PoolExample(prefix + name, sentence, None, False, None, sample)


def _sentences(path: Path) -> dict[str, str]:
    ids, found = Ids(path), {}
    for line, words in enumerate(lines_of(path), start=1):
        name, tab, sentence = words.partition("\t")
        if not tab or not name or not sentence.strip():
            raise DataError("expected an id, a tab and a sentence", path, line)
        found[ids.add(name, line)] = sentence.strip()
    return found


@checked
def lareqa(path: Path, language: str) -> Placed:
    """XQuAD-R: the questions of this file; candidates are the sentences of every language's file (`de.json`) beside it.

    The right candidates of a question are, in each language, the sentence in which its answer begins. As in the
    official script, a candidate is called `language_paragraph_sentence`, the query `question_language`, and a question
    whose answer begins in no sentence is left out.
    """
    wanted: dict[str, list[str]] = defaultdict(list)
    candidates: list[PoolExample] = []
    mine: dict[str, str] = {}
    packed = [entry for suffix in SUFFIXES for entry in sorted(path.parent.glob(f"*.json.{suffix}"))]
    files = {entry.name.rpartition(".")[0]: entry for entry in packed}
    files |= {entry.name: entry for entry in path.parent.glob("*.json")} | {unpacked_name(path): path}
    for name, other in sorted(files.items()):
        if other != path and name.removesuffix(".json") not in LANGUAGES:  # a copy, or another data set
            continue
        sentences, questions = _once(other, partial(_xquad_r, code=name.partition(".")[0]))
        candidates += sentences
        for question, words, answer in questions:
            wanted[question].append(answer)
            if other == path:
                mine[question] = words
    for name, words in mine.items():
        yield None, PoolExample(f"{name}_{language}", words, None, True, tuple(wanted[name]))
    yield from ((None, candidate) for candidate in candidates)


@checked
def answer_sentences(path: Path, language: str) -> Placed:
    """SQuAD 1.1 as retrieval: each question with the sentence of its answer, read within its paragraph.

    Sentences are those of `sentence_breaks` where the file has them (LAReQA's SQuAD), else they end at `.`, `!` or `?`
    before a blank.
    """
    candidates, questions = _xquad_r(path, language)
    texts = {candidate.id: candidate for candidate in candidates}
    yield from ((None, PoolExample(name, words, None, True, (answer,))) for name, words, answer in questions)
    yield from ((None, texts[answer]) for answer in dict.fromkeys(answer for _, _, answer in questions))


def _xquad_r(path: Path, code: str) -> tuple[list[PoolExample], list[tuple[str, str, str]]]:
    """Candidates, and (question id, question, id of its right candidate)."""
    candidates: list[PoolExample] = []
    questions: list[tuple[str, str, str]] = []
    for number, (paragraph, asked) in enumerate(paragraphs(path), start=1):
        passage = paragraph.text("context")
        ends = [i + 1 for i in range(len(passage) - 1) if passage[i] in ".!?" and passage[i + 1].isspace()]
        breaks = [span for span in pairwise((0, *ends, len(passage))) if passage[slice(*span)].strip()]
        if paragraph.record.get("sentence_breaks"):
            spans = paragraph.part("sentence_breaks", list)
            breaks = [_span(span, len(passage), f"a sentence of paragraph {number}", paragraph) for span in spans]
        before = len(questions)
        for question in asked:
            if not question.answers or not question.question.strip():
                missing = "no answer" if question.question.strip() else "no text"
                raise DataError(f"question {shown(question.id)} has {missing}", path)
            start = question.answers[0].start
            holders = [f"{code}_{number}_{k}" for k, (begin, end) in enumerate(breaks) if begin <= start < end]
            questions += [(question.id, question.question, holder) for holder in holders[:1]]
        if len(questions) > before:
            texts = [passage[begin:end] for begin, end in breaks]
            candidates += [PoolExample(f"{code}_{number}_{k}", words, passage, False) for k, words in enumerate(texts)]
    return candidates, questions


@checked
def mewslix(path: Path, language: str) -> Placed:
    """Mewsli-X: one language's mentions in WikiNews; candidates are all of `candidate_set_entities.jsonl` beside it.

    A query is the mention, a colon, and its sentence with the mention in braces; a candidate is a description: the
    form of XTREME-R's baseline. Raises `DataError` when the articles' texts are missing (the release comes without
    them; its own script fills them in).
    """
    for row in json_rows(path):
        context, mentions = row.row("context"), row.rows("mentions")
        if context.text("language") == language:
            yield from ((row.line, _query(context, mention)) for mention in mentions)
    yield from ((None, entity) for entity in _once(beside(path, "candidate_set_entities.jsonl"), _entities))


def _entities(path: Path) -> list[PoolExample]:
    ids = Ids(path)
    return [_entity(ids.add(row.text("entity_id"), row.line), row) for row in json_rows(path)]


@checked
def mewslix_pairs(path: Path, language: str) -> Placed:
    """Mewsli-X's English Wikipedia pairs: mentions with their entities."""
    entities: dict[str, PoolExample] = {}
    for row in json_rows(path):
        contextual = row.row("contextual_mention")
        context = contextual.row("context")
        if context.record.get("language", language) == language:
            query = _query(context, contextual.row("mention"))
            for wanted in query.gold or ():
                entities.setdefault(wanted, _entity(wanted, row.row("entity")))
            yield row.line, query
    yield from ((None, entity) for entity in entities.values())


def _entity(name: str, row: FileRow) -> PoolExample:
    words = _one_line(row.text("description"))
    if not words:
        raise row.error(f"entity {shown(name)} has no description")
    return PoolExample(name, words, None, False)


def _one_line(words: str) -> str:
    return " ".join(words.split())


def _span(value: Any, length: int, what: str, row: FileRow) -> tuple[int, int]:
    """Begin and end of `{"start": 0, "end": 5}` or `[0, 5]`, within a text of `length`."""
    edges: Any = [value.get("start"), value.get("end")] if isinstance(value, dict) else value
    whole = isinstance(edges, list) and len(edges) == 2 and all(type(edge) is int for edge in edges)
    if not whole or not 0 <= edges[0] < edges[1] <= length:
        raise row.error(f"{what} is not within its text of {length} characters: {shown(str(value))}")
    return edges[0], edges[1]


def _query(context: FileRow, mention: FileRow) -> PoolExample:
    found, name, words = mention.part("mention_span", dict), mention.text("example_id"), context.text("text")
    if not words:
        raise context.error("the article has no text: run get-mewsli-x.sh of the release, which fills it in")
    begin, end = _span(found, len(words), f"mention {shown(name)}", context)
    if words[begin:end] != found.get("text", words[begin:end]):
        raise context.error(f"mention {shown(name)} is not at its offsets {begin}-{end}")
    spans = [_span(span, len(words), "a sentence", context) for span in context.part("sentence_spans", list)]
    first, last = next(((one, two) for one, two in spans if one <= begin and end <= two), (0, len(words)))
    left, right = (_BRACED.sub(r"(\1)", part) for part in (words[first:begin], words[end:last]))
    query = _one_line(f"{words[begin:end]}: {left} {{ {words[begin:end]} }} {right}")
    return PoolExample(name, query, None, True, (mention.text("entity_id"),))
