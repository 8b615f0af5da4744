"""Inputs of the parity records, made from a seed: `record.py` feeds them to the official scripts, the tests to ours.

Only `random.Random.random` is used; Python promises its sequence for ever.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

T = TypeVar("T")
Pair = tuple[str, str]

WORDS = {
    "en": "the a an The harbour A quick lantern of 1,204 Anna's theatre and U.S. co-op Thea the",
    "es": "el la Los unas un puente río Elena unos lana las ¿qué? niño 3,5 del años elástico",
    "de": "der die Das ein Einer brücke straße dem Denker des eines Öl häuser 12. den dein einem",
    "ru": "мост река город Анна и в 1917 году старый дом а большой",
    "el": "γέφυρα ποταμός η πόλη του 1821 και ο μεγάλη Άννα",
    "tr": "İstanbul köprü ışık bir ve IRMAK şehir 1453 yılında",
    "vi": "của là cái chiếc những cây cầu sông Hà Nội năm 1945 người",
    "ar": "ال البيت كتاب المدينة في عام ١٩٤٥ والكتاب مدينة قال الجسر",
    "hi": "पुल नदी का शहर १९४७ में बड़ा है घर की",
    "th": "สะพาน แม่น้ำ เมืองใหญ่ ปี ๒๔๗๕ บ้าน",
    "zh": "桥 河流 大城市 1949年 北京 的 古老 DNA 第3章 房子",
    "ko": "다리 강 도시 1950년 큰 집에서 사람",
    "fi": "silta joki kaupunki vuonna 1917 the vanha talo a",
}
MARKS = list(".,;:!?'\"-()[]%$+=<>^`|~_") + list("«»„“”’—…、。，！？《》·¿¡؟،؛।॥๚†№°€\u200b\u00a0\u3000\u0301")
UPOS = [
    "NOUN", "VERB", "ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NUM", "PART", "PRON", "PROPN", "PUNCT",
    "SCONJ", "SYM", "X", "_",
]  # fmt: skip
BROKEN = [
    "O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "E-LOC", "S-PER", "O", "O", "O", "I-MISC-X",
    "B", "O-LOC", ".-LOC",
]  # fmt: skip
BIO = ["O", "O", "O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"]


class Inputs(NamedTuple):
    golds: list[Any]
    predictions: list[Any]


class Dice:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def below(self, n: int) -> int:
        return int(self._random.random() * n)

    def of(self, values: Sequence[T]) -> T:
        return values[self.below(len(values))]

    def chance(self, p: float) -> bool:
        return self._random.random() < p


def _answer(dice: Dice, words: Sequence[str], joint: str) -> str:
    parts = [dice.of(words) for _ in range(1 + dice.below(6))]
    marked = [part + (dice.of(MARKS) if dice.chance(0.15) else "") for part in parts]
    return joint.join(marked)


def _guess(dice: Dice, answer: str, other: str, word: str) -> str | None:
    half = len(answer) // 2
    ways: list[Callable[[], str | None]] = [
        lambda: answer,
        lambda: answer.upper(),
        lambda: answer[:half],
        lambda: answer[half:],
        lambda: f"{word} {answer}",
        lambda: answer + dice.of(MARKS),
        lambda: "".join(mark + dice.of(MARKS) if dice.chance(0.2) else mark for mark in answer),
        lambda: answer.replace(" ", ""),
        lambda: "  ".join(answer.split()[::-1]),
        lambda: other,
        lambda: "",
        lambda: dice.of(MARKS),
        lambda: word,
        lambda: None,
    ]
    return dice.of(ways)()


def questions(seed: int, n: int, language: str, unanswerable: float = 0.0) -> Inputs:
    """Gold: 1-3 answers (none with probability `unanswerable`); predictions right, nearly right, wrong or missing."""
    dice, words = Dice(seed), WORDS[language].split()
    joint = "" if language in ("zh", "th") else " "
    golds = [
        [] if dice.chance(unanswerable) else [_answer(dice, words, joint) for _ in range(1 + dice.below(3))]
        for _ in range(n)
    ]
    pool = [answer for answers in golds for answer in answers]
    return Inputs(golds, [_guess(dice, dice.of(gold or [""]), dice.of(pool), dice.of(words)) for gold in golds])


def tags(seed: int, n: int, kind: str) -> Inputs:
    """Sentences of 1-20 tags with runs of equal ones; about two of three predicted tags are right."""
    dice, known = Dice(seed), {"upos": UPOS, "bio": BIO, "broken": BROKEN}[kind]
    golds: list[list[str]] = []
    for _ in range(n):
        sentence = [dice.of(known)]
        for _ in range(dice.below(20)):
            sentence.append(sentence[-1] if dice.chance(0.3) else dice.of(known))
        golds.append(sentence)
    return Inputs(golds, [[tag if dice.chance(0.65) else dice.of(known) for tag in sentence] for sentence in golds])


def labels(seed: int, n: int) -> Inputs:
    dice, known = Dice(seed), ["entailment", "neutral", "contradiction"]
    golds = [dice.of(known) for _ in range(n)]
    return Inputs(golds, [gold if dice.chance(0.5) else dice.of(known) for gold in golds])


def pairs(seed: int, n: int) -> Inputs:
    """Gold pairs, and predicted ones of which some are right, some wrong, some repeated, some of unknown sentences."""
    dice = Dice(seed)
    golds = [(f"de-{i:06d}", f"en-{dice.below(n):06d}") for i in range(n)]
    predictions = [(source, target if dice.chance(0.6) else f"en-{dice.below(n):06d}") for source, target in golds]
    predictions = [pair for pair in predictions if dice.chance(0.8)]
    more = [(f"de-{dice.below(2 * n):06d}", f"en-{dice.below(n):06d}") for _ in range(n // 5)]
    return Inputs(golds, predictions + predictions[: n // 10] + more)


def rankings(seed: int, n: int, relevant: int) -> Inputs:
    """Up to `relevant` relevant candidates of 60; ranked lists of 0-40 candidates, some of them repeated."""
    dice = Dice(seed)
    names = [f"Q{i}" for i in range(60)]
    golds = [sorted({dice.of(names) for _ in range(1 + dice.below(relevant))}) for _ in range(n)]
    return Inputs(golds, [[dice.of(names) for _ in range(dice.below(41))] for _ in golds])


def corpora(seed: int, n: int = 120) -> tuple[list[Pair], list[Pair], np.ndarray, np.ndarray, list[Pair]]:
    """Two comparable corpora: (id, sentence) of both sides, their vectors [n, 24] float32, and the gold pairs.

    A third of the sentences have a translation nearby; some sentences occur twice on their side, with one vector.
    """
    dice = random.Random(seed)

    def cloud(rows: int, width: float, centre: float) -> np.ndarray:
        return np.array([[centre + width * (dice.random() - 0.5) for _ in range(24)] for _ in range(rows)], np.float32)

    x, y = cloud(n, 3.0, 0.4), cloud(n + 30, 3.0, 0.4)
    order = sorted(range(n + 30), key=lambda _: dice.random())[: n // 3]
    y[order] = x[: n // 3] + cloud(n // 3, 2.0, 0.0)
    sides = []
    for name, vectors in (("x", x), ("y", y)):
        texts = [f"{name} sentence {i}" for i in range(len(vectors))]
        for i in range(5, len(texts), 29):
            texts[i], vectors[i] = texts[i - 5], vectors[i - 5]
        sides.append([(f"{name}-{i}", text) for i, text in enumerate(texts)])
    gold = [(f"x-{i}", f"y-{j}") for i, j in enumerate(order)]
    return sides[0], sides[1], x, y, gold
