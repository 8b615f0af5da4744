"""Queries and the pools they search: BUCC 2018, LAReQA's XQuAD-R and Mewsli-X.

Sources: Zweigenbaum et al., LREC 2018; Roy et al., EMNLP 2020, google-research/xtreme `third_party/utils_lareqa.py`;
Ruder et al., EMNLP 2021 and `mewsli-x.md` of google-research/google-research.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from xstilts.core.errors import DataError
from xstilts.core.files import read_json, read_jsonl
from xstilts.data.examples import Example, PoolExample
from xstilts.data.readers.common import checked, lines_of, text

_BRACED = re.compile(r"\{(.*?)\}")


@checked
def bucc(path: Path, language: str) -> Iterator[Example]:
    """One language's sentences (`id<TAB>sentence`) with the English ones and the gold pairs beside them.

    `zh-en.training.zh` has `zh-en.training.en` and `.gold` beside it; so has XTREME's `zh-en.test.zh` / `zh-en.dev.zh`.
    The sample set (`zh-en.sample.*`, or XTREME's `dev`) is read too, marked as sample, when another one is asked for.

    Raises:
        DataError: a sentence without id, an id twice, gold that names an unknown sentence, no sample set to tune on.
    """
    pair, _, rest = path.name.removesuffix(".gz").partition(".")
    split = rest.partition(".")[0]
    yield from _bucc_split(path, pair, split, language, sample=False)
    if split in ("sample", "dev"):
        return
    for tuning in ("sample", "dev"):
        beside = path.with_name(f"{pair}.{tuning}.{language}")
        if found := _there(beside):
            yield from _bucc_split(found, pair, tuning, language, sample=True)
            return
    raise DataError(f"no {pair}.sample.{language} (or dev) beside it: the threshold is tuned on the sample set", path)


def _bucc_split(path: Path, pair: str, split: str, language: str, sample: bool) -> Iterator[PoolExample]:
    queries = _sentences(path)
    candidates = _sentences(_beside(path, f"{pair}.{split}.en"))
    wanted: dict[str, list[str]] | None = None
    if gold := _there(path.with_name(f"{pair}.{split}.gold")):
        wanted = defaultdict(list)
        for line, words in enumerate(lines_of(gold), start=1):
            names = words.split("\t")
            if len(names) != 2:
                raise DataError(f"expected two sentence ids, found {len(names)} columns", gold, line)
            if names[0] not in queries or names[1] not in candidates:
                side = f"{language} sentence '{names[0]}'" if names[0] not in queries else f"English one '{names[1]}'"
                raise DataError(f"no {side} in the text files", gold, line)
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
            raise DataError(f"id '{name}' occurs twice", path, line)
        found[name] = sentence.strip()
    return found


def _there(path: Path) -> Path | None:
    packed = path.with_name(f"{path.name}.gz")
    return path if path.is_file() else packed if packed.is_file() else None


def _beside(path: Path, name: str) -> Path:
    found = _there(path.with_name(name))
    if found is None:
        raise DataError(f"{name} (or with .gz) is not beside it", path)
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
    for other in sorted((p for p in path.parent.iterdir() if ".json" in p.suffixes), key=lambda p: p.name):
        code = other.name.partition(".")[0]
        sentences, questions = _xquad_r(other, code)
        candidates += sentences
        for name, asked, answer in questions:
            wanted[name].append(answer)
            if other == path:
                mine.append((name, asked))
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
    document = read_json(path)
    candidates: list[PoolExample] = []
    questions: list[tuple[str, str, str]] = []
    number = 0
    try:
        paragraphs = [part for article in document["data"] for part in article["paragraphs"]]
        for number, part in enumerate(paragraphs, start=1):
            passage = part["context"]
            breaks = part.get("sentence_breaks") or _breaks(passage)
            names = [f"{code}_{number}_{k}" for k in range(len(breaks))]
            asked = False
            for question in part["qas"]:
                start = question["answers"][0]["answer_start"]
                holders = [k for k, (begin, end) in enumerate(breaks) if begin <= start < end]
                if holders:
                    questions.append((str(question["id"]), str(question["question"]), names[holders[0]]))
                    asked = True
            if asked:
                spans = zip(names, breaks, strict=True)
                candidates += [PoolExample(name, passage[begin:end], passage, False) for name, (begin, end) in spans]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        problem = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(f"not in XQuAD-R's JSON form, paragraph {number}: {problem}", path) from None
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
    for line, row in read_jsonl(path):
        context, mentions = _field(row, "context", dict, path, line), _field(row, "mentions", list, path, line)
        if context.get("language") != language:
            continue
        for mention in mentions:
            query = _mention(context, mention, path, line)
            yield PoolExample(query[0], query[1], None, True, (query[2],))
    for line, row in read_jsonl(_beside(path, "candidate_set_entities.jsonl")):
        yield _entity(_field(row, "entity_id", str, path, line), row, path, line)


@checked
def mewslix_pairs(path: Path, language: str) -> Iterator[Example]:
    """Mewsli-X's English Wikipedia pairs: a mention and the entity it wants."""
    entities: dict[str, PoolExample] = {}
    for line, row in read_jsonl(path):
        contextual = _field(row, "contextual_mention", dict, path, line)
        context = _field(contextual, "context", dict, path, line)
        if context.get("language", language) != language:
            continue
        name, query, wanted = _mention(context, _field(contextual, "mention", dict, path, line), path, line)
        entity = _entity(wanted, _field(row, "entity", dict, path, line), path, line)
        entities.setdefault(wanted, entity)
        yield PoolExample(name, query, None, True, (wanted,))
    yield from entities.values()


def _entity(name: str, row: dict[str, Any], path: Path, line: int) -> PoolExample:
    return PoolExample(name, _one_line(text(row, ("description",), path, line)), None, False)


def _one_line(words: str) -> str:
    return " ".join(words.split())


def _field(row: Any, name: str, kind: type, path: Path, line: int) -> Any:
    value = row.get(name) if isinstance(row, dict) else None
    if not isinstance(value, kind):
        raise DataError(f"expected '{name}' to be of type {kind.__name__}, found {type(value).__name__}", path, line)
    return value


def _mention(context: dict[str, Any], mention: Any, path: Path, line: int) -> tuple[str, str, str]:
    """(id, sentence with the mention in braces, entity)."""
    span = _field(mention, "mention_span", dict, path, line)
    name, entity = (_field(mention, part, str, path, line) for part in ("example_id", "entity_id"))
    words = _field(context, "text", str, path, line)
    if not words:
        raise DataError("the article has no text: run get-mewsli-x.sh of the release, which fills it in", path, line)
    begin, end = _field(span, "start", int, path, line), _field(span, "end", int, path, line)
    if not 0 <= begin < end <= len(words) or words[begin:end] != span.get("text", words[begin:end]):
        raise DataError(f"mention '{name}' is not at its offsets {begin}-{end}", path, line)
    first, last = _sentence(_field(context, "sentence_spans", list, path, line), begin, end, len(words))
    left, right = (_BRACED.sub(r"(\1)", part) for part in (words[first:begin], words[end:last]))
    return name, _one_line(f"{words[begin:end]}: {left} {{ {words[begin:end]} }} {right}"), entity


def _sentence(spans: Sequence[Any], begin: int, end: int, length: int) -> tuple[int, int]:
    pairs = [(s["start"], s["end"]) if isinstance(s, dict) else tuple(s) for s in spans if isinstance(s, (dict, list))]
    inside = [pair for pair in pairs if len(pair) == 2 and pair[0] <= begin and end <= pair[1]]
    return inside[0] if inside else (0, length)
