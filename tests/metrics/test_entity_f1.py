"""F1 of entities: seqeval's numbers on whatever tags, other schemes by way of BIOES, and tags that are no spans."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score, precision_score, recall_score

from xstilts.metrics.base import METRICS
from xstilts.metrics.tagging import entity_f1, not_spans, span_f1, units

TYPES = ["LOC", "person-other", "location-other", "other", "-", "a_b", "B-I", "本", "-x-", "O", "1"]
PREFIXED = st.builds("{}{}{}".format, st.sampled_from("BIES"), st.sampled_from("-_"), st.sampled_from(TYPES))
TAG = st.one_of(st.just("O"), PREFIXED, st.sampled_from(["B", "I", "E", "S", "B-", "I-", "S-"]))
ODD = st.sampled_from(["NOUN", "SCONJ", "X", "_", ".", "O-LOC", "0", "b-loc", "LOC-B", "INTJ", "é"])
OTHER = str.maketrans("ESI", "LUM")


def pairs(tag: st.SearchStrategy[str]) -> st.SearchStrategy[list[tuple[list[str], list[str]]]]:
    one = st.integers(1, 9).flatmap(lambda n: st.tuples(*[st.lists(tag, min_size=n, max_size=n)] * 2))
    return st.lists(one, min_size=1, max_size=5)


def f1(gold: str, predicted: str) -> float:
    """Sentences are set apart by a bar."""
    golds, predictions = ([one.split() for one in text.split("|")] for text in (gold, predicted))
    return entity_f1(golds, predictions)["f1"].value


@given(pairs=pairs(TAG | ODD))
@settings(max_examples=300)
def test_values_are_those_of_the_installed_seqeval(pairs: list[tuple[list[str], list[str]]]) -> None:
    golds, predictions = map(list, zip(*pairs, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = [100 * float(score(golds, predictions)) for score in (f1_score, precision_score, recall_score)]
    values = entity_f1(golds, predictions)
    assert [values[name].value for name in ("f1", "precision", "recall")] == pytest.approx(expected, abs=1e-9)


@given(pairs=pairs(st.just("O") | PREFIXED | st.sampled_from("BIES")))
@settings(max_examples=100)
def test_bilou_and_bmes_tags_score_as_the_same_spans_in_bioes(pairs: list[tuple[list[str], list[str]]]) -> None:
    golds, predictions = map(list, zip(*pairs, strict=True))
    others = [
        [[tag[:1].translate(OTHER) + tag[1:] for tag in sentence] for sentence in side] for side in (golds, predictions)
    ]
    assert entity_f1(*others)["f1"].value == entity_f1(golds, predictions)["f1"].value


def test_the_type_is_everything_behind_the_first_hyphen() -> None:
    gold, predicted = [["B-person-other", "I-person-other"]], [["B-location-other", "I-location-other"]]
    assert entity_f1(gold, predicted)["f1"].value == 0.0
    assert span_f1(gold, predicted)["f1"].value == 100.0  # XTREME's rule, for tags without a hyphen in their type


@pytest.mark.parametrize(
    ("gold", "predicted", "value"),
    [
        ("B O O O", "B I O O", 0.0),
        ("B I I O | B I", "B O O O | B I", 50.0),
        ("B_LOC O O", "B_LOC I_LOC O", 0.0),
        ("B_LOC I_LOC", "B_PER I_PER", 0.0),
        ("I-LOC I-LOC O B-LOC", "I-LOC I-LOC O I-LOC", 100.0),
        ("U-LOC U-LOC O", "B-LOC L-LOC O", 0.0),
        ("B-LOC E-LOC S-LOC", "B-LOC E-LOC S-PER", 50.0),
        ("B M E S", "B M E S", 100.0),
    ],
)
def test_values_by_hand(gold: str, predicted: str, value: float) -> None:
    assert f1(gold, predicted) == pytest.approx(value)


@pytest.mark.parametrize(
    "tags",
    ["O B-LOC I-LOC", "B I O", "I O", "B_LOC I_LOC O", "B-LOC E-LOC S-LOC O", "B-X L-X U-X O", "B M E S", "B-a-b O"],
)
def test_tags_that_are_spans(tags: str) -> None:
    assert not_spans(tags.split()) == ""


@pytest.mark.parametrize(
    ("tags", "told"),
    [
        ("NOUN VERB ADJ X", "found 'NOUN', 'VERB', 'ADJ' and 1 more: set `metric: token_accuracy`"),
        ("O PER LOC", "'PER', 'LOC': .* or write the prefix \\(B-PER, I-PER\\)"),
        ("O B_person-other I_person-other", "write B-person-other, I-person-other"),  # swapped for others: 100
        ("o b-LOC i-LOC", "write O, B-LOC, I-LOC"),
        ("O B:LOC", "write B-LOC"),
        ("O LOC-B LOC-I", "put the prefix before the type \\(B-LOC\\)"),
        ("0 B-LOC I-LOC", "'0' is a zero, write the letter O"),
        ("O b-loc", "'b-loc'"),
        ("O B-", "'B-'"),
        ("O B-LOC I_LOC", "would take 'B-LOC' and 'I_LOC' for different types"),
        ("O _ B-LOC", "'_'"),
    ],
)
def test_tags_that_are_no_spans_are_named_with_the_remedy(tags: str, told: str) -> None:
    assert re.search(told, not_spans(tags.split()))


@given(pairs=pairs(TAG | ODD), metric=st.sampled_from(["entity_f1", "span_f1", "span_f1_seqeval_1", "token_accuracy"]))
def test_units_add_up_to_the_metric_in_every_sentence(pairs: list[tuple[list[str], list[str]]], metric: str) -> None:
    golds, predictions = map(list, zip(*pairs, strict=True))
    found, asked = units(golds, predictions, metric), METRICS.get(metric)
    expected = asked.function(golds, predictions, "en")[asked.main]
    for name in ("numerator", "denominator"):
        summed = np.bincount(found.sentence, getattr(found, name), len(golds))
        assert summed.tolist() == getattr(expected, name).tolist()


def test_units_have_the_type_and_the_words_of_gold_and_predicted_spans() -> None:
    gold, said = "B-PER I-PER O B-LOC".split(), "B-LOC I-LOC O B-LOC".split()
    found = units([["O"], gold], [["O"], said], "entity_f1")
    rows = zip(*(values.tolist() for values in found), strict=True)
    assert sorted(rows) == [
        (1, "LOC", 1, True, 2, 2),
        (1, "LOC", 2, False, 0, 1),
        (1, "PER", 2, True, 0, 1),
    ]
