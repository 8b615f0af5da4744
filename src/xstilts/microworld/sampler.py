"""Events of one world: who does what and where, drawn with fixed preferences.

Frequencies of words are Zipf-like in an order drawn per world, and a fifth of all pairs (verb and object, verb and
place, noun and adjective, topic and name ...) are five times as likely. These preferences are the same in all
languages, so masked-language modelling can align languages by them.

Draws are the same in every version of Python and NumPy. They use only the raw stream of PCG64, which NumPy guarantees
(NEP 19); its distributions may change. Numbers are drawn in blocks, which is ten times faster than one at a time.
"""

from bisect import bisect
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

import numpy as np

from xstilts.core.seeds import derive_seed
from xstilts.microworld import concepts
from xstilts.microworld.concepts import CLASS_OF, NAMES, NOUNS, NP, SYNONYM, TOPICS, VERBS, Clause, Script, ScriptStep

T = TypeVar("T")
_BLOCK = 1024


class WeightedTable(Generic[T]):
    """Items with weights."""

    __slots__ = ("cumulative", "items")

    def __init__(self, items: Sequence[T], weights: Sequence[float]) -> None:
        assert items, "a table needs at least one item"
        self.items = tuple(items)
        self.cumulative = tuple(accumulate(weights))


def _stream(seed: int) -> Iterator[float]:
    """Uniform numbers in [0, 1): the upper 53 bits of each raw word."""
    source = np.random.PCG64(seed)
    while True:
        yield from ((source.random_raw(_BLOCK) >> np.uint64(11)) * 2.0**-53).tolist()


class Dice:
    """The draws of one purpose; equal (seed, purpose) give equal draws."""

    __slots__ = ("random",)

    def __init__(self, seed: int, *purpose: str | int) -> None:
        self.random = _stream(derive_seed(seed, "microworld", *purpose)).__next__

    def chance(self, probability: float) -> bool:
        return self.random() < probability

    def between(self, low: int, high: int) -> int:
        """An integer from `low` to `high`, both included."""
        return low + int(self.random() * (high - low + 1))

    def pick(self, items: Sequence[T]) -> T:
        return items[int(self.random() * len(items))]

    def draw(self, table: WeightedTable[T]) -> T:
        cumulative = table.cumulative
        return table.items[min(bisect(cumulative, self.random() * cumulative[-1]), len(cumulative) - 1)]

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """`count` different positions of `items` in random order; all of them when there are fewer."""
        pool = list(items)
        count = min(count, len(pool))
        for i in range(count):
            j = i + int(self.random() * (len(pool) - i))
            pool[i], pool[j] = pool[j], pool[i]
        return pool[:count]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        return self.sample(items, len(items))


