"""Every kind of fault in every format it can occur in, each refused with the exact line where it is."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from reader_samples import LODZ, SAMPLES, question, squad_file

from xstilts.core.errors import DataError
from xstilts.data.readers import squad

HUGE = "9" * 400
LONG = "1" * 5000
DEEP = "[" * 900 + "]" * 900

# fault -> (sample, what to replace in it, by what, the line that is named (0: none), what the message says)
FAULTS: dict[str, list[tuple[str, str, str, int, str]]] = {
    "truncated": [
        ("squad 1.1", "}]}]}]}]}", "", 1, "not JSON"),
        ("nli jsonl", '"sentence2": "B"}\n', "", 3, "not JSON"),
        ("nli table", "\tcontradiction\n", "", 3, "no field gold_label or label"),
        ("anli csv", "E,F,c,u2\r\n", 'E,"F', 4, "not in csv quoting (unexpected end of data)"),
        ("xnli official", "entailment\tC\tD\t2\n", "entail", 4, "no field pairID"),
        ("xnli xtreme", "contradiction\r\n", "contra", 2, "unknown label 'contra'"),
        ("pawsx official", "\tNS\t0\n", "", 3, "no field sentence2"),
        ("hellaswag", '"label": 0}\n', "", 2, "not JSON"),
        ("hellaswag text", "S: B\n0\nw\nx\ny\nz\n", "S: B\n0\nw\n", 9, "expected six lines per row, found 3 left over"),
        ("cosmos_qa", "b,B,Q,w,x,y,z,0\r\n", "b,B,Q", 3, "expected 8 columns as in the header, found 3"),
        ("conllu", "1\tpunct\t_\t_\n\n", "1", 12, "expected CoNLL-U's 10 columns, found 7"),
        ("udpos xtreme", "PUNCT\n\n", "PUN", 5, "unknown label 'PUN'"),
        ("uner", "B-ORG\t-\tz\n", "B-ORG", 6, "expected 5 columns, found 3"),
        ("sib200", "3\ttravel\tB\n", "3\ttra", 3, "expected 3 columns, found 2"),
        ("tatoeba", "Zwei.\n", "", 0, "has 1 lines, tatoeba.deu-eng.eng has 2"),
        ("ebible pairs", "<range>\nSechs\n", "", 0, "has 4 lines, vref.txt has 6"),
    ],
    "a missing column": [
        ("copa", '"idx": 1', '"i": 1', 2, "'idx' should be a whole number, found NoneType"),
        ("nli jsonl", '"gold_label": "ent', '"gold": "ent', 3, "no field gold_label or label; fields here: 'gold, "),
        ("nli table", "gold_label", "gold", 2, "no field gold_label or label"),
        ("anli csv", "context", "c", 2, "no field premise or sentence1 or context"),
        ("xnli official", "sentence2", "s2", 3, "no field hypothesis or sentence2"),
        ("xnli xtreme", "\tcontradiction", "", 2, "expected 3 columns, found 2"),
        ("pawsx xtreme", "C\tD", "C", 2, "expected 2 columns, found 1"),
        ("qqp", "is_duplicate", "duplicate", 2, "no field is_duplicate"),
        ("hellaswag", ', "label": 0', "", 2, "no field label here, unlike in line 1"),
        ("commonsense_qa", '"id": "c2"', '"i": "c2"', 2, "no field id"),
        ("commonsense_qa", '"id": "c2", "answerKey": "C", ', '"id": "c2", ', 2, "no field answerKey here"),
        ("social_iqa", ', "correct": "A"', "", 2, "no field correct here, unlike in line 1"),
        ("copa", ', "label": 0', "", 2, "no field label here, unlike in line 1"),
        ("cosmos_qa", "answer2", "a2", 2, "no field answer2"),
        ("panx", "UN\tI-ORG", "UN", 4, "expected 2 columns, found 1"),
        ("wikiann", "en:UN\tB-ORG", "en:UN", 4, "expected 2 columns, found 1"),
        ("masakhaner", "leo B-DATE", "leo", 4, "expected 2 columns, found 1"),
        ("sib200", "index_id\t", "", 1, "expected the header index_id, category, text"),
        ("conllu text", "# text = 110 000 !\n", "", 9, "a sentence without its '# text =' line"),
    ],
    "a column twice": [
        ("nli table", "label1", "gold_label", 1, "column 'gold_label' occurs twice in the header"),
        ("cosmos_qa", "answer1", "answer0", 1, "column 'answer0' occurs twice in the header"),
    ],
    "an unknown label": [
        ("xnli xtreme", "A\u2028b\tB\tneutral", "sentence1\tsentence2\tlabel", 1, "unknown label 'label'"),
        ("commonsense_qa", '"answerKey": "C"', '"answerKey": "E"', 1, "unknown label 'E'; labels are A, B, C"),
        ("copa", '"question": "cause"', '"question": "why"', 1, "unknown label 'why'"),
        ("nli jsonl", "entailment", "Entailment", 3, "unknown label 'Entailment'; labels are entailment, neutral"),
        ("anli csv", ",c,u2", ",x,u2", 4, "unknown label 'x'"),
        ("xnli xtreme", "contradiction", "contradiction ", 2, "unknown label 'contradiction '"),
        ("xnli translated", "\tneutral", "\tneutral?", 3, "unknown label 'neutral?'"),
        ("pawsx official", "NS\t0", "NS\t2", 3, "unknown label '2'; labels are 0, 1"),
        ("qqp", "D\tE\t1", "D\tE\t-", 3, "unknown label '-'"),
        ("hellaswag", '"label": 0', '"label": 4', 2, "label should be a number from 0 to 3, found '4'"),
        ("hellaswag text", "S: B\n0", "S: B\n-1", 8, "label should be a number from 0 to 3, found '-1'"),
        ("social_iqa", '"A"}', '"D"}', 2, "unknown label 'D'; labels are A, B, C"),
        ("copa", '"label": 0', '"label": 2', 2, "from 0 to 1, found '2'"),
        ("cosmos_qa", "z,0", "z,4", 3, "from 0 to 3, found '4'"),
        ("conllu", "PUNCT\t", "PONCT\t", 12, "unknown label 'PONCT'"),
        ("udpos xtreme", "PUNCT", "_", 5, "unknown label '_'"),
        ("panx", "I-ORG", "E-ORG", 4, "unknown label 'E-ORG'"),
        ("masakhaner", "B-DATE", "DATE", 4, "unknown label 'DATE'"),
        ("uner", "B-ORG", "B-DATE", 6, "unknown label 'B-DATE'"),
        ("sib200", "\ttravel\t", "\tTravel\t", 3, "unknown label 'Travel'"),
    ],
    "a span outside its passage": [
        ("squad 1.1", '"answer_start": 13', '"answer_start": 99', 0, "'q1': answer 'Łódź' is not at offset 99"),
        ("squad 2.0", '"answer_start": 13', '"answer_start": -4', 0, "'q1': answer 'Łódź' is not at offset -4"),
        ("tydiqa", '"answer_start": 13', f'"answer_start": {HUGE}', 0, "is not at offset 99999"),
    ],
    "an id twice": [
        ("squad 1.1", '"q2"', '"q1"', 0, "id 'q1' occurs twice"),
        ("anli csv", "u2", "u1", 4, "id 'u1' occurs twice (first in line 2)"),
        ("xnli official", "D\t2", "D\t1", 4, "id '1' occurs twice (first in line 3)"),
        ("pawsx official", "\n9\t", "\n7\t", 3, "id '7' occurs twice (first in line 2)"),
        ("commonsense_qa", '"c2"', '"c1"', 2, "id 'c1' occurs twice (first in line 1)"),
        ("copa", '"idx": 1', '"idx": 0', 2, "id '0' occurs twice (first in line 1)"),
        ("cosmos_qa", "\nb,", "\na,", 3, "id 'a' occurs twice (first in line 2)"),
        ("conllu", "a-2", "a-1", 9, "id 'a-1' occurs twice (first in line 1)"),
        ("conllu text", "a-2", "a-1", 9, "id 'a-1' occurs twice (first in line 1)"),
        ("sib200", "\n3\t", "\n5\t", 3, "id '5' occurs twice (first in line 2)"),
    ],
    "an empty id": [
        ("squad 1.1", '"q2"', '" "', 0, "example 2 has an empty id"),
        ("anli csv", "u2", "", 4, "an empty id"),
        ("pawsx official", "\n9\t", "\n\t", 3, "an empty id"),
        ("sib200", "\n3\t", "\n\t", 3, "an empty id"),
    ],
    "an empty line": [
        ("conllu", "# sent_id = a-1", "# sent_id = a-0\n\n# sent_id = a-1", 1, "a sentence without words"),
        ("panx", "Ann\tB-PER", "\tB-PER", 1, "an empty word"),
        ("tatoeba", "Zwei.", " ", 2, "an empty sentence"),
        ("nli table", "\n1\tA", "\n\n1\tA", 3, "no field gold_label or label"),
        ("anli csv", "E,F", "\r\nE,F", 4, "expected 4 columns as in the header, found 0"),
        ("xnli xtreme", "C\tD", "\r\nC\tD", 2, "expected 3 columns, found 0"),
        ("hellaswag text", "S: B", "\nS: B", 13, "expected six lines per row, found 1 left over"),
        ("sib200", "3\ttravel", "\n3\ttravel", 3, "expected 3 columns, found 0"),
        ("tatoeba", "Eins.\n", "\n", 1, "an empty sentence"),
        ("ntrex", "Zwei.", "", 2, "an empty sentence"),
        ("conllu", "2\tdem", "\n2\tdem", 6, "expected word 1, found '2'"),
        ("uner", "2\tAnn", "\n2\tAnn", 5, "expected word 1, found '2'"),
    ],
    "tabs in text": [
        ("xnli xtreme", "B\tneutral", "B\tB\tneutral", 1, "expected 2 or 3 columns, found 4"),
        ("panx", "Ann\tB-PER", "Ann\tNNP\tB-PER", 1, "expected 2 columns, found 3"),
        ("nli table", "1\tA\tB", "1\tA\t\tB", 3, "expected 5 columns as in the header, found 6"),
        ("xnli xtreme", "C\tD", "C\tC\tD", 2, "expected 3 columns, found 4"),
        ("pawsx xtreme", "C\tD", "C\tC\tD", 2, "expected 2 columns, found 3"),
        ("qqp", "D\tE", "D\t\tE", 3, "expected 6 columns as in the header, found 7"),
        ("udpos xtreme", "!\tPUNCT", "!\t!\tPUNCT", 5, "expected 2 columns, found 3"),
        ("masakhaner", "leo B-DATE", "l\teo B-DATE", 4, "a word with a tab in it, 'l\\teo'"),
        ("masakhaner", "Ann B-PER", "Ann\tB-PER", 1, "expected 2 columns, found 1"),
        ("sib200", "\tB\n", "\tB\tB\n", 3, "expected 3 columns, found 4"),
    ],
    "quotes where they quote": [
        ("anli csv", '"A, ""b""', 'A, ""b""', 2, "expected 4 columns as in the header, found"),
        ("cosmos_qa", '"B, c"', '"B, "c"', 2, "not in csv quoting"),
        ("xnli xtreme", "C\tD", '"C\tD', 2, "not in csv quoting (unexpected end of data)"),
        ("pawsx xtreme", 'said ""no""', 'said "no"', 1, "not in csv quoting ('\\t' expected after '\"')"),
        ("sib200", "\ttravel\tB", '\ttravel\t"B', 3, "not in csv quoting (unexpected end of data)"),
    ],
    "another language": [
        ("xnli official", "\nde\t", "\nel\t", 0, "holds no examples for language 'de'"),
        ("xnli official", "\nar\t", "\nzz?\t", 2, "unknown language 'zz?'"),
        ("wikiann", "en:UN", "de:UN", 4, "expected a word after 'en:', found 'de:UN'"),
        ("tydiqa", '"english-', '"korean-', 0, "holds no examples for language 'en'"),
    ],
    "another type": [
        ("squad 1.1", '"answer_start": 13', '"answer_start": "13"', 0, "'answer_start' should be a whole number"),
        ("squad 1.1", '"version": "1.1"', f'"version": {LONG}', 0, "not JSON (a number with thousands of digits)"),
        ("squad 1.1", SAMPLES["squad 1.1"].content, "[]", 0, "'the file' should be an object, found list"),
        ("squad 2.0", '"is_impossible": false', '"is_impossible": true', 0, "'q1': is impossible and has answers"),
        ("squad 2.0", '"is_impossible": true', '"is_impossible": false', 0, "'q2': is possible and has no answer"),
        ("nli jsonl", '"gold_label": "neutral"', f'"gold_label": {LONG}', 1, "not JSON (a number with thousands of"),
        ("nli jsonl", '{"gold_label": "neutral"', '[1]\n{"gold_label": "neutral"', 1, "a JSON object, found list"),
        ("hellaswag", '["w", "x", "y", "z"], "label": 0', '["w"], "label": 0', 2, "two or more endings, found 1"),
        ("squad 1.1", '"Where ?"', "7", 0, "'question' should be text, found int"),
        ("squad 1.1", '"paragraphs": [', '"paragraphs": {}, "p": [', 0, "'paragraphs' should be a list, found dict"),
        ("squad 1.1", '"answers": [{"', '"answers": [["x"], {"', 0, "'answers' should hold objects alone, found list"),
        ("squad 1.1", '"answers": [', '"answers": null, "a": [', 0, "'answers' should be a list, found NoneType"),
        ("squad 2.0", '"is_impossible": true', '"is_impossible": 1', 0, "'is_impossible' should be true or false"),
        ("squad 2.0", '"is_impossible": true', '"is_impossible": null', 0, "should be true or false"),
        ("nli jsonl", '"sentence2": "B"', '"sentence2": 7', 3, "'sentence2' should be text, found int"),
        ("nli jsonl", '"entailment"', "null", 3, "'gold_label' should be text, found NoneType"),
        ("hellaswag", '"ctx": "B"', '"ctx": ["B"]', 2, "'ctx' should be text, found list"),
        ("hellaswag", '"label": 0', '"label": null', 2, "from 0 to 3, found 'None'"),
        ("hellaswag", '"label": 0', '"label": true', 2, "from 0 to 3, found 'True'"),
        ("hellaswag", '"label": 0', f'"label": {HUGE}', 2, "from 0 to 3, found '99999"),
        ("hellaswag", '"label": 0', f'"label": {DEEP}', 2, "from 0 to 3, found list"),
        ("hellaswag", '"label": 0', f'"label": {DEEP * 200}', 2, "not JSON"),
        ("commonsense_qa", '"question": {', '"question": "S?", "q": {', 1, "'question' should be an object, found str"),
        ("commonsense_qa", '"text": "t"', '"text": 1', 1, "'text' should be text, found int"),
        ("commonsense_qa", '"label": "B"', '"label": "A"', 1, "each with its own letter, found 'A A C'"),
        ("social_iqa", '"B", "answerA"', '{}, "answerA"', 1, "'question' should be text, found dict"),
        ("copa", '"idx": 1', '"idx": "1"', 2, "'idx' should be a whole number"),
    ],
    "half a character or NUL in an escape": [
        ("squad 1.1", "Where ?", "\\ud83d ?", 0, "'question' holds '\\ud83d', which is no text"),
        ("nli jsonl", '"B"}', '"\\u0000"}', 3, "'sentence2' holds '\\x00', which is no text"),
        ("hellaswag", '"B", "endings": ["w"', '"B", "endings": ["\\udc00"', 2, "'endings' holds '\\udc00'"),
    ],
}  # fmt: skip
CASES = [(fault, *row) for fault, rows in FAULTS.items() for row in rows]


@pytest.mark.parametrize(("fault", "name", "old", "new", "line", "message"), CASES)
def test_a_fault_is_refused_with_its_line(
    fault: str, name: str, old: str, new: str, line: int, message: str, tmp_path: Path
) -> None:
    sample = SAMPLES[name]
    assert old in sample.content, f"nothing to damage for: {fault}"
    content = sample.content.replace(old, new, -1 if fault == "another language" else 1)
    path = sample.write(tmp_path, content.encode())
    with pytest.raises(DataError) as caught:
        list(sample.read(path, sample.language))
    place = f"{path}:{line}: " if line else f"{path}: "
    assert str(caught.value).startswith(place)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", SAMPLES)
def test_wrong_encodings_are_refused_with_the_line_of_the_first_bad_byte(name: str, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    raw = sample.content.removeprefix("\ufeff").encode()
    last = raw.rstrip().count(b"\n") + 1
    spoilt = raw.rstrip()
    faults = {
        "latin-1": (spoilt + "é".encode("latin-1") + b"\n", last, "not UTF-8 (byte 0xe9)"),
        "UTF-16": (sample.content.encode("utf-16"), 1, "not UTF-8 (byte 0xff)"),
        "NUL": (spoilt + b"\0\n", last, ""),
    }
    for content, line, message in faults.values():
        path = sample.write(tmp_path, content)
        with pytest.raises(DataError) as caught:
            list(sample.read(path, sample.language))
        assert str(caught.value).startswith(f"{path}:{line}: {message}")
    path = sample.write(tmp_path, sample.content.removeprefix("\ufeff").encode("utf-16-le"))
    with pytest.raises(DataError, match=r"holds a NUL byte|not JSON"):
        list(sample.read(path, sample.language))


@pytest.mark.parametrize("name", SAMPLES)
def test_what_is_no_whole_file_is_refused(name: str, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    packed = gzip.compress(sample.write(tmp_path).read_bytes())
    (tmp_path / sample.name).unlink()
    path = tmp_path / f"{sample.name}.gz"
    for content in (packed[:-9], packed[: len(packed) // 2], packed[:12], packed[:-8] + bytes(8), b"no gzip"):
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            list(sample.read(path, sample.language))
        assert str(caught.value).startswith(f"{path}: cannot be read (")
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match="expected a file, found a folder"):
        list(sample.read(path, sample.language))


@pytest.mark.parametrize("name", ["plain lines", "ebible", "tatoeba", "hellaswag text", "panx", "qqp"])
def test_lines_that_end_at_cr_alone_are_refused(name: str, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    content = sample.content.replace("\r\n", "\n").replace("\n", "\r")
    path = sample.write(tmp_path, content.encode())
    with pytest.raises(DataError) as caught:
        list(sample.read(path, sample.language))
    assert str(caught.value) == f"{path}:1: its lines end with CR only: save it with LF or CR LF"


@pytest.mark.parametrize("name", SAMPLES)
def test_an_empty_and_a_missing_file_are_refused(name: str, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    path = sample.write(tmp_path, b"")
    with pytest.raises(DataError):
        list(sample.read(path, sample.language))
    path.unlink()
    with pytest.raises(DataError, match="no such file"):
        list(sample.read(path, sample.language))


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("tatoeba", "its English side tatoeba.deu-eng.eng"),
        ("ebible pairs", "no English Bible"),
        ("ntrex", "its English"),
    ],
)
def test_a_file_without_its_english_side_is_refused(name: str, problem: str, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    path = sample.write(tmp_path)
    for beside in sample.beside:
        (tmp_path / beside).unlink()
    with pytest.raises(DataError, match=problem):
        list(sample.read(path, sample.language))


@pytest.mark.parametrize("first", [True, False])
def test_gold_in_some_questions_only_is_refused(first: bool, tmp_path: Path) -> None:
    asked = [question(LODZ, "q1"), {"id": "q2", "question": "?"}]
    path = SAMPLES["squad 1.1"].write(tmp_path, squad_file(*(asked if first else asked[::-1])).encode())
    with pytest.raises(DataError) as caught:
        list(squad.squad(path, "en"))
    found = "question 'q2': has no gold answer" if first else "question 'q1': has a gold answer"
    assert str(caught.value) == f"{path}: {found}, unlike those before"


@pytest.mark.parametrize("name", ["vref.txt", "eng-y.txt"])
def test_faults_beside_the_file_name_the_file_beside(name: str, tmp_path: Path) -> None:
    sample = SAMPLES["ebible pairs"]
    path = sample.write(tmp_path)
    beside = tmp_path / name
    beside.write_bytes(beside.read_bytes().replace(b"\n", b"\xff\n", 3))
    with pytest.raises(DataError) as caught:
        list(sample.read(path, sample.language))
    assert str(caught.value).startswith(f"{beside}:1: not UTF-8 (byte 0xff): looks like Windows-1252")
    sample.write(tmp_path)
    if name == "vref.txt":
        beside.write_text("".join(f"GEN 1:{n % 4}\n" for n in range(6)))
        with pytest.raises(DataError) as caught:
            list(sample.read(path, sample.language))
        assert str(caught.value) == f"{beside}:5: id 'GEN 1:0' occurs twice (first in line 1)"
