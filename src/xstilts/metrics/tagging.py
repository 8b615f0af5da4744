"""Tagging: F1 of entities and other spans, XTREME's older rule for it, and token accuracy.

`entity_f1` is seqeval 1.2.2 on tags such as B-LOC, I-LOC, O, where the type is everything after the first hyphen. It
also reads BILOU and BMES tags, in which seqeval joins two spans that touch.

`span_f1` is XTREME's protocol for PAN-X and UD-POS. On bare UPOS tags it merges runs of equal tags into one span and
reads the first letter of SCONJ, SYM and INTJ as a prefix: it is neither tagging accuracy nor token F1. The *type* of a
tag differs between versions of seqeval. Up to 0.0.12 it is all after the last hyphen (`SCONJ` has type SCONJ). Since
commit 5ffb52e (July 2020) the first letter is removed: `SCONJ` and `CCONJ` both have type CONJ, a span X is lost before
the end of a sentence, and one at its start takes the start of an older span. XTREME's expected averages and the figures
of its paper come from the older version, which `span_f1` follows; `span_f1_seqeval_1` follows the newer one, which a
fresh installation of the official script gives. Both agree on tags with prefixes and types without a hyphen.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xstilts.metrics.base import XTREME, Metric, Ratio, check_lengths, ratio, register

Sentences = Sequence[Sequence[str]]
Rule = Callable[[str], tuple[str, str]]
"""Tag -> its prefix and its type."""
PREFIXES = "OBIES."
OUT, BEGIN, INSIDE, END, SINGLE, DOT = range(6)

_SPAN_TAG = re.compile(r"([BIESLUMW])([-_].+)?|O", re.DOTALL)
_LIKE_SPAN = re.compile(r"([BIESLUMWbieslumw])[-_:/ ](.+)|o", re.DOTALL)
"""Tags in lower case, or with another separator after the prefix."""
_OTHER_SCHEMES = {"L": "E", "U": "S", "M": "I", "W": "S"}
"""Last and Unit of BILOU, Middle of BMES, Whole of BMEWO."""


def until_2020(tag: str) -> tuple[str, str]:
    """seqeval up to 0.0.12: the type is all after the last hyphen, or the whole tag."""
    return tag[:1], tag.rsplit("-", maxsplit=1)[-1]


def since_2020(tag: str) -> tuple[str, str]:
    """seqeval 0.0.13 to 1.2.2: the type is the tag without its first letter and all up to the first hyphen."""
    return tag[:1], tag[1:].split("-", maxsplit=1)[-1] or "_"


def any_scheme(tag: str) -> tuple[str, str]:
    """`since_2020`, with the prefixes of BILOU and BMES mapped to BIOES."""
    prefix, kind = since_2020(tag)
    return (_OTHER_SCHEMES.get(prefix, prefix) if _SPAN_TAG.fullmatch(tag) else prefix), kind


RULES: dict[str, Rule] = {"entity_f1": any_scheme, "span_f1": until_2020, "span_f1_seqeval_1": since_2020}


def not_spans(tags: Iterable[str]) -> str:
    """Why `entity_f1` cannot find spans in these tags, and what to do; empty if it can."""
    tags = list(tags)
    # seqeval would cut B_person-other at its hyphen.
    odd = [tag for tag in tags if not _SPAN_TAG.fullmatch(tag) or (tag[1:2] == "_" and "-" in tag)]
    if not odd:
        either = [next((tag for tag in tags if tag[1:2] == mark), "") for mark in "-_"]
        return f"entity_f1 would take {either[0]!r} and {either[1]!r} for different types: write one mark" * all(either)
    shown = ", ".join(map(repr, odd[:3])) + (f" and {len(odd) - 3} more" if len(odd) > 3 else "")
    told = f"entity_f1 needs tags such as B-LOC, I-LOC and O, found {shown}: "
    if all(re.fullmatch(r".+[-_][BIESLUMW]", tag, re.DOTALL) for tag in odd):
        return f"{told}put the prefix before the type ({odd[0][-1]}-{odd[0][:-2]})"
    if all(match := [_LIKE_SPAN.fullmatch(tag) for tag in odd]):
        write = ", ".join(f"{one[1].upper()}-{one[2]}" if one and one[2] else "O" for one in match[:3])
        return f"{told}write {write}"
    if odd == ["0"]:
        return f"{told}'0' is a zero, write the letter O"
    return f"{told}set `metric: token_accuracy` (parts of speech), or write the prefix (B-{odd[0]}, I-{odd[0]})"


class _Spans(NamedTuple):
    """Spans of sentences, each followed by one O. All [positions]; a span is marked at the position after its end."""

    ended: NDArray[np.bool_]
    type: NDArray[np.int64]
    begin: NDArray[np.int64]


def _shift(values: NDArray[np.int64], first: int) -> NDArray[np.int64]:
    return np.concatenate([np.array([first], dtype=np.int64), values[:-1]])


def _spans(tags: Iterable[str], rule: Rule, types: dict[str, int]) -> _Spans:
    """Ends of spans with type and start, by the rules of seqeval's `get_entities`.

    The start of a span is the last start before its end, even in an earlier sentence, as in seqeval.
    """
    known: dict[str, int] = {}
    ids = np.fromiter((known.setdefault(tag, len(known)) for tag in tags), dtype=np.int64)
    read = [rule(tag) for tag in known]
    letters = np.array([PREFIXES.find(prefix) if prefix else -1 for prefix, _ in read], dtype=np.int64)
    kinds = np.array([types.setdefault(kind, len(types)) for _, kind in read], dtype=np.int64)
    if not ids.size:
        return _Spans(np.zeros(0, dtype=np.bool_), ids, ids)
    here, type_here = letters[ids], kinds[ids]
    before, type_before = _shift(here, OUT), _shift(type_here, -1)
    changed = type_here != type_before
    ended = np.isin(before, (END, SINGLE)) | (np.isin(before, (BEGIN, INSIDE)) & np.isin(here, (BEGIN, SINGLE, OUT)))
    ended |= ~np.isin(before, (OUT, DOT)) & changed
    started = np.isin(here, (BEGIN, SINGLE)) | (np.isin(before, (END, SINGLE, OUT)) & np.isin(here, (END, INSIDE)))
    started |= ~np.isin(here, (OUT, DOT)) & changed
    begin = np.maximum.accumulate(np.where(started, np.arange(ids.size), 0))
    return _Spans(ended, type_before, _shift(begin, 0))


def _flat(sentences: Sentences) -> Iterable[str]:
    return chain.from_iterable(chain(sentence, ("O",)) for sentence in sentences)


def _check(golds: Sentences, predictions: Sentences) -> NDArray[np.int64]:
    """Number of words of each sentence. Raises `ValueError` unless each sentence has one tag per word."""
    check_lengths(golds, predictions)
    for number, (gold, predicted) in enumerate(zip(golds, predictions, strict=True), start=1):
        if len(gold) != len(predicted):
            raise ValueError(f"sentence {number} has {len(gold)} words, but {len(predicted)} predicted tags")
    return np.array([len(gold) for gold in golds], dtype=np.int64)


class Units(NamedTuple):
    """The units of a tagging metric: spans, both gold and predicted, or words. All [units].

    Attributes:
        sentence: position of its sentence; a span belongs to the sentence of its last word.
        type, words: of a span its type and length, of a word its gold tag and 1.
        gold: whether it is in the gold.
        numerator, denominator: what it adds to those of the score; the numerator of what is not right is 0.
    """

    sentence: NDArray[np.int64]
    type: NDArray[np.str_]
    words: NDArray[np.int64]
    gold: NDArray[np.bool_]
    numerator: NDArray[np.int64]
    denominator: NDArray[np.int64]


def _span_units(golds: Sentences, predictions: Sentences, rule: Rule) -> Units:
    lengths = _check(golds, predictions)
    types: dict[str, int] = {}
    gold, predicted = _spans(_flat(golds), rule, types), _spans(_flat(predictions), rule, types)
    right = gold.ended & predicted.ended & (gold.type == predicted.type) & (gold.begin == predicted.begin)
    sentence = _shift(np.repeat(np.arange(lengths.size), lengths + 1), 0)
    sides = ((gold, np.flatnonzero(gold.ended)), (predicted, np.flatnonzero(predicted.ended & ~right)))
    ends, kinds, begins = (
        np.concatenate(parts) for parts in zip(*((at, side.type[at], side.begin[at]) for side, at in sides))
    )
    asked = np.arange(ends.size) < sides[0][1].size
    hits = asked & right[ends]
    return Units(sentence[ends], np.array([*types, ""])[kinds], ends - begins, asked, 2 * hits, 1 + hits)


def units(golds: Sentences, predictions: Sentences, metric: str) -> Units:
    """The units of a metric's main value, which is 100 * sum(numerator) / sum(denominator).

    A part of the units (those of one type, or of one length) has a value of the same form. Raises `ValueError` as the
    metric does.
    """
    if metric in RULES:
        return _span_units(golds, predictions, RULES[metric])
    lengths = _check(golds, predictions)
    tags, said = (np.array([*chain.from_iterable(side)], dtype=np.str_) for side in (golds, predictions))
    ones = np.ones(tags.size, dtype=np.int64)
    return Units(np.repeat(np.arange(lengths.size), lengths), tags, ones, ones > 0, 1 * (tags == said), ones)


def _span_ratios(golds: Sentences, predictions: Sentences, rule: Rule) -> dict[str, Ratio]:
    found = _span_units(golds, predictions, rule)
    hits, asked, said = (
        np.bincount(found.sentence[where], minlength=len(golds)).astype(np.float64)
        for where in (found.numerator > 0, found.gold, (found.numerator > 0) | ~found.gold)
    )
    return {"f1": ratio(2 * hits, asked + said), "precision": ratio(hits, said), "recall": ratio(hits, asked)}


def token_accuracy(golds: Sentences, predictions: Sentences, language: str = "en") -> dict[str, Ratio]:
    """Share of words with the right tag."""
    lengths = _check(golds, predictions)
    pairs = zip(golds, predictions, strict=True)
    right = [sum(a == b for a, b in zip(gold, predicted, strict=True)) for gold, predicted in pairs]
    return {"token_accuracy": ratio(right, lengths)}


def entity_f1(golds: Sentences, predictions: Sentences, language: str = "en") -> dict[str, Ratio]:
    """Micro F1, precision and recall over entities, and token accuracy; for tags that `not_spans` accepts."""
    return _span_ratios(golds, predictions, any_scheme) | token_accuracy(golds, predictions, language)


def span_f1(golds: Sentences, predictions: Sentences, language: str = "en") -> dict[str, Ratio]:
    """Micro F1, precision and recall over spans by XTREME's rule, and token accuracy; for BIO or bare UPOS tags."""
    return _span_ratios(golds, predictions, until_2020) | token_accuracy(golds, predictions, language)


