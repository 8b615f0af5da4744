"""Tiny models that write text, and examples of every task type in text."""

from __future__ import annotations

from string import ascii_letters, digits
from typing import Any

from backbones.tiny_models import TEXT, decoder_tokenizer, t5_tokenizer
from xstilts.backbones.backbone import Backbone
from xstilts.backbones.load import random_backbone
from xstilts.data.examples import Answer, ChoiceExample, Example, SpanExample, TaggedExample, TextExample


def writer(kind: str, **changes: Any) -> Backbone:
    tokenizer = t5_tokenizer(300, [*TEXT, ascii_letters, digits]) if kind == "mt5" else decoder_tokenizer()
    sizes: dict[str, Any] = {"d_model": 64, "d_kv": 16, "d_ff": 96, "num_layers": 2, "num_heads": 4}
    sizes |= {"dropout_rate": 0.0, "vocab_size": 300}
    if kind == "qwen3":
        sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
        sizes |= {"head_dim": 16, "intermediate_size": 96, "max_position_embeddings": 512}
    return random_backbone(kind, {**sizes, **changes}, tokenizer, 0, output="text").eval()


EXAMPLES: dict[str, tuple[list[Example], tuple[str, ...]]] = {
    "classification_text": (
        [
            TextExample(str(i), text, None, label)
            for i, (text, label) in enumerate([("a dog", "good"), ("a cat", "bad")])
        ],
        ("bad", "good"),
    ),
    "multiple_choice_text": (
        [
            ChoiceExample("0", "the house", "is", ("old", "small", "green"), 2),
            ChoiceExample("1", "the dog", "is", ("old", "small", "green"), 0),
        ],
        (),
    ),
    "span_qa_text": (
        [
            SpanExample("0", "who?", "Anna wrote the long book in 1984 .", (Answer("Anna", 0),)),
            SpanExample("1", "what?", "Anna wrote the long book in 1984 .", (Answer("the long book", 11),)),
        ],
        (),
    ),
    "tagging_text": (
        [
            TaggedExample("0", ("the", "dog", "runs"), ("DET", "NOUN", "VERB")),
            TaggedExample("1", ("dog", "the", "runs", "."), ("NOUN", "DET", "VERB", "PUNCT")),
        ],
        ("DET", "NOUN", "PUNCT", "VERB"),
    ),
}
