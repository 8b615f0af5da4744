"""Scoring files: every form of gold and predictions, and every refusal with its file and line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from squad_file import squad

from xstilts.core.errors import DataError, UnknownName, XstiltsError
from xstilts.core.scores import Score
from xstilts.evaluation.score import registered, score_files
from xstilts.tasks.benchmarks import XTREME, XTREME_R

Scorer = Callable[..., dict[str, Score]]
NLI = ["entailment", "neutral", "contradiction"]


@pytest.fixture
def score(tmp_path: Path) -> Scorer:
    """`score(task, gold, predictions, language, gold name, prediction name)`: scores by metric; text or JSON values."""

    def put(name: str, content: Any) -> Path:
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    def run(task: str, gold: Any, said: Any, language: str = "en", names: tuple[str, str] = ("g", "p")) -> Any:
        rows = score_files(task, language, put(names[0], gold), put(names[1], said))
        return {row.metric: row for row in rows}

    return run


def column(values: list[str]) -> str:
    return "".join(f"{value}\n" for value in values)


def json_lines(*predictions: Any) -> str:
    return column([json.dumps({"id": str(i), "prediction": value}) for i, value in enumerate(predictions)])


# Forms ---------------------------------------------------------------------------------------------------------------


def test_labels_one_per_line(score: Scorer) -> None:
    row = score("xnli", column(NLI), column(["entailment", "neutral", "neutral"]), "de")["accuracy"]
    assert row.value == pytest.approx(200 / 3)
    assert (row.n, row.main, row.language, row.majority) == (3, True, "de", pytest.approx(100 / 3))
    assert row.signature.startswith("google-research/xtreme evaluate.py@838c13b:accuracy | g | n=3 | xstilts ")


def test_windows_line_ends_and_json_lines_change_nothing(score: Scorer) -> None:
    assert score("xnli", "neutral\r\nentailment\r\n", column(["neutral", "entailment"]))["accuracy"].value == 100.0
    names = ("g", "p.jsonl")
    assert score("pawsx", column(["0", "1"]), json_lines(0, "1"), names=names)["accuracy"].value == 100.0


def test_official_xnli_table_is_read_for_one_language(score: Scorer) -> None:
    rows = [f"{row}\tx\ty" for row in ("ar\tneutral", "de\tentailment", "de\tneutral")]
    table = column(["language\tgold_label\tsentence1\tsentence2", *rows])
    assert score("xnli", table, column(["entailment", "entailment"]), "de")["accuracy"].value == 50.0
    with pytest.raises(DataError, match="holds no examples for language 'sw'"):
        score("xnli", table, "neutral\n", "sw")


def test_official_pawsx_table_and_xtreme_development_table(score: Scorer) -> None:
    official = column(["id\tsentence1\tsentence2\tlabel", '7\tsay "a\tsay b"\t1', "8\tc\td\t0"])
    assert score("pawsx", official, column(["1", "1"]))["accuracy"].value == 50.0
    assert score("pawsx", '"say ""a"""\tb\t1\r\nc\td\t0\r\n', column(["1", "0"]))["accuracy"].value == 100.0


COPA = {"premise": "p", "choice1": "a", "choice2": "b", "question": "cause", "changed": False}


def test_xcopa_in_its_own_json_lines(score: Scorer) -> None:
    gold = column([json.dumps({**COPA, "label": label, "idx": i}) for i, label in enumerate([0, 1, 1])])
    row = score("xcopa", gold, json_lines(0, 1, 0), "it", names=("g.jsonl", "p.jsonl"))["accuracy"]
    assert row.value == pytest.approx(200 / 3)


def test_sib200_table(score: Scorer) -> None:
    gold = column(["index_id\tcategory\ttext", '1\tsports\t"a ""b"""', "2\tscience/technology\tc"])
    assert score("sib200", gold, column(["sports", "travel"]), "nl")["accuracy"].value == 50.0


def test_tags_with_and_without_words(score: Scorer) -> None:
    said = column(["B-PER", "O", "", "O"])
    for gold in (column(["B-PER", "O", "", "B-LOC", ""]), "en:Ada\tB-PER\nen:met\tO\n\nen:Bonn\tB-LOC\n\n\n"):
        scores = score("panx", gold, said)
        assert scores["f1"].value == pytest.approx(200 / 3)
        assert (scores["precision"].value, scores["recall"].value, scores["f1"].n) == (100.0, 50.0, 2)
        assert [name for name, row in scores.items() if row.main] == ["f1"]


