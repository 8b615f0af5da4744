"""Values worked out by hand, one protocol decision each."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from xstilts.core.errors import UnknownName
from xstilts.metrics import METRICS
from xstilts.metrics.base import accuracy, ratio
from xstilts.metrics.retrieval import bitext_f1, group_pairs, map_at_20
from xstilts.metrics.span import mlqa, mlqa_words, squad_v1, squad_v2, squad_words
from xstilts.metrics.tagging import span_f1, span_f1_seqeval_1, token_accuracy


def test_a_ratio_is_the_ratio_of_sums_and_not_the_mean_of_ratios() -> None:
    assert ratio([1, 1], [1, 3]).value == 50.0
    assert ratio([1, 0, 1, 1]).value == 75.0
    assert ratio([0.0], [0.0]).value == 0.0


def test_resampled_sums_give_the_metric_of_the_resampled_examples() -> None:
    golds, predictions = [["B-PER", "O"], ["B-LOC", "I-LOC"], ["O"]], [["B-PER", "O"], ["B-LOC", "O"], ["B-PER"]]
    whole, taken = span_f1(golds, predictions)["f1"], np.array([0, 0, 2])
    again = span_f1([golds[i] for i in taken], [predictions[i] for i in taken])["f1"]
    assert ratio(whole.numerator[taken], whole.denominator[taken]).value == again.value == pytest.approx(80.0)


def test_accuracy_compares_labels_as_they_are() -> None:
    assert accuracy(["1", "0", "1"], ["1", "1", None])["accuracy"].value == pytest.approx(100 / 3)
    assert METRICS.get("accuracy").majority(["a", "b", "a", "a"]) == 75.0
    assert METRICS.get("bitext_accuracy").majority([3, 1, 2, 0]) == 25.0


def test_runs_of_equal_upos_tags_are_one_span() -> None:
    gold, predicted = [["NOUN", "NOUN", "VERB"]], [["NOUN", "VERB", "VERB"]]
    assert span_f1(gold, predicted)["f1"].value == 0.0
    assert token_accuracy(gold, predicted)["token_accuracy"].value == pytest.approx(200 / 3)
    ten = [["NOUN"] * 10 + ["VERB"]], [["NOUN"] * 4 + ["VERB"] + ["NOUN"] * 5 + ["VERB"]]
    assert span_f1(*ten)["f1"].value == pytest.approx(100 / 3)


def test_upos_tags_in_s_are_single_spans_and_those_of_other_letters_are_joined() -> None:
    symbols = span_f1([["SYM", "SYM"]], [["SYM", "SYM"]])["f1"]
    nouns = span_f1([["NOUN", "NOUN"]], [["NOUN", "NOUN"]])["f1"]
    assert (symbols.denominator[0], nouns.denominator[0]) == (4.0, 2.0)


def test_since_seqeval_0_0_13_a_bare_x_depends_on_the_sentence_before() -> None:
    one, other = (["NOUN", "VERB"], ["NOUN", "NOUN"]), (["X", "NOUN"], ["X", "NOUN"])
    pairs = [one, other]
    forward = span_f1_seqeval_1([gold for gold, _ in pairs], [said for _, said in pairs])["f1"].value
    backward = span_f1_seqeval_1([gold for gold, _ in pairs[::-1]], [said for _, said in pairs[::-1]])["f1"].value
    assert forward != backward
    assert (
        span_f1(*map(list, zip(*pairs, strict=True)))["f1"].value
        == span_f1(*map(list, zip(*pairs[::-1], strict=True)))["f1"].value
    )


def test_an_inside_tag_without_begin_starts_a_span_and_spans_end_with_the_sentence() -> None:
    assert span_f1([["I-PER", "I-PER"]], [["B-PER", "I-PER"]])["f1"].value == 100.0
    assert span_f1([["B-PER"], ["I-PER"]], [["B-PER"], ["I-PER"]])["f1"].denominator.tolist() == [2.0, 2.0]
    assert span_f1([["O"], ["B-PER", "I-LOC"]], [["O"], ["B-PER", "I-PER"]])["precision"].value == 0.0


def test_majority_of_tags_is_the_best_constant_tag() -> None:
    golds = [["NOUN", "NOUN"], ["VERB", "NOUN"]]
    assert METRICS.get("token_accuracy").majority(golds) == 75.0
    assert METRICS.get("span_f1").majority(golds) == pytest.approx(100 * 2 / 5)
    assert METRICS.get("span_f1").majority([["O", "O"]]) == 0.0


def test_a_cut_sentence_is_named() -> None:
    with pytest.raises(ValueError, match="sentence 2 has 3 words, but 2 predicted tags"):
        span_f1([["O"], ["O", "O", "O"]], [["O"], ["O", "O"]])


def test_squad_words_lose_case_ascii_punctuation_and_english_articles_only() -> None:
    assert squad_words("The  U.S.'s, an  «Eagle»!") == ["uss", "«eagle»"]
    assert squad_words("die Brücke") == ["die", "brücke"]
    assert squad_words("北京大学。") == ["北京大学。"]


def test_squad_takes_the_best_gold_answer() -> None:
    scores = squad_v1([["red brick house", "house"]], ["the House"])
    assert (scores["f1"].value, scores["exact_match"].value) == (100.0, 100.0)
    scores = squad_v1([["red brick house"], ["x"]], ["brick house", None])
    assert (scores["f1"].value, scores["exact_match"].value) == (pytest.approx(40.0), 0.0)


def test_a_right_answer_without_words_is_exact_but_has_no_overlap_in_squad_1() -> None:
    scores = squad_v1([["the"]], ["the"])
    assert (scores["f1"].value, scores["exact_match"].value) == (0.0, 100.0)


def test_only_squad_2_has_questions_without_answer() -> None:
    scores = squad_v2([[], [], ["oak"], ["the"]], ["", "oak", "", ""])
    assert scores["f1"].numerator.tolist() == scores["exact_match"].numerator.tolist() == [1.0, 0.0, 0.0, 1.0]
    assert METRICS.get("squad_v2").majority([[], [], ["oak"]]) == pytest.approx(200 / 3)
    with pytest.raises(ValueError, match="question 2 has no gold answer"):
        squad_v1([["oak"], []], ["oak", ""])


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("en", "The «Eagle»", ["eagle"]),
        ("de", "der Die EINEN Hut", ["hut"]),
        ("es", "¿los gatos y una casa?", ["gatos", "y", "casa"]),
        ("vi", "cái nhà của Lan", ["nhà", "lan"]),
        ("hi", "a घर।", ["a", "घर"]),
        ("ar", "البيت والكتاب", ["بيت", "و", "كتاب"]),
        ("zh", "在1949年,DNA 链", ["在", "1949", "年", "dna", "链"]),
    ],
)
def test_mlqa_normalises_by_language(language: str, text: str, words: list[str]) -> None:
    assert mlqa_words(language)(text) == words


def test_mlqa_refuses_a_language_it_has_no_rules_for() -> None:
    with pytest.raises(UnknownName, match="language of MLQA 'fr'"):
        mlqa([["x"]], ["x"], "fr")


def test_bitext_pairs_count_once() -> None:
    golds, predictions = [("a", "1"), ("b", "2")], [("a", "1"), ("a", "1"), ("c", "3"), ("b", "9")]
    values = {name: part.value for name, part in bitext_f1(*group_pairs(golds, predictions)).items()}
    assert values == {"f1": pytest.approx(40.0), "precision": pytest.approx(100 / 3), "recall": 50.0}


def test_map_at_20_ignores_what_comes_later_and_counts_a_candidate_once() -> None:
    late = ["x"] * 20 + ["q"]
    assert map_at_20([["q"], ["q"], ["q", "r"]], [late, ["x", "q", "q"], ["q", "q", "r"]])[
        "map_at_20"
    ].numerator.tolist() == [0.0, 0.5, pytest.approx((1 + 2 / 3) / 2)]
    with pytest.raises(ValueError, match="query 1 has no relevant candidate"):
        map_at_20([[]], [["q"]])


def test_scoring_imports_no_heavy_library() -> None:
    code = (
        "import sys, xstilts.evaluation.score; "
        "print([m for m in ('torch', 'transformers', 'sklearn', 'scipy', 'pandas', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
