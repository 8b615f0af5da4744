"""Every reader on a tiny valid file, and what formats hide: quotes, CRLF, byte order marks, U+2028, blanked gold."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from reader_samples import CONLLU, LODZ, SAMPLES, Sample, jsonl, question, squad_file

from xstilts.core.errors import DataError
from xstilts.data.examples import Answer, ParallelExample, TextExample
from xstilts.data.readers import choices, pairs, squad, tagging, text
from xstilts.tasks.base import attach_labels


def read(name: str, folder: Path) -> list[Any]:
    sample = SAMPLES[name]
    return list(sample.read(sample.write(folder), sample.language))


def read_file(reader: Any, path: Path, content: str, language: str = "en") -> list[Any]:
    return list(reader(Sample(reader, path.name, content).write(path.parent), language))


@pytest.mark.parametrize("name", SAMPLES)
def test_a_valid_file_gives_all_its_examples(name: str, tmp_path: Path) -> None:
    assert len(read(name, tmp_path)) == SAMPLES[name].count


@pytest.mark.parametrize("name", SAMPLES)
def test_a_packed_file_a_byte_order_mark_and_crlf_change_nothing(name: str, tmp_path: Path) -> None:
    plain = read(name, tmp_path)
    sample = SAMPLES[name]
    raw = sample.content.encode()
    if not raw.startswith(b"\xef\xbb\xbf"):
        raw = b"\xef\xbb\xbf" + raw
    packed = tmp_path / f"{sample.name}.gz"
    packed.write_bytes(gzip.compress(raw))
    assert list(sample.read(packed, sample.language)) == plain
    if ".csv" not in sample.name:  # inside quoted fields a line end is part of the text
        packed.write_bytes(gzip.compress(raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")))
        assert list(sample.read(packed, sample.language)) == plain


def test_span_answers_and_impossible_questions(tmp_path: Path) -> None:
    possible, impossible = read("squad 2.0", tmp_path)
    assert possible.answers == (Answer("Łódź", 13),)
    assert possible.passage.endswith(" ")
    assert impossible.answers == ()


@pytest.mark.parametrize("blanked", [[{"answer_start": 0, "text": ""}], []])
def test_blanked_answers_are_withheld_gold(blanked: list[Any], tmp_path: Path) -> None:
    (example,) = read_file(squad.squad, tmp_path / "t.json", squad_file(question(blanked)))
    assert example.answers is None


def test_missing_answers_are_withheld_gold(tmp_path: Path) -> None:
    (example,) = read_file(squad.squad, tmp_path / "t.json", squad_file({"id": "q", "question": "?"}))
    assert example.answers is None


def test_offsets_count_code_points(tmp_path: Path) -> None:
    passage = "\U0001f600\u0301 x"
    (example,) = read_file(
        squad.squad, tmp_path / "t.json", squad_file(question([{"text": "x", "answer_start": 3}]), passage=passage)
    )
    assert example.answers == (Answer("x", 3),)


def test_tydiqa_repeated_ids_are_told_apart_and_other_languages_left_out(tmp_path: Path) -> None:
    content = squad_file(question(LODZ, "12"), question(LODZ, "12"), question(LODZ, "7"), question(LODZ, "12"))
    examples = read_file(squad.tydiqa, tmp_path / "t.json", content)
    assert [example.id for example in examples] == ["12", "12#2", "7", "12#3"]
    assert [example.id for example in read("tydiqa", tmp_path)] == ["english--8-1", "english-9-1"]


def test_nli_without_majority_is_left_out_and_spellings_are_mapped(tmp_path: Path) -> None:
    assert [example.label for example in read("nli jsonl", tmp_path)] == ["neutral", "entailment"]
    assert [example.label for example in read("anli csv", tmp_path)] == ["entailment", "contradiction"]
    assert read("xnli translated", tmp_path)[0].label == "contradiction"


def test_reduced_nli_rows_are_read(tmp_path: Path) -> None:
    content = jsonl({"premise": "A", "hypothesis": "B ", "label": "neutral"})
    assert read_file(pairs.nli, tmp_path / "dev.simple.jsonl", content) == [TextExample("1", "A", "B ", "neutral")]


def test_anli_official_rows_are_read(tmp_path: Path) -> None:
    content = jsonl({"uid": "u", "context": "A", "hypothesis": "B", "label": "c"})
    assert read_file(pairs.nli, tmp_path / "dev.jsonl", content) == [TextExample("u", "A", "B", "contradiction")]


def test_training_tables_may_leave_out_empty_columns_at_the_end(tmp_path: Path) -> None:
    content = "gold_label\tsentence1\tsentence2\tlabel1\tlabel2\nneutral\tA\tB\tneutral\n"
    assert len(read_file(pairs.nli, tmp_path / "train.txt", content)) == 1


def test_quotes_are_text_in_official_tables_and_quoting_in_xtremes(tmp_path: Path) -> None:
    assert read("nli table", tmp_path)[0].text == 'He "said'
    assert read("pawsx official", tmp_path)[0].text == '"A" b'
    assert read("pawsx xtreme", tmp_path)[0].text == 'He said "no"'
    assert read("anli csv", tmp_path)[0].text == 'A, "b"\nand c'
    assert read("sib200", tmp_path)[0].text == 'He said "no"\tand'


def test_only_the_language_asked_for_is_read_from_the_official_xnli_file(tmp_path: Path) -> None:
    assert [example.id for example in read("xnli official", tmp_path)] == ["1", "2"]


def test_line_separators_inside_sentences_end_no_line(tmp_path: Path) -> None:
    first, second = read("xnli xtreme", tmp_path)
    assert first.text == "A\u2028b"
    assert second.pair == "D\u200b"


def test_two_columns_mean_withheld_labels(tmp_path: Path) -> None:
    assert [example.label for example in read("pawsx xtreme", tmp_path)] == [None, None]


def test_placeholders_of_pawsx_are_kept(tmp_path: Path) -> None:
    assert read("pawsx official", tmp_path)[1].text == "NS"


def test_labels_of_their_own_file_are_attached(tmp_path: Path) -> None:
    gold = tmp_path / "gold.txt"
    gold.write_text("1\n0\n")
    examples = attach_labels(read("pawsx xtreme", tmp_path), gold, pairs.PARAPHRASE_LABELS)
    assert [example.label for example in examples] == ["1", "0"]
    gold.write_text("3\n1\n")
    assert [example.label for example in attach_labels(read("social_iqa", tmp_path), gold, ())] == [2, 0]
    gold.write_text("3\n")
    with pytest.raises(DataError, match="1 label for 2 examples"):
        attach_labels(read("social_iqa", tmp_path), gold, ())


@pytest.mark.parametrize("wrong", ["0", "4", "x"])
def test_a_wrong_label_in_its_own_file_is_refused_with_its_line(wrong: str, tmp_path: Path) -> None:
    gold = tmp_path / "gold.txt"
    gold.write_text(f"1\n{wrong}\n")
    with pytest.raises(DataError, match=r"gold\.txt:2: "):
        attach_labels(read("social_iqa", tmp_path), gold, ())


def test_commonsense_answers_are_found_by_letter_not_by_text(tmp_path: Path) -> None:
    assert read("commonsense_qa", tmp_path)[0].label == 2


def test_choice_labels_are_withheld_where_the_file_has_none(tmp_path: Path) -> None:
    assert (
        read_file(choices.hellaswag, tmp_path / "t.jsonl", jsonl({"ctx": "A", "endings": ["x", "y"]}))[0].label is None
    )


def test_the_six_line_form_of_hellaswag(tmp_path: Path) -> None:
    first = read("hellaswag text", tmp_path)[0]
    assert (first.context, first.choices, first.label) == ("S: A", ("w", "x", "y", "z"), 1)


def copa_row(idx: int, label: int) -> dict[str, Any]:
    return {"premise": "P", "choice1": "x", "choice2": "y", "question": "effect", "label": label, "idx": idx}


def test_copa_labels_that_are_all_zero_are_withheld(tmp_path: Path) -> None:
    zeros = [copa_row(number, 0) for number in range(20)]
    examples = read_file(choices.copa, tmp_path / "test.jsonl", jsonl(*zeros))
    assert {example.label for example in examples} == {None}
    examples = read_file(choices.copa, tmp_path / "test.jsonl", jsonl(*zeros, copa_row(20, 1)))
    assert [example.label for example in examples] == [0] * 20 + [1]


def test_copa_questions_are_spelt_out(tmp_path: Path) -> None:
    assert [example.question for example in read("copa", tmp_path)] == ["What was the cause?", "What was the effect?"]


def test_multiword_ranges_and_empty_nodes_are_no_words(tmp_path: Path) -> None:
    first, second = read("conllu", tmp_path)
    assert (first.id, first.words, first.tags) == ("a-1", ("in", "dem", "Haus"), ("ADP", "DET", "NOUN"))
    assert second.words == ("110 000", "!")


def test_a_treebank_sentence_without_text_is_left_out(tmp_path: Path) -> None:
    content = CONLLU + "1\t_\t_\tX\t_\t_\t0\troot\t_\t_\n2\t_\t_\tX\t_\t_\t1\tdep\t_\t_\n\n"
    assert len(read_file(tagging.udpos, tmp_path / "x.conllu", content)) == 2


def test_words_without_tags_mean_withheld_gold(tmp_path: Path) -> None:
    assert [example.tags for example in read("panx withheld", tmp_path)] == [None, None]


def test_the_raw_wikiann_prefix_is_removed_once(tmp_path: Path) -> None:
    assert read("wikiann", tmp_path)[0].words == ("Ann", ":")


def test_a_word_of_an_invisible_character_is_a_word(tmp_path: Path) -> None:
    assert read("udpos xtreme", tmp_path)[1].words == ("\u200b", "!")


def test_a_number_sign_is_a_word_in_universal_ner(tmp_path: Path) -> None:
    assert read("uner", tmp_path)[0].words == ("#", "Ann")


def test_sentences_meet_their_translations(tmp_path: Path) -> None:
    assert read("tatoeba", tmp_path) == [ParallelExample("1", "Eins.", "One."), ParallelExample("2", "Zwei.", "Two.")]


def test_joined_verses_are_left_out_of_pairs(tmp_path: Path) -> None:
    pairs_read = read("ebible pairs", tmp_path)
    assert [(pair.id, pair.target) for pair in pairs_read] == [
        ("GEN 1:1", "One"),
        ("GEN 1:3", "Three"),
        ("GEN 1:6", "Six"),
    ]


def test_xtremes_sorted_tatoeba_is_refused(tmp_path: Path) -> None:
    (tmp_path / "de-en.en").write_text("".join(f"{letter}.\n" for letter in "ABCDEFGHIJ"))
    (tmp_path / "de-en.de").write_text("".join(f"{letter}.\n" for letter in "JIHGFEDCBA"))
    with pytest.raises(DataError, match=r"de-en\.en: the English side is sorted"):
        list(text.tatoeba(tmp_path / "de-en.de", "de"))


def test_raw_text_comes_from_its_lines(tmp_path: Path) -> None:
    assert [(line.id, line.text) for line in read("plain lines", tmp_path)] == [("1", "Eins"), ("3", "Zw\tei")]
    assert [(line.id, line.text) for line in read("ebible", tmp_path)] == [("2", "Eins"), ("4", "Zwei")]
    assert [line.text for line in read("conllu text", tmp_path)] == ["Im Haus", "110 000 !"]


def test_escapes_and_raw_text_of_json_are_the_same(tmp_path: Path) -> None:
    document = json.loads(squad_file(question(LODZ)))
    ascii_only = read_file(squad.squad, tmp_path / "a.json", json.dumps(document))
    raw = read_file(squad.squad, tmp_path / "b.json", json.dumps(document, ensure_ascii=False, indent=2))
    assert ascii_only == raw
