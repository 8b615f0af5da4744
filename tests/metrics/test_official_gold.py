"""Gold as it is released: every task's official layout is scored as it is, and what is not gold is refused."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xstilts.core.errors import DataError, UnknownName
from xstilts.core.scores import Score
from xstilts.evaluation.score import score_files

Scorer = Callable[..., Score]


@pytest.fixture
def score(tmp_path: Path) -> Scorer:
    """`score(task, language, {gold name: text, files beside ...}, predictions, name)`: the main score."""

    def run(task: str, language: str, golds: dict[str, Any], said: Any, name: str = "p.tsv") -> Score:
        for file, content in {**golds, name: said}.items():
            text = content if isinstance(content, (str, bytes)) else json.dumps(content)
            (tmp_path / file).write_bytes(text if isinstance(text, bytes) else text.encode())
        return score_files(task, language, tmp_path / next(iter(golds)), tmp_path / name)[0]

    return run


def lines(*rows: Any) -> str:
    return "".join((row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)) + "\n" for row in rows)


def ours(**predictions: Any) -> str:
    return lines(*({"id": name.removeprefix("_"), "prediction": value} for name, value in predictions.items()))


# Tags ----------------------------------------------------------------------------------------------------------------

TREEBANK = lines(
    "# sent_id = a-1",
    "1-2\tzum\t_\t_\t_\t_\t_\t_\t_\t_",
    "1\tzu\tzu\tADP\t_\t_\t_\t_\t_\t_",
    "2\tdem\tder\tDET\t_\t_\t_\t_\t_\t_",
    "2.1\t_\t_\tVERB\t_\t_\t_\t_\t_\t_",
    "",
    "# sent_id = a-2",
    "1\txyz\t_\t_\t_\t_\t_\t_\t_\t_",
    "",
)


def test_a_treebank_is_gold_word_by_word_without_ranges_and_empty_nodes(score: Scorer) -> None:
    gold = {"de_x-ud-test.conllu": TREEBANK}
    assert score("udpos", "de", gold, "ADP\nDET\n\n_\n").value == 100.0
    with pytest.raises(
        DataError, match=r"p.tsv:1: sentence 1 has 1 tag, but 2 in 'a-1' of .*conllu; 2 sentences .* nor words joined"
    ):
        score("udpos", "de", gold, "ADP\n\nX\n")
    with pytest.raises(DataError, match=r"conllu:4: expected word 2, found '3'"):
        score("udpos", "de", {"g.conllu": TREEBANK.replace("2\tdem", "3\tdem")}, "ADP\nDET\n\n_\n")


@pytest.mark.parametrize("name", ["p.conllu", "p.conll", "p.txt"])
def test_predictions_may_be_conllu_as_taggers_of_treebanks_write_it(score: Scorer, name: str) -> None:
    gold = {"de_x-ud-test.conllu": TREEBANK}
    assert score("udpos", "de", gold, TREEBANK, name).value == 100.0
    assert score("udpos", "de", gold, TREEBANK.replace("DET", "NOUN"), name).value < 100.0
    two = {"g.tsv": "zu\tADP\ndem\tDET\n\nxyz\t_\n"}
    assert score("udpos", "de", two, TREEBANK, name).value == 100.0


def test_sentences_of_json_lines_are_joined_by_the_treebanks_ids(score: Scorer) -> None:
    gold = {"de_x-ud-test.conllu": TREEBANK}
    said = ours(**{"a-2": ["_"], "a-1": ["ADP", "DET"]})
    assert score("udpos", "de", gold, said, "p.jsonl").value == 100.0


def test_universal_ner_and_masakhaner_and_ccg_are_gold_in_their_own_layouts(score: Scorer) -> None:
    uner = lines("# text = Ada met", "1\tAda\tB-PER\t-\tx", "2\tmet\tO\t-\tx", "", "1\tBonn\tB-OTH\t-\tx", "")
    assert score("uner", "sr", {"g.iob2": uner}, "B-PER\nO\n\nB-OTH\n").value == 100.0
    assert score("masakhaner", "yo", {"test.txt": "Ada B-PER\nlo O\n\nAkure B-LOC\n"}, "B-PER\nO\n\nO\n").value < 100.0
    assert score("ccg", "en", {"ccg.test": "No , it\tUH , NP\n"}, "UH\n,\nN\n").value == pytest.approx(200 / 3)


def test_tagging_tasks_are_scored_in_languages_that_they_do_not_list(score: Scorer) -> None:
    assert score("panx", "cs", {"test.tsv": "cs:Praha\tB-LOC\n"}, "B-LOC\n").value == 100.0
    assert score("panx", "zh_SG", {"test.tsv": "B-LOC\n"}, "B-LOC\n").language == "zh"
    for code in ("xx", "qaa"):
        with pytest.raises(UnknownName, match=f"unknown language of panx '{code}'"):
            score("panx", code, {"test.tsv": "B-LOC\n"}, "B-LOC\n")


# Labels and choices --------------------------------------------------------------------------------------------------


def test_languages_of_a_table_may_be_in_another_code(score: Scorer) -> None:
    table = lines("id\tlanguage\tpremise\thypothesis\tlabel", "1\taym\ta\tb\tneutral", "2\tquy\ta\tb\tentailment")
    assert score("americasnli", "ay", {"g.tsv": table}, "neutral\n").value == 100.0
    with pytest.raises(DataError, match=r"g.tsv: holds no examples for language 'gn'"):
        score("americasnli", "gn", {"g.tsv": table}, "neutral\n")


def test_anli_spells_gold_with_one_letter(score: Scorer) -> None:
    text = {"context": "a", "hypothesis": "b"}
    rows = lines({"uid": "x", **text, "label": "e"}, {"uid": "y", **text, "label": "c"})
    assert score("anli", "en", {"dev.jsonl": rows}, "entailment\nneutral\n").value == 50.0
    table = 'context,hypothesis,gold_label,uid\n"a\nb",h,e,x\nc,h,n,y\n'
    assert score("anli", "en", {"g.csv": table}, "entailment\nneutral\n").value == 100.0
    assert score("xnli", "en", {"g.tsv": "entailment\nneutral\n"}, "e\nneutral\n").value == 50.0


def test_pairs_without_majority_are_left_out_whether_they_were_predicted_or_not(score: Scorer) -> None:
    table = {"dev.txt": lines("gold_label\tsentence1\tsentence2", "neutral\ta\tx", "-\tb\tx", "entailment\tc\tx")}
    for said in ("neutral\nneutral\nentailment\n", "neutral\nentailment\n"):
        row = score("snli", "en", table, said)
        assert (row.value, row.n) == (100.0, 2)
    with pytest.raises(DataError, match=r"g.tsv:2: '-' is not a label of pawsx"):
        score("pawsx", "en", {"g.tsv": "0\n-\n"}, "0\n1\n")


SOCIAL = {"context": "c", "question": "?", "answerA": "a", "answerB": "b", "answerC": "c"}
COSMOS = "answer0,answer1,answer2,answer3"
COPA = {"premise": "p", "choice1": "a", "choice2": "b", "question": "cause", "changed": False}


def test_choices_have_letters_or_numbers_in_official_files(score: Scorer) -> None:
    qqp = {"dev.tsv": lines("id\tquestion1\tquestion2\tis_duplicate", "7\ta\tb\t1", "8\ta\tb\t0")}
    assert score("qqp", "en", qqp, "1\n1\n").value == 50.0
    choices = [{"label": letter, "text": letter} for letter in "ABCDE"]
    rows = [{"id": key, "answerKey": key, "question": {"stem": "?", "choices": choices}} for key in "BE"]
    csqa = {"g.jsonl": lines(*rows)}
    assert score("commonsense_qa", "en", csqa, "1\n4\n").value == 100.0
    assert score("commonsense_qa", "en", csqa, "B\nA\n").value == 50.0
    assert (
        score("social_iqa", "en", {"g.jsonl": lines(*({**SOCIAL, "correct": key} for key in "CA"))}, "2\n0\n").value
        == 100.0
    )
    assert (
        score(
            "cosmos_qa", "en", {"valid.csv": f'id,context,question,{COSMOS},label\r\n1,"a, b",?,a,b,c,d,3\r\n'}, "3\n"
        ).value
        == 100.0
    )
    six = lines(*(["Cook: He", "2", "a b", "c d", "e f", "g h"] * 2))
    assert score("hellaswag", "en", {"val.txt": six}, "2\n1\n").value == 50.0


def test_lst_files_count_choices_from_1_and_others_from_0(score: Scorer) -> None:
    gold = {"dev-labels.lst": "1\n3\n2\n"}
    assert score("social_iqa", "en", gold, "0\n2\n1\n").value == 100.0
    assert score("social_iqa", "en", gold, "1\n3\n1\n", "p.lst").value == pytest.approx(200 / 3)
    many = {"g.tsv": "0\n2\n1\n" * 10}
    with pytest.raises(DataError, match=r"p.tsv:2: choice 3 is not in gold, which counts from 0; only a .lst file"):
        score("social_iqa", "en", many, "1\n3\n2\n" * 10)
    with pytest.raises(DataError, match=r"g.tsv: no choice is 0: choices are counted from 0, except in .lst files"):
        score("social_iqa", "en", {"g.tsv": "1\n3\n2\n" * 10}, "0\n2\n1\n" * 10)
    with pytest.raises(DataError, match=r"p.lst:1: a .lst file counts choices from 1, found '0'"):
        score("social_iqa", "en", gold, "0\n2\n1\n", "p.lst")


def test_json_lines_in_another_order_are_joined_by_gold_ids_or_refused(score: Scorer) -> None:
    gold = {"g.jsonl": lines(*({**COPA, "idx": number, "label": min(number, 1)} for number in range(3)))}
    said = ours(_2=1, _0=0, _1=1)
    assert score("xcopa", "it", gold, said, "p.jsonl").value == 100.0
    with pytest.raises(DataError, match=r"p.jsonl:1: the gold file has no ids, and id '2' is not a row number: put"):
        score("xcopa", "it", {"g.tsv": "0\n1\n1\n"}, said, "p.jsonl")
    xnli = {
        "g.tsv": lines(
            "language\tgold_label\tsentence1\tsentence2\tpairID", "de\tneutral\ta\tb\t5", "de\tentailment\ta\tb\t4"
        )
    }
    assert score("xnli", "de", xnli, ours(_4="entailment", _5="neutral"), "p.jsonl").value == 100.0


# Retrieval -----------------------------------------------------------------------------------------------------------

TEXTS = {"tatoeba.deu-eng.deu": "Zwei\nEins\nDrei\n", "tatoeba.deu-eng.eng": "two\none\nthree\n"}


def test_tatoebas_texts_are_gold_for_rows_by_id_and_for_xtremes_numbers(score: Scorer) -> None:
    row = score("tatoeba", "de", TEXTS, ours(_1="1", _3="2", _2="2"), "p.jsonl")
    assert row.value == pytest.approx(200 / 3)
    row = score("tatoeba", "de", TEXTS, "1\n2\n0\n")  # one, three, two
    assert row.value == 100.0
    assert "English sorted" in row.signature
    with pytest.raises(DataError, match=r"p.tsv: the numbers follow the lines of the text; XTREME sorts the English"):
        score("tatoeba", "de", {name: text * 4 for name, text in TEXTS.items()}, lines(*map(str, range(12))))
    with pytest.raises(DataError, match=r"p.tsv: 2 indices, but 3 in .*deu$"):
        score("tatoeba", "de", TEXTS, "1\n2\n")


def test_xtreme_sorts_english_sentences_without_the_blanks_around_them(score: Scorer) -> None:
    assert score("tatoeba", "de", {**TEXTS, "tatoeba.deu-eng.eng": "  two\none\n three\n"}, "1\n2\n0\n").value == 100.0


def test_a_sentence_may_be_mined_with_several(score: Scorer) -> None:
    gold = {"de-en.test.gold": "de-1\ten-1\nde-2\ten-2\n"}
    assert score("bucc2018", "de", gold, ours(**{"de-1": ["en-9", "en-1"]}), "p.jsonl").value == 50.0


def test_of_our_rows_of_every_layer_those_that_enter_means_are_scored(score: Scorer) -> None:
    rows = [
        {"id": name, "prediction": name if layer == 1 else "3", "variant": f"layer={layer} raw"}
        for name in "123"
        for layer in (0, 1, 2)
    ]
    row = score("tatoeba", "de", TEXTS, lines(*rows), "p.jsonl")
    assert row.value == 100.0
    assert "| layer=1 raw |" in row.signature


def test_texts_without_an_order_of_their_own_are_scored_by_id_alone(score: Scorer) -> None:
    texts = {"newstest2019-ref.deu.txt": "Eins ist\nZwei\n", "newstest2019-src.eng.txt": "One is\nTwo\n"}
    assert score("ntrex", "de", texts, ours(_1="1", _2="1"), "p.jsonl").value == 50.0
    with pytest.raises(DataError, match=r"p.tsv: numbers have no fixed order in ntrex: give JSON lines"):
        score("ntrex", "de", texts, "0\n1\n")


def xquad_r(text: str) -> dict[str, Any]:
    answers = [{"text": text.split(". ")[1], "answer_start": text.index(". ") + 2}]
    breaks = [[0, text.index(". ") + 2], [text.index(". ") + 2, len(text)]]
    part = {"context": text, "qas": [{"id": "q", "question": "?", "answers": answers}], "sentence_breaks": breaks}
    return {"data": [{"title": "t", "paragraphs": [part]}]}


def test_xquad_r_is_gold_with_the_candidates_of_all_files_beside_it(score: Scorer) -> None:
    golds = {"de.json": xquad_r("Eins. Zwei"), "en.json": xquad_r("One. Two")}
    row = score("lareqa", "de", golds, {"q_de": ["de_1_0", "de_1_1", "en_1_1"]}, "p")
    assert row.value == pytest.approx(100 * (1 / 2 + 2 / 3) / 2)
    assert "| candidates of 2 languages |" in row.signature
    with pytest.raises(DataError, match=r"p: candidate 'en_1_2' is not in the pool, 'de_1_0' is"):
        score("lareqa", "de", golds, {"q_de": ["de_1_1", "en_1_2"]}, "p")


def test_xquad_r_under_another_name_is_refused(score: Scorer) -> None:
    with pytest.raises(DataError, match=r"gold.json: expected the name de.json, as in the release"):
        score("lareqa", "de", {"gold.json": xquad_r("Eins. Zwei")}, {"q_de": ["de_1_1"]}, "p")


def test_tydiqas_repeated_ids_are_told_apart_by_predictions_that_number_them_as_our_reader_does(score: Scorer) -> None:
    passages = [
        {"context": text, "qas": [{"id": "12", "question": "?", "answers": [{"text": text, "answer_start": 0}]}]}
        for text in ("nyumba", "mti")
    ]
    gold = {"tydiqa.goldp.sw.train.json": {"data": [{"paragraphs": passages}]}}
    assert score("tydiqa", "sw", gold, {"12": "nyumba", "12#2": "?"}, "p.json").value == 50.0
    with pytest.raises(DataError, match="question id '12' occurs twice: predictions could not be told apart"):
        score("tydiqa", "sw", gold, {"12": "nyumba"}, "p.json")


# Bytes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "gold", "said"),
    [
        ("xnli", "neutral\nentailment\n", "neutral\nentailment\n"),
        ("panx", "de:Ada\tB-PER\nde:\u200b\tO\n", "B-PER\nO\n"),
        ("tatoeba", "1\n0\n", "1\n0\n"),
        ("bucc2018", "de-1\ten-1\nde-2\ten-2\n", "de-1\ten-1\nde-2\ten-2\n"),
    ],
)
def test_empty_lines_at_the_end_and_windows_marks_change_nothing(
    score: Scorer, task: str, gold: str, said: str
) -> None:
    for change in (
        lambda text: text.encode() + b"\n\n",
        lambda text: codecs.BOM_UTF8 + text.replace("\n", "\r\n").encode(),
    ):
        assert score(task, "de", {"g.tsv": change(gold)}, change(said)).value == 100.0


@pytest.mark.parametrize(
    ("task", "language", "name"),
    [
        ("udpos", "tl", "ud/UD_Tagalog-TRG/tl_trg-ud-test.conllu"),
        ("uner", "tl", "uner/UNER_Tagalog-TRG/tl_trg-ud-test.iob2"),
        ("masakhaner", "yo", "masakhaner/yor/test.txt"),
        ("americasnli", "ay", "americasnli/dev/aym.tsv"),
        ("anli", "en", "anli/ANLI_analysis_r1_dev.csv.gz"),
        ("commonsense_qa", "en", "commonsense_qa/dev_rand_split.jsonl.gz"),
        ("social_iqa", "en", "social_iqa/socialIQa_v1.4_dev.jsonl.gz"),
    ],
)
def test_what_the_tasks_own_reader_reads_of_real_files_is_their_gold(
    data_dir: Path, tmp_path: Path, task: str, language: str, name: str
) -> None:
    from xstilts.data.examples import gold_of
    from xstilts.tasks import TASKS

    if not (path := data_dir / name).exists():
        pytest.skip(f"{name} is not here")
    rows = [{"id": one.id, "prediction": gold_of(one)} for one in TASKS.get(task).read(path, language)]
    said = tmp_path / "p.jsonl"
    said.write_text(lines(*rows), encoding="utf-8")
    row = score_files(task, language, path, said)[0]
    assert (row.value, row.n) == (100.0, len(rows))