def test_upos_gives_accuracy_and_both_versions_of_seqeval(score: Scorer) -> None:
    gold, said = column(["SCONJ", "X", "", "NOUN"]), json_lines(["CCONJ", "X"], ["NOUN"])
    scores = score("udpos", gold, said, "de", names=("g", "p.jsonl"))
    assert scores["token_accuracy"].value == pytest.approx(200 / 3)
    assert scores["f1"].value != scores["span_f1_seqeval_1"].value
    assert scores["token_accuracy"].majority == pytest.approx(100 / 3)


def test_questions_are_joined_by_id_and_missing_ones_count_0(score: Scorer) -> None:
    gold = squad(("a", ["the red oak"]), ("b", ["1999", "in 1999"]), ("c", ["x"]))
    scores = score("xquad", gold, {"b": "In 1999", "a": "oak"}, "th")
    assert scores["exact_match"].value == pytest.approx(100 / 3)
    assert scores["f1"].value == pytest.approx(100 * (2 / 3 + 1) / 3)
    assert "| n=3 | missing=1 |" in scores["f1"].signature
    lines = column([json.dumps({"id": "b", "prediction": "in 1999"}), json.dumps({"id": "a", "prediction": "red oak"})])
    assert score("mlqa", gold, lines, names=("g", "p.jsonl"))["exact_match"].value == pytest.approx(200 / 3)


def test_tydiqa_takes_its_language_out_of_the_official_file(score: Scorer) -> None:
    gold = squad(("finnish--1-0", ["talo"]), ("swahili-2-0", ["nyumba"]))
    scores = score("tydiqa", gold, {"finnish--1-0": "talo", "swahili-2-0": "?"}, "fi")
    assert (scores["f1"].value, scores["f1"].n) == (100.0, 1)
    with pytest.raises(DataError, match="holds no examples for language 'te'"):
        score("tydiqa", gold, {"finnish--1-0": "talo"}, "te")


def test_squad_2_knows_questions_without_answer(score: Scorer) -> None:
    scores = score("squad_v2", squad(("a", []), ("b", ["oak"])), {"a": "", "b": ""})
    assert (scores["f1"].value, scores["f1"].majority) == (50.0, 50.0)
    with pytest.raises(DataError, match="question 'a' has no answer"):
        score("squad_v1", squad(("a", []), ("b", ["oak"])), {"a": "", "b": ""})


def test_tatoeba_numbers_with_and_without_brackets(score: Scorer) -> None:
    for said, names in (("[3]\n[1]\n", ("g", "p")), (json_lines(3, 1), ("g", "p.jsonl"))):
        row = score("tatoeba", "3\n0\n", said, "de", names=names)["accuracy"]
        assert (row.value, row.majority) == (50.0, 50.0)


def test_a_random_choice_among_tatoebas_candidates_is_its_baseline_not_the_most_frequent_number(score: Scorer) -> None:
    row = score("tatoeba", "3\n0\n0\n0\n", "3\n0\n1\n1\n", "de")["accuracy"]
    assert (row.value, row.majority) == (50.0, 50.0)


def test_bucc_pairs(score: Scorer) -> None:
    gold = "de-1\ten-1\nde-2\ten-2\n"
    scores = score("bucc2018", gold, "de-1\ten-1\nde-1\ten-1\nde-9\ten-2\nde-2\ten-3\n", "de")
    assert scores["precision"].value == pytest.approx(100 / 3)
    assert (scores["recall"].value, scores["f1"].value, scores["f1"].n) == (50.0, pytest.approx(40.0), 2)
    assert score("bucc2018", gold, "", "de")["f1"].value == 0.0
    lines = '{"id": "de-1", "prediction": "en-1"}\n{"id": "de-2", "prediction": null}\n'
    assert score("bucc2018", gold, lines, "de", names=("g", "p.jsonl"))["recall"].value == 50.0


def test_mewslix_rankings(score: Scorer) -> None:
    scores = score("mewslix", {"m": ["Q1"], "n": ["Q2"]}, {"m": ["Q9", "Q1"]}, "ar")
    assert scores["map_at_20"].value == 25.0
    assert "missing=1" in scores["map_at_20"].signature