def span_f1_seqeval_1(golds: Sentences, predictions: Sentences, language: str = "en") -> dict[str, Ratio]:
    """`span_f1` with the types of seqeval 0.0.13 to 1.2.2."""
    return _span_ratios(golds, predictions, since_2020)


def _majority_token(golds: Sentences) -> float:
    counts = Counter(chain.from_iterable(golds))
    return 100.0 * max(counts.values()) / sum(counts.values()) if counts else 0.0


def _majority_span(rule: Rule, golds: Sentences) -> float:
    """The best of the 20 most frequent tags, each given to every word."""
    frequent = [tag for tag, _ in Counter(chain.from_iterable(golds)).most_common(20)]
    constant = ([[tag] * len(gold) for gold in golds] for tag in frequent)
    return max((_span_ratios(golds, guess, rule)["f1"].value for guess in constant), default=0.0)


_SPANS = ("f1", "precision", "recall")
_BOTH, _NEW = (*_SPANS, "token_accuracy"), f"{XTREME}:f1 with seqeval 1.2.2"
register(
    Metric("entity_f1", "seqeval 1.2.2, default mode", _BOTH, entity_f1, partial(_majority_span, any_scheme)),
    Metric("span_f1", f"{XTREME}:f1 with seqeval 0.0.12", _BOTH, span_f1, partial(_majority_span, until_2020)),
    Metric("span_f1_seqeval_1", _NEW, _SPANS, span_f1_seqeval_1, partial(_majority_span, since_2020)),
    Metric("token_accuracy", "correct tags / words", ("token_accuracy",), token_accuracy, _majority_token),
)
