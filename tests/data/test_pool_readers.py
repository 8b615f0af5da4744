"""Readers of queries and pools on made-up files in the official layouts; the real ones where a data folder is."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from xstilts.core.errors import DataError
from xstilts.data.examples import Example, PoolExample
from xstilts.data.readers import pools
from xstilts.tasks import TASKS

DATA = Path(os.environ.get("XSTILTS_DATA", Path(__file__).resolve().parents[2].parent / "shared" / "data"))
needs_data = pytest.mark.skipif(not (DATA / "MANIFEST.tsv").is_file(), reason=f"no data folder at {DATA}")


def write_bucc(folder: Path, **changes: str) -> Path:
    """A training set of three and three sentences and a sample of one and two."""
    files = {
        "de-en.training.de": "de-1\tEins. \nde-2\tZwei\nde-3\tDrei\n",
        "de-en.training.en": "en-1\tTwo\nen-2\tOne\nen-3\tFour\n",
        "de-en.training.gold": "de-1\ten-2\nde-2\ten-1\n",
        "de-en.sample.de": "de-1\tVier\n",
        "de-en.sample.en": "en-1\tFour\nen-9\tNine\n",
        "de-en.sample.gold": "de-1\ten-1\n",
        **changes,
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, words in files.items():
        if words:
            (folder / name).write_text(words, encoding="utf-8")
    return folder / "de-en.training.de"


def split(examples: list[Example]) -> tuple[list[PoolExample], list[PoolExample]]:
    found = [example for example in examples if isinstance(example, PoolExample)]
    return [e for e in found if e.query], [e for e in found if not e.query]


def test_bucc_reads_both_sides_the_gold_and_the_sample_set(tmp_path: Path) -> None:
    queries, candidates = split(list(pools.bucc(write_bucc(tmp_path), "de")))
    assert [(q.id, q.text, q.gold, q.sample) for q in queries] == [
        ("de-1", "Eins.", ("en-2",), False),
        ("de-2", "Zwei", ("en-1",), False),
        ("de-3", "Drei", (), False),
        ("sample:de-1", "Vier", ("sample:en-1",), True),
    ]
    assert [c.id for c in candidates] == ["en-1", "en-2", "en-3", "sample:en-1", "sample:en-9"]


def test_the_sample_set_alone_is_measured_itself(tmp_path: Path) -> None:
    write_bucc(tmp_path)
    queries, _ = split(list(pools.bucc(tmp_path / "de-en.sample.de", "de")))
    assert [(q.id, q.gold, q.sample) for q in queries] == [("de-1", ("en-1",), False)]


@pytest.mark.parametrize(
    ("file", "words", "problem"),
    [
        ("de-en.training.de", "de-1 Eins\n", r"de-en.training.de.*1.*an id, a tab and a sentence"),
        ("de-en.training.en", "en-1\tA\nen-1\tB\n", r"de-en.training.en.*2.*'en-1' occurs twice"),
        ("de-en.training.gold", "de-1\ten-7\n", r"de-en.training.gold.*1.*no English sentence 'en-7'"),
        ("de-en.training.gold", "en-1\tde-1\n", r"de-en.training.gold.*1.*no de sentence 'en-1'"),
        ("de-en.training.gold", "de-1\n", r"de-en.training.gold.*1.*two sentence ids"),
        ("de-en.sample.gold", "", r"no de-en.sample.gold beside it"),
        ("de-en.sample.de", "", r"threshold is tuned on the sample set"),
        ("de-en.training.en", "", r"de-en.training.en .* is missing beside it"),
    ],
)
def test_damaged_bucc_is_refused_with_its_line(tmp_path: Path, file: str, words: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        list(pools.bucc(write_bucc(tmp_path, **{file: words}), "de"))


def xquad_r(passage: str, breaks: list[list[int]], *questions: tuple[str, int]) -> str:
    qas = [
        {"id": name, "question": f"{name}?", "answers": [{"answer_start": at, "text": passage[at]}]}
        for name, at in questions
    ]
    return json.dumps({"data": [{"paragraphs": [{"context": passage, "sentence_breaks": breaks, "qas": qas}]}]})


def test_lareqa_wants_the_answers_sentence_of_every_language(tmp_path: Path) -> None:
    (tmp_path / "de.json").write_text(xquad_r("Ja. Nein.", [[0, 3], [4, 9]], ("a", 0), ("b", 5), ("c", 3)))
    (tmp_path / "en.json").write_text(xquad_r("Yes. No.", [[0, 4], [5, 8]], ("a", 1), ("b", 6)))
    for name in ("de_old.json", "xquad.de.json", "predictions.json"):  # not languages
        (tmp_path / name).write_text((tmp_path / "de.json").read_text())
    queries, candidates = split(list(pools.lareqa(tmp_path / "de.json", "de")))
    # c's answer begins between two sentences, and is left out as in the official script
    assert [(q.id, q.gold) for q in queries] == [("a_de", ("de_1_0", "en_1_0")), ("b_de", ("de_1_1", "en_1_1"))]
    assert [(c.id, c.text, c.pair) for c in candidates] == [
        ("de_1_0", "Ja.", "Ja. Nein."),
        ("de_1_1", "Nein.", "Ja. Nein."),
        ("en_1_0", "Yes.", "Yes. No."),
        ("en_1_1", "No.", "Yes. No."),
    ]


def test_squad_without_sentence_breaks_is_cut_at_full_stops(tmp_path: Path) -> None:
    path = tmp_path / "train-v1.1.json"
    path.write_text(xquad_r("It is 3.5 m. Ann left! Why?", [], ("a", 13), ("b", 20), ("c", 6)))
    queries, candidates = split(list(pools.answer_sentences(path, "en")))
    assert [q.gold for q in queries] == [("en_1_1",), ("en_1_1",), ("en_1_0",)]
    assert {c.id: c.text for c in candidates} == {"en_1_1": " Ann left!", "en_1_0": "It is 3.5 m."}


def mention(context: str, start: int, end: int, **more: Any) -> dict[str, Any]:
    span = {"start": start, "end": end, "text": context[start:end]}
    return {"example_id": "m1", "entity_id": "Q1", "mention_span": span, **more}


def article(text: str, language: str = "de") -> dict[str, Any]:
    spans = [{"start": 0, "end": 9}, {"start": 10, "end": len(text)}]
    return {"document_id": "d", "language": language, "text": text, "sentence_spans": spans}


ENTITY = {"entity_id": "Q1", "title": "Bonn", "description": "Stad aan de Rijn", "sentence_spans": []}
TEXT = "Er kam an. Er sah Bonn und ging."


def write_mewslix(folder: Path, *rows: Any) -> Path:
    path = folder / "wikinews_mentions-test.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "candidate_set_entities.jsonl").write_text(json.dumps(ENTITY) + "\n")
    return path


def test_mewslix_marks_the_mention_in_its_sentence(tmp_path: Path) -> None:
    other = {"context": article(TEXT, "tr"), "mentions": [mention(TEXT, 18, 22, example_id="m2")]}
    path = write_mewslix(tmp_path, {"context": article(TEXT), "mentions": [mention(TEXT, 18, 22)]}, other)
    queries, candidates = split(list(pools.mewslix(path, "de")))
    assert [(q.id, q.text, q.gold) for q in queries] == [("m1", "Bonn: Er sah { Bonn } und ging.", ("Q1",))]
    assert [(c.id, c.text, c.pair) for c in candidates] == [("Q1", "Stad aan de Rijn", None)]


def test_braces_of_the_text_do_not_pass_for_the_mentions(tmp_path: Path) -> None:
    words = "Er {kam} nach Bonn\nund {ging}."
    row = {"context": {**article(words), "sentence_spans": []}, "mentions": [mention(words, 14, 18)]}
    query = split(list(pools.mewslix(write_mewslix(tmp_path, row), "de")))[0][0]
    assert query.text == "Bonn: Er (kam) nach { Bonn } und (ging)."


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"context": article(""), "mentions": [mention(TEXT, 18, 22)]}, "get-mewsli-x.sh"),
        (
            {"context": article(TEXT), "mentions": [mention(TEXT, 18, 22, mention_span={"start": 9, "end": 99})]},
            "not within its text of 32",
        ),
        ({"context": article(TEXT)}, "'mentions' should be a list"),
        ([], "expected a JSON object"),
    ],
)
def test_damaged_mewslix_is_refused_with_its_line(tmp_path: Path, row: Any, problem: str) -> None:
    with pytest.raises(DataError, match=rf"mentions-test.jsonl.*1.*{problem}"):
        list(pools.mewslix(write_mewslix(tmp_path, row), "de"))


def test_mewslix_pairs_join_mention_and_entity(tmp_path: Path) -> None:
    path = tmp_path / "wikipedia_pairs-train.jsonl"
    contextual = {"context": article(TEXT, "en"), "mention": mention(TEXT, 18, 22)}
    path.write_text(json.dumps({"contextual_mention": contextual, "entity": ENTITY}) + "\n")
    queries, candidates = split(list(pools.mewslix_pairs(path, "en")))
    assert (queries[0].gold, candidates[0].id) == (("Q1",), "Q1")


@needs_data
def test_the_real_sample_set_has_its_official_counts() -> None:
    queries, candidates = split(TASKS.get("bucc2018").load(DATA, "validation", "zh"))
    assert (len(queries), len(candidates)) == (8624, 13589)
    assert sum(len(query.gold or ()) for query in queries) == 257


@needs_data
def test_the_real_xquad_r_has_the_counts_of_its_readme() -> None:
    task = TASKS.get("lareqa")
    there = task.available(DATA, "test")
    queries, candidates = split(task.load(DATA, "test", "de"))
    assert len(queries) == 1190
    assert {len(query.gold or ()) for query in queries} == {len(there)}
    assert sum(candidate.id.startswith("de_") for candidate in candidates) == 1276
