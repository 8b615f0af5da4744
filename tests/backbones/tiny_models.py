"""Tiny random models of every architecture, and tiny tokenizers of every kind. A new architecture is one line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor
from transformers import AutoConfig, AutoModel, AutoModelForTextEncoding, PreTrainedTokenizerFast

from xstilts.backbones.backbone import Backbone
from xstilts.backbones.coder import VocabularyConfig, train_tokenizer
from xstilts.backbones.families import FAMILIES, Checkpoint
from xstilts.backbones.load import ENCODER_OF
from xstilts.backbones.names import Backend, Route
from xstilts.backbones.packing import pack

VOCABULARY = 100


@dataclass(frozen=True)
class Arch:
    """An architecture at toy size."""

    model_type: str
    fields: dict[str, Any]
    packed: bool = True

    def __str__(self) -> str:
        return self.model_type


SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "vocab_size": VOCABULARY,
    "pad_token_id": 1,
    "initializer_range": 0.2,
}
GROUPED = {"num_key_value_heads": 2, "head_dim": 8}
T5 = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "vocab_size": VOCABULARY}
WINDOW = 4
"""Of the architectures with local attention: a token sees fewer than this many places to a side."""

SHRUNK = {
    "vocab_size": VOCABULARY,
    **dict.fromkeys(("hidden_size", "d_model"), 32),
    **dict.fromkeys(("num_hidden_layers", "num_layers", "n_layer"), 2),
    **dict.fromkeys(("num_attention_heads", "num_heads", "attention_heads", "n_head"), 4),
    **dict.fromkeys(("intermediate_size", "d_ff", "ffn_dim"), 48),
    **dict.fromkeys(("head_dim", "d_kv"), 8),
    **dict.fromkeys(("input_embedding_size", "output_embedding_size"), 16),
    "local_attention": 2 * WINDOW - 2,
    "layer_norm_eps": 1e-5,
}
"""Sizes of a toy; what a checkpoint's shape says besides (norms, rotary positions, tying ...) is the real one's."""


def shrunk(checkpoint: Checkpoint) -> dict[str, Any]:
    """The configuration fields of the real architecture at toy size."""
    fields = {name: SHRUNK.get(name, value) for name, value in checkpoint.shape.items()}
    if "num_key_value_heads" in fields:
        grouped = checkpoint.shape["num_key_value_heads"] < checkpoint.shape["num_attention_heads"]
        fields["num_key_value_heads"] = 2 if grouped else 4
    if fields.get("max_position_embeddings", 0) <= 514:
        fields["max_position_embeddings"] = 64
    if "local_attention" in fields:
        fields["num_hidden_layers"] = 3  # one layer in three is global
    if checkpoint.model_type not in ("mt5", "xglm"):
        fields["initializer_range"] = 0.2
    for token in ("pad", "bos", "eos"):
        number = fields.get(f"{token}_token_id")
        if number is not None and number >= VOCABULARY:
            fields[f"{token}_token_id"] = VOCABULARY - 1
    return fields


def _of_families() -> Iterator[Arch]:
    """Each architecture of each family once, from its first checkpoint."""
    for family in FAMILIES:
        first = {checkpoint.model_type: checkpoint for checkpoint in reversed(family.checkpoints)}
        for model_type, checkpoint in first.items():
            yield Arch(model_type, shrunk(checkpoint), family.route == "packed")


OF_FAMILIES = tuple(_of_families())
ARCHS = (
    *OF_FAMILIES,
    Arch("roberta", SIZES),
    Arch("xmod", {**SIZES, "languages": ["en_XX"], "default_language": "en_XX"}),
    Arch("electra", {**SIZES, "embedding_size": 16}),
    Arch("t5", {**T5, "relative_attention_num_buckets": 8}),
    Arch("gemma3_text", {**SIZES, **GROUPED, "num_hidden_layers": 3, "sliding_window": WINDOW}),
)
BY_NAME = {arch.model_type: arch for arch in ARCHS}


def library_model(arch: Arch, seed: int = 0, **changes: Any) -> Any:
    """transformers' own model with its eager attention, no dropout unless `changes` say so."""
    config = AutoConfig.for_model(arch.model_type, **{**arch.fields, **changes})
    auto = AutoModelForTextEncoding if arch.model_type in ENCODER_OF else AutoModel
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = auto.from_config(config, attn_implementation="eager")
        with torch.no_grad():
            for parameter in model.parameters():  # zeros and ones, as biases and norms begin, hide mistakes
                parameter.add_(torch.randn_like(parameter), alpha=0.05)
    return model.eval()


