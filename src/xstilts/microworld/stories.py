"""Items about short texts: choosing what happens next (HellaSwag), reading (SQuAD), topic (SIB-200)."""

from __future__ import annotations

from typing import NamedTuple

from xstilts.microworld.concepts import TOPICS, VERBS
from xstilts.microworld.dice import Dice
from xstilts.microworld.documents import question
from xstilts.microworld.meaning import NP, Clause, Sentence, plain
from xstilts.microworld.relations import concept
from xstilts.microworld.sampler import Sampler
from xstilts.microworld.scripts import SCRIPTS, Script

ENDINGS = 4
ROLES = ("subject", "object", "oblique", "time")


class Choice(NamedTuple):
    """A context, `ENDINGS` endings, the index of the right one, and its topic."""

    context: tuple[Sentence, ...]
    endings: tuple[Sentence, ...]
    label: int
    topic: str


class Reading(NamedTuple):
    """A passage, a question about sentence number `sentence`, and the role that answers it."""

    passage: tuple[Sentence, ...]
    question: Sentence
    sentence: int
    role: str


class Themed(NamedTuple):
    """A text and its topic."""

    text: tuple[Sentence, ...]
    topic: str


def _outcome(script: Script) -> tuple[str, str]:
    return script.effect.verb, script.effect.object if script.effect.verb == "was" else ""


def _outcomes(verb: str, state: str = "") -> set[tuple[str, str]]:
    """What may come of a deed or a state by any script: not to be offered as a wrong ending. Includes itself."""
    likely = {_outcome(s) for s in SCRIPTS if s.cause.verb == verb and (verb != "was" or s.cause.object == state)}
    return likely | {(verb, state)}


def choice_item(label: int, sampler: Sampler, dice: Dice) -> Choice:
    """What somebody did or was, and four things that may have come of it, about the same persons and thing."""
    topic = dice.pick(TOPICS)
    script = dice.pick(sampler.scripts[topic])
    cast = sampler.cast(script, topic, dice)
    context = [sampler.step(script.cause, cast, topic, dice)]
    if dice.chance(0.3):
        context.insert(0, sampler.event(topic, dice, cast["X"]))
    usable = [s for t in TOPICS for s in sampler.scripts[t] if "O" not in s.effect or s.thing == script.thing]
    seen = {outcome for clause in context for outcome in _outcomes(concept(clause.verb), concept(clause.state))}
    endings = [plain(sampler.step(script.effect, cast, topic, dice))]
    for other in dice.shuffled(usable):
        if len(endings) < ENDINGS and _outcome(other) not in seen:
            seen.add(_outcome(other))
            endings.append(plain(sampler.step(other.effect, cast, topic, dice)))
    assert len(endings) == ENDINGS, "too few scripts are left for wrong endings"
    endings[0], endings[label] = endings[label], endings[0]
    return Choice(tuple(map(plain, context)), tuple(endings), label, topic)


def _answer_role(clause: Clause, asked: Clause) -> str:
    return next(role for role in ROLES if getattr(clause, role) != getattr(asked, role))


def reading_item(sampler: Sampler, dice: Dice) -> Reading:
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
    return Reading(tuple(map(plain, clauses)), asked, target, _answer_role(clauses[target], asked.first))


def topic_item(topic: str, sampler: Sampler, dice: Dice) -> Themed:
    """Two or three sentences on a topic, the first of them with a verb of its own."""
    hero = sampler.person(topic, dice)
    sentences = [plain(sampler.event(topic, dice, hero))]
    while VERBS[concept(sentences[0].first.verb)].topic != topic:
        sentences = [plain(sampler.event(topic, dice, hero))]
    scripts = [s for s in sampler.scripts[topic] if s.topic == topic]
    if scripts and dice.chance(0.5):
        sentences += map(plain, sampler.script(dice.pick(scripts), topic, dice))
    else:
        sentences.append(plain(sampler.event(topic, dice, hero)))
    return Themed(tuple(dice.shuffled(sentences)), topic)


def retrieval_sentence(sampler: Sampler, dice: Dice, topic: str = "") -> Sentence:
    """A sentence with enough in it to be told from five hundred others: two linked clauses."""
    topic = topic or dice.pick(TOPICS)
    if dice.chance(0.4):
        cause, effect = sampler.script(dice.pick(sampler.scripts[topic]), topic, dice)
        return Sentence(cause, "so", effect)
    first = sampler.event(topic, dice)
    return Sentence(first, "and", sampler.event(topic, dice, first.subject if dice.chance(0.3) else None))


def tagging_sentence(sampler: Sampler, dice: Dice, domain: str = "") -> Sentence:
    """Any kind of sentence: an event, a state, a role, or a question; in a domain on that topic alone."""
    topic = domain or dice.pick(TOPICS)
    kind = dice.random()
    if kind < 0.4:
        return retrieval_sentence(sampler, dice, domain)
    if kind < 0.5:
        return plain(sampler.state(topic, dice))
    if kind < 0.6:
        return plain(Clause("is", sampler.name("PER", topic, dice), NP(dice.draw(sampler.roles[topic]))))
    event = sampler.event(topic, dice)
    if kind < 0.7:
        return question(event, dice)
    return plain(event._replace(negated=dice.chance(0.3)))


def entity_sentence(sampler: Sampler, dice: Dice, topic: str = "") -> Sentence:
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
    return Sentence(clauses[0], "and", clauses[1]) if dice.chance(0.5) else plain(clauses[0])
