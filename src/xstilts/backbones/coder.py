"""From text to token ids with any fast tokenizer: pieces without special tokens, and frames of special tokens.

Task types combine pieces into inputs themselves (windows, choices, tagged words). The special tokens before, between
and after two texts are found by probing the tokenizer.

Tokenizers of decoders put no token after a text, so we add the end-of-text token: `text <end>` and `text <end> text
<end>` (Qwen3, BLOOM), `<begin> text <end>` (Llama), `</s> text </s>` (XGLM). Decoders are read at that token.

`train_tokenizer` makes a joint vocabulary: byte-pair encoding of NFKC text with marked word starts. Its special tokens
are those of XLM-R (pairs are `<s> A </s></s> B </s>`), so that RoBERTa-like architectures can use it.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from string import ascii_letters, digits, punctuation
from typing import Any, NamedTuple

import numpy as np
import regex
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from xstilts.core.errors import BackboneError

Ids = np.ndarray
# Blanks on the left of a piece, with the invisible characters that SentencePiece treats as blanks.
_LEFT = regex.compile(r"[\s\u200b\u200e\u200f\ufeff]+(?=[^\s\u200b\u200e\u200f\ufeff])|\s+")


class Frame(NamedTuple):
    """Special tokens around pieces: `before` text `after`, or `before` text `between` pair `after`."""

    before: Ids
    between: Ids
    after: Ids

    @property
    def tokens(self) -> int:
        return sum(len(part) for part in self)


class Segment(NamedTuple):
    """An input sequence; token type ids are 1 from position `type_split`."""

    ids: Ids
    type_split: int


def _ids(values: Sequence[int]) -> Ids:
    return np.asarray(values, dtype=np.int32)


def whole_graphemes(text: str, offsets: np.ndarray) -> np.ndarray:
    """Offsets that cover whole graphemes.

    If a normaliser composes or drops characters, a piece has the offsets of the first of them only: in decomposed Greek
    the piece `ή` covers `η` without its accent; Hangul jamo, vowel signs and variation selectors are lost too. Each
    lost character goes to the piece before it in its grapheme, else to the piece after it. Other pieces that begin or
    end inside a grapheme stay, because gold answers may do so.
    """
    n = len(text)
    full = offsets[offsets[:, 0] < offsets[:, 1]]
    depth = np.bincount(full[:, 0], minlength=n + 1) - np.bincount(full[:, 1], minlength=n + 1)
    missing = np.flatnonzero(np.cumsum(depth)[:n] == 0).tolist()
    missing = [place for place in missing if not text[place].isspace()]
    if not missing:
        return offsets
    graphemes = {match.start() for match in regex.finditer(r"\X", text)}
    graphemes -= {place for place in missing if place and _composes(text[place - 1 : place + 1])}
    begin, end = np.arange(n + 1), np.arange(n + 1)
    for place in reversed(missing):
        if place not in graphemes:
            end[place] = end[place + 1]
    for place in missing:
        if (place in graphemes or begin[place] < place) and place + 1 not in graphemes:
            begin[place + 1] = begin[place]
    moved = np.stack([begin[offsets[:, 0]], end[offsets[:, 1]]], axis=1)
    return np.where((offsets[:, 0] < offsets[:, 1])[:, None], moved, offsets)


def _composes(two: str) -> bool:
    """Whether NFKC makes one letter of two graphemes: compatibility or halfwidth jamo."""
    return len(unicodedata.normalize("NFKC", two)) < sum(len(unicodedata.normalize("NFKC", one)) for one in two)


class Coder:
    """Encodes texts with a fast tokenizer. Raises `BackboneError` for a slow one, which has no character offsets."""

    def __init__(self, tokenizer: Any) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise BackboneError(f"{type(tokenizer).__name__} is not a fast tokenizer: span and tag offsets need one")
        self.tokenizer = tokenizer

    @cached_property
    def single(self) -> Frame:
        """The frame of one text (`between` is empty)."""
        ids, mask = self._probe("a")
        inside = np.flatnonzero(mask == 0)
        closing = ids[inside[-1] + 1 :]
        return Frame(ids[: inside[0]], _ids([]), closing if len(closing) else self._end)

    @cached_property
    def pair(self) -> Frame:
        """The frame of two texts. Raises `BackboneError` if nothing separates them."""
        _, mask = self._probe("a")
        if len(self._end) and not mask[-1]:
            return Frame(self.single.before, self._end, self._end)
        ids, mask = self._probe("a", "a")
        inside = np.flatnonzero(mask == 0)
        gaps = np.flatnonzero(np.diff(inside) > 1)
        if not len(gaps):
            raise BackboneError("this tokenizer puts no special token between two texts")
        between = ids[inside[gaps[0]] + 1 : inside[gaps[0] + 1]]
        return Frame(ids[: inside[0]], between, ids[inside[-1] + 1 :])

    @cached_property
    def _end(self) -> Ids:
        end = self.tokenizer.eos_token_id
        return _ids([] if end is None else [int(end)])

    def _probe(self, *texts: str) -> tuple[Ids, Ids]:
        # No tokenizer drops "a".
        coded = self.tokenizer(*texts, return_special_tokens_mask=True)
        return _ids(coded["input_ids"]), _ids(coded["special_tokens_mask"])

    @property
    def mask_id(self) -> int:
        if self.tokenizer.mask_token_id is None:
            raise BackboneError("masked language modelling needs a mask token, and this tokenizer has none")
        return int(self.tokenizer.mask_token_id)

    @cached_property
    def special_ids(self) -> frozenset[int]:
        return frozenset(int(i) for i in self.tokenizer.all_special_ids)

    @cached_property
    def frame_ids(self) -> frozenset[int]:
        """The special tokens around texts, without that of unknown words."""
        return frozenset(int(i) for i in (*self.single.before, *self.single.after))

    @property
    def vocabulary(self) -> int:
        return len(self.tokenizer)

    @cached_property
    def sentence_ends(self) -> Ids:
        """Pieces that end a sentence, of several scripts."""
        marks = set(".!?。！？।؟。")
        names = self.tokenizer.get_vocab()
        return _ids(sorted(i for piece, i in names.items() if piece.strip("\u2581\u0120") in marks))

    def pieces(self, texts: Sequence[str]) -> list[Ids]:
        """Token ids of each text, without special tokens."""
        if not texts:
            return []
        coded = self.tokenizer(list(texts), add_special_tokens=False, verbose=False)
        return [_ids(row) for row in coded["input_ids"]]

    def pieces_with_offsets(self, texts: Sequence[str]) -> list[tuple[Ids, np.ndarray]]:
        """Token ids and [n, 2] code-point offsets of each text, without blanks on the left (`whole_graphemes`)."""
        coded = self.tokenizer(list(texts), add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        rows = []
        for text, ids, offsets in zip(texts, coded["input_ids"], coded["offset_mapping"], strict=True):
            table = [
                (blank.end() if (blank := _LEFT.match(text, begin, end)) else begin, end) for begin, end in offsets
            ]
            rows.append((_ids(ids), whole_graphemes(text, np.asarray(table, dtype=np.int64).reshape(-1, 2))))
        return rows

    @cached_property
    def _word_prefix(self) -> str:
        """The prefix with which a single word has the pieces that it has in running text.

        Byte-level tokenizers without `add_prefix_space` (ModernBERT, mmBERT) mark the start of a word by a blank, and
        NER loses points without it. SentencePiece and WordPiece need no prefix.
        """
        probe = ["the", "house", "in", "Berlin"]
        running = self.pieces([" ".join(probe)])[0].tolist()
        for prefix in ("", " "):
            words = self.pieces([word if i == 0 else prefix + word for i, word in enumerate(probe)])
            if [i for word in words for i in word.tolist()] == running:
                return prefix
        return ""

    def continued(self, text: str) -> Ids:
        """Pieces of a text after another word."""
        return np.concatenate(self.word_pieces(["a", *text.split()])[1:])

    @property
    def end_id(self) -> int:
        """The token that ends a generated text. Raises `BackboneError` if there is none."""
        if not len(self._end):
            raise BackboneError("this tokenizer has no end-of-text token: text cannot be generated with it")
        return int(self._end[0])

    def text(self, ids: Sequence[int]) -> str:
        """The text of some pieces, without special tokens, stripped."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True)
        return text.strip()

    def word_pieces(self, words: Sequence[str]) -> list[Ids]:
        """Pieces of each word of a sentence; a word that the tokenizer drops becomes an unknown token."""
        prefix = self._word_prefix
        coded = self.pieces([word if i == 0 else prefix + word for i, word in enumerate(words)])
        unknown = self.tokenizer.unk_token_id
        fallback = unknown if unknown is not None else self.tokenizer.pad_token_id
        return [ids if len(ids) else _ids([int(fallback or 0)]) for ids in coded]

    def one(self, ids: Ids, max_length: int) -> Segment:
        """One text in its frame, truncated on the right to `max_length` tokens."""
        frame = self.single
        joined = np.concatenate([frame.before, ids[: max_length - frame.tokens], frame.after])
        return Segment(joined, len(joined))

    def two(self, first: Ids, second: Ids, max_length: int) -> Segment:
        """Two texts in their frame, cut to `max_length` tokens; the longer text loses tokens first, as in XTREME."""
        frame = self.pair
        first, second = self.cut(first, second, max_length - frame.tokens)
        head = np.concatenate([frame.before, first, frame.between])
        return Segment(np.concatenate([head, second, frame.after]), len(head))

    @staticmethod
    def cut(first: Ids, second: Ids, budget: int) -> tuple[Ids, Ids]:
        """Two texts, truncated on the right to `budget` tokens together; the longer loses tokens first."""
        excess = len(first) + len(second) - budget
        if excess <= 0:
            return first, second
        longer = min(excess, abs(len(first) - len(second)))
        rest = excess - longer
        cut_first = (longer if len(first) > len(second) else 0) + rest // 2
        return first[: len(first) - cut_first], second[: len(second) - (excess - cut_first)]


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
