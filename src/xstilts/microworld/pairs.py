"""Items about two sentences: inference (XNLI) and paraphrase (PAWS-X)."""

from __future__ import annotations

from typing import NamedTuple

from xstilts.microworld import relations as rel
from xstilts.microworld.dice import Dice
from xstilts.microworld.meaning import Clause, Utterance
from xstilts.microworld.relations import Relation
from xstilts.microworld.sampler import Sampler

NLI_LABELS = ("entailment", "neutral", "contradiction")


class PairItem(NamedTuple):
    """Two sentences and their label."""

    first: Utterance
    second: Utterance
    label: str

    @property
    def said(self) -> tuple[Utterance, ...]:
        """Both sentences."""
        return self.first, self.second


def _deny_opposite(clause: Clause, sampler: Sampler, topic: str, dice: Dice) -> Clause | None:
    """X was hungry: X was not full."""
    other = rel.oppose(clause, sampler, topic, dice) if clause.state else None
    return other and other._replace(negated=not clause.negated)


def _deny_other(clause: Clause, sampler: Sampler, topic: str, dice: Dice) -> Clause | None:
    """X bought a cake: Y did not buy a cake."""
    other = dice.pick((rel.replace_actor, rel.replace_object))(clause, sampler, topic, dice)
    return other and other._replace(negated=True)


NLI_RELATIONS: dict[str, tuple[Relation, ...]] = {
    "entailment": (rel.synonym, rel.synonym, rel.generalise, rel.generalise, rel.drop, _deny_opposite),
    "neutral": (rel.replace_actor, rel.replace_object, rel.replace_object, rel.replace_object, rel.add, _deny_other),
    "contradiction": (rel.oppose, rel.oppose, rel.move, rel.move, rel.reschedule, rel.negate),
}
"""Ways to make a hypothesis of each class; a way named twice is drawn twice as often.

In all classes most hypotheses differ from their premise by one word, and some are denied or shortened, so that neither
length nor overlap nor a negation gives the class away: those carry over to any language without knowing a word of it.
"""


def nli_item(number: int, sampler: Sampler, dice: Dice) -> PairItem:
    """A premise and a hypothesis, the classes in turn; a third of all hypotheses are shortened besides."""
    label = NLI_LABELS[number % 3]
    relation = dice.pick(NLI_RELATIONS[label])
    while True:
        topic = dice.pick(tuple(sampler.verbs))
        state = relation is _deny_opposite or (relation is rel.oppose and dice.chance(0.5)) or dice.chance(0.1)
        premise = sampler.state(topic, dice) if state else sampler.event(topic, dice)
        hypothesis = relation(premise, sampler, topic, dice)
        if hypothesis is None:
            continue
        if dice.chance(0.33):
            hypothesis = _shorten(premise, hypothesis, sampler, topic, dice)
        if hypothesis != premise:
            return PairItem(Utterance(premise), Utterance(hypothesis), label)


def _shorten(premise: Clause, hypothesis: Clause, sampler: Sampler, topic: str, dice: Dice) -> Clause:
    """Drop something that both have alike, so that the class stays."""
    for _ in range(4):
        shorter = rel.drop(hypothesis, sampler, topic, dice)
        if shorter is None:
            break
        changed = [
            field for field in ("oblique", "time", "object") if getattr(shorter, field) != getattr(hypothesis, field)
        ]
        if all(getattr(hypothesis, field) == getattr(premise, field) for field in changed):
            return shorter
    return hypothesis


def _exchange(clause: Clause, sampler: Sampler, topic: str, dice: Dice) -> Clause | None:
    """X thanked Y: Y thanked X. PAWS is made of such exchanges."""
    other = clause.object
    if other is None or rel.kind_of(other.noun) not in ("person", "PER") or other == clause.subject:
        return None
    return clause._replace(subject=other, object=clause.subject)


SAME: tuple[Relation, ...] = (rel.synonym, rel.front)
DIFFERENT: tuple[Relation, ...] = (
    rel.replace_actor,
    rel.replace_object,
    rel.move,
    rel.reschedule,
    rel.oppose,
    rel.negate,
    _exchange,
)


def paraphrase_item(number: int, sampler: Sampler, dice: Dice) -> PairItem:
    """Two sentences: reworded or reordered (`1`), or with one thing changed (`0`), half of them besides; in turn."""
    label = "01"[number % 2]
    change = dice.pick(DIFFERENT)
    while True:
        topic = dice.pick(tuple(sampler.verbs))
        first = sampler.event(topic, dice)
        second = dice.pick(SAME)(first, sampler, topic, dice) if label == "1" else change(first, sampler, topic, dice)
        if second is None:
            continue
        if dice.chance(0.25 if label == "1" else 0.5):
            second = dice.pick(SAME)(second, sampler, topic, dice) or second
        if second != first:
            return PairItem(Utterance(first), Utterance(second), label)
