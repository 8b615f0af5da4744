"""Labels are right by construction: what relations between clauses keep and change."""

from __future__ import annotations

from collections import Counter

import pytest

from xstilts.microworld import relations
from xstilts.microworld.concepts import ANTONYM, CLASS_OF, NP, SYNONYM, TIMES, TOPICS, Clause
from xstilts.microworld.items import ENDINGS, NLI_LABELS, choice_item, nli_item, paraphrase_item, reading_item
from xstilts.microworld.sampler import Dice, Sampler

FULL = Clause("buy", NP("doctor"), NP("coat", adjective="big"), "in", NP("market", definite=True), "today")


@pytest.fixture(scope="module")
def sampler() -> Sampler:
    return Sampler(0)


@pytest.fixture
def dice() -> Dice:
    return Dice(7, "test")


def many(relation: relations.Relation, clause: Clause, sampler: Sampler, dice: Dice) -> list[Clause]:
    found = [relation(clause, sampler, "market", dice) for _ in range(60)]
    assert all(other is not None for other in found)
    return [other for other in found if other is not None]


def test_dropping_leaves_out_one_thing(sampler: Sampler, dice: Dice) -> None:
    dropped = set(many(relations.drop, FULL, sampler, dice))
    assert dropped == {
        FULL._replace(oblique=None, adposition=""),
        FULL._replace(time=""),
        FULL._replace(object=NP("coat")),
    }


def test_a_generalisation_names_the_class(sampler: Sampler, dice: Dice) -> None:
    nouns = {(c.subject.noun, c.object and c.object.noun) for c in many(relations.generalise, FULL, sampler, dice)}
    assert nouns == {("person", "coat"), ("doctor", "garment")}


def test_synonyms_keep_every_concept(sampler: Sampler, dice: Dice) -> None:
    for other in many(relations.synonym, FULL, sampler, dice):
        assert other != FULL
        assert relations.concept(other.verb) == FULL.verb
        assert relations.concept(other.subject.noun) == "doctor"
        assert other.object is not None
        assert relations.concept(other.object.noun) == "coat"
        assert relations.concept(other.object.adjective) == "big"


def test_contradictions_change_one_thing(sampler: Sampler, dice: Dice) -> None:
    assert {c.object.adjective for c in many(relations.oppose, FULL, sampler, dice) if c.object} == {"small"}
    assert all(c.oblique and c.oblique.noun != "market" for c in many(relations.move, FULL, sampler, dice))
    assert {c.time for c in many(relations.reschedule, FULL, sampler, dice)} == set(TIMES) - {"today"}


def test_relations_that_do_not_apply_give_nothing(sampler: Sampler, dice: Dice) -> None:
    bare = Clause("sleep", NP("Omar"))
    for relation in (
        relations.drop,
        relations.generalise,
        relations.synonym,
        relations.oppose,
        relations.move,
        relations.reschedule,
        relations.replace_object,
        relations.front,
    ):
        assert relation(bare, sampler, "food", dice) is None


def test_synonyms_and_antonyms_are_consistent() -> None:
    assert not set(SYNONYM) & set(SYNONYM.values())
    assert all(ANTONYM[ANTONYM[word]] == word for word in ANTONYM)


def test_nobody_does_anything_to_himself(sampler: Sampler, dice: Dice) -> None:
    for _ in range(2000):
        event = sampler.event(dice.pick(TOPICS), dice)
        assert event.subject.noun not in (event.object and event.object.noun, event.oblique and event.oblique.noun)


def test_excluded_concepts_are_never_drawn(dice: Dice) -> None:
    excluded = {"Omar", "buy", "cow", "market", "big", "small", "doctor"}
    narrow = Sampler(0, excluded)
    for _ in range(2000):
        event = narrow.event(dice.pick(TOPICS), dice)
        nouns = [np for np in (event.subject, event.object, event.oblique) if np]
        words = {event.verb, *(np.noun for np in nouns), *(np.adjective for np in nouns)}
        assert not {relations.concept(word) for word in words} & excluded


def test_every_nli_class_can_be_made_and_no_class_repeats_its_premise(sampler: Sampler, dice: Dice) -> None:
    pairs = [nli_item(number, sampler, dice) for number in range(900)]
    assert all(pair.said[0] != pair.said[1] and pair.label == NLI_LABELS[n % 3] for n, pair in enumerate(pairs))
    denied = Counter(pair.label for pair in pairs if pair.said[1].first.negated)
    assert min(denied.values()) > 20, "negation alone must not give the class away"


def test_paraphrases_of_both_classes_are_reworded(sampler: Sampler, dice: Dice) -> None:
    for _ in range(300):
        first, second = (sentence.first for sentence in paraphrase_item(1, sampler, dice).said)
        assert relations.concept(first.verb) == relations.concept(second.verb)
        assert first.negated == second.negated
        assert paraphrase_item(0, sampler, dice).label == "0"


def test_wrong_endings_differ_from_the_right_one_in_what_happens(sampler: Sampler, dice: Dice) -> None:
    for number in range(300):
        item = choice_item(number, sampler, dice)
        outcomes = {relations.concept(e.first.verb) + relations.concept(e.first.state) for e in item.said[-ENDINGS:]}
        assert len(outcomes) == 4


def test_readings_ask_one_thing_of_one_sentence(sampler: Sampler, dice: Dice) -> None:
    roles = Counter()  # type: ignore[var-annotated]
    for _ in range(400):
        item = reading_item(0, sampler, dice)
        asked, told = item.said[-1].first, item.said[item.label].first
        assert asked.verb == told.verb
        assert getattr(asked, item.about) != getattr(told, item.about)
        roles[item.about] += 1
    assert set(roles) == {"subject", "object", "oblique", "time"}


def test_every_noun_has_a_class() -> None:
    assert set(CLASS_OF.values()) == {"person", "food", "animal", "vehicle", "garment", "tool", "item", "place"}