def tiny_backbone(
    arch: Arch | str = "xlm-roberta",
    *,
    tokenizer: Any = None,
    route: Route | None = None,
    backend: Backend = "segments",
    seed: int = 0,
    **changes: Any,
) -> Backbone:
    """Our backbone around the same weights as `library_model` with the same arguments."""
    arch = BY_NAME[arch] if isinstance(arch, str) else arch
    if tokenizer is not None:
        changes = {"vocab_size": len(tokenizer), **changes}
    return Backbone(library_model(arch, seed, **changes), tokenizer, route, backend).eval()


def sequences(lengths: Sequence[int], seed: int = 0) -> list[np.ndarray]:
    """Random token ids from 5 on, so that none is special."""
    rng = np.random.default_rng(seed)
    return [rng.integers(5, VOCABULARY, size=length) for length in lengths]


def alone(model: Any, rows: Sequence[np.ndarray]) -> list[Tensor]:
    """Last hidden states of each sequence by itself, [n, H]."""
    return [model(input_ids=torch.from_numpy(row)[None]).last_hidden_state[0] for row in rows]


def together(backbone: Backbone, rows: Sequence[np.ndarray], right_context: bool = False) -> list[Tensor]:
    """Our states of each sequence, all of them in one pack."""
    batch = pack(rows)
    states = backbone(batch, right_context)
    return [states[start : start + len(row)] for row, start in zip(rows, batch.starts_S.tolist(), strict=True)]


def assert_close(found: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
    """Equal to 1e-5, pair by pair."""
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


TEXT = (
    "the house in Berlin is old and the garden behind the house is green",
    "a small dog runs in the park , and the cat sleeps at home",
    "who wrote the book ? Anna wrote the long book in 1984 .",
    "das Haus in Berlin ist alt und der Garten hinter dem Haus ist grün",
    "где находится дом ? дом находится в Берлине",
    "北京 是 中国 的 首都",
)


def bpe_tokenizer(pieces: int = 160) -> Any:
    """The project's own kind: byte pairs over words marked at their start, XLM-R's special tokens."""
    return train_tokenizer(TEXT * 3, VocabularyConfig(pieces))


def wordpiece_tokenizer(pieces: int = 160) -> Any:
    """BERT's kind, which drops control characters."""
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(
        TEXT * 3, trainers.WordPieceTrainer(vocab_size=pieces, special_tokens=names, show_progress=False)
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def byte_tokenizer(pieces: int = 400) -> Any:
    """ModernBERT's kind: bytes, words marked by the blank before them, nothing before the first."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=pieces,
        special_tokens=["[CLS]", "[SEP]", "[PAD]", "[MASK]"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT * 3, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 0), ("[SEP]", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]"
    )


def t5_tokenizer(pieces: int = 160, text: Sequence[str] = TEXT) -> Any:
    """T5's kind: a unigram model, nothing in front, `</s>` behind each text."""
    names = ["<pad>", "</s>", "<unk>"]
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(
        [*text] * 3,
        trainers.UnigramTrainer(vocab_size=pieces, special_tokens=names, unk_token="<unk>", show_progress=False),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    tokenizer.decoder = decoders.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")


def decoder_tokenizer(begin: str | None = None, pad: str | None = "<|endoftext|>", pieces: int = 400) -> Any:
    """A decoder's kind: bytes, nothing behind a text. Qwen3's begins with nothing and pads with the end-of-text token;
    Llama's puts a token before each text and has none for padding.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", *([begin] if begin else [])]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=pieces, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXT * 3, trainer)
    if begin:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{begin} $A", pair=f"{begin} $A {begin} $B", special_tokens=[(begin, 1)]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|endoftext|>", bos_token=begin, pad_token=pad
    )


def llama_tokenizer() -> Any:
    return decoder_tokenizer("<|begin_of_text|>", pad=None)


TOKENIZERS = {
    "bpe": bpe_tokenizer,
    "wordpiece": wordpiece_tokenizer,
    "byte": byte_tokenizer,
    "t5": t5_tokenizer,
    "qwen": decoder_tokenizer,
    "llama": llama_tokenizer,
}
