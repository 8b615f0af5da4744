"""Retrieval: accuracy of the nearest neighbour (Tatoeba), F1 of mined pairs (BUCC), mAP@20 (LAReQA, Mewsli-X)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from xstilts.metrics.base import XTREME, Metric, Ratio, accuracy, check_lengths, ratio, register

DEPTH = 20


def protocol_layer(layers: int) -> int:
    """The hidden state (0 is the embedding output) that retrieval reads in a model of so many layers.

    jiant and XTREME read layer 14 of XLM-R Large's 24; other depths scale.
    """
    return round(layers * 14 / 24)


def _chance(golds: Sequence[Any]) -> float:
    """One of the right candidates taken at random: Tatoeba has one candidate per sentence."""
    return 100.0 / len(set(golds)) if golds else 0.0


class Grouped(NamedTuple):
    """Pairs by source sentence: what `bitext_f1` takes. All three in the same order."""

    sources: list[str]
    golds: list[frozenset[str]]
    predictions: list[frozenset[str]]


def group_pairs(
    golds: Iterable[tuple[str, str]], predictions: Iterable[tuple[str, str]], sources: Iterable[str] = ()
) -> Grouped:
    """Group (source id, target id) pairs by source id; a pair given twice counts once, as in the official script.

    Args:
        sources: all source ids, where known: then two systems' scores have the same examples and can be paired.
    """
    asked: dict[str, set[str]] = {source: set() for source in sources}
    said: dict[str, set[str]] = {source: set() for source in asked}
    for pairs, here, there in ((golds, asked, said), (predictions, said, asked)):
        for source, target in pairs:
            here.setdefault(source, set()).add(target)
            there.setdefault(source, set())
    names = list(asked)
    return Grouped(names, [frozenset(asked[name]) for name in names], [frozenset(said[name]) for name in names])


def bitext_f1(
    golds: Sequence[Collection[str]], predictions: Sequence[Collection[str]], language: str = "en"
) -> dict[str, Ratio]:
    """F1, precision and recall of mined pairs (XTREME `bucc_f1`).

    Both sides have ids for each source sentence: of its translations, mostly none (see `group_pairs`), and those mined.
    """
    check_lengths(golds, predictions)
    sets = [(set(gold), set(predicted)) for gold, predicted in zip(golds, predictions, strict=True)]
    hits = ratio([len(gold & predicted) for gold, predicted in sets]).numerator
    asked = ratio([len(gold) for gold, _ in sets]).numerator
    found = ratio([len(predicted) for _, predicted in sets]).numerator
    return {"f1": ratio(2 * hits, asked + found), "precision": ratio(hits, found), "recall": ratio(hits, asked)}


def _average_precision(relevant: Collection[Any], ranked: Sequence[Any]) -> float:
    hits, score, seen = 0, 0.0, set()
    for rank, candidate in enumerate(ranked[:DEPTH], start=1):
        if candidate in relevant and candidate not in seen:
            hits += 1
            score += hits / rank
        seen.add(candidate)
    return score / min(len(relevant), DEPTH)


def map_at_20(
    golds: Sequence[Collection[Any]], predictions: Sequence[Sequence[Any]], language: str = "en"
) -> dict[str, Ratio]:
    """Mean average precision of the first 20 candidates; with one relevant candidate it is MRR@20.

    Args:
        golds: the relevant candidates' ids of each query, at least one.
        predictions: candidate ids, best first; repeated ones count once.

    Source: XTREME-R, `third_party/utils_lareqa.py:average_precision_at_k` and `third_party/utils_mewslix.py:evaluate`.
    """
    check_lengths(golds, predictions)
    for number, gold in enumerate(golds, start=1):
        if not gold:
            raise ValueError(f"query {number} has no relevant candidate")
    pairs = zip(golds, predictions, strict=True)
    return {"map_at_20": ratio([_average_precision(gold, predicted) for gold, predicted in pairs])}


def _no_baseline(golds: Sequence[Any]) -> float:
    """No constant answer names more than one pair among thousands."""
    return 0.0


register(
    Metric("bitext_accuracy", f"{XTREME}:accuracy", ("accuracy",), accuracy, _chance),
    Metric("bitext_f1", f"{XTREME}:bucc_f1", ("f1", "precision", "recall"), bitext_f1, _no_baseline),
    Metric("map_at_20", "google-research/xtreme third_party@838c13b", ("map_at_20",), map_at_20, _no_baseline),
)
