"""What the contenders train on: texts whose lengths are those of real tasks, made up or read from official files.

Made up (`mnli`, `snli`): the microworld's English, two texts a pair, with a random label. Numbers of words are drawn
from a log-normal distribution fitted to the words and punctuation marks of real inference pairs, premise and hypothesis
together: median 31 and log standard deviation 0.53 in the matched development set of MultiNLI 1.0, median 22 and 0.32
in that of SNLI 1.0.

Read (`REAL`): the English files of a data folder, as the package reads and encodes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from xstilts.core.seeds import generator
from xstilts.data.examples import Example, TextExample
from xstilts.data.readers.squad import squad
from xstilts.microworld.concepts import TOPICS, Utterance
from xstilts.microworld.grammar import SOURCE
from xstilts.microworld.sampler import Dice
from xstilts.microworld.world import World
from xstilts.tasks import TASKS, Encoding, Task

LABELS = ("entailment", "neutral", "contradiction")
FEWEST_WORDS = 6
"""Words of the shortest pair: with special tokens 10 tokens."""
FIRST_SHARE = 2 / 3
"""Share of a pair's words that the first text gets; premises of MultiNLI are about twice as long as hypotheses."""


class Spread(NamedTuple):
    """Words of a pair: median, and standard deviation of the logarithm."""

    median: float
    log_sd: float


SPREADS = {"mnli": Spread(31, 0.53), "snli": Spread(22, 0.32)}


@dataclass(frozen=True)
class Texts:
    """Examples with what encodes them."""

    type: str
    labels: tuple[str, ...]
    encoding: Encoding
    examples: Sequence[Example]


def made(spread: str, count: int) -> Texts:
    """So many made-up pairs."""
    return Texts("classification", LABELS, Encoding(max_length=128), make_pairs(count, SPREADS[spread]))


def _of(*tasks: str, split: Any = "train") -> Callable[[Path], Texts]:
    def read(data: Path) -> Texts:
        first: Task = TASKS.get(tasks[0])
        return Texts(
            first.type, first.labels, first.encoding, [e for name in tasks for e in TASKS.get(name).load(data, split)]
        )

    return read


def _squad(data: Path) -> Texts:
    files = [*sorted((data / "squad_v1.1").glob("*.json*")), *sorted((data / "squadshifts").glob("*.json*"))]
    task = TASKS.get("squad_v1")
    return Texts(task.type, task.labels, task.encoding, [example for path in files for example in squad(path, "en")])


REAL: Mapping[str, Callable[[Path], Texts]] = {
    "nli": _of("snli", "mnli", split="validation"),
    "commonsense_qa": _of("commonsense_qa"),
    "squad": _squad,
    "udpos": _of("udpos"),
}
"""Inference pairs, five choices a question, windows of 384 tokens, sentences of a treebank."""


def real(name: str, data: Path, count: int) -> Texts:
    """So many examples of a task at most, drawn once and for all."""
    texts = REAL[name](data)
    order = generator(0, "benchmark", name).permutation(len(texts.examples))[:count]
    return replace(texts, examples=[texts.examples[i] for i in sorted(order)])


def words_of(example: Example) -> list[str]:
    """All texts of an example, for a tokenizer to be trained on."""
    found: list[str] = []
    for name in ("text", "pair", "context", "question", "passage"):
        found += [getattr(example, name, None) or ""]
    return [*found, *getattr(example, "choices", ()), *getattr(example, "words", ())]


def make_pairs(count: int, spread: Spread, seed: int = 0) -> list[TextExample]:
    """Sentence pairs whose numbers of words follow `spread`."""
    rng = generator(seed, "benchmark")
    words = _words(seed)
    counts = np.exp(rng.normal(np.log(spread.median), spread.log_sd, count)).round().astype(int)
    labels = rng.integers(len(LABELS), size=count)
    pairs = []
    for i, (total, label) in enumerate(zip(np.maximum(counts, FEWEST_WORDS), labels)):
        text = list(islice(words, int(total)))
        cut = round(FIRST_SHARE * len(text))
        pairs.append(TextExample(str(i), " ".join(text[:cut]), " ".join(text[cut:]), LABELS[label]))
    return pairs


def _words(seed: int) -> Any:
    """Endless running text of the microworld's English, word by word."""
    world, dice = World(seed), Dice(seed, "benchmark")
    while True:
        yield from world.render((Utterance(world.full.event(dice.pick(TOPICS), dice)),), SOURCE.code).split()
