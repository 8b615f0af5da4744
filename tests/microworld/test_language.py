"""Words and grammar: each language says the same in its own way."""

from __future__ import annotations

import pytest

from xstilts.core.languages import LANGUAGES as TABLE
from xstilts.microworld.concepts import FUNCTION_WORDS, NP, UPOS, Clause, Utterance
from xstilts.microworld.grammar import LANGUAGES, TARGETS, draw_grammars
from xstilts.microworld.world import World

BOUGHT = Clause("buy", NP("Anna Weber"), NP("apple", adjective="old"), "in", NP("market", definite=True), "today")


@pytest.fixture(scope="module")
def world() -> World:
    return World(0)


def english(world: World, *sentences: Utterance) -> str:
    return world.render(sentences, "en")


def roles(world: World, code: str, clause: Clause) -> list[str]:
    return [role for role, _ in world.grammars[code].clause(clause)]


def test_english_reads_as_english(world: World) -> None:
    assert english(world, Utterance(BOUGHT)) == "Anna Weber bought an old apple in the market today ."
    denied = BOUGHT._replace(negated=True, front="time")
    assert english(world, Utterance(denied)) == "today Anna Weber did not buy an old apple in the market ."
    was = Clause("was", NP("dog", 3, definite=True), state="big", negated=True)
    assert english(world, Utterance(was)) == "the 3 dogs was not big ."
    linked = Utterance(Clause("was", NP("Omar"), state="sad"), "so", Clause("cry", NP("he")))
    assert english(world, linked) == "Omar was sad so he cried ."
    assert english(world, Utterance(BOUGHT._replace(oblique=NP("where"), adposition=""), question=True)) == (
        "Anna Weber bought an old apple where today ?"
    )


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("qaa", ["subject", "verb", "object", "adposition", "oblique", "time"]),
        ("qab", ["subject", "verb", "object", "adposition", "oblique", "time"]),
        ("qac", ["subject", "time", "oblique", "adposition", "object", "verb"]),
        ("qad", ["verb", "subject", "object", "adposition", "oblique", "time"]),
        ("qae", ["subject", "time", "oblique", "adposition", "object", "verb"]),
    ],
)
def test_each_language_keeps_its_order(world: World, code: str, expected: list[str]) -> None:
    assert roles(world, code, BOUGHT) == expected


def test_adjectives_articles_and_cases_follow_the_language(world: World) -> None:
    for code, language in LANGUAGES.items():
        grammar = world.grammars[code]
        words = grammar.noun_phrase(NP("apple", definite=True, adjective="old"))
        tags = [word.upos for word in words]
        assert tags == ["DET"] * language.articles + (["ADJ", "NOUN"] if language.adjective_first else ["NOUN", "ADJ"])
        noun = grammar.noun_phrase(NP("apple"))[-1].form
        accusative = grammar.noun_phrase(NP("apple"), accusative=True)[-1].form
        assert (accusative != noun) == language.cases


def test_names_and_digits_are_shared_except_in_the_other_script(world: World) -> None:
    sentence = Utterance(Clause("see", NP("Omar"), NP("dog", 7)))
    for code in LANGUAGES:
        words = world.render((sentence,), code).split()
        assert ("Omar" in words) == (code != "qae")
        assert "7" in words
    assert not any(letter.isascii() and letter.isalpha() for letter in world.render((sentence,), "qae"))


def test_names_carry_entity_tags_in_every_language(world: World) -> None:
    for grammar in world.grammars.values():
        phrase = dict(grammar.clause(BOUGHT))["subject"]
        assert [word.entity for word in phrase] == ["B-PER", "I-PER"]
        assert [word.entity for word in grammar.written_words([Utterance(BOUGHT)])].count("O") >= 5


def test_no_two_words_of_a_language_have_one_stem_and_new_words_are_its_own() -> None:
    grammars = draw_grammars(5)
    english = set(grammars["en"].stems.values())
    invented: list[str] = []
    for code, grammar in grammars.items():
        assert len(set(grammar.stems.values())) == len(grammar.stems)
        if code != "en":
            invented += [stem for stem in grammar.stems.values() if stem not in english]
    assert len(set(invented)) == len(invented)


@pytest.mark.parametrize("language", TARGETS, ids=lambda language: language.code)
def test_lexical_distance_is_the_share_of_words_unlike_english(language) -> None:  # type: ignore[no-untyped-def]
    content = [lexeme for lexeme in UPOS if lexeme not in FUNCTION_WORDS]
    worlds = [draw_grammars(seed)[language.code].stems for seed in range(5)]
    same = sum(stems[lexeme] == lexeme for stems in worlds for lexeme in content) / (5 * len(content))
    assert same == pytest.approx(0.5 * (1 - language.lexical_distance), abs=0.06)


def test_languages_are_listed_by_growing_distance_and_known_to_the_language_table() -> None:
    distances = [language.distance for language in LANGUAGES.values()]
    assert distances == sorted(set(distances))
    scripts = {"Latin": "Latn", "Georgian": "Geor"}
    for language in TARGETS:
        assert TABLE[language.code].script == scripts[language.script]


def test_worlds_differ_in_their_words() -> None:
    one, two = draw_grammars(1)["qab"].stems, draw_grammars(2)["qab"].stems
    assert sum(one[lexeme] != two[lexeme] for lexeme in one) > len(one) / 2