def test_a_label_the_task_does_not_have_counts_wrong_and_is_told(score: Scorer) -> None:
    found = score("xnli", column(["neutral", "neutral"]), "neutral\nmaybe\n")["accuracy"]
    assert found.value == 50.0
    assert "unknown labels=1" in found.signature


# Refusals ------------------------------------------------------------------------------------------------------------

PERFECT = squad(("a", ["oak"]))
REFUSALS: list[tuple[str, str, Any, Any, str]] = [
    ("two counts", "xnli", column(NLI), column(NLI[:2]), r"p: 2 labels, but 3 in .*g$"),
    ("unknown gold", "xnli", "neutral\nyes\n", "neutral\n" * 2, r"g:2: 'yes' is not a label of xnli \(entailment, "),
    (
        "no label column",
        "xnli",
        "one\ttwo\n",
        "neutral\n",
        r"g: gold is withheld in this file: take the official labels",
    ),
    (
        "ragged table",
        "xnli",
        "a\tb\tneutral\na\tneutral\n",
        "neutral\n" * 2,
        r"g:2: expected 3 columns, found 2",
    ),
    (
        "blanked labels",
        "pawsx",
        "0\n" * 10,
        "1\n" * 10,
        r"g: all 10 gold labels are '0': the gold of this test file was removed",
    ),
    ("blanked tags", "panx", "O\n" * 12, "O\n" * 12, r"all 12 gold labels are 'O'"),
    ("words for tags", "panx", "Ada\nmet\n", "O\nO\n", r"g:1: 'Ada' is not a label of panx"),
    (
        "other labels",
        "xnli",
        column(NLI),
        "0\n1\n2\n",
        r"p:1: not one predicted label occurs in gold: '0' here, contra",
    ),
    ("columns", "xnli", column(NLI), "1\tneutral\n", r"p:1: expected one label, found 2 columns"),
    ("empty file", "xnli", column(NLI), "", r"p: is empty"),
    ("cut sentence", "panx", "O\nO\n\nO\nB-PER\n", "O\nO\n\nO\n", r"p:4: sentence 2 has 1 tag, but 2 in g:4; 2 sent"),
    ("lost sentence", "panx", "O\n\nB-PER\n", "O\n", r"p: 1 sentence, but 2 in .*g$"),
    ("other tags", "panx", "O\nB-PER\n", "NOUN\nVERB\n", r"p:1: not one predicted label occurs in gold: 'NOUN'"),
    ("conllu", "udpos", "\t".join("123456789X") + "\n", "X\n", r"g:1: unknown label '4'; labels are ADJ, "),
    ("conllu said", "udpos", "X\n", "\t".join("123456789X") + "\n", r"p:1: unknown label '4'; labels are ADJ, "),
    (
        "text for pairs",
        "bucc2018",
        "de-1\tEin Satz.\n",
        "de-1\ten-1\n",
        r"g:1: .* found text \('Ein Satz.'\): g",
    ),
    (
        "blanked answers",
        "xquad",
        squad(("a", [""]), ("b", [""])),
        {"a": ""},
        r"g: gold is withheld in this file: take the official",
    ),
    (
        "extra ids",
        "xquad",
        PERFECT,
        {"a": "oak", "z": "elm"},
        r"p: 1 id is not in .*g, the first is 'z'$",
    ),
    ("no ids", "xquad", PERFECT, {}, r"p: no predictions for the 1 id of"),
    ("doubled ids", "xquad", squad(("a", ["x"]), ("a", ["y"])), {"a": "x"}, r"g: id 'a' occurs twice"),
    ("not squad", "xquad", {"data": [{"title": "t"}]}, {"a": "x"}, r"g: 'paragraphs' should be a list"),
    ("not squad at all", "xquad", {"data": 3}, {"a": "x"}, r"g: 'data' should be a list"),
    ("n-best", "xquad", PERFECT, {"a": ["oak"]}, r"p: the answer to question 'a' is not a string"),
    ("broken JSON", "xquad", PERFECT, '{"a":\n', r"p:2: not JSON"),
    ("a list", "xquad", PERFECT, ["oak"], r"p: expected an object of question id -> answer"),
    ("words for indices", "tatoeba", "0\n1\n", "0\nhello\n", r"p:2: expected the number of a candidate, found 'hello'"),
    ("blanked indices", "tatoeba", "0\n" * 10, "0\n" * 10, r"all 10 gold labels are '0'"),
    ("one id", "bucc2018", "de-1\ten-1\n", "de-1\n", r"p:1: expected two sentence ids with a tab between, found 1"),
    ("no pairs", "bucc2018", "", "de-1\ten-1\n", r"g: holds no pairs"),
    ("no ranking", "mewslix", {"m": ["Q1"]}, {"m": "Q1"}, r"p: expected an object of query id -> list"),
    ("no relevant", "mewslix", {"m": []}, {"m": ["Q1"]}, r"g: query 'm' has no relevant candidate"),
    (
        "other ids",
        "mewslix",
        {str(i): [f"Q{i}"] for i in range(11)},
        {str(i): [f"q{i}"] for i in range(11)},
        r"p: not one candidate is relevant for any query: 'q0' here, 'Q0' in .*g$",
    ),
    ("no queries", "mewslix", {}, {"m": ["Q1"]}, r"g: holds no queries"),
]


