"""Sentences, words and marks keep their places."""

from __future__ import annotations

import pytest

from xstilts.translation.project import (
    Alignment,
    Range,
    Sentence,
    along,
    cut,
    mark,
    running_text,
    sentences,
    tags_along,
    unmark,
    words_of,
)


def test_sentences_end_where_one_begins_and_not_behind_abbreviations() -> None:
    text = 'Dr. Smith met J. Doe.  He said "Stop!" Then 3 left.\n\nA new line, e.g. here'
    assert cut(text, sentences(text)) == [
        "Dr. Smith met J. Doe.",
        'He said "Stop!"',
        "Then 3 left.",
        "A new line, e.g. here",
    ]
    assert sentences(" \n ") == []


def test_no_sentence_ends_inside_a_span() -> None:
    text = "He read Who? What? When? and slept. She left."
    span = Range(text.index("Who"), text.index(" and"))
    assert cut(text, sentences(text, span)) == ["He read Who? What? When? and slept.", "She left."]


def test_words_are_runs_of_letters_or_characters_of_scripts_without_blanks() -> None:
    assert cut("L'été, 3 km", words_of("L'été, 3 km", "fr")) == ["L", "'", "été", ",", "3", "km"]
    assert cut("हिन्दी में", words_of("हिन्दी में", "hi")) == ["हिन्दी", "में"]
    assert cut("他在NBA打球。", words_of("他在NBA打球。", "zh")) == ["他", "在", "NBA", "打", "球", "。"]


def test_running_text_puts_marks_at_their_words() -> None:
    words = ["He", "(", "Bob", ")", "did", "n't", "stop", ",", "Ann", "'s", "."]
    text, places = running_text(words)
    assert text == "He (Bob) didn't stop, Ann's."
    assert cut(text, places) == words


def marked(text: str, *spans: Range, labels: tuple[str, ...] = ("PER", "PER")) -> str | None:
    return mark(Sentence(text, spans, labels[: len(spans)]))


def test_brackets_are_put_in_and_found_again() -> None:
    both = Range(0, 3), Range(8, 11)
    assert marked("Ann saw Bob.", *both) == "[Ann] saw [Bob]."
    assert unmark("[ Ann ]  sah [Bob] .", 2) == ("Ann sah Bob .", (Range(0, 3), Range(8, 11)))
    assert unmark("【安】看见【鲍勃】。", 2) == ("安看见鲍勃。", (Range(0, 1), Range(3, 5)))
    assert marked("a [note]", Range(0, 1)) is None, "they could not be told from those that are there"
    assert marked("Ann saw Bob.", *both, labels=("PER", "LOC")) is None, "they may have changed places"


@pytest.mark.parametrize(
    "text",
    ["Ann sah [Bob].", "[Ann] sah [Bob.", "[Ann [sah] Bob]", "[] sah [Bob]", "[Ann] [sah] [Bob]", "]Ann[ sah [Bob]"],
)
def test_brackets_that_did_not_come_back_in_pairs_are_refused(text: str) -> None:
    assert unmark(text, 2) is None


def test_a_span_is_the_smallest_range_over_aligned_words_in_the_order_of_the_source() -> None:
    source, target = words_of("Ann Lee saw Bob", "en"), words_of("Bob sah die Ann Lee", "de")
    spans = [Range(0, 7), Range(12, 15)]
    found = along(spans, source, target, {(0, 4), (0, 2), (1, 3), (3, 0)})
    assert found is not None
    assert cut("Bob sah die Ann Lee", list(found)) == ["die Ann Lee", "Bob"]
    assert along(spans, source, target, {(0, 3), (1, 4)}) is None, "the second is aligned with nothing"
    assert along(spans, source, target, {(0, 0), (1, 4), (3, 3)}) is None, "the second is inside the first"


def test_a_word_takes_the_tag_of_the_first_that_is_aligned_with_it() -> None:
    assert tags_along("AB", Alignment(frozenset({(1, 0), (0, 0)}), (1,))) == (["A"], 1.0)
    assert tags_along("AB", Alignment(frozenset({(0, 0), (0, 1)}), (0, 0, 1))) == (["A", "A", "B"], 2 / 3)


def test_long_runs_are_read_once() -> None:
    n = 2_000_000  # of which a pattern that tries every mark as a beginning, each up to the end, would take hours
    for text in ("!" * n, "[" + " " * n, "! " * n, "[ " * n, "!" + ")" * n):
        assert sentences(text)
        assert unmark(text, 1) is None
