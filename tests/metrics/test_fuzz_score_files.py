"""Damaged gold and predictions of every family of tasks: scores between 0 and 100, or one line with file and line.

`XSTILTS_FUZZ_EXAMPLES=20000 pytest tests/metrics/test_fuzz_score_files.py` tries that many damaged files of each pair.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from squad_file import squad

from data.damage import DAMAGE, FUZZ, SEEDS, Edit, damaged, edits_of, is_one_line
from xstilts.core.errors import DataError
from xstilts.evaluation.score import score_files


class Pair(NamedTuple):
    task: str
    language: str
    gold: tuple[str, str]
    said: tuple[str, str]


def _lines(*rows: object) -> str:
    return "".join((row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)) + "\n" for row in rows)


def _questions(*answers: tuple[str, list[str]]) -> str:
    return json.dumps(squad(*answers), ensure_ascii=False)


COPA = {"premise": "p", "choice1": "a", "choice2": "b", "question": "cause", "changed": False}
NLI = _lines("neutral", "entailment", "contradiction")
TAGS = _lines("B-PER", "O", "", "B-LOC", "I-LOC")
ANSWERS = _questions(("a", ["Łódź", "the Łódź"]), ("b", ["1999"]))
SAID = json.dumps({"a": "Łódź", "b": "in 1999"}, ensure_ascii=False)

PAIRS: dict[str, Pair] = {
    "labels": Pair("xnli", "de", ("g", NLI), ("p", NLI)),
    "a table of all languages": Pair(
        "xnli",
        "de",
        (
            "g.tsv",
            _lines(
                "language\tgold_label\tsentence1\tsentence2",
                *(f"{x}\tx\ty" for x in ("ar\tneutral", "de\tneutral", "de\tentailment")),
            ),
        ),
        ("p", _lines("neutral", "neutral")),
    ),
    "a table without header": Pair(
        "pawsx",
        "de",
        ("g.tsv", "a\tb\t0\r\nc\td\t1\r\n"),
        ("p.jsonl", _lines({"id": 0, "prediction": 0}, {"id": 1, "prediction": "1"})),
    ),
    "topics": Pair(
        "sib200",
        "nl",
        ("g.tsv", _lines("index_id\tcategory\ttext", "1\tsports\ta", "2\ttravel\tb")),
        ("p", "sports\ntravel\n"),
    ),
    "choices": Pair(
        "xcopa",
        "et",
        ("g.jsonl", _lines(*({**COPA, "label": label, "idx": label} for label in (0, 1)))),
        ("p.jsonl", _lines(*({"id": label, "prediction": label} for label in (0, 1)))),
    ),
    "tags": Pair("panx", "de", ("g", TAGS), ("p", TAGS)),
    "words and tags": Pair(
        "udpos",
        "de",
        ("g.tsv", _lines("Das\tDET", "Haus\tNOUN", "", "!\tPUNCT", "")),
        ("p.jsonl", _lines({"id": "1", "prediction": ["DET", "X"]}, {"id": "2", "prediction": ["PUNCT"]})),
    ),
    "answers": Pair("xquad", "de", ("g.json", ANSWERS), ("p.json", SAID)),
    "answers in lines": Pair(
        "mlqa",
        "de",
        ("g.json", ANSWERS),
        ("p.jsonl", _lines({"id": "b", "prediction": "1999"}, {"id": "a", "prediction": ""})),
    ),
    "answers or none": Pair("squad_v2", "en", ("g.json", _questions(("a", ["Łódź"]), ("b", []))), ("p.json", SAID)),
    "answers of one language": Pair(
        "tydiqa",
        "fi",
        ("g.json", _questions(("finnish--1", ["x"]), ("telugu--1", ["y"]))),
        ("p.json", json.dumps({"finnish--1": "x", "telugu--1": "z"})),
    ),
    "numbers": Pair("tatoeba", "de", ("g", "1\n0\n2\n"), ("p", "[1]\n[2]\n0\n")),
    "pairs": Pair("bucc2018", "de", ("g", "de-1\ten-1\nde-2\ten-2\n"), ("p", "de-1\ten-1\nde-2\ten-3\n")),
    "pairs in lines": Pair(
        "bucc2018",
        "de",
        ("g", "de-1\ten-1\nde-2\ten-2\n"),
        ("p.jsonl", _lines({"id": "de-1", "prediction": "en-1"}, {"id": "de-2", "prediction": ["en-2", "en-3"]})),
    ),
    "rankings": Pair(
        "mewslix", "ar", ("g.json", '{"m": ["Q1"], "n": ["Q2"]}'), ("p.json", '{"m": ["Q3", "Q1"], "n": []}')
    ),
}
WITHOUT_LINE = re.compile(
    r"is empty$|holds no |gold labels are |gold is withheld|no predictions for the "
    r"|ids are not in "
    r"|\d+ (labels|indices|sentences|tags), but \d+ in "
)
"""Faults of whole files of lines, or of ids that two files do not share."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def check_refusal(error: DataError, gold: Path, said: Path) -> None:
    message = str(error)
    assert is_one_line(message)
    assert message.startswith((f"{gold}:", f"{said}:"))
    if ".json" not in Path(error.path or "").suffixes:
        assert error.line is not None or WITHOUT_LINE.search(message), message


def score_damaged(name: str, folder: Path, edits: list[Edit], of_gold: bool) -> None:
    pair = PAIRS[name]
    gold, said = (folder / f"{name} {file}".replace(" ", "_") for file, _ in (pair.gold, pair.said))
    for path, (_, content), wrong in ((gold, pair.gold, of_gold), (said, pair.said, not of_gold)):
        path.write_bytes(damaged(content.encode(), edits) if wrong else content.encode())
    try:
        scores = score_files(pair.task, pair.language, gold, said)
    except DataError as error:
        check_refusal(error, gold, said)
    else:
        assert [score.main for score in scores].count(True) == 1
        for score in scores:
            assert math.isfinite(score.value)
            assert 0 <= score.value <= 100
            assert score.n >= 1


@pytest.mark.parametrize("name", PAIRS)
def test_whole_files_have_a_score(name: str, folder: Path) -> None:
    score_damaged(name, folder, [], of_gold=True)
    pair = PAIRS[name]
    gold, said = (folder / f"{name} {file}".replace(" ", "_") for file, _ in (pair.gold, pair.said))
    assert score_files(pair.task, pair.language, gold, said)[0].value > 0


@pytest.mark.parametrize("name", PAIRS)
@FUZZ
@given(edits=DAMAGE, of_gold=st.booleans())
def test_a_damaged_file_gives_scores_or_one_line(name: str, folder: Path, edits: list[Edit], of_gold: bool) -> None:
    score_damaged(name, folder, edits, of_gold)


@pytest.mark.parametrize("name", PAIRS)
def test_so_do_many(name: str, folder: Path) -> None:
    for seed in range(SEEDS):
        edits = edits_of(seed)
        try:
            score_damaged(name, folder, edits, of_gold=seed % 2 == 0)
        except Exception as error:
            error.add_note(f"seed {seed}: {edits}")
            raise
