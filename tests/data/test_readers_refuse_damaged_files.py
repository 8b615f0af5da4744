"""Whatever is wrong with a file, the answer is one line with the file, and the line where there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from reader_samples import CONLLU, LODZ, SAMPLES, Sample, jsonl, question, squad_file

from xstilts.core.errors import DataError
from xstilts.data.readers import choices, pairs, squad, tagging, text

MALFORMED: dict[str, tuple[Any, str, str, str]] = {
    "truncated JSON": (squad.squad, "a.json", squad_file(question(LODZ))[:-3], "a.json:1: not JSON"),
    "an answer elsewhere": (
        squad.squad,
        "a.json",
        squad_file(question([{"text": "Łódź", "answer_start": 12}])),
        "question 'q1': answer 'Łódź' is not at offset 12, but ' Łód' is",
    ),
    "an answer outside": (squad.squad, "a.json", squad_file(question([{"text": "x", "answer_start": 99}])), "'q1'"),
    "a negative offset": (squad.squad, "a.json", squad_file(question([{"text": " ", "answer_start": -1}])), "'q1'"),
    "an offset that is no number": (
        squad.squad,
        "a.json",
        squad_file(question([{"text": "x", "answer_start": "1"}])),
        "'answer_start' should be a whole number",
    ),
    "an impossible question with answers": (
        squad.squad,
        "a.json",
        squad_file(question(LODZ, is_impossible=True)),
        "is impossible and has answers",
    ),
    "a possible question without answers": (
        squad.squad,
        "a.json",
        squad_file(question([], is_impossible=False)),
        "is possible and has no answer",
    ),
    "a question id twice": (squad.squad, "a.json", squad_file(question(LODZ), question(LODZ)), "id 'q1' occurs twice"),
    "an endless number": (squad.squad, "a.json", f"[{'1' * 5000}]", "a.json: not JSON (a number with thousands of"),
    "an endless number in a line": (pairs.nli, "a.jsonl", f"[{'1' * 5000}]", "a.jsonl:1: not JSON (a number with"),
    "not SQuAD": (squad.squad, "a.json", "[]", "'the file' should be an object, found list"),
    "a missing column": (pairs.nli, "a.tsv", "sentence1\tsentence2\nA\tB\n", "a.tsv:2: no field gold_label or label"),
    "a cut row": (pairs.pawsx, "a.tsv", "id\tsentence1\tsentence2\tlabel\n1\tA\tB\n", "a.tsv:2: no field label"),
    "a long row": (pairs.pawsx, "a.tsv", "id\tsentence1\tsentence2\tlabel\n1\tA\tB\t1\t1\n", "a.tsv:2: expected 4 col"),
    "an unknown label": (pairs.nli, "a.jsonl", jsonl({"label": "maybe", "premise": "A", "hypothesis": "B"}), "'maybe'"),
    "a header where none should be": (
        pairs.xnli,
        "dev-de.tsv",
        "sentence1\tsentence2\tlabel\r\nA\tB\tneutral\r\n",
        "dev-de.tsv:1: unknown label 'label'",
    ),
    "four columns without header": (pairs.xnli, "dev-de.tsv", "1\tA\tB\tneutral\n", "expected 2 or 3 columns, found 4"),
    "labels that stop": (
        pairs.xnli,
        "dev-de.tsv",
        "A\tB\tneutral\nC\tD\n",
        "dev-de.tsv:2: expected 3 columns, found 2",
    ),
    "an open quote": (pairs.pawsx, "dev-de.tsv", 'A\tB\t1\n"A\tB\t1\n', "dev-de.tsv:2: not in csv quoting"),
    "stray quotes": (pairs.pawsx, "dev-de.tsv", '"A" b\tB\t1\n', "dev-de.tsv:1: not in csv quoting"),
    "a pair id twice": (
        pairs.pawsx,
        "a.tsv",
        "id\tsentence1\tsentence2\tlabel\n1\tA\tB\t1\n1\tC\tD\t1\n",
        "id '1' occurs",
    ),
    "rows that are no objects": (pairs.nli, "a.jsonl", "[1]\n", "a.jsonl:1: expected a JSON object, found list"),
    "a number as text": (
        pairs.nli,
        "a.jsonl",
        jsonl({"label": 1, "premise": "A", "hypothesis": "B"}),
        "should be text",
    ),
    "a choice out of range": (
        choices.hellaswag,
        "a.jsonl",
        jsonl({"ctx": "A", "endings": ["x", "y"], "label": 2}),
        ":1:",
    ),
    "one ending": (choices.hellaswag, "a.jsonl", jsonl({"ctx": "A", "endings": ["x"], "label": 0}), "two or more"),
    "five lines of six": (choices.hellaswag, "a.txt", "A\n0\nw\nx\ny\n", "a.txt:5: expected six lines per row"),
    "an unknown letter": (
        choices.commonsense_qa,
        "a.jsonl",
        SAMPLES["commonsense_qa"].content.replace('"answerKey": "C"', '"answerKey": "E"', 1),
        "a.jsonl:1: unknown label 'E'; labels are A, B, C",
    ),
    "an unknown COPA question": (choices.copa, "a.jsonl", SAMPLES["copa"].content.replace("cause", "why"), "'why'"),
    "a COPA row without idx": (choices.copa, "a.jsonl", SAMPLES["copa"].content.replace('"idx"', '"i"', 1), "'idx'"),
    "a COPA index twice": (
        choices.copa,
        "a.jsonl",
        SAMPLES["copa"].content.replace('"idx": 1', '"idx": 0'),
        "'0' occurs",
    ),
    "nine CoNLL-U columns": (tagging.udpos, "a.conllu", CONLLU.replace("\tcase\t_\t_", "\tcase\t_"), "a.conllu:4: exp"),
    "a CoNLL-U word missing": (tagging.udpos, "a.conllu", CONLLU.replace("\n2\tdem", "\n5\tdem"), "expected word 2"),
    "an unknown part of speech": (
        tagging.udpos,
        "a.conllu",
        CONLLU.replace("DET", "DETT"),
        "a.conllu:5: unknown label",
    ),
    "a sentence id twice": (tagging.udpos, "a.conllu", CONLLU.replace("a-2", "a-1"), "id 'a-1' occurs twice"),
    "comments without words": (tagging.udpos, "a.conllu", "# sent_id = 1\n\n", "a.conllu:1: a sentence without words"),
    "a tag missing": (tagging.panx, "dev-en.tsv", "Ann\tB-PER\n.\n", "dev-en.tsv:2: expected 2 columns, found 1"),
    "three columns": (tagging.panx, "dev-en.tsv", "Ann\tNNP\tB-PER\n", "dev-en.tsv:1: expected 2 columns, found 3"),
    "an empty word": (tagging.panx, "dev-en.tsv", "\tO\n", "dev-en.tsv:1: an empty word"),
    "another language's prefix": (tagging.panx, "dev", "de:Ann\tB-PER\n", "dev:1: expected a word after 'en:'"),
    "an unknown entity": (tagging.masakhaner, "dev.txt", "Ann B-MISC\n", "dev.txt:1: unknown label 'B-MISC'"),
    "SIB-200 without header": (pairs.sib200, "dev.tsv", "5\ttravel\tA\n", "dev.tsv:1: expected the header index_id"),
    "an unknown topic": (
        pairs.sib200,
        "dev.tsv",
        "index_id\tcategory\ttext\n5\tart\tA\n",
        "dev.tsv:2: unknown label 'art'",
    ),
    "no English side": (text.tatoeba, "tatoeba.deu-eng.deu", "A\n", "its English side tatoeba.deu-eng.eng"),
    "no English Bible": (text.ebible_pairs, "deu-x.txt", "A\n", "no English Bible"),
    "a treebank without text": (
        text.conllu_text,
        "a.conllu",
        CONLLU.replace("# text", "# t"),
        "a.conllu:1: a sentence",
    ),
}


@pytest.mark.parametrize("fault", MALFORMED)
def test_a_malformed_file_is_refused_in_one_line(fault: str, tmp_path: Path) -> None:
    reader, name, content, message = MALFORMED[fault]
    path = Sample(reader, name, content).write(tmp_path)
    with pytest.raises(DataError) as caught:
        list(reader(path, "en"))
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", SAMPLES)
def test_an_empty_a_missing_and_a_wrongly_encoded_file_are_refused(name: str, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    path = sample.write(tmp_path, b"")
    with pytest.raises(DataError):
        list(sample.read(path, sample.language))
    path.write_bytes(sample.content.encode("utf-16"))
    with pytest.raises(DataError, match="not UTF-8"):
        list(sample.read(path, sample.language))
    path.unlink()
    with pytest.raises(DataError, match="no such file"):
        list(sample.read(path, sample.language))


@pytest.mark.parametrize("name", ["tatoeba", "ntrex", "ebible pairs"])
def test_sides_of_different_length_are_refused(name: str, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    path = sample.write(tmp_path, f"{sample.content}Noch eins.\n".encode())
    with pytest.raises(DataError, match=r"has \d+ lines"):
        list(sample.read(path, sample.language))


@pytest.mark.parametrize("name", ["tatoeba", "ntrex"])
def test_an_empty_side_of_a_pair_is_refused(name: str, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    path = sample.write(tmp_path, b"Eins.\n \n")
    with pytest.raises(DataError, match=":2: an empty sentence"):
        list(sample.read(path, sample.language))
