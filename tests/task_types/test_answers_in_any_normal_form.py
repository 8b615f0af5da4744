"""Answers come back whole, whatever the normaliser of the tokenizer composes or drops."""

from __future__ import annotations

import unicodedata
from typing import Any

import numpy as np
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from xstilts.backbones.coder import Coder
from xstilts.data.examples import Answer, SpanExample
from xstilts.task_types.generated import SpanQAText, WindowAnswer
from xstilts.task_types.span_qa import SpanQA, WindowScores
from xstilts.tasks.base import Encoding

WHOLE = Encoding(max_length=600, max_answer=600)
GRAPHEMES = (
    *("a", "ζ", "ή", "ᾧ", "ệ", "ự", "ș", "İ", "ў", "ẹ́", "e\u0301\u0323", "각", "아", "ᆨ", "が", "ｶﾞ", "ﾊﾟ"),
    *("कि", "क्षि", "ड़", "শ্রী", "কো", "கொ", "ಕೋ", "ක්‍ෂ", "กำ", "ที่", "ញ៉ាំ", "ကြို", "مُّ", "آ", "שָּׁ"),
    *("👩\u200d🔬", "❤\ufe0f", "👍🏽", "🇩🇪", "1\ufe0f\u20e3", "ﬁ", "㈱", "a\u200c", "北", "葛\U000e0100"),
)
ANSWERS = (
    *("ζωή", "Việt Nam", "İstanbul ș", "ўсё", "Ọlọ́run", "한국말", "हिन्दी", "পূর্ণিমা", "கொழும்பு", "ที่น้ำ", "ភាសាខ្មែរ"),
    *("مُحَمَّد", "שָׁלוֹם", "👩\u200d🔬", "❤\ufe0f", "👍🏽", "🇩🇪", "ガギグ"),
)
SPECIAL = ["<s>", "</s>", "<unk>"]


def wrapped(tokenizer: Tokenizer) -> Coder:
    tokenizer.add_special_tokens(SPECIAL)
    ends = [(name, tokenizer.token_to_id(name)) for name in SPECIAL[:2]]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=ends
    )
    return Coder(PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", unk_token="<unk>"))


def alphabet(normalizer: Any) -> list[str]:
    texts = [
        unicodedata.normalize(form, text)
        for text in (*GRAPHEMES, *ANSWERS, "b,c?", "가나", "ㄱㅏㄴㅋﾤￂ")
        for form in ("NFC", "NFD")
    ]
    return sorted({character for text in texts for character in normalizer.normalize_str(text)})


def sentencepiece(normalizer: Any) -> Coder:
    """XLM-R's kind, a piece a character."""
    names = [*SPECIAL, "\u2581", *alphabet(normalizer)]
    tokenizer = Tokenizer(models.Unigram([(name, -1.0) for name in names], unk_id=2))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return wrapped(tokenizer)


def byte_level() -> Coder:
    """ModernBERT's kind, a piece a byte."""
    names = [*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({name: i for i, name in enumerate(names)}, []))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return wrapped(tokenizer)


def wordpiece() -> Coder:
    """Uncased BERT's kind, which drops accents, vowel signs and joiners."""
    normalizer = normalizers.BertNormalizer()
    names = [*SPECIAL, *(prefix + letter for letter in alphabet(normalizer) for prefix in ("", "##"))]
    tokenizer = Tokenizer(models.WordPiece({name: i for i, name in enumerate(names)}, unk_token="<unk>"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return wrapped(tokenizer)


CODERS = {
    "nfkc": sentencepiece(normalizers.NFKC()),
    "nfd": sentencepiece(normalizers.NFD()),
    "byte": byte_level(),
    "uncased": wordpiece(),
}


def back(coder: Coder, passage: str, start: int, end: int) -> tuple[str, str]:
    """The answer at its place, encoded and decoded again by both task types for spans."""
    example = SpanExample("q", "?", passage, (Answer(passage[start:end], start),))
    features = SpanQA().encode([example], coder, WHOLE, ())
    first, last = int(features.columns["start"][0]), int(features.columns["end"][0])
    begin = int(features.columns["first"][0])
    starts, ends = np.zeros(features.lengths[0]), np.zeros(features.lengths[0])
    starts[first] = ends[last] = 10
    (pointed,) = SpanQA().decode(features, [WindowScores(starts, ends, begin, 0.0)], (), WHOLE)
    written = SpanQAText().encode([example], coder, WHOLE, ())
    copied, *_ = SpanQAText().decode(
        written, [WindowAnswer((first - begin, last - begin), 0.0, -9.0, "", 0.0)], (), WHOLE
    )
    return pointed.value, copied.value


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("name", CODERS)
@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_ends_behind_its_last_mark(name: str, form: str, answer: str) -> None:
    """In NFD `ζωη` came back for `ζωή`, and `하` for `한`."""
    before, answer, after = (unicodedata.normalize(form, text) for text in ("a ", answer, " b, c"))
    passage = before + answer + after
    assert back(CODERS[name], passage, len(before), len(before + answer)) == (answer, answer)


@pytest.mark.parametrize("name", CODERS)
@given(data=st.data())
def test_every_span_of_whole_graphemes_comes_back(name: str, data: st.DataObject) -> None:
    parts = data.draw(st.lists(st.tuples(st.sampled_from(GRAPHEMES), st.booleans()), min_size=1, max_size=12))
    form = data.draw(st.sampled_from(["NFC", "NFD"]))
    text = unicodedata.normalize(form, "".join(part + " " * blank for part, blank in parts))
    places = [match.span() for match in regex.finditer(r"\X", text) if not match.group().isspace()]
    first = data.draw(st.integers(0, len(places) - 1))
    last = data.draw(st.integers(first, len(places) - 1))
    start, end = places[first][0], places[last][1]
    assert back(CODERS[name], text, start, end) == (text[start:end], text[start:end])


@pytest.mark.parametrize("answer", ["ㄱㅏ", "ㄱㅏㄴㅏ", "ﾤￂ", "ㅋㅋㅋ"])
@pytest.mark.parametrize("name", CODERS)
def test_letters_of_their_own_that_are_composed_come_back(name: str, answer: str) -> None:
    """`ㄱ` came back for `ㄱㅏ`, of which NFKC makes 가."""
    assert back(CODERS[name], f"a {answer} b", 2, 2 + len(answer)) == (answer, answer)


@pytest.mark.parametrize(("answer", "rest"), [("क", "ि"), ("ที", "่")])
def test_an_answer_inside_a_grapheme_stays_where_the_data_set_has_it(answer: str, rest: str) -> None:
    """Official answers do so; pieces that lose nothing are not widened."""
    assert back(CODERS["byte"], f"a {answer}{rest} b", 2, 2 + len(answer)) == (answer, answer)
    assert back(CODERS["nfd"], f"a {answer}{rest} b", 2, 2 + len(answer)) == (answer, answer)


def test_invisible_characters_before_a_word_are_no_part_of_its_piece() -> None:
    """SentencePiece reads a byte order mark, as XQuAD has one, as a blank; the answer began with it."""
    blank = normalizers.Sequence([normalizers.Replace("\ufeff", " "), normalizers.NFKC()])
    assert back(sentencepiece(blank), "a \ufeffζa b", 3, 5) == ("ζa", "ζa")
