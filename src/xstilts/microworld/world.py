"""A world on disk: all texts and tasks of one seed, in the official file formats.

Test and validation items use all words; the English training items of the tasks leave out a quarter of the concepts
(`WorldSize.held_out`), which occur in the raw text of every language. What is known of those words is known from
pretraining, so that an encoder without it cannot reach the full score in English by learning words from the task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from xstilts.core.files import write_json
from xstilts.microworld import concepts, formats, pairs, stories
from xstilts.microworld.dice import Dice
from xstilts.microworld.documents import document
from xstilts.microworld.grammar import Grammar
from xstilts.microworld.languages import LANGUAGES, TARGETS
from xstilts.microworld.lexicon import draw_lexicons
from xstilts.microworld.meaning import Utterance
from xstilts.microworld.sampler import Sampler

VERSION = 1
"""Raised when the bytes of a world change."""

Text = tuple[Utterance, ...]
T = TypeVar("T")


class Kind(NamedTuple):
    """One labelled task.

    Attributes:
        name: also the field of `WorldSize` that counts its training items.
        file: path of a split (`train`, `dev`, `test`) in a language, below the world's folder.
        make: an item from (number, sampler, dice); numbers go through the classes in turn, so that they are balanced.
        write: a file of items from (path, grammar, items, split).
    """

    name: str
    file: str
    make: Callable[[int, Sampler, Dice], Any]
    write: Callable[[Path, Grammar, Sequence[Any], str], None]


KINDS = (
    Kind("nli", "nli/{split}-{language}.tsv", pairs.nli_item, formats.write_pairs),
    Kind("paraphrase", "paraphrase/{split}-{language}.tsv", pairs.paraphrase_item, formats.write_pairs),
    Kind("choice", "choice/{split}-{language}.jsonl", stories.choice_item, formats.write_choices),
    Kind("qa", "qa/{split}-{language}.json", stories.reading_item, formats.write_squad),
    Kind("topic", "topic/{language}/{split}.tsv", stories.topic_item, formats.write_topics),
    Kind("tagging", "tagging/{split}-{language}.conllu", stories.tagging_sentence, formats.write_conllu),
    Kind("ner", "ner/{split}-{language}.tsv", stories.entity_sentence, formats.write_panx),
)


@dataclass(frozen=True)
class WorldSize:
    """How much of everything.

    Attributes:
        documents, validation_documents: raw text, per language; languages do not share documents.
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


def held_out_concepts(seed: int, share: float) -> frozenset[str]:
    """The concepts that training items leave out: the same share of every noun class, topic's verbs, and kind of name.

    Of adjectives, both members of an antonym pair are held out together; a synonym goes with its lexeme.
    """
    dice = Dice(seed, "held out")
    verbs = [[verb for verb, spec in concepts.VERBS.items() if spec.topic == t] for t in (*concepts.TOPICS, "any")]
    groups: list[Sequence[str]] = [*concepts.NOUNS.values(), *concepts.NAMES.values(), *verbs]
    chosen = [word for group in groups for word in dice.sample(group, round(share * len(group)))]
    for opposites in (concepts.STATES, tuple(concepts.QUALITIES)):
        chosen += [word for pair in dice.sample(opposites, round(share * len(opposites))) for word in pair]
    return frozenset(chosen)


def mentions(meaning: object, held_out: frozenset[str]) -> bool:
    """Whether a meaning (sentences, clauses, noun phrases) uses one of the concepts."""
    if isinstance(meaning, tuple):
        return any(mentions(part, held_out) for part in meaning)
    return isinstance(meaning, str) and concepts.CONCEPT.get(meaning, meaning) in held_out


class World:
    """The languages and the samplers of one seed: `full` uses all concepts, `training` not the held-out ones."""

    def __init__(self, seed: int, held_out: float = DEFAULT.held_out) -> None:
        self.seed = seed
        self.grammars = {code: Grammar(lexicon) for code, lexicon in draw_lexicons(seed).items()}
        self.held_out = held_out_concepts(seed, held_out)
        self.full, self.training = Sampler(seed), Sampler(seed, self.held_out)

    def render(self, sentences: Text, code: str) -> str:
        """Text of some sentences in a language: the exact translator."""
        return self.grammars[code].text(*sentences)

    def key(self, item: Any) -> set[str]:
        """An item in English; empty where a reading's answer does not occur exactly once in its passage everywhere."""
        grammars = self.grammars.values() if isinstance(item, stories.ReadingItem) else ()
        return {self.render(item.said, "en")} if all(formats.locate_answer(one, item) for one in grammars) else set()


