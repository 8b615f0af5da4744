"""Span question answering: windows, gold tokens, decoding back into the passage."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbones.tiny_models import TEXT, TOKENIZERS
from task_types.samples import CODER, rng
from xstilts.backbones.coder import Coder
from xstilts.data.examples import Answer, SpanExample
from xstilts.task_types.features import Features
from xstilts.task_types.span_qa import SpanQA, WindowScores, best_spans, most_context, windows
from xstilts.tasks.base import Encoding

QA = SpanQA()
LONG = "  " + " ".join(TEXT) + " 🙂 ende\n"
SHORT = Encoding(max_length=40, stride=12, max_question=8)
CODERS = {name: Coder(make()) for name, make in TOKENIZERS.items()}


def ask(answer: str, passage: str = LONG, question: str = "who ?") -> SpanExample:
    return SpanExample("q", question, passage, (Answer(answer, passage.index(answer)),))


def perfect(features: Features) -> list[Any]:
    """Outputs of a model that knows: gold tokens of windows that hold the answer, the first token of the others."""
    outputs = []
    for row in range(len(features)):
        start, end = np.zeros(features.lengths[row]), np.zeros(features.lengths[row])
        start[features.columns["start"][row]] = end[features.columns["end"][row]] = 10
        outputs.append(WindowScores(start, end, int(features.columns["first"][row]), float(start[0] + end[0])))
    return outputs


def answered(examples: list[SpanExample], coder: Coder, limits: Encoding = SHORT) -> list[str]:
    features = QA.encode(examples, coder, limits, ())
    return [prediction.value for prediction in QA.decode(features, perfect(features), (), limits)]


@pytest.mark.parametrize("name", CODERS)
def test_every_answer_of_a_long_passage_comes_back_exactly(name: str) -> None:
    words = ["the house in Berlin", "green", "sleeps at home", "grün", "находится", "北京 是 中国", "🙂", "ende"]
    # byte-level pieces of one character share its offsets, and Anna's 1984 is one word to all but the digits' splitter
    examples = [ask(word) for word in words]
    features = QA.encode(examples, CODERS[name], SHORT, ())
    assert len(features) >= 4 * len(words)
    assert features.lengths.max() <= SHORT.max_length
    assert answered(examples, CODERS[name]) == words


@pytest.mark.parametrize("name", CODERS)
def test_predictions_are_substrings_of_the_untouched_passage(name: str) -> None:
    features = QA.encode([ask("Berlin"), ask("Haus")], CODERS[name], SHORT, ())
    random = rng()
    outputs = [
        WindowScores(random.normal(size=n), random.normal(size=n), int(first), 0.0)
        for n, first in zip(features.lengths, features.columns["first"], strict=True)
    ]
    for prediction in QA.decode(features, outputs, (), SHORT):
        assert prediction.value in LONG
        assert prediction.value == prediction.value.lstrip()
        assert prediction.value
        assert prediction.extra["n_best"][0][0] == prediction.value


def test_a_text_that_occurs_twice_is_found_at_its_gold_place() -> None:
    passage = "the dog and the cat and the dog"
    example = SpanExample("q", "?", passage, (Answer("the dog", 24),))
    features = QA.encode([example], CODER, SHORT, ())
    row = int(np.flatnonzero(features.columns["start"])[0])
    first, start = int(features.columns["first"][row]), int(features.columns["start"][row])
    assert features.columns["offset"][row].reshape(-1, 2)[start - first, 0] == 24


def test_windows_without_the_answer_point_to_the_first_token() -> None:
    features = QA.encode([ask("ende")], CODER, SHORT, ())
    starts = features.columns["start"]
    assert starts[-1] > 0
    assert not starts[: len(starts) // 2].any()
    assert (features.columns["end"] >= starts).all()
    assert (starts[starts > 0] >= features.columns["first"][starts > 0]).all()


def test_tokens_of_a_window_are_question_then_passage() -> None:
    example = ask("Berlin", TEXT[0], "where ?")
    features = QA.encode([example], CODER, Encoding(max_length=200), ())
    assert features.tokens[0].tolist() == CODER.tokenizer("where ?", TEXT[0])["input_ids"]
    long_question = ask("Berlin", TEXT[0], "where " * 50)
    features = QA.encode([long_question], CODER, Encoding(max_length=200, max_question=5), ())
    assert int(features.columns["first"][0]) == 1 + 5 + 2


def test_a_question_leaves_room_for_the_passage() -> None:
    example = ask("Berlin", TEXT[0], "where " * 50)
    limits = Encoding(max_length=24, stride=4, max_question=64)
    assert answered([example], CODER, limits) == ["Berlin"]
    assert QA.encode([example], CODER, limits, ()).lengths.max() <= 24


@given(st.integers(0, 200), st.integers(1, 50), st.integers(0, 60))
def test_windows_cover_the_passage_one_every_stride(length: int, room: int, stride: int) -> None:
    cut = list(windows(length, room, stride))
    assert cut[0][0] == 0
    assert cut[-1][1] == length
    assert all(end - begin <= room for begin, end in cut)
    assert all(end - begin == room for begin, end in cut[:-1])
    for (before, _), (begin, _) in itertools.pairwise(cut):
        assert begin - before == max(1, min(stride, room))


def context_of(position: int, begin: int, end: int) -> float:
    """The score by which run_squad.py of google-research/bert (`_check_is_max_context`) compares windows."""
    return min(position - begin, end - 1 - position) + 0.01 * (end - begin)


@given(st.integers(0, 200), st.integers(1, 50), st.integers(0, 60))
def test_every_token_belongs_to_the_window_that_shows_most_around_it(length: int, room: int, stride: int) -> None:
    cut = list(windows(length, room, stride))
    owners: dict[int, int] = {}
    for number, ((begin, _), own) in enumerate(zip(cut, most_context(cut), strict=True)):
        for place in range(*own):
            assert owners.setdefault(begin + place, number) == number
    for position in range(length):
        showing = {n: context_of(position, *cut[n]) for n in range(len(cut)) if cut[n][0] <= position < cut[n][1]}
        assert owners[position] == max(showing, key=lambda n: (showing[n], -n))


def test_windows_of_a_long_passage_are_those_of_the_official_script() -> None:
    """384 tokens, a question of 20, XLM-R's four special tokens: 360 of the passage, one window every 128."""
    assert list(windows(700, 360, 128)) == [(0, 360), (128, 488), (256, 616), (384, 700)]
    assert most_context(list(windows(700, 360, 128))) == [(0, 244), (116, 244), (116, 244), (116, 316)]


