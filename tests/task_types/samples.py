"""Examples of every kind over the toy vocabulary, and how transformers would be given them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backbones.tiny_models import TEXT, bpe_tokenizer, wordpiece_tokenizer
from xstilts.backbones.coder import Coder
from xstilts.data.examples import (
    Answer,
    ChoiceExample,
    ParallelExample,
    PlainText,
    SpanExample,
    TaggedExample,
    TextExample,
)
from xstilts.task_types.base import Batch, TaskType
from xstilts.task_types.features import Features
from xstilts.tasks.base import Encoding

CODER = Coder(bpe_tokenizer())
BERT_CODER = Coder(wordpiece_tokenizer())
LIMITS = Encoding(max_length=48, stride=8, max_question=16)
LABELS = ("entailment", "neutral", "contradiction")
TAGS = ("NOUN", "VERB", "ADP", "X")

PAIRS = (
    TextExample("p0", TEXT[0], TEXT[1], "neutral"),
    TextExample("p1", "the house", "the dog", "contradiction"),
    TextExample("p2", TEXT[4], "где дом ?", "entailment"),
    TextExample("p3", "a cat", "a cat sleeps", "neutral"),
)
CHOICES = (
    ChoiceExample("c0", "the house is", "", ("old", "a small dog", "green and long"), 2),
    ChoiceExample("c1", "Anna wrote", "what ?", ("the book", "a cat"), 0),
    ChoiceExample("c2", "the cat", "sleeps where ?", ("at home", "in the park", "in Berlin", "in 1984"), 3),
)
SENTENCES = (
    TaggedExample("t0", ("the", "house", "in", "Berlin"), ("X", "NOUN", "ADP", "NOUN")),
    TaggedExample("t1", ("Anna", "wrote"), ("NOUN", "VERB")),
    TaggedExample("t2", ("где", "находится", "дом", "?"), ("X", "VERB", "NOUN", "X")),
)
PASSAGE = TEXT[0] + " . " + TEXT[1]
QUESTIONS = (
    SpanExample("q0", "what is old ?", TEXT[0], (Answer("the house in Berlin", 0),)),
    SpanExample("q1", "где дом ?", TEXT[4], (Answer("в Берлине", TEXT[4].index("в Берлине")),)),
    SpanExample("q2", "who runs ?", PASSAGE, (Answer("a small dog", PASSAGE.index("a small dog")),)),
)
PARALLEL = tuple(
    ParallelExample(f"r{i}", source, target)
    for i, (source, target) in enumerate(
        [(TEXT[3], TEXT[0]), (TEXT[4], TEXT[1]), (TEXT[5], TEXT[2]), ("Haus", "house")]
    )
)
LINES = tuple(PlainText(str(i), text) for i, text in enumerate(TEXT))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def as_part(features: Features) -> Features:
    """The same as the only part of what a prepare stage joins."""
    return replace(features, columns={**features.columns, "part": np.zeros(len(features), dtype=np.int32)})


def whole(task_type: TaskType, features: Features) -> Batch:
    """All instances as one batch."""
    return task_type.collate(features, np.arange(len(features)), rng())


def padded_inputs(features: Features, pad: int, types: bool) -> dict[str, Tensor]:
    """All segments as transformers takes them: padded ids, mask and, where there are two, token types."""
    rows = [features.tokens[i] for i in range(len(features.type_splits))]
    ids = torch.full((len(rows), max(map(len, rows))), pad)
    inputs = {"input_ids": ids, "attention_mask": torch.zeros_like(ids), "token_type_ids": torch.zeros_like(ids)}
    for i, (row, split) in enumerate(zip(rows, features.type_splits, strict=True)):
        inputs["input_ids"][i, : len(row)] = torch.from_numpy(row.astype(np.int64))
        inputs["attention_mask"][i, : len(row)] = 1
        inputs["token_type_ids"][i, int(split) : len(row)] = 1
    if not types:
        del inputs["token_type_ids"]
    return inputs


def config_of(name: str, coder: Coder, **more: Any) -> dict[str, Any]:
    """A configuration whose weights are far from zero and whose dropout is none."""
    tokenizer = coder.tokenizer
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "max_position_embeddings": 80,
        "type_vocab_size": 2 if name == "bert" else 1,
        "pad_token_id": tokenizer.pad_token_id,
        "initializer_range": 0.2,
        "layer_norm_eps": 1e-5,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        **more,
    }
