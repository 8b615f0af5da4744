"""Extractive question answering: F1 over words and exact match, after the normalisation of each official script.

- `squad_v1`: SQuAD 1.1. XTREME uses it with its English normaliser for XQuAD and TyDiQA in **every** language. Words
  are separated by whitespace, so F1 is close to exact match in Thai or Chinese.
- `squad_v2`: SQuAD 2.0. If a question has no answer, only the empty prediction is right.
- `mlqa`: MLQA v1. All Unicode punctuation is removed, articles by language, and each Chinese character is a word.

Gold is a sequence of answers, a prediction one string; the best of the gold answers counts. `None` (no prediction for
this question) counts 0, as in the official scripts.

`english_shares` shows drift into English: a model fine-tuned on English alone may answer in English, whatever the
question (Xue et al. 2021, arXiv 2010.11934, section 4: "accidental translation"). py3langid (Lui and Baldwin 2012,
langid.py) chooses between English and the language of the passage. It is often wrong on answers of a few words, and
names belong to no language: compare with the share among the gold answers.
"""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, partial

from xstilts.core.errors import UnknownName
from xstilts.metrics.base import XTREME, Metric, Ratio, check_lengths, ratio, register

Words = Callable[[str], list[str]]
F1 = Callable[[list[str], list[str]], float]
Golds = Sequence[Sequence[str]]
Predictions = Sequence[str | None]

MLQA_ARTICLES = {
    "en": r"\b(a|an|the)\b",
    "es": r"\b(un|una|unos|unas|el|la|los|las)\b",
    "hi": "",
    "vi": r"\b(của|là|cái|chiếc|những)\b",
    "de": r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b",
    # The script's other alternative ("\sال^") can never match.
    "ar": "ال",
    "zh": "",
}
_ENGLISH_ARTICLES = re.compile(MLQA_ARTICLES["en"])
_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)
_HAN = re.compile("([\u4e00-\u9fa5])")


def squad_words(text: str) -> list[str]:
    """Lower case, no ASCII punctuation, no English articles, split at whitespace."""
    return _ENGLISH_ARTICLES.sub(" ", text.lower().translate(_ASCII_PUNCTUATION)).split()


@cache
def _is_punctuation(character: str) -> bool:
    return character in string.punctuation or unicodedata.category(character).startswith("P")


@cache
def mlqa_words(language: str) -> Words:
    """The normaliser of one MLQA language. Raises `UnknownName` for other languages."""
    if language not in MLQA_ARTICLES:
        raise UnknownName("language of MLQA", language, MLQA_ARTICLES)
    articles = re.compile(MLQA_ARTICLES[language]) if MLQA_ARTICLES[language] else None

    def words(text: str) -> list[str]:
        kept = "".join(character for character in text.lower() if not _is_punctuation(character))
        without = articles.sub(" ", kept) if articles else kept
        return (_HAN.sub(r" \1 ", without) if language == "zh" else without).split()

    return words


def _f1(gold: list[str], predicted: list[str]) -> float:
    shared = (Counter(gold) & Counter(predicted)).total()
    if not shared:
        return 0.0
    precision, recall = shared / len(predicted), shared / len(gold)
    return 2 * precision * recall / (precision + recall)


def _f1_or_none(gold: list[str], predicted: list[str]) -> float:
    """SQuAD 2.0: if a side has no words, 1 if neither has any, else 0."""
    return _f1(gold, predicted) if gold and predicted else float(gold == predicted)


def _compare(golds: Golds, predictions: Predictions, words: Words, f1: F1) -> dict[str, Ratio]:
    check_lengths(golds, predictions)
    overlap, exact = [], []
    for number, (answers, predicted) in enumerate(zip(golds, predictions, strict=True), start=1):
        if not answers:
            raise ValueError(f"question {number} has no gold answer; only squad_v2 has such questions")
        known = [words(answer) for answer in answers]
        said = None if predicted is None else words(predicted)
        overlap.append(0.0 if said is None else max(f1(gold, said) for gold in known))
        exact.append(said in known)
    return {"f1": ratio(overlap), "exact_match": ratio(exact)}


def squad_v1(golds: Golds, predictions: Predictions, language: str = "en") -> dict[str, Ratio]:
    """SQuAD 1.1 F1 and exact match, with the English normaliser whatever the language."""
    return _compare(golds, predictions, squad_words, _f1)


def squad_v2(golds: Golds, predictions: Predictions, language: str = "en") -> dict[str, Ratio]:
    """SQuAD 2.0 F1 and exact match; without a gold answer that has a word, the empty prediction is right."""
    kept = [[answer for answer in answers if squad_words(answer)] or [""] for answers in golds]
    return _compare(kept, predictions, squad_words, _f1_or_none)


def mlqa(golds: Golds, predictions: Predictions, language: str) -> dict[str, Ratio]:
    """MLQA F1 and exact match in the language of the passage. Raises `UnknownName`."""
    return _compare(golds, predictions, mlqa_words(language), _f1)


def _majority(words: Words, f1: F1, exact: bool, golds: Golds) -> float:
    """F1, or exact match, of the best of the five most frequent answers (by F1), each given to every question.

    Languages are not separated.
    """
    known = [[tuple(words(answer)) for answer in answers] or [()] for answers in golds]
    frequent = Counter(answer for answers in known for answer in set(answers)).most_common(5)
    guesses = [
        (sum(max(f1(list(gold), list(guess)) for gold in answers) for answers in known), sum(guess in a for a in known))
        for guess, _ in frequent
    ]
    return 100.0 * max(guesses)[exact] / len(known) if guesses else 0.0


def english_shares(golds: Golds, predictions: Sequence[str], language: str) -> dict[str, Ratio]:
    """The share of English answers: `english` among predictions, `english_gold` among the first gold answers.

    Empty answers do not count. For a language unknown to the identifier, English competes with all other languages.
    """
    import py3langid  # loads a model

    try:
        py3langid.set_languages(["en", language])
    except ValueError:
        py3langid.set_languages(None)

    def share(texts: Sequence[str]) -> Ratio:
        said = [bool(text.strip()) for text in texts]
        return ratio([full and py3langid.classify(text)[0] == "en" for text, full in zip(texts, said)], said)

    return {"english": share(predictions), "english_gold": share([gold[0] if gold else "" for gold in golds])}


_VALUES = ("f1", "exact_match")
_SQUAD, _MLQA = f"{XTREME}:squad_em_f1 (SQuAD evaluate-v1.1.py)", "facebookresearch/MLQA mlqa_evaluation_v1.py@24bf470"
for name, script, function, words, f1 in (
    ("squad_v1", _SQUAD, squad_v1, squad_words, _f1),
    ("squad_v2", "SQuAD evaluate-v2.0.py", squad_v2, squad_words, _f1_or_none),
    ("mlqa", _MLQA, mlqa, mlqa_words("zh"), _f1),
):
    main, exact = (partial(_majority, words, f1, exact) for exact in (False, True))
    register(Metric(name, script, _VALUES, function, main, {"exact_match": exact}))
