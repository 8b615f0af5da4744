"""What every contender trains on: one set of tokenised sentence pairs, and one random model of a real shape.

The text is the microworld's English, two texts a pair, with a random label: speed asks for lengths, not for sense.
Numbers of words are drawn from a log-normal distribution fitted to the words and punctuation marks of real inference
pairs, premise and hypothesis together: median 31 and log standard deviation 0.53 in the matched development set of
MultiNLI 1.0, median 22 and 0.32 in that of SNLI 1.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from xstilts.backbones.backbone import Backbone
from xstilts.backbones.coder import Coder
from xstilts.backbones.load import random_backbone
from xstilts.backbones.vocabulary import VocabularyConfig, train_tokenizer
from xstilts.core.seeds import generator
from xstilts.data.examples import TextExample
from xstilts.microworld import SOURCE, World
from xstilts.microworld.concepts import TOPICS
from xstilts.microworld.dice import Dice
from xstilts.microworld.meaning import plain
from xstilts.task_types import TASK_TYPES
from xstilts.task_types.features import Features
from xstilts.tasks.base import Encoding

LABELS = ("entailment", "neutral", "contradiction")
MAX_LENGTH = 128
FEWEST_WORDS = 6
"""Words of the shortest pair: with special tokens 10 tokens."""
FIRST_SHARE = 2 / 3
"""Share of a pair's words that the first text gets; premises of MultiNLI are about twice as long as hypotheses."""
GROUP = 50
"""Batches among which the Trainer's `group_by_length` sorts by length (`get_length_grouped_indices`)."""


class Spread(NamedTuple):
    """Words of a pair: median, and standard deviation of the logarithm."""

    median: float
    log_sd: float


SPREADS = {"mnli": Spread(31, 0.53), "snli": Spread(22, 0.32)}

_XLMR = {"max_position_embeddings": 514, "layer_norm_eps": 1e-5, "type_vocab_size": 1}
SIZES: dict[str, dict[str, Any]] = {
    "tiny": {
        "num_hidden_layers": 4,
        "hidden_size": 192,
        "num_attention_heads": 6,
        "intermediate_size": 768,
        "vocab_size": 8_000,
    },
    "base": {
        "num_hidden_layers": 12,
        "hidden_size": 768,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "vocab_size": 250_002,
    },
    "large": {
        "num_hidden_layers": 24,
        "hidden_size": 1024,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
        "vocab_size": 250_002,
    },
}
"""`base` and `large` are the shapes of XLM-R, whole embedding included; the text uses only its first rows."""


@dataclass(frozen=True)
class Bench:
    """What all contenders share.

    Attributes:
        backbone: random weights on the CPU; every run trains a copy.
        features: the pairs, tokenised once; the Trainer gets the very same ids.
        batch: examples per optimizer step.
        steps: optimizer steps that are timed, after `warmup` others.
    """

    backbone: Backbone
    features: Features
    batch: int
    steps: int
    warmup: int
    device: str

    @property
    def group(self) -> int:
        """Batches among which examples are sorted by length: the same number on both sides.

        The timed steps are a whole number of such groups, so they see short and long batches in their true proportion.
        """
        return min(self.steps, GROUP)


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
        yield from world.render((plain(world.full.event(dice.pick(TOPICS), dice)),), SOURCE.code).split()


def make_tokenizer(pairs: list[TextExample]) -> Any:
    """A tokenizer with XLM-R's special tokens, trained on the pairs."""
    texts = (text for pair in pairs for text in (pair.text, pair.pair or ""))
    return train_tokenizer(texts, VocabularyConfig(SIZES["tiny"]["vocab_size"]))


def encode(pairs: list[TextExample], tokenizer: Any) -> Features:
    """The pairs as features of our text classification."""
    limits = Encoding(max_length=MAX_LENGTH)
    return TASK_TYPES.get("classification").encode(pairs, Coder(tokenizer), limits, LABELS)


def make_bench(size: str, spread: str, attention_dropout: float, shape: tuple[int, int, int], device: str) -> Bench:
    """Data and model; `shape` is (examples per batch, timed steps, warm-up steps).

    There are four groups of batches, the fewest from which the Trainer sorts groups of full size.
    """
    batch, steps, warmup = shape
    pairs = make_pairs(4 * batch * min(steps, GROUP), SPREADS[spread])
    tokenizer = make_tokenizer(pairs)
    config = {**_XLMR, **SIZES[size], "attention_probs_dropout_prob": attention_dropout}
    # The padded route keeps transformers' own attention; each of our runs sets the route of its copy.
    backbone = random_backbone("xlm-roberta", config, tokenizer, seed=0, route="padded")
    return Bench(backbone, encode(pairs, tokenizer), batch, steps, warmup, device)
