"""A world on disk: all texts and tasks of one seed, in the official file formats.

Test and validation items use all words. English training items leave out a quarter of the concepts
(`WorldSize.held_out`), which occur in the raw text of every language. So an encoder without pretraining cannot reach
the full English score by learning words from the task.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from xstilts.core.files import write_json
from xstilts.microworld import concepts, formats, items
from xstilts.microworld.concepts import Item, Utterance
from xstilts.microworld.documents import document
from xstilts.microworld.grammar import LANGUAGES, TARGETS, Grammar, draw_grammars
from xstilts.microworld.sampler import Dice, Sampler

VERSION = 1
"""Raised when the bytes of a world change."""
DOMAIN_TOPIC = "health"


class TaskKind(NamedTuple):
    """A labelled task.

    Attributes:
        name: also the field of `WorldSize` that counts its training items.
        file: path of a split (`train`, `dev`, `test`) in a language, in the world's folder.
        make: an item from (number, sampler, dice); `write`: a file from (path, grammar, items, split).
    """

    name: str
    file: str
    make: Callable[[int, Sampler, Dice], Item]
    write: Callable[[Path, Grammar, Sequence[Item], str], None]


KINDS = (
    TaskKind("nli", "nli/{split}-{language}.tsv", items.nli_item, formats.write_pairs),
    TaskKind("paraphrase", "paraphrase/{split}-{language}.tsv", items.paraphrase_item, formats.write_pairs),
    TaskKind("choice", "choice/{split}-{language}.jsonl", items.choice_item, formats.write_choices),
    TaskKind("qa", "qa/{split}-{language}.json", items.reading_item, formats.write_squad),
    TaskKind("topic", "topic/{language}/{split}.tsv", items.topic_item, formats.write_topics),
    TaskKind("tagging", "tagging/{split}-{language}.conllu", items.tagging_item, formats.write_conllu),
    TaskKind("ner", "ner/{split}-{language}.tsv", items.entity_item, formats.write_panx),
)


@dataclass(frozen=True)
class WorldSize:
    """Sizes of a world.

    Attributes:
        documents, validation_documents: raw text, per language; each language has its own documents.
        parallel, parallel_validation: two-sentence texts with their English translation, per language.
        nli, paraphrase, choice, qa, topic, tagging, ner: English training items.
        validation, test: items per language and task, parallel over languages.
        retrieval: sentences, the same in all languages.
        held_out: share of the concepts that no English training item uses.
    """

    documents: int = 24_000
    validation_documents: int = 500
    parallel: int = 4_000
    parallel_validation: int = 300
    nli: int = 6_000
    paraphrase: int = 6_000
    choice: int = 3_000
    qa: int = 4_000
    topic: int = 1_000
    tagging: int = 1_000
    ner: int = 1_000
    validation: int = 300
    test: int = 400
    retrieval: int = 500
    held_out: float = 0.25


DEFAULT = WorldSize()
TINY = WorldSize(
    documents=60, validation_documents=10, parallel=20, parallel_validation=10, nli=30, paraphrase=30, choice=20, qa=20,
    topic=28, tagging=20, ner=20, validation=10, test=20, retrieval=30,
)  # fmt: skip
"""For tests of programs, not of transfer."""


@dataclass(frozen=True)
class DomainSize:
    """Documents per language and sentences of each test set of a domain."""

    documents: int = 6_000
    test: int = 400


DEFAULT_DOMAIN = DomainSize()


def mentions(meaning: object, held_out: frozenset[str]) -> bool:
    """Whether a meaning (sentences, clauses, noun phrases) uses one of the concepts, or a synonym of one."""
    if isinstance(meaning, tuple):
        return any(mentions(part, held_out) for part in meaning)
    return isinstance(meaning, str) and concepts.concept(meaning) in held_out


class World:
    """The languages and samplers of one seed: `full` uses all concepts, `training` leaves out the held-out ones."""

    def __init__(self, seed: int, held_out: float = DEFAULT.held_out) -> None:
        self.seed = seed
        self.grammars = draw_grammars(seed)
        # The same share of each noun class, topic's verbs and kind of name; both adjectives of an antonym pair.
        dice = Dice(seed, "held out")
        verbs = [[verb for verb, spec in concepts.VERBS.items() if spec.topic == t] for t in (*concepts.TOPICS, "any")]
        groups: list[Sequence[str]] = [*concepts.NOUNS.values(), *concepts.NAMES.values(), *verbs]
        chosen = [word for group in groups for word in dice.sample(group, round(held_out * len(group)))]
        for opposites in (concepts.STATES, tuple(concepts.QUALITIES)):
            chosen += [word for pair in dice.sample(opposites, round(held_out * len(opposites))) for word in pair]
        self.held_out = frozenset(chosen)
        self.full, self.training = Sampler(seed), Sampler(seed, self.held_out)

    def render(self, sentences: Sequence[Utterance], code: str) -> str:
        return self.grammars[code].text(*sentences)

    def renderings(self, item: Item) -> set[str]:
        """An item in every language: two meanings may differ in one language and be the same in another."""
        return {grammar.text(*item.said) for grammar in self.grammars.values()}

    def key(self, item: Item) -> set[str]:
        """An item in English; empty for a reading whose answer is ambiguous in any language."""
        grammars = self.grammars.values() if item.about in items.ROLES else ()
        return {self.render(item.said, "en")} if all(formats.locate_answer(one, item) for one in grammars) else set()

    def write_text(self, folder: Path, purpose: tuple[str, ...], count: int, topic: str = "") -> None:
        """Raw text: `count` documents in each language."""
        for code, grammar in self.grammars.items():
            dice = Dice(self.seed, *purpose, code)
            lines = (grammar.text(*document(self.full, dice, topic)) for _ in range(count))
            formats.write_lines(folder / f"{code}.txt", lines)


def distinct(
    make: Callable[[int], Item], keys: Callable[[Item], set[str]], count: int, seen: set[str] | None = None
) -> list[Item]:
    """`count` items that share no key with each other or with `seen`, to which their keys are added."""
    found: list[Item] = []
    seen = set() if seen is None else seen
    while len(found) < count:
        item = make(len(found))
        names = keys(item)
        if names and not names & seen:
            seen |= names
            found.append(item)
    return found


def _items_of(world: World, kind: TaskKind, size: WorldSize) -> dict[str, list[Item]]:
    """The items of a labelled task by split, all different in English."""
    seen: set[str] = set()
    drawn = {}
    trained = getattr(size, kind.name)
    plan = (("test", size.test, world.full), ("dev", size.validation, world.full), ("train", trained, world.training))
    for split, count, sampler in plan:
        dice = Dice(world.seed, kind.name, split)
        made = distinct(lambda number, s=sampler, d=dice: kind.make(number, s, d), world.key, count, seen)  # type: ignore[misc]
        drawn[split] = dice.shuffled(made)
    return drawn


def write_translations(directory: Path, manifest: Mapping[str, Any], task: str, codes: Sequence[str]) -> None:
    """Exact translations of the English training items of one task in `KINDS`; `en` gives the world's own file.

    `manifest` is the world's `world.json`, with seed and sizes; the same items are drawn again.
    """
    size = WorldSize(**manifest["size"])
    world, kind = World(manifest["seed"], size.held_out), next(kind for kind in KINDS if kind.name == task)
    made = _items_of(world, kind, size)["train"]
    for code in codes:
        kind.write(directory / kind.file.format(split="train", language=code), world.grammars[code], made, "train")


def _write_retrieval(directory: Path, world: World, made: Sequence[Item]) -> None:
    for language in TARGETS:
        target, english = world.grammars[language.code], world.grammars["en"]
        formats.write_parallel(directory / "tatoeba", "tatoeba", target, english, [item.said for item in made])


def _write_parallel(directory: Path, world: World, size: WorldSize) -> None:
    """Retrieval sentences, then parallel text that has none of them: the first two sentences of documents."""
    english, dice = world.grammars["en"], Dice(world.seed, "retrieval")
    seen: set[str] = set()
    made = distinct(lambda n: items.retrieval_item(n, world.full, dice), world.renderings, size.retrieval, seen)
    _write_retrieval(directory, world, made)
    for language in TARGETS:
        for split, count in (("train", size.parallel), ("validation", size.parallel_validation)):
            draw = Dice(world.seed, "parallel", split, language.code)
            texts: list[list[Utterance]] = []
            while len(texts) < count:
                text = document(world.full, draw)[:2]
                if not any(world.render((sentence,), "en") in seen for sentence in text):
                    texts.append(text)
            formats.write_parallel(directory / "parallel", split, world.grammars[language.code], english, texts)


def write_world(directory: Path, seed: int, size: WorldSize = DEFAULT) -> None:
    """Write world `seed`: raw and parallel text, all tasks, and `world.json`, which describes it.

    The same seed, size and `VERSION` give the same bytes on every machine.
    """
    world = World(seed, size.held_out)
    for folder, count in (("text", size.documents), ("text_validation", size.validation_documents)):
        world.write_text(directory / folder, (folder,), count)
    _write_parallel(directory, world, size)
    counts: dict[str, dict[str, int]] = {}
    for kind in KINDS:
        own = counts[kind.name] = {}
        for split, made in _items_of(world, kind, size).items():
            for code in ["en"] if split == "train" else LANGUAGES:
                kind.write(directory / kind.file.format(split=split, language=code), world.grammars[code], made, split)
            own[split] = len(made)
            if split == "test":
                own["test, held out"] = sum(mentions(item.said, world.held_out) for item in made)
    languages = {
        code: {**asdict(language), "morphology": language.morphology, "distance": language.distance}
        for code, language in LANGUAGES.items()
    }
    told = {"version": VERSION, "seed": seed, "size": asdict(size), "languages": languages}
    write_json(directory / "world.json", {**told, "held_out": sorted(world.held_out), "items": counts})


def write_domain(directory: Path, seed: int, size: DomainSize = DEFAULT_DOMAIN) -> None:
    """Write the domain of world `seed`: raw text (`domain/text`) and test sets on one topic, parallel over languages.

    Its words occur in the general text too, where they are rare.
    """
    world, directory = World(seed), directory / "domain"
    world.write_text(directory / "text", ("domain", "text"), size.documents, DOMAIN_TOPIC)
    dice = Dice(seed, "domain", "test")

    def drawn(make: Callable[[int, Sampler, Dice, str], Item]) -> list[Item]:
        return distinct(lambda n: make(n, world.full, dice, DOMAIN_TOPIC), world.renderings, size.test)

    tagged, named, pairs = map(drawn, (items.tagging_item, items.entity_item, items.retrieval_item))
    for code, grammar in world.grammars.items():
        formats.write_conllu(directory / "tagging" / f"test-{code}.conllu", grammar, tagged, "test")
        formats.write_panx(directory / "ner" / f"test-{code}.tsv", grammar, named, "test")
    _write_retrieval(directory, world, pairs)