def test_an_answer_is_taken_from_the_window_that_shows_most_around_it() -> None:
    """A window that is sure of what stands at its border is not heard, as in run_squad.py."""
    example = SpanExample("q", "?", " ".join(TEXT), None)
    features = QA.encode([example], CODER, SHORT, ())
    first = int(features.columns["first"][0])
    border = int(features.columns["begins"][0][1])
    starts, ends = ([np.zeros(n) for n in features.lengths] for _ in range(2))
    starts[0][first + border] = 10  # the first token of the window that the next one shows with more context
    starts[1][first + border - SHORT.stride] = 1  # the same token
    ends[0][first + border] = ends[1][first + border - SHORT.stride] = 1
    outputs = [WindowScores(start, end, first, 0.0) for start, end in zip(starts, ends, strict=True)]
    assert QA.decode(features, outputs, (), SHORT)[0].extra["n_best"][0][1] == 2.0


def test_withheld_and_absent_gold_are_told_apart() -> None:
    withheld, none = SpanExample("a", "?", "the dog", None), SpanExample("b", "?", "the dog", ())
    features = QA.encode([withheld, none], CODER, SHORT, ())
    assert [record["gold"] for record in features.records] == [None, []]
    assert not features.columns["start"].any()


def test_no_answer_is_predicted_only_where_a_task_has_it() -> None:
    examples = [SpanExample("a", "?", "the dog", ()), ask("dog", "the dog")]
    assert answered(examples, CODER, Encoding(max_length=40, no_answer=True)) == ["", "dog"]
    always = answered(examples, CODER, Encoding(max_length=40, no_answer=False))
    assert always[0] != ""
    assert always[1] == "dog"


def test_a_passage_of_blanks_has_an_empty_answer() -> None:
    assert answered([SpanExample("a", "?", " \n ", ())], CODERS["wordpiece"]) == [""]


@given(st.integers(1, 40), st.integers(1, 10), st.integers(0, 99))
def test_the_best_span_is_the_best_of_all_allowed_ones(n: int, longest: int, seed: int) -> None:
    random = rng(seed)
    # The best places differ clearly, so that the best pair is among the twenty best starts and ends.
    start, end = random.normal(size=n + 1), random.normal(size=n + 1)
    start[-1] = end[-1] = 50  # the closing special token is no candidate
    offsets = np.stack([np.arange(n), np.arange(1, n + 1)], axis=1)
    found = best_spans(start, end, offsets, longest, range(n))[0]
    allowed = [(start[i] + end[j], i, j + 1) for i in range(n) for j in range(i, min(n, i + longest))]
    if n <= 20:
        assert (found.score, found.start, found.end) == pytest.approx(max(allowed))
    assert 0 <= found.start < found.end <= n
    assert found.end - found.start <= longest
