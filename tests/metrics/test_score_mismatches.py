"""Files that do not belong together would give a wrong number: each is refused in one line, or has a note."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from squad_file import squad

from xstilts.core.errors import DataError
from xstilts.core.scores import Score
from xstilts.evaluation.score import score_files
from xstilts.experiment.specs import OwnTask

Scorer = Callable[..., Score]


@pytest.fixture
def score(tmp_path: Path) -> Scorer:
    """`score(task, gold, predictions, language, gold name, prediction name)`: the main score; text or JSON values."""

    def run(task: Any, gold: Any, said: Any, language: str = "de", names: tuple[str, str] = ("g", "p")) -> Score:
        for name, content in zip(names, (gold, said)):
            (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return score_files(task, language, *(tmp_path / name for name in names))[0]

    return run


def lines(rows: Iterable[Any]) -> str:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)


def rows(said: dict[Any, Any]) -> str:
    return lines({"id": name, "prediction": value} for name, value in said.items())


# Ids of gold ---------------------------------------------------------------------------------------------------------

OWN = OwnTask(
    type="classification", files={"test": "test.jsonl"}, columns={"id": "nr"}, labels=("bad", "good"), languages=("de",)
).task("mine")
RIGHT = {f"k{number}": ("bad", "good")[number % 3 > 0] for number in range(20)}
OWN_GOLD = lines({"nr": name, "text": "x", "label": label} for name, label in RIGHT.items())
JSONL = ("g.jsonl", "p.jsonl")


def test_rows_in_any_order_are_joined_by_the_ids_of_gold(score: Scorer) -> None:
    assert score(OWN, OWN_GOLD, rows(dict(reversed(RIGHT.items()))), names=JSONL).value == 100.0


@pytest.mark.parametrize(
    ("renamed", "message"),
    [
        (
            lambda name: name.replace("k19", "k99"),
            r"p.jsonl:1: 1 id is not in .*g.jsonl, the first is 'k99'; gold ids without prediction: 1 of 20, such as "
            r"'k19'$",
        ),
        (str.upper, r"p.jsonl:1: 20 ids are not in .*, the first is 'K19'; gold ids .*: 20 of 20, such as 'k\d"),
        (lambda name: f"test-de:{name}", r"p.jsonl:1: 20 ids are not in .*, the first is 'test-de:k19'"),
    ],
)
def test_ids_that_are_not_those_of_gold_are_refused(score: Scorer, renamed: Callable[[str], str], message: str) -> None:
    said = rows({renamed(name): label for name, label in reversed(RIGHT.items())})
    with pytest.raises(DataError, match=message):
        score(OWN, OWN_GOLD, said, names=JSONL)


def test_numbers_that_are_not_those_of_gold_are_refused(score: Scorer) -> None:
    text = {"premise": "p", "choice1": "a", "choice2": "b", "question": "cause", "changed": False}
    gold = lines({**text, "idx": number, "label": number % 2} for number in range(7))
    with pytest.raises(DataError, match=r"p.jsonl:1: 3 ids are not in .*, the first is '12'"):
        score("xcopa", gold, rows({2 * number: number % 2 for number in reversed(range(7))}), "sw", JSONL)


def test_sentences_with_other_ids_than_a_treebank_are_refused(score: Scorer) -> None:
    words = (("a", "DET"), ("b", "NOUN"))
    gold = "".join(f"# sent_id = s{word}\n1\t{word}\t_\t{tag}" + "\t_" * 6 + "\n\n" for word, tag in words)
    with pytest.raises(DataError, match=r"p.jsonl:1: 2 ids are not in .*, the first is 'xs0'"):
        score("udpos", gold, rows({"xs0": ["NOUN"], "xs1": ["DET"]}), names=("g.conllu", "p.jsonl"))


LABELS = ["contradiction", "entailment", "neutral", "neutral", "entailment"]


def test_ids_must_count_rows_where_gold_has_none(score: Scorer) -> None:
    for start in (0, 1, 2):
        said = rows(dict(enumerate(LABELS, start)))
        assert score("xnli", lines(LABELS), said, "ar", ("g", "p.jsonl")).value == 100.0
        table = lines(f"a\tb\t{label}" for label in LABELS)
        assert score("xnli", table, said, "ar", ("g.tsv", "p.jsonl")).value == 100.0
    for said, place in (
        (rows({f"x{number}": label for number, label in enumerate(LABELS)}), r"1: .* id 'x0'"),
        (rows({number: LABELS[number] for number in (0, 1, 3, 2, 4)}), r"3: .* id '3'"),
        (rows({number: LABELS[number - 1] for number in (1, 2, 3, 5, 4)}), r"4: .* id '5'"),
    ):
        with pytest.raises(
            DataError, match=rf"p.jsonl:{place} is not a row number: put the rows in the order of gold and"
        ):
            score("xnli", lines(LABELS), said, "ar", ("g", "p.jsonl"))


def test_pairs_without_majority_are_left_out_by_id(score: Scorer) -> None:
    gold = lines({"gold_label": label, "sentence1": "a", "sentence2": "b"} for label in ("neutral", "-", "entailment"))
    said = rows({"3": "entailment", "2": "contradiction", "1": "neutral"})
    assert score("snli", gold, said, "en", JSONL).value == 100.0


def test_pairs_are_joined_by_their_own_ids(score: Scorer) -> None:
    """With and without the pair on which annotators did not agree."""
    labels = {"7.jpg#1n": "neutral", "9.jpg#0c": "-", "8.jpg#2e": "entailment"}
    gold = lines(
        {"gold_label": label, "sentence1": "a", "sentence2": "b", "pairID": name} for name, label in labels.items()
    )
    said = {"8.jpg#2e": "entailment", "7.jpg#1n": "neutral"}
    assert score("snli", gold, rows(said), "en", JSONL).value == 100.0
    assert score("snli", gold, rows({"9.jpg#0c": "neutral", **said}), "en", JSONL).value == 100.0
    with pytest.raises(DataError, match=r"2 ids are not in .*, the first is '63n'.*, such as '7.jpg#1n'"):
        score("snli", gold, rows({"63n": "neutral", "64n": "neutral"}), "en", JSONL)


def test_many_choices_are_compared_as_numbers(score: Scorer) -> None:
    gold = lines(str(number) for number in [*range(12)] * 2)
    said = lines(str(number + 1) for number in [*range(12)] * 2)
    with pytest.raises(DataError, match="choice 12 is not in gold, which counts from 0"):
        score("hellaswag", gold, said, "en")


def test_more_candidates_than_tatoebas_may_be_numbered(score: Scorer) -> None:
    numbers = lines(map(str, [0, 0, *range(1, 1501)]))
    assert score("tatoeba", numbers, numbers).value == 100.0


def test_mined_pairs_without_gold_score_zero(score: Scorer) -> None:
    """Most sentences of BUCC have no translation."""
    for pair in ("de-7\ten-9\n", "de-1\ten-9\n"):
        assert score("bucc2018", "de-1\ten-1\nde-2\ten-2\n", pair).value == 0.0


# Numbers, pairs and words --------------------------------------------------------------------------------------------

MOCK = [308, 441, 713, 233, 12, 0, 8, 999, 205, 34]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ([308000, *MOCK[1:]], r"p:1: candidate 308000 is beyond the last, 999: XTREME counts candidates from 0"),
        ([number + 1 for number in MOCK], r"p:8: candidate 1000 is beyond"),
        ([number + 1 if number < 999 else 5 for number in MOCK], r"p: the numbers count from 1, not 0"),
        (range(1, 11), r"p: the numbers follow the lines of the text; XTREME sorts the English"),
    ],
)
def test_tatoebas_numbers_count_from_0_in_xtremes_order(score: Scorer, said: Iterable[int], message: str) -> None:
    assert score("tatoeba", lines(map(str, MOCK)), lines(map(str, MOCK))).value == 100.0
    with pytest.raises(DataError, match=message):
        score("tatoeba", lines(map(str, MOCK)), lines(map(str, said)))


def test_translations_are_lines_of_the_text(score: Scorer, tmp_path: Path) -> None:
    (tmp_path / "tatoeba.deu-eng.eng").write_text("two\none\n")
    names = ("tatoeba.deu-eng.deu", "p.jsonl")
    with pytest.raises(DataError, match=r"p.jsonl:1: '0' is not an id in .*deu$"):
        score("tatoeba", "Zwei\nEins\n", rows({"1": "0", "2": "1"}), names=names)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("fr-1\ten-1\n", r"p: ids of the first column look different from those in .*g: 'fr-1' here, 'de-1' there"),
        ("DE-1\tEN-1\n", r"p: ids of the first column look .*: 'DE-1' here"),
        ("en-1\tde-1\n", r"p: ids of the first column look .*: 'en-1' here, 'de-1' there"),
        ("source\ttarget\nde-1\ten-1\n", r"p: ids of the first column look .*: 'source' here, 'de-1' there"),
        ("de-1\tEN-1\n", r"p: ids of the second column look .*: 'EN-1' here, 'en-1' there"),
    ],
)
def test_pairs_with_no_id_of_gold_are_refused(score: Scorer, said: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        score("bucc2018", "de-1\ten-1\nde-2\ten-2\n", said)


def test_an_unknown_question_of_the_same_language_is_refused(score: Scorer) -> None:
    gold = squad(("arabic-1", ["x"]), ("finnish-1", ["y"]))
    assert score("tydiqa", gold, {"arabic-1": "x", "finnish-1": "z"}, "ar").value == 100.0
    with pytest.raises(DataError, match=r"p: 1 id is not in .*, the first is 'arabic-99'$"):
        score("tydiqa", gold, {"arabic-1": "x", "arabic-99": "x"}, "ar")


def test_words_are_compared_where_both_files_have_them(score: Scorer) -> None:
    gold = "de:Ada\tB-PER\nde:kam\tO\n\nde:Bonn\tB-LOC\nde:::\tO\n"
    assert score("panx", gold, gold.replace("de:", "", 3)).value == 100.0
    with pytest.raises(
        DataError, match=r"p:1: word 1 of sentence 1 is 'Bonn', but 'de:Ada' in g:1: put the sentences in"
    ):
        score("panx", gold, "Bonn\tB-LOC\n:\tO\n\nAda\tB-PER\nkam\tO\n")
    tree = "".join(f"1\t{word}\t_\tNOUN" + "\t_" * 6 + "\n\n" for word in ("a", "b"))
    assert score("udpos", tree, tree, names=("g.conllu", "p.conllu")).value == 100.0
    with pytest.raises(DataError, match=r"p.conllu: word 1 of sentence 2 is 'c', but 'b' in '2' of g.conllu"):
        score("udpos", tree, tree.replace("b", "c"), names=("g.conllu", "p.conllu"))


# Forms ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["label", "gold_label", "Prediction", "predicted labels"])
def test_a_header_is_refused_whatever_the_number_of_lines(score: Scorer, header: str) -> None:
    with pytest.raises(DataError, match=rf"p:1: '{header}' is a header, not a label of xnli: delete this line"):
        score("xnli", lines(LABELS), lines([header, *LABELS[:-1]]))


def test_a_label_may_be_called_label(score: Scorer) -> None:
    task = OwnTask(type="classification", files={"test": "t"}, labels=("label", "text"), languages=("de",)).task("own")
    gold = lines({"text": "x", "label": label} for label in ("label", "text"))
    assert score(task, gold, "label\ntext\n", names=("g.jsonl", "p")).value == 100.0


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize(("said", "kind"), [(LABELS, "list"), (dict(enumerate(LABELS)), "object")])
def test_a_json_document_of_labels_is_named(score: Scorer, said: Any, kind: str, indent: int | None) -> None:
    with pytest.raises(DataError, match=rf'p: is one JSON {kind}: give one prediction or one {{"id": ..., "pred'):
        score("xnli", lines(LABELS), json.dumps(said, indent=indent))
    with pytest.raises(DataError, match=rf"p: is one JSON {kind}"):
        score("panx", "B-PER\nO\n", json.dumps(said, indent=indent))


@pytest.mark.parametrize("name", ["p", "p.tsv"])
def test_a_blank_instead_of_a_tab_is_named(score: Scorer, name: str) -> None:
    with pytest.raises(DataError, match=r"p[.tsv]*:1: a blank between word and tag in 'Ada B-PER': put a tab there"):
        score("panx", "Ada\tB-PER\nkam\tO\n", "Ada B-PER\nkam O\n", names=("g", name))


def test_counts_of_one_are_singular(score: Scorer) -> None:
    for task, gold, said, message in (
        ("xnli", "neutral\nneutral\n", "neutral\n", "1 label, but 2 in"),
        ("tatoeba", "1\n0\n", "1\n", "1 index, but 2 in"),
    ):
        with pytest.raises(DataError, match=message):
            score(task, gold, said)


@pytest.mark.parametrize(
    ("task", "language", "names", "note"),
    [
        ("xquad", "es", ("xquad.de.json", "p"), r"'xquad.de.json' says de, not es"),
        ("xquad", "es", ("de.json", "p"), r"'de.json' says de, not es"),
        ("xquad", "es", ("g", "out-el.json"), r"'out-el.json' says el, not es"),
        ("mlqa", "de", ("test-context-de-question-zh.json", "en-test.de.json"), ""),
        ("xquad", "es", ("de-own-file.json", "p"), ""),
    ],
)
def test_a_file_named_for_another_language_has_a_note(
    score: Scorer, task: str, language: str, names: tuple[str, str], note: str
) -> None:
    signature = score(task, squad(("a", ["oak"])), {"a": "oak"}, language, names).signature
    assert ("note: " in signature) == bool(note)
    assert note in signature


def test_passages_in_another_language_than_the_one_given_are_refused(score: Scorer) -> None:
    names = ("dev-context-de-question-hi.json", "p")
    with pytest.raises(DataError, match=r"its passages are in 'de', whose rules .*: give --language de"):
        score("mlqa", squad(("a", ["der Baum"])), {"a": "Baum"}, "hi", names)
    assert score("mlqa", squad(("a", ["der Baum"])), {"a": "Baum"}, "de", names).value == 100.0


def test_one_file_as_gold_and_predictions_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test.tsv").write_text("neutral\nentailment\n")
    with pytest.raises(DataError, match=r"test.tsv: is given as gold and as predictions"):
        score_files("xnli", "de", tmp_path / "test.tsv", tmp_path / "test.tsv")


def test_numbers_of_the_english_sentence_of_each_line_are_refused(score: Scorer) -> None:
    gold = [3, 0, 11, 7, 1, 9, 2, 5, 10, 4, 8, 6]
    said = sorted(range(12), key=gold.__getitem__)
    with pytest.raises(DataError, match="the numbers give the English sentence of each line; XTREME wants"):
        score("tatoeba", lines(map(str, gold)), lines(map(str, said)))


def test_ids_of_another_language_have_a_note(score: Scorer) -> None:
    assert "| note: 'fr-1' says fr, not de |" in score("bucc2018", "fr-1\ten-1\n", "fr-1\ten-1\n").signature
    assert "note" not in score("bucc2018", "fr-1\ten-1\n", "fr-1\ten-1\n", "fr").signature
