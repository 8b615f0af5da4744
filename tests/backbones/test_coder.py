"""From text to ids with every kind of tokenizer: frames, words, offsets, truncation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbones.tiny_models import TEXT, TOKENIZERS
from xstilts.backbones.coder import Coder
from xstilts.core.errors import BackboneError

CODERS = {name: Coder(make()) for name, make in TOKENIZERS.items()}
FRAMES = {
    "bpe": (["<s>"], ["</s>", "</s>"], ["</s>"]),
    "wordpiece": (["[CLS]"], ["[SEP]"], ["[SEP]"]),
    "byte": (["[CLS]"], ["[SEP]"], ["[SEP]"]),
    "t5": ([], ["</s>"], ["</s>"]),
    "qwen": ([], ["<|endoftext|>"], ["<|endoftext|>"]),
    "llama": (["<|begin_of_text|>"], ["<|endoftext|>"], ["<|endoftext|>"]),
}
DECODERS = {"qwen", "llama"}
every_tokenizer = pytest.mark.parametrize("name", CODERS)


@every_tokenizer
def test_frames_are_the_special_tokens_of_the_tokenizer(name: str) -> None:
    coder = CODERS[name]
    tokens = coder.tokenizer.convert_ids_to_tokens
    assert tuple(tokens(part.tolist()) for part in coder.pair) == FRAMES[name]
    before, _, after = FRAMES[name]
    assert tuple(tokens(part.tolist()) for part in coder.single) == (before, [], after)
    assert {*tokens(sorted(coder.frame_ids))} == {token for part in FRAMES[name] for token in part}


@pytest.mark.parametrize("name", sorted(CODERS.keys() - DECODERS))
def test_framed_pieces_are_what_the_tokenizer_itself_gives(name: str) -> None:
    coder = CODERS[name]
    first, second = coder.pieces([TEXT[0], TEXT[4]])
    assert coder.one(first, 512).ids.tolist() == coder.tokenizer(TEXT[0])["input_ids"]
    assert coder.two(first, second, 512).ids.tolist() == coder.tokenizer(TEXT[0], TEXT[4])["input_ids"]


@pytest.mark.parametrize("name", sorted(DECODERS))
def test_a_text_that_the_tokenizer_leaves_open_is_closed_by_the_end_of_text_token(name: str) -> None:
    coder = CODERS[name]
    first, second = coder.pieces([TEXT[0], TEXT[4]])
    end = [coder.tokenizer.eos_token_id]
    own = coder.tokenizer(TEXT[0])["input_ids"]
    assert coder.one(first, 512).ids.tolist() == own + end
    assert coder.two(first, second, 512).ids.tolist() == own + end + second.tolist() + end
    assert coder.one(first, 8).ids.tolist() == (own + end)[:7] + end


def test_a_decoder_may_have_no_padding_token() -> None:
    assert CODERS["llama"].tokenizer.pad_token_id is None
    assert all(len(ids) for ids in CODERS["llama"].word_pieces(["the", "дом", "\u200d"]))


def test_token_types_are_what_bert_gives() -> None:
    coder = CODERS["wordpiece"]
    segment = coder.two(*coder.pieces(list(TEXT[:2])), 512)
    types = (np.arange(len(segment.ids)) >= segment.type_split).astype(int).tolist()
    assert types == coder.tokenizer(TEXT[0], TEXT[1])["token_type_ids"]
    assert 0 < sum(types) < len(types)


@every_tokenizer
@pytest.mark.parametrize("text", TEXT)
def test_word_pieces_are_those_of_running_text(name: str, text: str) -> None:
    coder = CODERS[name]
    words = coder.word_pieces(text.split(" "))
    assert np.concatenate(words).tolist() == coder.pieces([text])[0].tolist()


def test_words_of_a_byte_level_tokenizer_need_the_blank_before_them() -> None:
    coder = CODERS["byte"]
    assert coder._word_prefix == " "
    assert coder.word_pieces(["a", "house"])[1].tolist() != coder.pieces(["house"])[0].tolist()


def test_a_word_that_the_tokenizer_drops_becomes_one_unknown_token() -> None:
    coder = CODERS["wordpiece"]
    dropped = coder.word_pieces(["the", "\u200d", "house"])
    assert coder.pieces(["\u200d"])[0].tolist() == []
    assert dropped[1].tolist() == [coder.tokenizer.unk_token_id]
    assert len(dropped) == 3


@every_tokenizer
def test_offsets_count_code_points_and_leave_out_blanks_at_the_left(name: str) -> None:
    text = "  grün 北京 где 🙂 x"
    ((ids, offsets),) = CODERS[name].pieces_with_offsets([text])
    assert len(ids) == len(offsets)
    assert offsets.max() == len(text)
    covered = {i for begin, end in offsets for i in range(begin, end)}
    assert covered >= {i for i, character in enumerate(text) if not character.isspace()}
    for begin, end in offsets:
        assert not text[begin:end][:1].isspace()


@pytest.mark.parametrize("name", ["bpe", "byte", "t5"])
def test_each_word_lies_between_the_offsets_of_its_pieces(name: str) -> None:
    coder = CODERS[name]
    for text in TEXT:
        ((_, offsets),) = coder.pieces_with_offsets([text])
        place, row = 0, 0
        for word, pieces in zip(text.split(" "), coder.word_pieces(text.split(" ")), strict=True):
            begin = text.index(word, place)
            rows = offsets[row : row + len(pieces)]
            assert (rows[:, 1].max() - len(word), rows[-1, 1]) == (begin, begin + len(word))
            place, row = begin + len(word), row + len(pieces)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(5, 40))
def test_the_longer_text_loses_tokens_first(n: int, m: int, max_length: int) -> None:
    coder = CODERS["bpe"]
    segment = coder.two(np.full(n, 50, np.int32), np.full(m, 60, np.int32), max_length)
    a, b = n, m
    while a + b > max_length - 4:
        a, b = (a - 1, b) if a > b else (a, b - 1)
    assert (np.count_nonzero(segment.ids == 50), np.count_nonzero(segment.ids == 60)) == (a, b)
    assert len(segment.ids) == a + b + 4 <= max_length
    assert segment.type_split == a + 3


@given(st.integers(0, 30), st.integers(3, 40))
def test_one_text_is_cut_at_the_right(n: int, max_length: int) -> None:
    coder = CODERS["bpe"]
    segment = coder.one(np.arange(10, 10 + n, dtype=np.int32), max_length)
    kept = min(n, max_length - 2)
    assert segment.ids.tolist() == [0, *range(10, 10 + kept), 2]
    assert segment.type_split == len(segment.ids)


def test_no_texts_have_no_pieces() -> None:
    assert CODERS["bpe"].pieces([]) == []
    assert [ids.tolist() for ids in CODERS["bpe"].pieces([""])] == [[]]


class _Slow:
    is_fast = False


def test_a_slow_tokenizer_is_refused() -> None:
    with pytest.raises(BackboneError, match="_Slow is not a fast tokenizer"):
        Coder(_Slow())


def test_a_tokenizer_without_mask_cannot_serve_masked_language_modelling() -> None:
    with pytest.raises(BackboneError, match="has none"):
        _ = CODERS["t5"].mask_id
    assert CODERS["bpe"].mask_id == 4


def test_a_tokenizer_that_puts_nothing_between_two_texts_is_refused() -> None:
    tokenizer: Any = TOKENIZERS["byte"]()
    tokenizer.backend_tokenizer.post_processor = None
    with pytest.raises(BackboneError, match="no special token between two texts"):
        _ = Coder(tokenizer).pair
