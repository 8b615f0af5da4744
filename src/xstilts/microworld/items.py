"""Items of the labelled tasks and of retrieval.

Each maker takes (number, sampler, dice). The number cycles through the classes, so that they are balanced.
"""

from xstilts.microworld import relations as rel
from xstilts.microworld.concepts import NP, SCRIPTS, TOPICS, VERBS, Clause, Item, Script, Utterance, concept, kind_of
from xstilts.microworld.documents import question
from xstilts.microworld.relations import Relation
from xstilts.microworld.sampler import Dice, Sampler

NLI_LABELS = ("entailment", "neutral", "contradiction")
ENDINGS = 4
ROLES = ("subject", "object", "oblique", "time")


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
"""Ways to make a hypothesis of each class; a way listed twice is drawn twice as often.

In all classes most hypotheses differ from their premise by one word, and some are denied or shortened. So neither
length nor overlap nor negation predicts the class: these cues transfer to any language without knowing a word of it.
"""


def nli_item(number: int, sampler: Sampler, dice: Dice) -> Item:
    """A premise and a hypothesis; a third of all hypotheses are also shortened."""
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
            return Item((Utterance(premise), Utterance(hypothesis)), label)


def _shorten(premise: Clause, hypothesis: Clause, sampler: Sampler, topic: str, dice: Dice) -> Clause:
    """Drop something that both clauses have, so that the class stays the same."""
    roles = ("oblique", "time", "object")
    for _ in range(4):
        shorter = rel.drop(hypothesis, sampler, topic, dice)
        if shorter is None:
            break
        changed = [role for role in roles if getattr(shorter, role) != getattr(hypothesis, role)]
        if all(getattr(hypothesis, role) == getattr(premise, role) for role in changed):
            return shorter
    return hypothesis


def _exchange(clause: Clause, sampler: Sampler, topic: str, dice: Dice) -> Clause | None:
    """X thanked Y: Y thanked X. PAWS is made of such exchanges."""
    other = clause.object
    if other is None or kind_of(other.noun) not in ("person", "PER") or other == clause.subject:
        return None
    return clause._replace(subject=other, object=clause.subject)


SAME: tuple[Relation, ...] = (rel.synonym, rel.front)
_REPLACE: tuple[Relation, ...] = (rel.replace_actor, rel.replace_object, rel.move, rel.reschedule)
DIFFERENT: tuple[Relation, ...] = (*_REPLACE, rel.oppose, rel.negate, _exchange)


def paraphrase_item(number: int, sampler: Sampler, dice: Dice) -> Item:
    """Two sentences: reworded or reordered (`1`), or with one thing changed (`0`) and half of those also reworded."""
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
            return Item((Utterance(first), Utterance(second)), label)


def _outcome(script: Script) -> tuple[str, str]:
    return script.effect.verb, script.effect.object if script.effect.verb == "was" else ""


def _outcomes(verb: str, state: str = "") -> set[tuple[str, str]]:
    """All that may follow a deed or a state in any script, and itself: none of it may be a wrong ending."""
    likely = {_outcome(s) for s in SCRIPTS if s.cause.verb == verb and (verb != "was" or s.cause.object == state)}
    return likely | {(verb, state)}


def choice_item(number: int, sampler: Sampler, dice: Dice) -> Item:
    """A cause and four possible effects, about the same persons and thing."""
    label = number % ENDINGS
    topic = dice.pick(TOPICS)
    script = dice.pick(sampler.scripts[topic])
    cast = sampler.cast(script, topic, dice)
    context = [sampler.step(script.cause, cast, topic, dice)]
    if dice.chance(0.3):
        context.insert(0, sampler.event(topic, dice, cast["X"]))
    usable = [s for t in TOPICS for s in sampler.scripts[t] if "O" not in s.effect or s.thing == script.thing]
    seen = {outcome for clause in context for outcome in _outcomes(concept(clause.verb), concept(clause.state))}
    endings = [sampler.step(script.effect, cast, topic, dice)]
    for other in dice.shuffled(usable):
        if len(endings) < ENDINGS and _outcome(other) not in seen:
            seen.add(_outcome(other))
            endings.append(sampler.step(other.effect, cast, topic, dice))
    assert len(endings) == ENDINGS, "too few scripts are left for wrong endings"
    endings[0], endings[label] = endings[label], endings[0]
    return Item(tuple(map(Utterance, (*context, *endings))), label, topic)


