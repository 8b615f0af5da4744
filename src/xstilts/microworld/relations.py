"""Relations between clauses: what follows from a clause, contradicts it, or says the same in other words.

Each function takes (clause, sampler, topic, dice) and returns a clause, or None where it does not apply. Documents
restate their events with these relations and the sentence-pair tasks are made of them, so pretraining can teach these
tasks. By convention another place, time or quality in the same event contradicts it.
"""

from collections.abc import Callable
from typing import Any, TypeGuard, TypeVar

from xstilts.microworld import concepts
from xstilts.microworld.concepts import CLASS_OF, NP, PRONOUN, SWAPS, Clause, concept, kind_of
from xstilts.microworld.sampler import Dice, Sampler

Relation = Callable[[Clause, Sampler, str, Dice], Clause | None]
T = TypeVar("T", NP, Clause)


def _common(np: NP | None) -> TypeGuard[NP]:
    return np is not None and concept(np.noun) in CLASS_OF


def drop(clause: Clause, sampler: Sampler, topic: str, dice: Dice) -> Clause | None:
    """Leave out an oblique, a time or an adjective: follows."""
    ways = []
    if clause.oblique is not None and clause.verb != "go":
        ways.append(clause._replace(oblique=None, adposition="", front=""))
    if clause.time:
        ways.append(clause._replace(time="", front=""))
    if clause.object is not None and clause.object.adjective:
        ways.append(clause._replace(object=clause.object._replace(adjective="")))
    return dice.pick(ways) if ways else None


def generalise(clause: Clause, sampler: Sampler, topic: str, dice: Dice) -> Clause | None:
    """A hypernym in place of a noun: follows."""
    ways = []
    np = clause.object
    if _common(np) and kind_of(np.noun) in concepts.HYPERNYMS:
        ways.append(clause._replace(object=np._replace(noun=kind_of(np.noun), definite=False)))
    if _common(clause.subject) and clause.subject.number == 1:
        ways.append(clause._replace(subject=NP(kind_of(clause.subject.noun))))
    return dice.pick(ways) if ways else None


def _reworded(parts: T, fields: tuple[str, ...]) -> list[T]:
    swaps: dict[str, Any] = {field: SWAPS[word] for field in fields if (word := getattr(parts, field)) in SWAPS}
    return [parts._replace(**{field: word}) for field, word in swaps.items()]


def synonym(clause: Clause, sampler: Sampler, topic: str, dice: Dice) -> Clause | None:
    """A synonym in place of a word: the same."""
    ways = _reworded(clause, ("verb", "state"))
    for role in ("subject", "object", "oblique"):
        np = getattr(clause, role)
        ways += [clause._replace(**{role: other}) for other in (_reworded(np, ("noun", "adjective")) if np else [])]
    return dice.pick(ways) if ways else None


def front(clause: Clause, sampler: Sampler, topic: str, dice: Dice) -> Clause | None:
    """Move the oblique or the time to the front, or back: the same."""
    if clause.front:
        return clause._replace(front="")
    ways = [role for role in ("oblique", "time") if getattr(clause, role)]
    return clause._replace(front=dice.pick(ways)) if ways else None


def negate(clause: Clause, sampler: Sampler, topic: str, dice: Dice) -> Clause:
    """The opposite: contradicts."""
    return clause._replace(negated=not clause.negated)


def oppose(clause: Clause, sampler: Sampler, topic: str, dice: Dice) -> Clause | None:
    """An antonym in place of an adjective: contradicts."""
    if clause.state:
        return clause._replace(state=concepts.ANTONYM[concept(clause.state)])
    np = clause.object
    if np is None or not np.adjective:
        return None
    return clause._replace(object=np._replace(adjective=concepts.ANTONYM[concept(np.adjective)]))


def move(clause: Clause, sampler: Sampler, topic: str, dice: Dice) -> Clause | None:
    """Another place: contradicts."""
    if clause.oblique is None or kind_of(clause.oblique.noun) not in ("place", "LOC"):
        return None
    place = sampler.place(concept(clause.verb), topic, dice)
    while concept(place.noun) == concept(clause.oblique.noun) or kind_of(place.noun) != kind_of(clause.oblique.noun):
        place = sampler.place(concept(clause.verb), dice.pick(tuple(sampler.verbs)), dice)
    return clause._replace(oblique=place)


def reschedule(clause: Clause, sampler: Sampler, topic: str, dice: Dice) -> Clause | None:
    """Another time: contradicts."""
    return clause._replace(time=dice.pick([t for t in concepts.TIMES if t != clause.time])) if clause.time else None


def replace_actor(clause: Clause, sampler: Sampler, topic: str, dice: Dice) -> Clause | None:
    """Another subject: neither follows nor contradicts."""
    taken = {word for np in (clause.subject, clause.object, clause.oblique) if np for word in concept(np.noun).split()}
    while True:
        other = sampler.person(topic, dice)
        if not taken.intersection(concept(other.noun).split()):
            return clause._replace(subject=other)


def replace_object(clause: Clause, sampler: Sampler, topic: str, dice: Dice) -> Clause | None:
    """Another object that the verb can have: neither."""
    verb, np = concept(clause.verb), clause.object
    if not _common(np) or verb not in sampler.objects or kind_of(np.noun) == "person":
        return None
    nouns = [n for n in sampler.objects[verb].items if n != concept(np.noun) and kind_of(n) not in ("", "person")]
    return clause._replace(object=np._replace(noun=dice.pick(nouns), adjective="")) if nouns else None


def add(clause: Clause, sampler: Sampler, topic: str, dice: Dice) -> Clause | None:
    """A place, a time or an adjective that was not mentioned: neither."""
    verb, np = concept(clause.verb), clause.object
    ways = []
    if clause.oblique is None and verb in concepts.VERBS:
        oblique = sampler.oblique(verb, topic, dice)
        while oblique.noun in (clause.subject.noun, np and np.noun):
            oblique = sampler.oblique(verb, topic, dice)
        ways.append(clause._replace(oblique=oblique, adposition=concepts.VERBS[verb].adposition))
    if not clause.time:
        ways.append(clause._replace(time=dice.draw(sampler.times[topic])))
    if _common(np) and not np.adjective and (table := sampler.adjectives[concept(np.noun)]):
        ways.append(clause._replace(object=np._replace(adjective=dice.draw(table))))
    return dice.pick(ways) if ways else None


def refer(clause: Clause) -> Clause:
    """The same event mentioned again: a pronoun for a named subject, definite common nouns."""
    subject = clause.subject
    if subject.noun in PRONOUN:
        clause = clause._replace(subject=NP(PRONOUN[subject.noun]))
    elif _common(subject):
        clause = clause._replace(subject=subject._replace(definite=True))
    if _common(clause.object):
        clause = clause._replace(object=clause.object._replace(definite=True))
    return clause
