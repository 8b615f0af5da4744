"""Test texts that stand in training data."""

from __future__ import annotations

from typing import Literal
from unicodedata import normalize

import pytest

from xstilts.data.examples import ChoiceExample, Example, ParallelExample, SpanExample, TaggedExample, TextExample
from xstilts.data.leaks import find_leaks

PASSAGE = "The old mill by the river was sold in spring to a baker from the town who had long wanted it."
SHORT = "A dog runs over the bridge."


def text(name: str, content: str, pair: str | None = None) -> TextExample:
    return TextExample(name, content, pair, "x")


@pytest.mark.parametrize(
    ("training", "leaks"),
    [
        (text("a", PASSAGE), True),
        (text("a", f"Before. {PASSAGE.upper()} And after."), True),
        (text("a", "by the river was sold in spring to a baker from the town"), True),
        (text("a", "the river was sold in spring to a baker from the town"), False),  # twelve words
        (text("a", "something else", PASSAGE), True),
        (SpanExample("a", "Who bought it?", PASSAGE, ()), True),
        (ChoiceExample("a", "no", "", (PASSAGE, "b"), 0), False),  # choices are not looked at
        (TaggedExample("a", tuple(PASSAGE.rstrip(".").split()), None), True),
        (ParallelExample("a", "etwas anderes", PASSAGE), True),
    ],
)
def test_thirteen_words_in_a_row_are_a_leak(training: Example, leaks: bool) -> None:
    found = find_leaks([training], [SpanExample("q1", "Was it sold?", PASSAGE, ()), text("clean", SHORT)])
    assert found.ids == (("q1",) if leaks else ())
    assert found.examples == 2


@pytest.mark.parametrize(
    ("training", "leaks"),
    [("a dog runs over the bridge", True), (f"{SHORT} {SHORT}", False), ("A dog runs over a bridge.", False)],
)
def test_a_shorter_text_leaks_as_a_whole(training: str, leaks: bool) -> None:
    assert bool(find_leaks([text("a", training)], [text("b", SHORT)]).ids) == leaks


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_letter_and_its_marks_may_be_written_in_two_ways(form: Literal["NFC", "NFD"]) -> None:
    sentence = "Ọmọ náà ń sáré lọ sí ilé ìwé ní òwúrọ̀ kùtùkùtù"
    other: Literal["NFC", "NFD"] = "NFD" if form == "NFC" else "NFC"
    assert normalize(form, sentence) != normalize(other, sentence)
    training, test = text("a", normalize(form, sentence)), text("b", normalize(other, sentence))
    assert find_leaks([training], [test]).ids == ("b",)


def test_texts_of_a_few_words_are_no_leaks_of_long_ones() -> None:
    found = find_leaks([text("a", "yes it is")], [text("b", "yes it is"), text("c", SHORT)])
    assert (found.ids, found.examples) == ((), 1)


def test_an_example_of_a_few_words_leaks_as_a_whole() -> None:
    training = [text("a", "Yes, it IS"), text("b", "no", "it is"), text("c", "...")]
    test = [
        text("same", "yes it is"),
        text("pair", "No!", "It is."),
        text("half", "no"),
        text("empty", "!"),
        text("long", SHORT),
    ]
    found = find_leaks(training, test)
    assert (found.ids, found.examples, found.repeated) == ((), 1, ("pair", "same"))


def test_text_without_blanks_is_compared_by_characters() -> None:
    passage = "一" * 5 + "丁七万丈三上下不与丐丑专且世丘丙业丛东丝丞丢两严丧个中丰串临丸丹为主"
    assert find_leaks([text("a", f"前{passage}後")], [text("b", passage)]).ids == ("b",)
    assert find_leaks([text("a", passage[:29])], [text("b", passage)]).ids == ()


@pytest.mark.parametrize(
    "passage",
    [
        "河边的旧磨坊，春天，卖给了镇上的，一位面包师，他一直想要，这座，有水车的磨坊。",
        "川沿いの古い水車小屋は、春に、町のパン屋に、売られた。彼は長い間それを欲しがっていた。",
        "โรงสีเก่าริมแม่น้ำ ถูกขาย ในฤดูใบไม้ผลิ ให้คนทำขนมปัง จากในเมือง",
    ],
    ids=["zh", "ja", "th"],
)
def test_commas_and_blanks_between_clauses_make_no_words(passage: str) -> None:
    found = find_leaks([text("a", f"{passage[:3]}{passage}{passage[:3]}")], [text("b", passage)])
    assert (found.ids, found.examples) == (("b",), 1)


def test_marks_are_parts_of_words() -> None:
    """Hindi vowels are combining marks: nine words are nine, and what shares twelve of thirteen does not leak."""
    hindi = "मैं कल दिल्ली जा रहा हूँ और वहाँ से लौटकर फिर किताबें पढ़ूँगा"
    assert len(hindi.split()) == 13
    assert find_leaks([text("a", f"{hindi} नहीं")], [text("b", hindi)]).ids == ("b",)
    assert find_leaks([text("a", hindi.rsplit(" ", 1)[0] + " नहीं")], [text("b", hindi)]).ids == ()
