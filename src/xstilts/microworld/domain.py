"""The domain of a world: raw text on one topic, and test sets on it, for what is trained on all topics.

What a specialist's corpus is to a general one: the words occur in the general text too, where they are rare.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from xstilts.microworld.dice import Dice
from xstilts.microworld.documents import document
from xstilts.microworld.formats import write_conllu, write_lines, write_panx, write_parallel
from xstilts.microworld.languages import LANGUAGES, TARGETS
from xstilts.microworld.meaning import Utterance
from xstilts.microworld.sampler import Sampler
from xstilts.microworld.stories import entity_sentence, retrieval_sentence, tagging_sentence
from xstilts.microworld.world import World, distinct, renderings

TOPIC = "health"


@dataclass(frozen=True)
class DomainSize:
    """How much: documents per language, sentences of each test set."""

    documents: int = 6_000
    test: int = 400


DEFAULT_DOMAIN = DomainSize()


def write_domain(directory: Path, seed: int, size: DomainSize = DEFAULT_DOMAIN) -> None:
    """Write the domain of world `seed` into `domain/`: `text/`, and test sets `tagging/`, `ner/`, `tatoeba/`.

    The same seed and size give the same bytes, on every machine. Test sets are parallel over languages.
    """
    world, directory = World(seed), directory / "domain"
    for code, grammar in world.grammars.items():
        dice = Dice(seed, "domain", "text", code)
        lines = (grammar.text(*document(world.full, dice, TOPIC)) for _ in range(size.documents))
        write_lines(directory / "text" / f"{code}.txt", lines)
    english = world.grammars["en"]
    dice = Dice(seed, "domain", "test")

    def sentences(make: Callable[[int, Sampler, Dice, str], Utterance]) -> list[Utterance]:
        return distinct(lambda n: make(n, world.full, dice, TOPIC), lambda one: renderings(world, (one,)), size.test)

    tagged, named, pairs = map(sentences, (tagging_sentence, entity_sentence, retrieval_sentence))
    for code in LANGUAGES:
        write_conllu(directory / "tagging" / f"test-{code}.conllu", world.grammars[code], tagged, "test")
        write_panx(directory / "ner" / f"test-{code}.tsv", world.grammars[code], named, "test")
    for language in TARGETS:
        texts = [(sentence,) for sentence in pairs]
        write_parallel(directory / "tatoeba", "tatoeba", world.grammars[language.code], english, texts)
