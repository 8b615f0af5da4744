"""Examples keep their gold in translation, or are left out under a reason."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from xstilts.data.examples import (
    Answer,
    ChoiceExample,
    Example,
    SpanExample,
    TaggedExample,
    TextExample,
    from_row,
    to_row,
)
from xstilts.translation.carry import Carried, Carrier, QualityCheck
from xstilts.translation.project import Alignment, Projector, Translate, Translated, Words, entities, tags_along
from xstilts.translation.spec import Quality

EXAMPLES: list[Example] = [
    TextExample("1", "A dog barks.", None, "x"),
    TextExample("2", "A dog", "", None),
    ChoiceExample("3", "A dog", "", ("barks", "sings"), 0),
    SpanExample("4", "Who?", "A dog barks.", (Answer("dog", 2),)),
    SpanExample("5", "Who?", "A dog barks.", ()),
    SpanExample("6", "Who?", "A dog barks.", None),
    TaggedExample("7", ("Ann", "left"), ("B-PER", "O")),
    TaggedExample("8", ("Ann", "left"), None),
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_come_back_from_rows_without_loss(example: Example) -> None:
    assert from_row(json.loads(json.dumps(to_row(example)))) == example


def backwards(texts: Sequence[str]) -> list[Translated | None]:
    """An engine that writes every word backwards; sentences with `long` are not translated."""
    return [None if "long" in text else Translated(_turned(text), -0.5) for text in texts]


def losing(texts: Sequence[str]) -> list[Translated | None]:
    """The same, which loses brackets."""
    return backwards([text.replace("[", "").replace("]", "") for text in texts])


def _turned(text: str) -> str:
    words = text.replace("[", " [ ").replace("]", " ] ").split()
    return " ".join(word[::-1] for word in words)


def by_letters(pairs: Sequence[tuple[Words, Words]]) -> list[Alignment]:
    """Aligns a word with itself backwards."""
    found = []
    for first, second in pairs:
        links = {(i, j) for i, one in enumerate(first) for j, other in enumerate(second) if one == other[::-1]}
        found.append(Alignment(frozenset(links), (0,) * len(second)))
    return found


def carried(*examples: Example, quality: Quality | None = None, **options: object) -> list[Carried]:
    projector = Projector("qaa", **{"translate": backwards, "align": by_letters, **options})  # type: ignore[arg-type]
    return Carrier(projector, QualityCheck(quality, "qaa") if quality else None)(examples)


def test_labels_choices_and_pairs_stay() -> None:
    pair, choice = carried(
        TextExample("1", "one two", "three", "yes"), ChoiceExample("2", "one", "", ("two", "six"), 1)
    )
    assert pair.example == TextExample("1", "eno owt", "eerht", "yes")
    assert choice.example == ChoiceExample("2", "eno", "", ("owt", "xis"), 1)


PASSAGE = "It rained. Ann saw Bob here. He left."
QUESTION = SpanExample("1", "Whom ?", PASSAGE, (Answer("Bob", PASSAGE.index("Bob")),))


@pytest.mark.parametrize(("translate", "method"), [(backwards, "markers"), (losing, "alignment")])
def test_an_answer_is_found_in_the_translated_passage(translate: Translate, method: str) -> None:
    (one,) = carried(QUESTION, translate=translate)
    assert one.method == method
    assert isinstance(one.example, SpanExample)
    assert one.example.answers
    (answer,) = one.example.answers
    assert answer.text == "boB"
    assert one.example.passage[answer.start :].startswith("boB")
    assert one.example.passage.startswith("tI .deniar nnA was boB")


def test_a_question_without_answer_stays_one_and_what_is_not_found_is_left_out() -> None:
    empty, long, lost = carried(
        SpanExample("1", "Who ?", "It rained.", ()),
        SpanExample("2", "Who ?", "It rained. A long day.", ()),
        QUESTION,
        translate=losing,
        align=None,
    )
    assert isinstance(empty.example, SpanExample)
    assert empty.example.answers == ()
    assert (long.example, long.reason) == (None, "not translated")
    assert (lost.example, lost.reason) == (None, "not projected")


def test_what_is_too_long_is_called_so_where_spans_are_lost_with_it() -> None:
    answer = SpanExample("1", "Who ?", "A long dog barks.", (Answer("dog", 7),))
    name = TaggedExample("2", ("Ann", "long", "gone"), ("B-PER", "O", "O"))
    assert [one.reason for one in (*carried(answer), *carried(name))] == ["not translated", "not translated"]


def test_what_was_translated_without_its_marks_is_not_called_too_long() -> None:
    def short(texts: Sequence[str]) -> list[Translated | None]:
        return [None if "[" in text else Translated(_turned(text)) for text in texts]

    def nowhere(pairs: Sequence[tuple[Words, Words]]) -> list[Alignment]:
        return [Alignment(frozenset(), (0,) * len(second)) for _, second in pairs]

    assert Carrier(Projector("qaa", short, nowhere))([QUESTION]) == [Carried(None, "not projected")]
    assert Carrier(Projector("qaa", short))([QUESTION]) == [Carried(None, "not translated")]


def test_entities_go_by_marks_or_else_by_alignment() -> None:
    one = TaggedExample("1", ("New", "York", "is", "big"), ("B-LOC", "I-LOC", "O", "O"))
    two = TaggedExample("2", ("Ann", "left", "Rome"), ("B-PER", "O", "B-LOC"))
    none = TaggedExample("3", ("it", "is"), ("O", "O"))
    first, second, third = carried(one, two, none)
    assert first == Carried(TaggedExample("1", ("weN", "kroY", "si", "gib"), one.tags), method="markers")
    assert second == Carried(TaggedExample("2", ("nnA", "tfel", "emoR"), two.tags), method="alignment")
    assert third == Carried(TaggedExample("3", ("ti", "si"), none.tags))


def test_tags_of_single_words_go_by_alignment_if_enough_are_covered() -> None:
    example = TaggedExample("1", ("Ann", "saw", "Bob"), ("PROPN", "VERB", "PROPN"))
    (one,) = carried(example)
    assert one == Carried(TaggedExample("1", ("nnA", "was", "boB"), example.tags), method="alignment")
    assert carried(example, align=None) == [Carried(None, "not projected")]
    assert tags_along(("A", "B"), Alignment(frozenset({(1, 0), (0, 2)}), (1, 1, 0, 1))) == (["B", "B", "A", "B"], 0.5)


def first_words(pairs: Sequence[tuple[Words, Words]]) -> list[Alignment]:
    """Aligns first words alone."""
    return [Alignment(frozenset({(0, 0)}), (0,) * len(second)) for _, second in pairs]


def test_a_sentence_is_kept_at_the_least_share_of_aligned_words() -> None:
    example = TaggedExample("1", ("Ann", "left"), ("PROPN", "VERB"))
    for coverage, reason in ((0.5, ""), (0.51, "not projected")):
        (one,) = Carrier(Projector("qaa", backwards, first_words), coverage=coverage)([example])
        assert one.reason == reason


def test_the_first_answer_is_carried() -> None:
    both = SpanExample("1", "Whom ?", PASSAGE, (Answer("Bob", PASSAGE.index("Bob")), Answer("Ann", 11)))
    (one,) = carried(both)
    assert isinstance(one.example, SpanExample)
    assert [answer.text for answer in one.example.answers or ()] == ["boB"]


@pytest.mark.parametrize(
    "example",
    [
        TextExample("1", "one two", "anna otto bob", "yes"),
        ChoiceExample("2", "one", "", ("two", "anna otto bob"), 1),
        SpanExample("3", "anna otto bob", PASSAGE, (Answer("Bob", PASSAGE.index("Bob")),)),
        TaggedExample("4", ("anna", "otto", "bob"), ("B-PER", "O", "O")),
        TaggedExample("5", ("anna", "otto", "bob"), ("PROPN", "PROPN", "PROPN")),
    ],
)
def test_an_example_of_which_any_text_is_bad_is_left_out(example: Example) -> None:
    """Words that are the same backwards are copies."""
    assert carried(example, quality=Quality(identify=False)) == [Carried(None, "copied")]
    assert carried(example)[0].example is not None


def by_length(texts: Sequence[str]) -> list[Translated | None]:
    """An engine that is the less sure the more words it is given, and loses brackets."""
    return [one and one._replace(score=-float(len(one.text.split()))) for one in losing(texts)]


@pytest.mark.parametrize(
    "example",
    [
        TextExample("1", "one", "two three six", "yes"),
        TextExample("2", "One. Two three six.", None, "yes"),
        TaggedExample("3", ("two", "three", "six"), ("B-PER", "O", "O")),
        TaggedExample("4", ("two", "three", "six"), ("NUM", "NUM", "NUM")),
        SpanExample("5", "Who", "Ann saw Bob", (Answer("Bob", 8),)),
    ],
)
def test_the_worst_sentence_decides(example: Example) -> None:
    for least, reason in ((-2.5, "low score"), (-3.0, "")):
        judge = QualityCheck(Quality(min_score=least, identify=False), "qaa")
        (one,) = Carrier(Projector("qaa", by_length, by_letters), judge)([example])
        assert one.reason == reason


def test_what_is_translated_into_nothing_is_called_empty() -> None:
    for tags in (("PROPN", "VERB"), ("O", "O"), ("B-PER", "O")):
        (one,) = Carrier(Projector("qaa", lambda texts: [Translated("")] * len(texts), by_letters))(
            [TaggedExample("1", ("Ann", "left"), tags)]
        )
        assert (one.example, one.reason) == (None, "not projected" if tags[0] == "B-PER" else "empty")


def test_an_entity_that_begins_inside_is_repaired() -> None:
    assert entities(["I-PER", "I-PER", "O", "I-LOC", "I-PER", "B-PER"]) == [
        (0, 2, "PER"),
        (3, 4, "LOC"),
        (4, 5, "PER"),
        (5, 6, "PER"),
    ]


@pytest.mark.parametrize(
    ("pair", "score", "quality", "reason"),
    [
        (("A dog barks .", "  "), None, {}, "empty"),
        (("A dog barks .", "word " * 50), None, {}, "length"),
        (("The dog barks at night .", "The dog barks at night ."), None, {}, "copied"),
        (("Ann 1984", "Ann 1984"), None, {}, ""),
        (("A dog barks .", "Ein Hund bellt ."), -2.0, {"min_score": -1.0}, "low score"),
        (("A dog barks .", "Ein Hund bellt ."), -0.5, {"min_score": -1.0}, ""),
        (("Der Hund bellt in der Nacht .", "The dog was barking loudly in the night ."), None, {}, "language"),
        (("Der Hund bellt in der Nacht .", "The dog was barking in the night ."), None, {"identify": False}, ""),
        (("The dog barks .", "Der Hund bellt in der dunklen Nacht ."), None, {}, ""),
        (("word " * 50, "Ein Hund bellt ."), None, {}, "length"),
        (("a" * 10, "b" * 70), None, {"identify": False}, ""),
        (("a" * 10, "b" * 71), None, {"identify": False}, "length"),
        (("The dog barks at night here .", "the dog barks"), None, {}, "copied"),
        (("The dog", "dog dog dog dog"), None, {}, ""),
        (("Der Hund war da", "The dog was here"), None, {}, ""),
    ],
)
def test_what_is_left_out_has_a_reason(
    pair: tuple[str, str], score: float | None, quality: dict[str, float], reason: str
) -> None:
    assert QualityCheck(Quality(**quality), "de")([pair], score) == reason  # type: ignore[arg-type]


def test_the_language_is_that_of_all_texts_of_an_example() -> None:
    pairs = [("The dog", "Der Hund"), ("Der Hund bellt in der Nacht .", "The dog was barking loudly in the night .")]
    assert QualityCheck(Quality(), "de")(pairs) == "language"


def test_languages_that_nobody_identifies_are_let_through() -> None:
    assert QualityCheck(Quality(), "qaa")([("wooh wooh", "This is English text without any doubt .")]) == ""