class Sampler:
    """Draws clauses of world `seed` without the concepts in `excluded`, each with the dice of the caller."""

    def __init__(self, seed: int, excluded: Iterable[str] = ()) -> None:
        self.seed = seed
        self.excluded = frozenset(excluded)
        kept = {name: self._kept(nouns) for name, nouns in NOUNS.items()}
        self.names = {(kind, t): self._table(self._kept(NAMES[kind]), t) for kind in NAMES for t in TOPICS}
        self.roles = {t: self._table(kept["person"], t, concepts.ROLES[t]) for t in TOPICS}
        doable = [v for v in self._kept(VERBS) if not VERBS[v].objects or self._candidates(VERBS[v].objects)]
        self.objects = {v: self._table(self._candidates(VERBS[v].objects), v) for v in doable if VERBS[v].objects}
        self.verbs = {t: self._verbs(doable, t) for t in TOPICS}
        self.places = {(v, t): self._table(kept["place"], v, concepts.PLACES[t]) for v in VERBS for t in TOPICS}
        self.adjectives = {noun: self._adjectives(noun) for noun in CLASS_OF}
        self.states = {t: self._table(self._kept([a for pair in concepts.STATES for a in pair]), t) for t in TOPICS}
        self.times = {t: self._table(concepts.TIMES, t) for t in TOPICS}
        self.scripts = {t: [s for s in concepts.SCRIPTS if s.topic in (t, "any") and self._usable(s)] for t in TOPICS}

    def _kept(self, words: Iterable[str]) -> list[str]:
        return [word for word in words if word not in self.excluded]

    def _table(self, items: Iterable[str], context: str, favoured: tuple[str, ...] = ()) -> WeightedTable[str]:
        """Weights: Zipf-like by the world's order, times attraction to `context`, times 8 for the favoured."""

        def hashed(*parts: str) -> int:
            return derive_seed(self.seed, "microworld", *parts)

        items = list(items)
        ranks = {item: rank for rank, item in enumerate(sorted(items, key=lambda item: hashed("rank", item)))}
        attraction = {item: 5.0 if hashed("pair", context, item) % 5 == 0 else 1.0 for item in items}
        weights = [(ranks[one] + 2) ** -0.6 * attraction[one] * (8.0 if one in favoured else 1.0) for one in items]
        return WeightedTable(items, weights)

    def _verbs(self, doable: list[str], topic: str) -> WeightedTable[str]:
        """The topic's verbs, and those of no topic at a quarter of their weight."""
        table = self._table([verb for verb in doable if VERBS[verb].topic in (topic, "any")], topic)
        weights = [b - a for a, b in zip((0.0, *table.cumulative), table.cumulative)]
        rates = [1.0 if VERBS[verb].topic == topic else 0.25 for verb in table.items]
        return WeightedTable(table.items, [weight * rate for weight, rate in zip(weights, rates)])

    def _candidates(self, names: str) -> list[str]:
        """The nouns of noun classes; nouns and name classes are kept."""
        return self._kept(noun for name in names.split() for noun in NOUNS.get(name, (name,)))

    def _adjectives(self, noun: str) -> WeightedTable[str] | None:
        pairs = [pair for pair, classes in concepts.QUALITIES.items() if CLASS_OF[noun] in classes]
        words = self._kept(word for pair in pairs for word in pair)
        return self._table(words, noun) if words else None

    def _usable(self, script: Script) -> bool:
        fixed = {word for step in (script.cause, script.effect) for word in step if len(word) > 1}
        return self.excluded.isdisjoint(fixed) and (not script.thing or bool(self._candidates(script.thing)))

    def word(self, lexeme: str, dice: Dice) -> str:
        """The lexeme or, in a third of the draws, its synonym."""
        return SYNONYM[lexeme] if lexeme in SYNONYM and dice.chance(0.35) else lexeme

    def name(self, kind: str, topic: str, dice: Dice) -> NP:
        return NP(dice.draw(self.names[kind, topic]))

    def person(self, topic: str, dice: Dice) -> NP:
        """A person, by name (three in four) or by role."""
        if dice.chance(0.75):
            return self.name("PER", topic, dice)
        return NP(self.word(dice.draw(self.roles[topic]), dice), definite=dice.chance(0.7))

    def thing(self, noun: str, topic: str, dice: Dice) -> NP:
        """A phrase with `noun`; a person of the topic for a person noun; a name for a name class."""
        if noun in NAMES:
            return self.name(noun, topic, dice)
        if CLASS_OF.get(noun) == "person":
            return self.person(topic, dice)
        adjectives = self.adjectives.get(noun)
        adjective = self.word(dice.draw(adjectives), dice) if adjectives and dice.chance(0.35) else ""
        number = dice.between(2, 9) if dice.chance(0.12) else 1
        return NP(self.word(noun, dice), number, dice.chance(0.5), adjective)

    def place(self, verb: str, topic: str, dice: Dice) -> NP:
        """A named place (one in four) or a kind of place."""
        if dice.chance(0.25):
            return self.name("LOC", topic, dice)
        return NP(self.word(dice.draw(self.places[verb, topic]), dice), definite=True)

    def oblique(self, verb: str, topic: str, dice: Dice) -> NP:
        return self.person(topic, dice) if VERBS[verb].oblique == "person" else self.place(verb, topic, dice)

    def event(self, topic: str, dice: Dice, subject: NP | None = None) -> Clause:
        """An event with an oblique (one in two) and a time (three in ten); subject and objects differ.

        By default the subject is a person or (one in twenty) a group.
        """
        verb = dice.draw(self.verbs[topic])
        spec = VERBS[verb]
        who = subject or (self.name("ORG", topic, dice) if dice.chance(0.05) else self.person(topic, dice))
        found = self.thing(dice.draw(self.objects[verb]), topic, dice) if spec.objects else None
        while found is not None and found.noun == who.noun:
            found = self.thing(dice.draw(self.objects[verb]), topic, dice)
        oblique = self.oblique(verb, topic, dice) if verb == "go" or dice.chance(0.5) else None
        while oblique is not None and oblique.noun in (who.noun, found and found.noun):
            oblique = self.oblique(verb, topic, dice)
        time = dice.draw(self.times[topic]) if dice.chance(0.3) else ""
        return Clause(self.word(verb, dice), who, found, spec.adposition if oblique else "", oblique, time)

    def state(self, topic: str, dice: Dice, subject: NP | None = None) -> Clause:
        """A person was hungry, rich, sad ..."""
        state = self.word(dice.draw(self.states[topic]), dice)
        return Clause("was", subject or self.person(topic, dice), state=state)

    def cast(self, script: Script, topic: str, dice: Dice) -> dict[str, NP]:
        """Two persons and, where the script has one, a thing."""
        cast = {"X": self.person(topic, dice), "Y": self.person(topic, dice)}
        while cast["Y"] == cast["X"]:
            cast["Y"] = self.person(topic, dice)
        if script.thing:
            cast["O"] = NP(self.word(dice.pick(self._candidates(script.thing)), dice), definite=True)
        return cast

    def script(self, script: Script, topic: str, dice: Dice) -> tuple[Clause, Clause]:
        """A cause and its effect, about the same persons and thing."""
        cast = self.cast(script, topic, dice)
        return self.step(script.cause, cast, topic, dice), self.step(script.effect, cast, topic, dice)

    def step(self, step: ScriptStep, cast: dict[str, NP], topic: str, dice: Dice) -> Clause:
        """One step of a script; an object that is not in `cast` is drawn."""
        subject = cast[step.subject]
        if step.verb == "was":
            return Clause("was", subject, state=self.word(step.object, dice))
        verb = self.word(step.verb, dice)
        if step.object == "to":
            return Clause(verb, subject, adposition="to", oblique=NP(self.word(step.place, dice), definite=True))
        if not step.object or step.object in cast:
            return Clause(verb, subject, cast.get(step.object))
        noun = dice.pick(self._candidates(step.object))
        return Clause(verb, subject, self.thing(noun, topic, dice)._replace(number=1))
