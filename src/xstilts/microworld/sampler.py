"""What happens in one world: who does what where, drawn with fixed preferences.

Words of a group are Zipf-like in an order drawn per world, and a fifth of all pairs (verb and object, verb and place,
noun and adjective, topic and name ...) attract each other fivefold. These preferences are the same in all languages;
they are what masked-language modelling can align languages by.
"""

from __future__ import annotations

from collections.abc import Iterable

from xstilts.core.seeds import derive_seed
from xstilts.microworld import concepts
from xstilts.microworld.concepts import CLASS_OF, NAMES, NOUNS, PLACES, ROLES, STATES, TOPICS, VERBS, Script, ScriptStep
from xstilts.microworld.dice import Dice, WeightedTable
from xstilts.microworld.meaning import NP, Clause

_SYNONYM_RATE = 0.35


class Sampler:
    """Draws clauses of world `seed`, never using a concept in `excluded`.

    Every draw takes the `Dice` to draw with, so one sampler serves many purposes.
    """

    def __init__(self, seed: int, excluded: Iterable[str] = ()) -> None:
        self.seed = seed
        self.excluded = frozenset(excluded)
        kept = {name: self._kept(nouns) for name, nouns in NOUNS.items()}
        self.names = {(kind, t): self._table(self._kept(NAMES[kind]), t) for kind in NAMES for t in TOPICS}
        self.roles = {t: self._table(kept["person"], t, ROLES[t]) for t in TOPICS}
        doable = [v for v in self._kept(VERBS) if not VERBS[v].objects or self._candidates(VERBS[v].objects)]
        self.objects = {v: self._table(self._candidates(VERBS[v].objects), v) for v in doable if VERBS[v].objects}
        self.verbs = {t: self._verbs(doable, t) for t in TOPICS}
        self.places = {(verb, t): self._table(kept["place"], verb, PLACES[t]) for verb in VERBS for t in TOPICS}
        self.adjectives = {noun: self._adjectives(noun) for noun in CLASS_OF}
        self.states = {t: self._table(self._kept([a for pair in STATES for a in pair]), t) for t in TOPICS}
        self.times = {t: self._table(concepts.TIMES, t) for t in TOPICS}
        self.scripts = {t: [s for s in concepts.SCRIPTS if s.topic in (t, "any") and self._usable(s)] for t in TOPICS}

    def _kept(self, words: Iterable[str]) -> list[str]:
        return [word for word in words if word not in self.excluded]

    def _hash(self, *parts: str) -> int:
        return derive_seed(self.seed, "microworld", *parts)

    def _table(self, items: Iterable[str], context: str, favoured: tuple[str, ...] = ()) -> WeightedTable[str]:
        """Zipf-like by the world's order x attraction to `context` x 8 for the favoured."""
        items = list(items)
        ranks = {item: rank for rank, item in enumerate(sorted(items, key=lambda item: self._hash("rank", item)))}
        weights = [
            (ranks[item] + 2) ** -0.6
            * (5.0 if self._hash("pair", context, item) % 5 == 0 else 1.0)
            * (8.0 if item in favoured else 1.0)
            for item in items
        ]
        return WeightedTable(items, weights)

    def _verbs(self, doable: list[str], topic: str) -> WeightedTable[str]:
        """The topic's verbs, and those of no topic at a quarter of their weight."""
        table = self._table([verb for verb in doable if VERBS[verb].topic in (topic, "any")], topic)
        weights = [b - a for a, b in zip((0.0, *table.cumulative), table.cumulative)]
        rates = [1.0 if VERBS[verb].topic == topic else 0.25 for verb in table.items]
        return WeightedTable(table.items, [weight * rate for weight, rate in zip(weights, rates)])

    def _candidates(self, spec: Iterable[str]) -> list[str]:
        """Nouns and name classes that classes and nouns stand for."""
        words = [noun for name in spec for noun in NOUNS.get(name, (name,))]
        return self._kept(words)

    def _adjectives(self, noun: str) -> WeightedTable[str] | None:
        pairs = [pair for pair, classes in concepts.QUALITIES.items() if CLASS_OF[noun] in classes]
        words = self._kept(word for pair in pairs for word in pair)
        return self._table(words, noun) if words else None

    def _usable(self, script: Script) -> bool:
        """Whether no step of a script needs an excluded concept."""
        fixed = [word for step in (script.cause, script.effect) for word in step if len(word) > 1]
        if self.excluded.intersection(fixed):
            return False
        return not script.thing or bool(self._candidates(script.thing.split()))

    # Draws -----------------------------------------------------------------------------------------------------------

    def word(self, lexeme: str, dice: Dice) -> str:
        """The lexeme or, sometimes, its synonym."""
        synonym = concepts.SYNONYM.get(lexeme)
        return synonym if synonym and dice.chance(_SYNONYM_RATE) else lexeme

    def name(self, kind: str, topic: str, dice: Dice) -> NP:
        return NP(dice.draw(self.names[kind, topic]))

    def person(self, topic: str, dice: Dice) -> NP:
        """Somebody, by name (three in four) or by role."""
        if dice.chance(0.75):
            return self.name("PER", topic, dice)
        return NP(self.word(dice.draw(self.roles[topic]), dice), definite=dice.chance(0.7))

    def thing(self, noun: str, topic: str, dice: Dice) -> NP:
        """A phrase about `noun`, a person of the topic when `noun` is a person noun, a name for `LOC` and `ORG`."""
        if noun in NAMES:
            return self.name(noun, topic, dice)
        if CLASS_OF.get(noun) == "person":
            return self.person(topic, dice)
        adjectives = self.adjectives.get(noun)
        adjective = self.word(dice.draw(adjectives), dice) if adjectives and dice.chance(0.35) else ""
        number = dice.between(2, 9) if dice.chance(0.12) else 1
        return NP(self.word(noun, dice), number, dice.chance(0.5), adjective)

    def place(self, verb: str, topic: str, dice: Dice) -> NP:
        """Where: a named place (one in four) or a kind of place."""
        if dice.chance(0.25):
            return self.name("LOC", topic, dice)
        return NP(self.word(dice.draw(self.places[verb, topic]), dice), definite=True)

    def oblique(self, verb: str, topic: str, dice: Dice) -> NP:
        return self.person(topic, dice) if VERBS[verb].oblique == "person" else self.place(verb, topic, dice)

    def event(self, topic: str, dice: Dice, subject: NP | None = None) -> Clause:
        """Something that happened, with an oblique (half of the time) and a time (three in ten).

        Who does it is `subject`, or somebody, or (one in twenty) a group; nobody does anything to himself.
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
        """Somebody was hungry, rich, sad ..."""
        state = self.word(dice.draw(self.states[topic]), dice)
        return Clause("was", subject or self.person(topic, dice), state=state)

    def cast(self, script: Script, topic: str, dice: Dice) -> dict[str, NP]:
        """Two persons and, where the script has one, a thing."""
        cast = {"X": self.person(topic, dice), "Y": self.person(topic, dice)}
        while cast["Y"] == cast["X"]:
            cast["Y"] = self.person(topic, dice)
        if script.thing:
            noun = self.word(dice.pick(self._candidates(script.thing.split())), dice)
            cast["O"] = NP(noun, definite=True)
        return cast

    def script(self, script: Script, topic: str, dice: Dice) -> tuple[Clause, Clause]:
        """A cause and its effect, about the same persons and thing."""
        cast = self.cast(script, topic, dice)
        return self.step(script.cause, cast, topic, dice), self.step(script.effect, cast, topic, dice)

    def step(self, step: ScriptStep, cast: dict[str, NP], topic: str, dice: Dice) -> Clause:
        """One step of a script with its parts taken from `cast`, or drawn anew."""
        subject = cast[step.subject]
        if step.verb == "was":
            return Clause("was", subject, state=self.word(step.object, dice))
        verb = self.word(step.verb, dice)
        if step.object == "to":
            place = NP(self.word(step.place, dice), definite=True)
            return Clause(verb, subject, adposition="to", oblique=place)
        if not step.object:
            return Clause(verb, subject)
        if step.object in cast:
            return Clause(verb, subject, cast[step.object])
        noun = dice.pick(self._candidates([step.object]))
        return Clause(verb, subject, self.thing(noun, topic, dice)._replace(number=1))
