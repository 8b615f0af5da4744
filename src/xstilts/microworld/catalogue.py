"""The labelled tasks of a world: how an item is made, what it says, and how a file of items is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from xstilts.microworld import formats
from xstilts.microworld.concepts import TOPICS
from xstilts.microworld.dice import Dice
from xstilts.microworld.grammar import Grammar
from xstilts.microworld.meaning import Sentence
from xstilts.microworld.pairs import NLI_LABELS, Pair, nli_item, paraphrase_item
from xstilts.microworld.sampler import Sampler
from xstilts.microworld.stories import (
    ENDINGS,
    Choice,
    Reading,
    Themed,
    choice_item,
    entity_sentence,
    reading_item,
    tagging_sentence,
    topic_item,
)

T = TypeVar("T")


@dataclass(frozen=True)
class Kind(Generic[T]):
    """One labelled task.

    Attributes:
        name: also the field of `WorldSize` that counts its training items.
        file: path of a split (`train`, `dev`, `test`) in a language, below the world's folder.
        make: an item from (number, sampler, dice); numbers go through the classes in turn, so that they are balanced.
        sentences: all that an item says, whatever its label.
        write: a file of items from (path, grammar, items, split).
    """

    name: str
    file: str
    make: Callable[[int, Sampler, Dice], T]
    sentences: Callable[[T], tuple[Sentence, ...]]
    write: Callable[[Path, Grammar, Sequence[T], str], None]


def _pair_sentences(item: Pair) -> tuple[Sentence, ...]:
    return item.first, item.second


NLI = Kind(
    "nli",
    "nli/{split}-{language}.tsv",
    lambda number, sampler, dice: nli_item(NLI_LABELS[number % 3], sampler, dice),
    _pair_sentences,
    formats.write_pairs,
)
PARAPHRASE = Kind(
    "paraphrase",
    "paraphrase/{split}-{language}.tsv",
    lambda number, sampler, dice: paraphrase_item("01"[number % 2], sampler, dice),
    _pair_sentences,
    formats.write_pairs,
)
CHOICE: Kind[Choice] = Kind(
    "choice",
    "choice/{split}-{language}.jsonl",
    lambda number, sampler, dice: choice_item(number % ENDINGS, sampler, dice),
    lambda item: item.context + item.endings,
    formats.write_choices,
)
QA: Kind[Reading] = Kind(
    "qa",
    "qa/{split}-{language}.json",
    lambda number, sampler, dice: reading_item(sampler, dice),
    lambda item: (*item.passage, item.question),
    formats.write_squad,
)
TOPIC: Kind[Themed] = Kind(
    "topic",
    "topic/{language}/{split}.tsv",
    lambda number, sampler, dice: topic_item(TOPICS[number % len(TOPICS)], sampler, dice),
    lambda item: item.text,
    formats.write_topics,
)
TAGGING: Kind[Sentence] = Kind(
    "tagging",
    "tagging/{split}-{language}.conllu",
    lambda number, sampler, dice: tagging_sentence(sampler, dice),
    lambda item: (item,),
    formats.write_conllu,
)
NER: Kind[Sentence] = Kind(
    "ner",
    "ner/{split}-{language}.tsv",
    lambda number, sampler, dice: entity_sentence(sampler, dice),
    lambda item: (item,),
    formats.write_panx,
)
