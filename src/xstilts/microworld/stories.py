"""Items about short texts: choosing what happens next (HellaSwag), reading (SQuAD), topic (SIB-200)."""

from __future__ import annotations

from typing import NamedTuple

from xstilts.microworld.concepts import SCRIPTS, TOPICS, VERBS, Script
from xstilts.microworld.dice import Dice
from xstilts.microworld.documents import question
from xstilts.microworld.meaning import NP, Clause, Utterance
from xstilts.microworld.relations import concept
from xstilts.microworld.sampler import Sampler

ENDINGS = 4
ROLES = ("subject", "object", "oblique", "time")


class ChoiceItem(NamedTuple):
    """A context, `ENDINGS` endings, the index of the right one, and its topic."""

    context: tuple[Utterance, ...]
    endings: tuple[Utterance, ...]
    label: int
    topic: str

    @property
    def said(self) -> tuple[Utterance, ...]:
        """The context and all endings."""
        return self.context + self.endings


class ReadingItem(NamedTuple):
    """A passage, a question about sentence number `sentence`, and the role that answers it."""

    passage: tuple[Utterance, ...]
    question: Utterance
    sentence: int
    role: str

    @property
    def said(self) -> tuple[Utterance, ...]:
        """The passage and the question."""
        return (*self.passage, self.question)


class TopicItem(NamedTuple):
    """A text and its topic."""

    said: tuple[Utterance, ...]
    topic: str


def _outcome(script: Script) -> tuple[str, str]:
    return script.effect.verb, script.effect.object if script.effect.verb == "was" else ""


def _outcomes(verb: str, state: str = "") -> set[tuple[str, str]]:
    """What may come of a deed or a state by any script: not to be offered as a wrong ending. Includes itself."""
    likely = {_outcome(s) for s in SCRIPTS if s.cause.verb == verb and (verb != "was" or s.cause.object == state)}
    return likely | {(verb, state)}


def choice_item(number: int, sampler: Sampler, dice: Dice) -> ChoiceItem:
    """What somebody did or was, and four things that may have come of it, about the same persons and thing."""
    label = number % ENDINGS
    topic = dice.pick(TOPICS)
    script = dice.pick(sampler.scripts[topic])
    cast = sampler.cast(script, topic, dice)
    context = [sampler.step(script.cause, cast, topic, dice)]
    if dice.chance(0.3):
        context.insert(0, sampler.event(topic, dice, cast["X"]))
    usable = [s for t in TOPICS for s in sampler.scripts[t] if "O" not in s.effect or s.thing == script.thing]
    seen = {outcome for clause in context for outcome in _outcomes(concept(clause.verb), concept(clause.state))}
    endings = [Utterance(sampler.step(script.effect, cast, topic, dice))]
    for other in dice.shuffled(usable):
        if len(endings) < ENDINGS and _outcome(other) not in seen:
            seen.add(_outcome(other))
            endings.append(Utterance(sampler.step(other.effect, cast, topic, dice)))
    assert len(endings) == ENDINGS, "too few scripts are left for wrong endings"
    endings[0], endings[label] = endings[label], endings[0]
    return ChoiceItem(tuple(map(Utterance, context)), tuple(endings), label, topic)


def reading_item(number: int, sampler: Sampler, dice: Dice) -> ReadingItem:
    """Two or three events of different persons with different verbs, and a question about one."""
    topic = dice.pick(TOPICS)
    clauses: list[Clause] = []
    while len(clauses) < 2 or (len(clauses) < 3 and dice.chance(0.5)):
        event = sampler.event(topic, dice)
        words = {concept(c.verb) for c in clauses}, {w for c in clauses for w in c.subject.noun.split()}
        if concept(event.verb) not in words[0] and not words[1].intersection(event.subject.noun.split()):
            clauses.append(event)
    target = dice.between(0, len(clauses) - 1)
    asked = question(clauses[target], dice)
    role = next(role for role in ROLES if getattr(clauses[target], role) != getattr(asked.first, role))
    return ReadingItem(tuple(map(Utterance, clauses)), asked, target, role)


def topic_item(number: int, sampler: Sampler, dice: Dice) -> TopicItem:
    """Two or three sentences on a topic, the first of them with a verb of its own."""
    topic = TOPICS[number % len(TOPICS)]
    hero = sampler.person(topic, dice)
    sentences = [Utterance(sampler.event(topic, dice, hero))]
    while VERBS[concept(sentences[0].first.verb)].topic != topic:
        sentences = [Utterance(sampler.event(topic, dice, hero))]
    scripts = [s for s in sampler.scripts[topic] if s.topic == topic]
    if scripts and dice.chance(0.5):
        sentences += map(Utterance, sampler.script(dice.pick(scripts), topic, dice))
    else:
        sentences.append(Utterance(sampler.event(topic, dice, hero)))
    return TopicItem(tuple(dice.shuffled(sentences)), topic)


def retrieval_sentence(number: int, sampler: Sampler, dice: Dice, topic: str = "") -> Utterance:
    """A sentence with enough in it to be told from five hundred others: two linked clauses."""
    topic = topic or dice.pick(TOPICS)
    if dice.chance(0.4):
        cause, effect = sampler.script(dice.pick(sampler.scripts[topic]), topic, dice)
        return Utterance(cause, "so", effect)
    first = sampler.event(topic, dice)
    return Utterance(first, "and", sampler.event(topic, dice, first.subject if dice.chance(0.3) else None))


def tagging_sentence(number: int, sampler: Sampler, dice: Dice, domain: str = "") -> Utterance:
    """Any kind of sentence: an event, a state, a role, or a question; in a domain on that topic alone."""
    topic = domain or dice.pick(TOPICS)
    kind = dice.random()
    if kind < 0.4:
        return retrieval_sentence(number, sampler, dice, domain)
    if kind < 0.5:
        return Utterance(sampler.state(topic, dice))
    if kind < 0.6:
        return Utterance(Clause("is", sampler.name("PER", topic, dice), NP(dice.draw(sampler.roles[topic]))))
    event = sampler.event(topic, dice)
    if kind < 0.7:
        return question(event, dice)
    return Utterance(event._replace(negated=dice.chance(0.3)))


def entity_sentence(number: int, sampler: Sampler, dice: Dice, topic: str = "") -> Utterance:
    """One or two events among persons, groups and named places."""
    topic = topic or dice.pick(TOPICS)
    clauses = []
    for _ in range(2):
        kind = dice.random()
        subject = sampler.name("ORG" if kind < 0.25 else "PER", topic, dice) if kind < 0.75 else None
        event = sampler.event(topic, dice, subject)
        if event.adposition in ("", "in") and dice.chance(0.45):
            event = event._replace(adposition="in", oblique=sampler.name("LOC", topic, dice))
        clauses.append(event)
    return Utterance(clauses[0], "and", clauses[1]) if dice.chance(0.5) else Utterance(clauses[0])