def reading_item(number: int, sampler: Sampler, dice: Dice) -> Item:
    """Two or three events with different persons and verbs, and a question about one event."""
    topic = dice.pick(TOPICS)
    clauses: list[Clause] = []
    while len(clauses) < 2 or (len(clauses) < 3 and dice.chance(0.5)):
        event = sampler.event(topic, dice)
        verbs, names = {concept(c.verb) for c in clauses}, {w for c in clauses for w in c.subject.noun.split()}
        if concept(event.verb) not in verbs and not names.intersection(event.subject.noun.split()):
            clauses.append(event)
    target = dice.between(0, len(clauses) - 1)
    asked = question(clauses[target], dice)
    role = next(role for role in ROLES if getattr(clauses[target], role) != getattr(asked.first, role))
    return Item((*map(Utterance, clauses), asked), target, role)


def topic_item(number: int, sampler: Sampler, dice: Dice) -> Item:
    """Two or three sentences on a topic, at least one of them with a verb of the topic."""
    topic = TOPICS[number % len(TOPICS)]
    hero = sampler.person(topic, dice)
    clauses = [sampler.event(topic, dice, hero)]
    while VERBS[concept(clauses[0].verb)].topic != topic:
        clauses = [sampler.event(topic, dice, hero)]
    scripts = [s for s in sampler.scripts[topic] if s.topic == topic]
    if scripts and dice.chance(0.5):
        clauses += sampler.script(dice.pick(scripts), topic, dice)
    else:
        clauses.append(sampler.event(topic, dice, hero))
    return Item(tuple(map(Utterance, dice.shuffled(clauses))), about=topic)


def retrieval_item(number: int, sampler: Sampler, dice: Dice, topic: str = "") -> Item:
    """Two linked clauses, so that the sentence differs from five hundred others."""
    topic = topic or dice.pick(TOPICS)
    if dice.chance(0.4):
        cause, effect = sampler.script(dice.pick(sampler.scripts[topic]), topic, dice)
        return Item((Utterance(cause, "so", effect),))
    first = sampler.event(topic, dice)
    second = sampler.event(topic, dice, first.subject if dice.chance(0.3) else None)
    return Item((Utterance(first, "and", second),))


def tagging_item(number: int, sampler: Sampler, dice: Dice, domain: str = "") -> Item:
    """Any kind of sentence; with `domain`, all of them on that topic."""
    topic = domain or dice.pick(TOPICS)
    kind = dice.random()
    if kind < 0.4:
        return retrieval_item(number, sampler, dice, domain)
    if kind < 0.5:
        sentence = Utterance(sampler.state(topic, dice))
    elif kind < 0.6:
        sentence = Utterance(Clause("is", sampler.name("PER", topic, dice), NP(dice.draw(sampler.roles[topic]))))
    else:
        event = sampler.event(topic, dice)
        sentence = question(event, dice) if kind < 0.7 else Utterance(event._replace(negated=dice.chance(0.3)))
    return Item((sentence,))


def entity_item(number: int, sampler: Sampler, dice: Dice, topic: str = "") -> Item:
    """One or two events with persons, groups and named places."""
    topic = topic or dice.pick(TOPICS)
    clauses = []
    for _ in range(2):
        kind = dice.random()
        subject = sampler.name("ORG" if kind < 0.25 else "PER", topic, dice) if kind < 0.75 else None
        event = sampler.event(topic, dice, subject)
        if event.adposition in ("", "in") and dice.chance(0.45):
            event = event._replace(adposition="in", oblique=sampler.name("LOC", topic, dice))
        clauses.append(event)
    return Item((Utterance(clauses[0], "and", clauses[1]) if dice.chance(0.5) else Utterance(clauses[0]),))