def distinct(
    make: Callable[[int], T], keys: Callable[[T], set[str]], count: int, seen: set[str] | None = None
) -> list[T]:
    """`count` items none of whose keys is in `seen`; `seen` grows by their keys."""
    items: list[T] = []
    seen = set() if seen is None else seen
    while len(items) < count:
        item = make(len(items))
        names = keys(item)
        if names and not names & seen:
            seen |= names
            items.append(item)
    return items


def _items_of(world: World, kind: Kind, size: WorldSize) -> dict[str, list[Any]]:
    """The items of one labelled task by split: no English item occurs twice in any of them."""
    seen: set[str] = set()
    drawn = {}
    trained = getattr(size, kind.name)
    plan = (("test", size.test, world.full), ("dev", size.validation, world.full), ("train", trained, world.training))
    for split, count, sampler in plan:
        dice = Dice(world.seed, kind.name, split)
        make = partial(lambda sampler, dice, number: kind.make(number, sampler, dice), sampler, dice)
        drawn[split] = dice.shuffled(distinct(make, world.key, count, seen))
    return drawn


def _write_kind(directory: Path, world: World, kind: Kind, size: WorldSize) -> dict[str, int]:
    """All files of one labelled task. Gives counts for the manifest."""
    counts = {}
    for split, items in _items_of(world, kind, size).items():
        for code in ["en"] if split == "train" else LANGUAGES:
            kind.write(directory / kind.file.format(split=split, language=code), world.grammars[code], items, split)
        counts[split] = len(items)
        if split == "test":
            counts["test, held out"] = sum(mentions(item.said, world.held_out) for item in items)
    return counts


def write_translations(directory: Path, manifest: Mapping[str, Any], task: str, codes: Sequence[str]) -> None:
    """The English training items of one task in other languages: what an exact translator makes of them.

    Args:
        manifest: the world's `world.json`, which tells seed and sizes; the same items are drawn anew.
        task: a name in `KINDS`.
        codes: languages; `en` gives the world's own file.
    """
    size = WorldSize(**manifest["size"])
    world, kind = World(manifest["seed"], size.held_out), next(kind for kind in KINDS if kind.name == task)
    items = _items_of(world, kind, size)["train"]
    for code in codes:
        kind.write(directory / kind.file.format(split="train", language=code), world.grammars[code], items, "train")


def _write_text(directory: Path, world: World, size: WorldSize) -> None:
    """Raw text: documents drawn apart for every language."""
    for code, grammar in world.grammars.items():
        for folder, count in (("text", size.documents), ("text_validation", size.validation_documents)):
            dice = Dice(world.seed, folder, code)
            lines = (grammar.text(*document(world.full, dice)) for _ in range(count))
            formats.write_lines(directory / folder / f"{code}.txt", lines)


def renderings(world: World, text: Text) -> set[str]:
    """A text in every language: two meanings may differ in one language and be the same in another."""
    return {grammar.text(*text) for grammar in world.grammars.values()}


def _write_parallel(directory: Path, world: World, size: WorldSize) -> None:
    """Retrieval sentences, then parallel text that holds none of them."""
    english, dice = world.grammars["en"], Dice(world.seed, "retrieval")
    seen: set[str] = set()

    def make(number: int) -> Text:
        return (stories.retrieval_sentence(number, world.full, dice),)

    sentences = distinct(make, lambda text: renderings(world, text), size.retrieval, seen)
    for language in TARGETS:
        grammar = world.grammars[language.code]
        formats.write_parallel(directory / "tatoeba", "tatoeba", grammar, english, sentences)
        for split, count in (("train", size.parallel), ("validation", size.parallel_validation)):
            draw = Dice(world.seed, "parallel", split, language.code)
            texts = [tuple(_two_sentences(world, draw, seen)) for _ in range(count)]
            formats.write_parallel(directory / "parallel", split, grammar, english, texts)


def _two_sentences(world: World, dice: Dice, seen: set[str]) -> Text:
    """The first two sentences of a document (or its only one), neither of them a retrieval sentence."""
    while True:
        text = tuple(document(world.full, dice)[:2])
        if not any(world.render((sentence,), "en") in seen for sentence in text):
            return text


def write_world(directory: Path, seed: int, size: WorldSize = DEFAULT) -> None:
    """Write world `seed`: raw and parallel text, all tasks, and `world.json`, which describes it.

    The same seed, size and `VERSION` give the same bytes, on every machine.
    """
    world = World(seed, size.held_out)
    _write_text(directory, world, size)
    _write_parallel(directory, world, size)
    counts = {kind.name: _write_kind(directory, world, kind, size) for kind in KINDS}
    languages = {
        code: {**asdict(language), "morphology": language.morphology, "distance": language.distance}
        for code, language in LANGUAGES.items()
    }
    manifest = {
        "version": VERSION,
        "seed": seed,
        "size": asdict(size),
        "languages": languages,
        "held_out": sorted(world.held_out),
        "items": counts,
    }
    write_json(directory / "world.json", manifest)