@pytest.mark.parametrize(
    ("task", "gold", "said", "message"), [row[1:] for row in REFUSALS], ids=[r[0] for r in REFUSALS]
)
def test_files_that_cannot_be_scored_are_refused_in_one_line(
    score: Scorer, task: str, gold: Any, said: Any, message: str
) -> None:
    language = "de" if task in ("bucc2018", "tatoeba", "mewslix") else "en"
    with pytest.raises(DataError, match=message) as caught:
        score(task, gold, said, language)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("task", "gold", "said", "message"),
    [
        ("xnli", "neutral\n", '{"id": "1"}\n', r'p.jsonl:1: expected \{"id"'),
        ("xnli", "neutral\n", '"neutral"\n', r'p.jsonl:1: expected \{"id"'),
        ("xnli", "neutral\n", json_lines("neutral") * 2, r"p.jsonl:2: id '0' occurs twice \(first in line 1\)"),
        ("panx", "B-PER\n", json_lines("B-PER"), r"p.jsonl:1: expected a list of tags"),
    ],
)
def test_json_lines_in_another_form_are_refused(score: Scorer, task: str, gold: str, said: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        score(task, gold, said, names=("g", "p.jsonl"))


def test_json_lines_without_gold_are_refused(score: Scorer) -> None:
    with pytest.raises(DataError, match=r"g.jsonl: gold is withheld in this file"):
        score("xcopa", json.dumps({**COPA, "idx": 0}), "0\n", "it", names=("g.jsonl", "p"))


def test_unknown_tasks_and_languages_name_the_nearest(score: Scorer, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean xquad"):
        score("xqad", "", "")
    with pytest.raises(UnknownName, match="unknown language of mlqa 'fr'"):
        score("mlqa", "", "", "fr")
    with pytest.raises(DataError, match="no such file"):
        score_files("xnli", "de", tmp_path / "none", tmp_path / "none")


def test_a_few_equal_labels_are_no_blanked_file(score: Scorer) -> None:
    assert score("pawsx", "0\n" * 9, "0\n" * 9)["accuracy"].value == 100.0


def test_every_language_of_both_benchmarks_can_be_scored() -> None:
    without = {task: set(names) - set(registered(task).languages) for task, names in XTREME.items()}
    without |= {
        task: set(names) - set(registered(task).languages) for task, names in XTREME_R.items() if task != "lareqa"
    }
    assert {task: missing for task, missing in without.items() if missing} == {}


@pytest.mark.parametrize(
    ("task", "language", "name"),
    [
        ("xnli", "de", "xnli/xtreme_form/test-de.tsv.gz"),
        ("pawsx", "de", "pawsx/xtreme_form/test-de.tsv.gz"),
        ("xcopa", "et", "xcopa/xtreme_form/test-et.jsonl"),
        ("panx", "de", "panx/test-de.tsv.gz"),
        ("udpos", "tl", "udpos_xtreme/test-tl.tsv"),
        ("tydiqa", "fi", "tydiqa_goldp/xtreme_form_dev/tydiqa.goldp.fi.dev.json.gz"),
    ],
)
def test_real_blanked_files_are_refused(data_dir: Path, tmp_path: Path, task: str, language: str, name: str) -> None:
    path = data_dir / name
    if not path.exists():
        pytest.skip(f"{name} is not here")
    said = tmp_path / "p"
    said.write_text('{"x": "y"}' if task == "tydiqa" else "0\n" * 500, encoding="utf-8")
    with pytest.raises(XstiltsError, match=r"gold|label"):
        score_files(task, language, path, said)
