"""What holds for every registered metric; a new one is tested by adding its inputs to `GOLDS`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xstilts.metrics import METRICS, Metric
from xstilts.metrics.span import mlqa_words, squad_words

LABEL = st.sampled_from(["entailment", "neutral", "contradiction"])
BIO = st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])
UPOS = st.sampled_from(["NOUN", "VERB", "SCONJ", "CCONJ", "INTJ", "SYM", "X", "_"])
TEXT = st.text(alphabet="ab theñ中ال.,!-—1", max_size=12)
ANSWER = TEXT.filter(lambda text: bool(mlqa_words("en")(text)))  # a right answer without words has F1 0 in XTREME
IDS = st.integers(0, 30)
NAMES = st.sampled_from(["en-1", "en-2", "en-3", "en-4"])


def equal_pair(item: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(item, item)


def tagged(tag: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.integers(1, 8).flatmap(lambda n: equal_pair(st.lists(tag, min_size=n, max_size=n)))


ANSWERED = st.tuples(st.lists(ANSWER, min_size=1, max_size=3), st.none() | TEXT)
SETS = st.frozensets(NAMES, max_size=3)
# metric -> (gold, prediction) of one example
INPUTS: dict[str, st.SearchStrategy[Any]] = {
    "accuracy": equal_pair(LABEL),
    "bitext_accuracy": equal_pair(IDS),
    "entity_f1": tagged(BIO),
    "span_f1": tagged(BIO | UPOS),
    "span_f1_seqeval_1": tagged(BIO),  # on bare tags its value depends on the neighbours: see the test below
    "token_accuracy": tagged(BIO | UPOS),
    "squad_v1": ANSWERED,
    "squad_v2": st.tuples(st.lists(TEXT, max_size=3), st.none() | TEXT),
    "mlqa": ANSWERED,
    "bitext_f1": equal_pair(SETS),
    "map_at_20": st.tuples(st.frozensets(IDS, min_size=1, max_size=25), st.lists(IDS, max_size=30)),
}
SPANS = ("entity_f1", "span_f1", "span_f1_seqeval_1")
EVERY_METRIC = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)


def examples(metric: Metric) -> st.SearchStrategy[list[Any]]:
    return st.lists(INPUTS[metric.name], min_size=1, max_size=12)


def perfect(metric: Metric, gold: Any) -> Any:
    if metric.name in ("squad_v1", "squad_v2", "mlqa"):
        return next((answer for answer in gold if squad_words(answer)), "")
    return sorted(gold) if metric.name == "map_at_20" else gold


def has_something_to_find(metric: Metric, golds: list[Any]) -> bool:
    if metric.name in SPANS:
        return any(tag != "O" for gold in golds for tag in gold)
    return metric.name != "bitext_f1" or any(golds)


def values(metric: Metric, golds: list[Any], predictions: list[Any]) -> dict[str, float]:
    return {name: ratio.value for name, ratio in metric.function(golds, predictions, "en").items()}


def test_every_metric_has_inputs_here() -> None:
    assert sorted(INPUTS) == METRICS.names()


@EVERY_METRIC
@given(data=st.data())
@settings(max_examples=25)
def test_perfect_predictions_score_100(metric: Metric, data: st.DataObject) -> None:
    golds = [gold for gold, _ in data.draw(examples(metric))]
    if has_something_to_find(metric, golds):
        found = values(metric, golds, [perfect(metric, gold) for gold in golds])
        assert all(value == pytest.approx(100.0) for value in found.values()), found


@EVERY_METRIC
@given(data=st.data())
@settings(max_examples=25)
def test_values_lie_between_0_and_100_and_are_the_ones_announced(metric: Metric, data: st.DataObject) -> None:
    golds, predictions = map(list, zip(*data.draw(examples(metric)), strict=True))
    ratios = metric.function(golds, predictions, "en")
    assert tuple(ratios) == metric.values
    for ratio in ratios.values():
        assert 0.0 <= ratio.value <= 100.0 + 1e-9
        assert ratio.numerator.shape == ratio.denominator.shape == (len(golds),)
        assert np.all(ratio.numerator >= 0)
        assert np.all(ratio.numerator <= ratio.denominator + 1e-12) or metric.name in SPANS


@EVERY_METRIC
@given(data=st.data())
@settings(max_examples=25)
def test_the_order_of_examples_does_not_matter(metric: Metric, data: st.DataObject) -> None:
    drawn = data.draw(examples(metric))
    shuffled = data.draw(st.permutations(drawn))
    here, there = (values(metric, *map(list, zip(*rows, strict=True))) for rows in (drawn, shuffled))
    assert here == pytest.approx(there)


@EVERY_METRIC
@given(data=st.data())
@settings(max_examples=25)
def test_majority_is_a_possible_value(metric: Metric, data: st.DataObject) -> None:
    golds = [gold for gold, _ in data.draw(examples(metric))]
    assert all(0.0 <= baseline(golds) <= 100.0 + 1e-9 for baseline in metric.baselines.values())


@EVERY_METRIC
def test_no_examples_score_0(metric: Metric) -> None:
    assert set(values(metric, [], []).values()) == {0.0}
    assert {baseline([]) for baseline in metric.baselines.values()} == {0.0}


@EVERY_METRIC
@given(data=st.data())
@settings(max_examples=5)
def test_a_missing_prediction_is_refused(metric: Metric, data: st.DataObject) -> None:
    golds, predictions = map(list, zip(*data.draw(examples(metric)), strict=True))
    with pytest.raises(ValueError, match=f"{len(golds) - 1} predictions for {len(golds)} examples"):
        metric.function(golds, predictions[1:], "en")
