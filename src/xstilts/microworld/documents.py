"""Documents: one to six sentences on one topic, for pretraining.

A document is made of pieces: a script (cause and effect), an event and its restatement, an event and a negated
contrast, a role, a definition, two opposite qualities, or a question and its answer. Restating is deliberate:
a masked word can be found in the sentence before, in other words, which is what sentence-pair tasks need.
"""

from __future__ import annotations

from collections.abc import Callable

from xstilts.microworld.concepts import ANTONYM, CLASS_OF, HYPERNYMS, PRONOUN, TOPICS
from xstilts.microworld.dice import Dice, Table
from xstilts.microworld.meaning import NP, WHERE, Clause, Sentence, ask, plain
from xstilts.microworld.relations import (
    concept,
    drop,
    front,
    generalise,
    kind_of,
    move,
    negate,
    oppose,
    refer,
    replace_object,
    synonym,
)
from xstilts.microworld.sampler import Sampler

Piece = Callable[[Sampler, str, NP, Dice], list[Sentence]]


def script_piece(sampler: Sampler, topic: str, hero: NP, dice: Dice) -> list[Sentence]:
    """A cause and its effect, in one sentence or in two."""
    cause, effect = sampler.script(dice.pick(sampler.scripts[topic]), topic, dice)
    if effect.subject == cause.subject and cause.subject.noun in PRONOUN and dice.chance(0.6):
        effect = effect._replace(subject=NP(PRONOUN[cause.subject.noun]))
    kind = dice.random()
    if kind < 0.45:
        return [plain(cause), plain(effect)]
    if kind < 0.8:
        return [Sentence(cause, "so", effect)]
    return [Sentence(effect, "because", cause)]


def restated_piece(sampler: Sampler, topic: str, hero: NP, dice: Dice) -> list[Sentence]:
    """An event, then the same with less detail, more generally, or in other words."""
    event = sampler.event(topic, dice, hero)
    again: Clause | None = event
    for _ in range(dice.between(1, 2)):
        again = dice.pick((drop, generalise, synonym, front))(again or event, sampler, topic, dice) or again
    again = again or event
    return [plain(event), plain(refer(again) if dice.chance(0.5) else again)]


def contrast_piece(sampler: Sampler, topic: str, hero: NP, dice: Dice) -> list[Sentence]:
    """An event, and a negated one with another object, place or quality."""
    event = sampler.event(topic, dice, hero) if dice.chance(0.7) else sampler.state(topic, dice, hero)
    for change in dice.shuffled((replace_object, move, oppose)):
        other = change(event, sampler, topic, dice)
        if other is not None:
            other = other._replace(negated=True)
            return [plain(event), plain(refer(other) if dice.chance(0.5) else other)]
    return [plain(event)]


def role_piece(sampler: Sampler, topic: str, hero: NP, dice: Dice) -> list[Sentence]:
    """What somebody is, then what the so-named did."""
    role = NP(sampler.word(dice.draw(sampler.roles[topic]), dice))
    if hero.noun not in PRONOUN:
        return [plain(sampler.event(topic, dice, hero))]
    event = sampler.event(topic, dice, role._replace(definite=True))
    return [plain(Clause("is", hero, role)), plain(event)]


def definition_piece(sampler: Sampler, topic: str, hero: NP, dice: Dice) -> list[Sentence]:
    """A hypernym of something, and an event with it."""
    event = sampler.event(topic, dice, hero)
    if event.object is None or kind_of(event.object.noun) not in HYPERNYMS:
        return [plain(event)]
    noun = event.object.noun
    return [plain(event), plain(Clause("is", NP(noun), NP(kind_of(noun))))]


def quality_piece(sampler: Sampler, topic: str, hero: NP, dice: Dice) -> list[Sentence]:
    """A thing with a quality, and not its opposite."""
    noun = dice.pick(tuple(CLASS_OF))
    table = sampler.adjectives[noun]
    if table is None:
        return [plain(sampler.state(topic, dice, hero))]
    quality = dice.draw(table)
    clause = Clause("was", NP(sampler.word(noun, dice), definite=True), state=sampler.word(quality, dice))
    if dice.chance(0.5):
        return [plain(clause), plain(clause._replace(state=ANTONYM[quality], negated=True))]
    return [plain(clause._replace(negated=True)), plain(clause._replace(state=ANTONYM[concept(quality)]))]


def question(clause: Clause, dice: Dice) -> Sentence:
    """A question for one role of a clause, in situ."""
    ways = [clause._replace(subject=NP("who"))]
    if clause.object is not None:
        word = "who" if kind_of(clause.object.noun) in ("person", "PER") else "what"
        ways.append(clause._replace(object=NP(word)))
    if clause.oblique is not None and kind_of(clause.oblique.noun) in ("place", "LOC"):
        ways.append(clause._replace(oblique=WHERE, adposition="", front=""))
    if clause.time:
        ways.append(clause._replace(time="when", front=""))
    return ask(dice.pick(ways))


def question_piece(sampler: Sampler, topic: str, hero: NP, dice: Dice) -> list[Sentence]:
    """An event and a question about it, the question first or last; sometimes another event between."""
    event = sampler.event(topic, dice, hero)
    asked = question(event, dice)
    if dice.chance(0.5):
        return [asked, plain(event)]
    return [plain(event), plain(sampler.event(topic, dice)), asked] if dice.chance(0.5) else [plain(event), asked]


def event_piece(sampler: Sampler, topic: str, hero: NP, dice: Dice) -> list[Sentence]:
    """An event, or a state, affirmed or denied."""
    clause = sampler.event(topic, dice, hero) if dice.chance(0.8) else sampler.state(topic, dice, hero)
    return [plain(clause if dice.chance(0.9) else negate(clause, sampler, topic, dice) or clause)]


_PIECES: dict[str, tuple[Piece, float]] = {
    "script": (script_piece, 0.28),
    "restated": (restated_piece, 0.26),
    "contrast": (contrast_piece, 0.12),
    "role": (role_piece, 0.08),
    "definition": (definition_piece, 0.06),
    "quality": (quality_piece, 0.06),
    "question": (question_piece, 0.14),
    "event": (event_piece, 0.14),
}
_TABLE = Table(list(_PIECES), [weight for _, weight in _PIECES.values()])


def document(sampler: Sampler, dice: Dice, topic: str = "") -> list[Sentence]:
    """A document of one to three pieces about one topic and, mostly, one person."""
    topic = topic or dice.pick(TOPICS)
    hero = sampler.person(topic, dice)
    sentences: list[Sentence] = []
    for _ in range(dice.between(1, 3)):
        piece, _ = _PIECES[dice.draw(_TABLE)]
        sentences += piece(sampler, topic, hero, dice)
    return sentences
