"""Items about two sentences: inference (XNLI) and paraphrase (PAWS-X)."""

from __future__ import annotations

from typing import NamedTuple

from xstilts.microworld.dice import Dice
from xstilts.microworld.meaning import Clause, Sentence, plain
from xstilts.microworld.relations import (
    Relation,
    add,
    drop,
    front,
    generalise,
    kind_of,
    move,
    negate,
    oppose,
    replace_actor,
    replace_object,
    reschedule,
    synonym,
)
from xstilts.microworld.sampler import Sampler

NLI_LABELS = ("entailment", "neutral", "contradiction")


class Pair(NamedTuple):
    first: Sentence
    second: Sentence
    label: str


def _deny_opposite(clause: Clause, sampler: Sampler, topic: str, dice: Dice) -> Clause | None:
    """X was hungry: X was not full."""
    other = oppose(clause, sampler, topic, dice) if clause.state else None
    return other and other._replace(negated=not clause.negated)


def _deny_other(clause: Clause, sampler: Sampler, topic: str, dice: Dice) -> Clause | None:
    """X bought a cake: Y did not buy a cake."""
    other = dice.pick((replace_actor, replace_object))(clause, sampler, topic, dice)
    return other and other._replace(negated=True)


NLI_RELATIONS: dict[str, tuple[Relation, ...]] = {
    "entailment": (drop, drop, generalise, synonym, _deny_opposite),
    "neutral": (replace_actor, replace_object, add, add, _deny_other),
    "contradiction": (negate, oppose, move, reschedule),
}
"""Ways to make a hypothesis of each class; a way named twice is drawn twice as often."""


def nli_item(label: str, sampler: Sampler, dice: Dice) -> Pair:
    """A premise and a hypothesis of the given class; a third of all hypotheses are shortened or reworded besides."""
    relation = dice.pick(NLI_RELATIONS[label])
    while True:
        topic = dice.pick(tuple(sampler.verbs))
        state = relation is _deny_opposite or dice.chance(0.12)
        premise = sampler.state(topic, dice) if state else sampler.event(topic, dice)
        hypothesis = relation(premise, sampler, topic, dice)
        if hypothesis is None:
            continue
        if label != "neutral" and relation not in (move, reschedule, oppose) and dice.chance(0.33):
            hypothesis = dice.pick((drop, synonym))(hypothesis, sampler, topic, dice) or hypothesis
        if hypothesis != premise:
            return Pair(plain(premise), plain(hypothesis), label)


def _exchange(clause: Clause, sampler: Sampler, topic: str, dice: Dice) -> Clause | None:
    """X thanked Y: Y thanked X. PAWS is made of such exchanges."""
    other = clause.object
    if other is None or kind_of(other.noun) not in ("person", "PER") or other == clause.subject:
        return None
    return clause._replace(subject=other, object=clause.subject)


SAME: tuple[Relation, ...] = (synonym, synonym, front)
DIFFERENT: tuple[Relation, ...] = (replace_actor, replace_object, move, reschedule, oppose, negate, _exchange)


def paraphrase_item(label: str, sampler: Sampler, dice: Dice) -> Pair:
    """Two sentences: reworded or reordered (`1`), or one thing changed besides (`0`)."""
    change = dice.pick(DIFFERENT)
    while True:
        topic = dice.pick(tuple(sampler.verbs))
        first = sampler.event(topic, dice)
        changed = first if label == "1" else change(first, sampler, topic, dice)
        second = changed and dice.pick(SAME)(changed, sampler, topic, dice)
        if second is None:
            continue
        if dice.chance(0.5):
            second = dice.pick(SAME)(second, sampler, topic, dice) or second
        if second != first:
            return Pair(plain(first), plain(second), label)
