"""Sentences, words and marks keep their places."""

from __future__ import annotations

import pytest

from xstilts.translation.markers import mark, unmark
from xstilts.translation.project import Alignment, along, tags_along
from xstilts.translation.texts import Range, running_text, sentences, words_of


def _cut(text: str, ranges: list[Range]) -> list[str]:
    return [text[one.start : one.end] for one in ranges]


def test_sentences_end_where_one_begins_and_not_behind_abbreviations() -> None:
    text = 'Dr. Smith met J. Doe.  He said "Stop!" Then 3 left.\n\nA new line, e.g. here'
    assert _cut(text, sentences(text)) == [
        "Dr. Smith met J. Doe.",
        'He said "Stop!"',
        "Then 3 left.",
        "A new line, e.g. here",
    ]
    assert sentences(" \n ") == []


def test_no_sentence_ends_inside_a_span() -> None:
    text = "He read Who? What? When? and slept. She left."
    span = Range(text.index("Who"), text.index(" and"))
    assert _cut(text, sentences(text, [span])) == ["He read Who? What? When? and slept.", "She left."]


def test_words_are_runs_of_letters_or_characters_of_scripts_without_blanks() -> None:
    assert _cut("L'été, 3 km", words_of("L'été, 3 km", "fr")) == ["L", "'", "été", ",", "3", "km"]
    assert _cut("हिन्दी में", words_of("हिन्दी में", "hi")) == ["हिन्दी", "में"]
    assert _cut("他在NBA打球。", words_of("他在NBA打球。", "zh")) == ["他", "在", "NBA", "打", "球", "。"]


def test_words_that_touch_do_not_overlap() -> None:
    assert not Range(0, 3).overlaps(Range(3, 4))
    assert not Range(3, 4).overlaps(Range(0, 3))
    assert Range(0, 3).overlaps(Range(2, 4))


def test_running_text_puts_marks_at_their_words() -> None:
    words = ["He", "(", "Bob", ")", "did", "n't", "stop", ",", "Ann", "'s", "."]
    text, places = running_text(words)
    assert text == "He (Bob) didn't stop, Ann's."
    assert _cut(text, places) == words


TEXT = "Ann saw Bob."
SPANS = (Range(0, 3), Range(8, 11))


def test_marks_are_put_in_and_found_again_wherever_they_went() -> None:
    assert mark(TEXT, SPANS, ("PER", "PER"), "tags") == "<a>Ann</a> saw <b>Bob</b>."
    assert mark(TEXT, SPANS, ("PER", "PER"), "brackets") == "[Ann] saw [Bob]."
    found = unmark("< B > Bob </b> wurde von <a>Ann </A> gesehen .", 2, "tags")
    assert found is not None
    text, spans = found
    assert text == "Bob wurde von Ann gesehen ."
    assert _cut(text, spans) == ["Ann", "Bob"]
    assert unmark("【安】看见【鲍勃】。", 2, "brackets") == ("安看见鲍勃。", [Range(0, 1), Range(3, 5)])


@pytest.mark.parametrize(
    "marked",
    [
        "Ann sah <b>Bob</b>.",
        "<a>Ann</a> sah <b>Bob.",
        "<a>Ann <b>sah</a> Bob</b>.",
        "<a></a> sah <b>Bob</b>.",
        "<a>Ann</a> <a>sah</a> <b>Bob</b>.",
        "<a>Ann</a> sah <b>Bob</b> <c>hier</c>.",
        "</a>Ann<a> sah <b>Bob</b>.",
        "<a>Ann</b> sah <a>Bob</a>.",
    ],
)
def test_marks_that_did_not_come_through_whole_are_refused(marked: str) -> None:
    assert unmark(marked, 2, "tags") is None


def test_texts_that_hold_marks_already_are_not_marked() -> None:
    assert mark("an <a> tag", (Range(0, 2),), ("X",), "tags") is None
    assert mark("a [note]", (Range(0, 1),), ("X",), "brackets") is None
    assert mark(TEXT, SPANS, ("PER", "LOC"), "brackets") is None
    assert mark(TEXT, SPANS, ("PER", "PER"), "none") is None


def test_a_span_is_the_smallest_range_over_aligned_words_in_the_order_of_the_source() -> None:
    source, target = words_of("Ann Lee saw Bob", "en"), words_of("Bob sah die Ann Lee", "de")
    spans = [Range(0, 7), Range(12, 15)]
    found = along(spans, source, target, {(0, 4), (0, 2), (1, 3), (3, 0)})
    assert found is not None
    assert _cut("Bob sah die Ann Lee", list(found)) == ["die Ann Lee", "Bob"]
    assert along(spans, source, target, {(0, 3), (1, 4)}) is None, "the second is aligned with nothing"
    assert along(spans, source, target, {(0, 0), (1, 4), (3, 3)}) is None, "the second is inside the first"


def test_a_word_takes_the_tag_of_the_first_that_is_aligned_with_it() -> None:
    assert tags_along("AB", Alignment(frozenset({(1, 0), (0, 0)}), (1,))) == (["A"], 1.0)
    assert tags_along("AB", Alignment(frozenset({(0, 0), (0, 1)}), (0, 0, 1))) == (["A", "A", "B"], 2 / 3)


def test_long_runs_are_read_once() -> None:
    n = 2_000_000  # of which a pattern that tries every mark as a beginning, each up to the end, would take hours
    for text in ("!" * n, "<" + " " * n, "! " * n, "<a" + " " * n, "!" + ")" * n):
        assert sentences(text)
        assert unmark(text, 1, "tags") is None


def test_letters_that_only_look_like_those_of_marks_are_text() -> None:
    assert unmark("<\u017f>x</\u017f>", 0, "tags") == ("<\u017f>x</\u017f>", [])
