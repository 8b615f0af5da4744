"""A translation model whose weights are set by hand, so that what it says is known: one word for another, in order.

BART with one layer: states hold the token and the position, each as one number in its place; the decoder at step t
looks at position t + 1 of the source (behind `<s>`) and writes the translation of the token that stands there. Saved as
transformers does and converted by CTranslate2's own converter.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from ctranslate2.converters import TransformersConverter
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import BartConfig, BartForConditionalGeneration, PreTrainedTokenizerFast

PLACES = 48
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
MARKS = ("[", "]")
PUNCTUATION = (".", ",", "?")


def write_model(folder: Path, dictionary: Mapping[str, str]) -> Path:
    """A CTranslate2 model with its tokenizer in one folder.

    Args:
        dictionary: English word -> its translation, one word each.
    """
    words = list(dict.fromkeys([*SPECIAL, *MARKS, *PUNCTUATION, *dictionary, *dictionary.values()]))
    tokenizer = _tokenizer(words)
    number = {word: i for i, word in enumerate(words)}
    says = {i: number[dictionary.get(word, word)] for word, i in number.items()}
    model = _model(len(words), says)
    model.save_pretrained(folder / "hf")
    tokenizer.save_pretrained(folder / "hf")
    TransformersConverter(str(folder / "hf"), copy_files=["tokenizer.json", "tokenizer_config.json"]).convert(
        str(folder / "model")
    )
    return folder / "model"


def _tokenizer(words: list[str]) -> PreTrainedTokenizerFast:
    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()])
    inner.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    inner.add_tokens([AddedToken(mark, normalized=False) for mark in MARKS])
    inner.decoder = decoders.WordPiece(prefix="##", cleanup=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )


def _model(vocabulary: int, says: Mapping[int, int]) -> BartForConditionalGeneration:
    size = vocabulary + PLACES + 8
    config = BartConfig(
        vocab_size=vocabulary,
        d_model=size,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=1,
        decoder_attention_heads=1,
        encoder_ffn_dim=8,
        decoder_ffn_dim=8,
        max_position_embeddings=PLACES,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        decoder_start_token_id=2,
        forced_eos_token_id=None,
        normalize_before=False,  # CTranslate2 asks for it, and BART's own configuration has it no longer
        normalize_embedding=True,
    )
    model = BartForConditionalGeneration(config).eval()
    for name, parameter in model.named_parameters():
        if "norm" not in name:
            torch.nn.init.zeros_(parameter)
    place = vocabulary  # tokens are the first numbers of a state, positions the next
    state = torch.zeros(size)
    state[[0, place]] = torch.tensor([1.0, 1.0])
    blank, full = torch.nn.functional.layer_norm(state, (size,)).aminmax()  # what stands for no and yes after a norm
    with torch.no_grad():
        model.model.shared.weight.copy_(torch.eye(vocabulary, size))
        for side in (model.model.encoder, model.model.decoder):
            side.embed_positions.weight[2:, place : place + PLACES] = torch.eye(PLACES)
        reading = model.model.decoder.layers[0].encoder_attn
        step = torch.arange(PLACES - 1)
        scale = 8.0 * size**0.25 / (full - blank)
        reading.q_proj.weight[step + 1, place + step] = scale
        reading.k_proj.weight[torch.arange(PLACES), place + torch.arange(PLACES)] = scale
        for projection in (reading.q_proj, reading.k_proj):
            projection.bias.copy_(-blank * projection.weight.sum(1))
        tokens = torch.arange(vocabulary)
        reading.v_proj.weight[tokens, tokens] = 1.0 / (full - blank)
        reading.v_proj.bias.copy_(-blank * reading.v_proj.weight.sum(1))
        reading.out_proj.weight[torch.tensor([says[i] for i in range(vocabulary)]), tokens] = 50.0 * full
    return model
