"""Documents for pretraining: one to six sentences on one topic.

A document is made of pieces, such as an event and its restatement. Restating is deliberate: a masked word can be found
in the sentence before, in other words, and sentence-pair tasks need that.
"""

from xstilts.microworld import relations as rel
from xstilts.microworld.concepts import ANTONYM, CLASS_OF, HYPERNYMS, NP, PRONOUN, TOPICS, Clause, Utterance, kind_of
from xstilts.microworld.sampler import Dice, Sampler, WeightedTable

Said = list[Clause | Utterance]
"""What a piece says; a clause is a sentence of its own."""


def script_piece(sampler: Sampler, topic: str, hero: NP, dice: Dice) -> Said:
    """A cause and its effect, in one sentence or in two."""
    cause, effect = sampler.script(dice.pick(sampler.scripts[topic]), topic, dice)
    if effect.subject == cause.subject and cause.subject.noun in PRONOUN and dice.chance(0.6):
        effect = effect._replace(subject=NP(PRONOUN[cause.subject.noun]))
    kind = dice.random()
    if kind < 0.45:
        return [cause, effect]
    return [Utterance(cause, "so", effect) if kind < 0.8 else Utterance(effect, "because", cause)]


def restated_piece(sampler: Sampler, topic: str, hero: NP, dice: Dice) -> Said:
    """An event, then the same with less detail, more generally, or in other words."""
    again = event = sampler.event(topic, dice, hero)
    for _ in range(dice.between(1, 2)):
        again = dice.pick((rel.drop, rel.generalise, rel.synonym, rel.front))(again, sampler, topic, dice) or again
    return [event, rel.refer(again) if dice.chance(0.5) else again]


def contrast_piece(sampler: Sampler, topic: str, hero: NP, dice: Dice) -> Said:
    """An event, and a negated one with another object, place or quality."""
    event = sampler.event(topic, dice, hero) if dice.chance(0.7) else sampler.state(topic, dice, hero)
    for change in dice.shuffled((rel.replace_object, rel.move, rel.oppose)):
        if other := change(event, sampler, topic, dice):
            other = other._replace(negated=True)
            return [event, rel.refer(other) if dice.chance(0.5) else other]
    return [event]


def role_piece(sampler: Sampler, topic: str, hero: NP, dice: Dice) -> Said:
    """The role of a person, then an event with that role as its subject."""
    role = NP(sampler.word(dice.draw(sampler.roles[topic]), dice))
    if hero.noun not in PRONOUN:
        return [sampler.event(topic, dice, hero)]
    return [Clause("is", hero, role), sampler.event(topic, dice, role._replace(definite=True))]


def definition_piece(sampler: Sampler, topic: str, hero: NP, dice: Dice) -> Said:
    """An event and the hypernym of its object."""
    event = sampler.event(topic, dice, hero)
    noun = event.object.noun if event.object else ""
    return [event, Clause("is", NP(noun), NP(kind_of(noun)))] if kind_of(noun) in HYPERNYMS else [event]


def quality_piece(sampler: Sampler, topic: str, hero: NP, dice: Dice) -> Said:
    """A thing with a quality, and not its opposite."""
    noun = dice.pick(tuple(CLASS_OF))
    table = sampler.adjectives[noun]
    if table is None:
        return [sampler.state(topic, dice, hero)]
    quality = dice.draw(table)
    clause = Clause("was", NP(sampler.word(noun, dice), definite=True), state=sampler.word(quality, dice))
    opposite = clause._replace(state=ANTONYM[quality])
    if dice.chance(0.5):
        return [clause, opposite._replace(negated=True)]
    return [clause._replace(negated=True), opposite]


def question(clause: Clause, dice: Dice) -> Utterance:
    """A question about one role of a clause, in situ."""
    ways = [clause._replace(subject=NP("who"))]
    if clause.object is not None:
        word = "who" if kind_of(clause.object.noun) in ("person", "PER") else "what"
        ways.append(clause._replace(object=NP(word)))
    if clause.oblique is not None and kind_of(clause.oblique.noun) in ("place", "LOC"):
        ways.append(clause._replace(oblique=NP("where"), adposition="", front=""))
    if clause.time:
        ways.append(clause._replace(time="when", front=""))
    return Utterance(dice.pick(ways), question=True)


def question_piece(sampler: Sampler, topic: str, hero: NP, dice: Dice) -> Said:
    """An event and a question about it, the question first or last; sometimes another event between."""
    event = sampler.event(topic, dice, hero)
    asked = question(event, dice)
    if dice.chance(0.5):
        return [asked, event]
    return [event, sampler.event(topic, dice), asked] if dice.chance(0.5) else [event, asked]


def event_piece(sampler: Sampler, topic: str, hero: NP, dice: Dice) -> Said:
    """An event or a state, affirmed or denied."""
    clause = sampler.event(topic, dice, hero) if dice.chance(0.8) else sampler.state(topic, dice, hero)
    return [clause if dice.chance(0.9) else rel.negate(clause, sampler, topic, dice)]


_PIECES = {
    **{script_piece: 0.28, restated_piece: 0.26, contrast_piece: 0.12, role_piece: 0.08},
    **{definition_piece: 0.06, quality_piece: 0.06, question_piece: 0.14, event_piece: 0.14},
}
_TABLE = WeightedTable(tuple(_PIECES), tuple(_PIECES.values()))


def document(sampler: Sampler, dice: Dice, topic: str = "") -> list[Utterance]:
    """One to three pieces about one topic and, mostly, one person."""
    topic = topic or dice.pick(TOPICS)
    hero = sampler.person(topic, dice)
    said = [one for _ in range(dice.between(1, 3)) for one in dice.draw(_TABLE)(sampler, topic, hero, dice)]
    return [Utterance(one) if isinstance(one, Clause) else one for one in said]
