"""Training a vocabulary laid out as XLM-R's."""

from __future__ import annotations

from backbones.tiny_models import TEXT, bpe_tokenizer
from xstilts.backbones.coder import SPECIAL, VocabularyConfig, train_tokenizer


def test_special_tokens_lie_as_in_xlm_r() -> None:
    tokenizer = bpe_tokenizer()
    assert [tokenizer.convert_tokens_to_ids(token) for token in SPECIAL] == [0, 1, 2, 3, 4]
    assert (tokenizer.cls_token, tokenizer.sep_token, tokenizer.mask_token) == ("<s>", "</s>", "<mask>")
    ids = tokenizer("the house", "a dog")["input_ids"]
    assert ids[0] == 0
    assert [i for i in ids if i == 2] == [2, 2, 2]


def test_the_same_text_gives_the_same_vocabulary() -> None:
    assert bpe_tokenizer().get_vocab() == bpe_tokenizer().get_vocab()


def test_text_comes_back() -> None:
    tokenizer = bpe_tokenizer(400)
    assert all(tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text for text in TEXT)


def test_digits_are_split_when_asked() -> None:
    def pieces(split: bool) -> int:
        tokenizer = train_tokenizer(["1984 1984 1984"] * 5, VocabularyConfig(60, split_digits=split))
        return len(tokenizer("1984", add_special_tokens=False)["input_ids"])

    assert pieces(True) >= 4
    assert pieces(False) == 1


def test_characters_beyond_the_alphabet_are_unknown() -> None:
    tokenizer = train_tokenizer(["aaa bbb"] * 9 + ["z"], VocabularyConfig(60, alphabet=3))
    assert tokenizer.unk_token_id in tokenizer("z")["input_ids"]
