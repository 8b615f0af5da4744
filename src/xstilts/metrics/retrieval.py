"""Retrieval: accuracy of the nearest neighbour (Tatoeba), F1 of mined pairs (BUCC), mAP@20 (LAReQA, Mewsli-X)."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from xstilts.metrics.base import XTREME, Metric, Ratio, accuracy, check_lengths, ratio, register

DEPTH = 20


def protocol_layer(layers: int) -> int:
    """The hidden state (0: embeddings) that retrieval reads: as jiant and XTREME, 14 of 24, scaled to the depth."""
    return round(layers * 14 / 24)


def _chance(golds: Sequence[Any]) -> float:
    """A random choice among the candidates: Tatoeba has one per sentence."""
    return 100.0 / len(set(golds)) if golds else 0.0


def group_pairs(
    golds: Iterable[tuple[str, str]], predictions: Iterable[tuple[str, str]]
) -> tuple[list[set[str]], list[set[str]]]:
    """Golds and predictions for `bitext_f1`, of pairs (source id, target id): the targets of each source, in one order.

    A repeated pair counts once, as in the official script.
    """
    found: dict[str, tuple[set[str], set[str]]] = {}
    for side, pairs in enumerate((golds, predictions)):
        for source, target in pairs:
            found.setdefault(source, (set(), set()))[side].add(target)
    return [gold for gold, _ in found.values()], [said for _, said in found.values()]


def bitext_f1(
    golds: Sequence[Collection[str]], predictions: Sequence[Collection[str]], language: str = "en"
) -> dict[str, Ratio]:
    """F1, precision and recall of mined pairs (XTREME `bucc_f1`), grouped by source sentence (`group_pairs`)."""
    check_lengths(golds, predictions)
    sets = [(set(gold), set(predicted)) for gold, predicted in zip(golds, predictions, strict=True)]
    hits = ratio([len(gold & predicted) for gold, predicted in sets]).numerator
    asked = ratio([len(gold) for gold, _ in sets]).numerator
    found = ratio([len(predicted) for _, predicted in sets]).numerator
    return {"f1": ratio(2 * hits, asked + found), "precision": ratio(hits, found), "recall": ratio(hits, asked)}


def map_at_20(
    golds: Sequence[Collection[Any]], predictions: Sequence[Sequence[Any]], language: str = "en"
) -> dict[str, Ratio]:
    """Mean average precision of the first 20 candidates; with one relevant candidate it is MRR@20.

    Args:
        golds: ids of the relevant candidates of each query, at least one.
        predictions: candidate ids, best first; a repeated id counts once.

    Source: XTREME-R, `third_party/utils_lareqa.py:average_precision_at_k` and `third_party/utils_mewslix.py:evaluate`.
    """
    check_lengths(golds, predictions)
    values = []
    for number, (gold, predicted) in enumerate(zip(golds, predictions, strict=True), start=1):
        if not gold:
            raise ValueError(f"query {number} has no relevant candidate")
        hits, score, seen = 0, 0.0, set()
        for rank, candidate in enumerate(predicted[:DEPTH], start=1):
            if candidate in gold and candidate not in seen:
                hits += 1
                score += hits / rank
            seen.add(candidate)
        values.append(score / min(len(gold), DEPTH))
    return {"map_at_20": ratio(values)}


def _none(golds: Sequence[Any]) -> float:
    return 0.0  # a constant answer names at most one pair among thousands


register(
    Metric("bitext_accuracy", f"{XTREME}:accuracy", ("accuracy",), accuracy, _chance),
    Metric("bitext_f1", f"{XTREME}:bucc_f1", ("f1", "precision", "recall"), bitext_f1, _none),
    Metric("map_at_20", "google-research/xtreme third_party@838c13b", ("map_at_20",), map_at_20, _none),
)
