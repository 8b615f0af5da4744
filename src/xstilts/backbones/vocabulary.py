"""Trains a joint subword vocabulary: byte-pair encoding of NFKC text with marked word starts.

Special tokens are those of XLM-R (`<s>` 0, `<pad>` 1, `</s>` 2, `<unk>` 3, `<mask>` 4; pairs are `<s> A </s></s> B
</s>`), so that RoBERTa-like architectures can use it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from string import ascii_letters, digits, punctuation
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")


@dataclass(frozen=True)
class VocabularyConfig:
    """Size and contents of a vocabulary.

    Attributes:
        alphabet: maximal number of characters; the least frequent ones become unknown.
        ascii: keep all letters, digits and punctuation marks of English, for prompts and labels.
        sentinels: number of tokens `<extra_id_0>` ... for span corruption (`task_types.raw_text`).
    """

    pieces: int
    alphabet: int = 3400
    split_digits: bool = True
    ascii: bool = False
    sentinels: int = 0


def train_tokenizer(lines: Iterable[str], config: VocabularyConfig) -> Any:
    """A fast tokenizer trained on `lines`."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.NFKC()
    digits_apart = [pre_tokenizers.Digits(individual_digits=True)] if config.split_digits else []
    splits = [pre_tokenizers.Metaspace(), *digits_apart, pre_tokenizers.Punctuation()]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(splits)
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=config.pieces,
        limit_alphabet=config.alphabet,
        special_tokens=[*SPECIAL, *(f"<extra_id_{number}>" for number in range(config.sentinels))],
        initial_alphabet=[*ascii_letters, *digits, *punctuation] if config.ascii else [],
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines, trainer)
    ends = [(token, SPECIAL.index(token)) for token in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=ends
    )
    names = {"bos": "<s>", "cls": "<s>", "eos": "</s>", "sep": "</s>", "pad": "<pad>", "unk": "<unk>", "mask": "<mask>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, **{f"{name}_token": token for name, token in names.items()}
    )
