"""What every contender trains on: one set of tokenised instances and one model, in a folder that each run opens anew.

features/    the instances, tokenised once; the Trainer gets the very same ids
model/       random weights of a published shape, unless a pretrained model's folder is given
bench.json   everything else
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from transformers import AutoTokenizer

from benchmarks.lengths import REAL, Texts, made, real, words_of
from xstilts.backbones.coder import Coder, VocabularyConfig, train_tokenizer
from xstilts.backbones.load import random_backbone, save_backbone
from xstilts.core.files import read_json, write_json
from xstilts.task_types import TASK_TYPES
from xstilts.task_types.features import Features
from xstilts.training.model import HeadSpec

GROUP = 50
"""Batches among which the Trainer's `group_by_length` sorts by length (`get_length_grouped_indices`)."""
PIECES = 8_000
"""Of a tokenizer that is trained on the texts themselves."""

_XLMR = {"max_position_embeddings": 514, "layer_norm_eps": 1e-5, "type_vocab_size": 1}
_BASE = {"num_hidden_layers": 12, "hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072}
_LARGE = {"num_hidden_layers": 24, "hidden_size": 1024, "num_attention_heads": 16, "intermediate_size": 4096}
_TINY = {"num_hidden_layers": 4, "hidden_size": 192, "num_attention_heads": 6, "intermediate_size": 768}
SIZES: dict[str, dict[str, Any]] = {
    "tiny": {**_TINY, "vocab_size": PIECES},
    "base": {**_BASE, "vocab_size": 250_002},
    "large": {**_LARGE, "vocab_size": 250_002},
    "xlm-v": {**_BASE, "vocab_size": 901_629},
}
"""`base` and `large` are the shapes of XLM-R, `xlm-v` that of XLM-V base, whole embedding included."""


@dataclass(frozen=True)
class Bench:
    """What all contenders share.

    Attributes:
        folder: where it is kept.
        model: folder of weights, configuration and tokenizer.
        type, labels: the task's.
        batch: instances per optimizer step.
        steps: optimizer steps that are timed, after `warmup` others.
        loaders: processes that load the Trainer's batches.
    """

    folder: Path
    model: Path
    type: str
    labels: tuple[str, ...]
    batch: int
    steps: int
    warmup: int
    device: str
    loaders: int = 0

    @cached_property
    def features(self) -> Features:
        return Features.load(self.folder / "features")

    @cached_property
    def tokenizer(self) -> Any:
        return AutoTokenizer.from_pretrained(self.model)

    @property
    def spec(self) -> HeadSpec:
        return HeadSpec("task", self.type, self.labels)

    @property
    def group(self) -> int:
        """Batches among which examples are sorted by length: the same number on both sides.

        The timed steps are a whole number of such groups, so they see short and long batches in their true proportion.
        """
        return min(self.steps, GROUP)

    def save(self) -> None:
        row = asdict(self)
        write_json(self.folder / "bench.json", {**row, "folder": str(self.folder), "model": str(self.model)})

    @classmethod
    def load(cls, folder: Path) -> Bench:
        row = read_json(folder / "bench.json")
        return cls(**{**row, "folder": folder, "model": Path(row["model"]), "labels": tuple(row["labels"])})


@dataclass(frozen=True)
class Asked:
    """Which model and which texts.

    Attributes:
        size: shape of random weights; empty: the weights in `model`.
        model: folder of a pretrained model; with a size, its tokenizer alone is used.
        lengths: name of made-up or of real texts, these from `data`.
        attention_dropout: of random weights; a pretrained model has its own.
    """

    size: str
    lengths: str
    model: Path | None = None
    data: Path | None = None
    attention_dropout: float = 0.1
    loaders: int = 0


def make_bench(folder: Path, asked: Asked, shape: tuple[int, int, int], device: str) -> Bench:
    """Write data and model; `shape` is (instances per batch, timed steps, warm-up steps).

    There are four groups of batches, the fewest from which the Trainer sorts groups of full size.
    """
    batch, steps, warmup = shape
    count = 4 * batch * min(steps, GROUP)
    texts = (
        real(asked.lengths, asked.data, count) if asked.data and asked.lengths in REAL else made(asked.lengths, count)
    )
    tokenizer = AutoTokenizer.from_pretrained(asked.model) if asked.model else make_tokenizer(texts)
    encode(texts, tokenizer).save(folder / "features")
    model = asked.model.absolute() if asked.model and not asked.size else folder / "model"
    if asked.size:
        config = {**_XLMR, **SIZES[asked.size], "attention_probs_dropout_prob": asked.attention_dropout}
        save_backbone(random_backbone("xlm-roberta", config, tokenizer, seed=0), folder / "model")
    bench = Bench(folder, model, texts.type, texts.labels, batch, steps, warmup, device, asked.loaders)
    bench.save()
    return bench


def make_tokenizer(texts: Texts) -> Any:
    """A tokenizer with XLM-R's special tokens, trained on the texts."""
    words = (text for example in texts.examples for text in words_of(example))
    return train_tokenizer(words, VocabularyConfig(SIZES["tiny"]["vocab_size"]))


def encode(texts: Texts, tokenizer: Any) -> Features:
    """The texts as features of their task type."""
    return TASK_TYPES.get(texts.type).encode(texts.examples, Coder(tokenizer), texts.encoding, texts.labels)


def pieces_used(features: Features) -> int:
    """Different pieces in the data: the rows of the embedding that have a gradient."""
    return len(np.unique(features.tokens.values))
