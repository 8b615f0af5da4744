"""Gold and predictions that can be read once, packed files and other forms of rows give the scores of plain files."""

from __future__ import annotations

import bz2
import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from xstilts.core.errors import DataError
from xstilts.evaluation.score import score_files

NLI = "entailment\nneutral\ncontradiction\n"
SQUAD = json.dumps({
    "version": "1.1",
    "data": [{"title": "t", "paragraphs": [{"context": "oak", "qas": [
        {"id": name, "question": "?", "answers": [{"text": "oak", "answer_start": 0}]} for name in "abc"
    ]}]}],
})  # fmt: skip
ANSWERS = {"a": "oak", "b": "oak", "c": "elm"}
ROWS = [{"id": name, "prediction": answer} for name, answer in ANSWERS.items()]


def lines(rows: list[Any]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


CASES: dict[str, tuple[str, str, str, str]] = {
    "labels": ("xnli", "de", NLI, "entailment\nneutral\nneutral\n"),
    "labels in a table": (
        "xnli", "de",
        "language\tgold_label\tsentence1\tsentence2\nar\tneutral\tx\ty\nde\tneutral\ty\tx\nde\tentailment\tz\tx\n",
        "neutral\nneutral\n",
    ),
    "choices": ("xcopa", "it", "0\n1\n0\n1\n", "0\n0\n1\n1\n"),
    "tags": ("panx", "de", "x\tB-PER\ny\tO\n\nz\tB-LOC\n", "B-PER\nO\n\nO\n"),
    "tags in JSON lines": ("panx", "de", "x\tB-PER\ny\tO\n\nz\tB-LOC\n", lines([
        {"id": "1", "prediction": ["B-PER", "O"]}, {"id": "2", "prediction": ["O"]},
    ])),
    "a treebank": ("udpos", "de", "# text = a\n1\ta\ta\tNOUN\t_\t_\t0\troot\t_\t_\n2\tb\tb\tVERB\t_\t_\t1\tx\t_\t_\n\n",
                   "NOUN\nNOUN\n"),
    "answers": ("xquad", "de", SQUAD, json.dumps(ANSWERS)),
    "answers indented": ("mlqa", "de", SQUAD, json.dumps(ANSWERS, indent=1)),
    "answers in JSON lines": ("xquad", "de", SQUAD, lines(ROWS)),
    "numbers": ("tatoeba", "de", "3\n0\n", "[3]\n[1]\n"),
    "pairs": ("bucc2018", "de", "de-1\ten-1\nde-2\ten-2\n", "de-1\ten-1\nde-2\ten-3\n"),
    "rankings": ("mewslix", "de", json.dumps({"m": ["Q1"], "n": ["Q2"]}), json.dumps({"m": ["Q1", "Q2"], "n": ["Q1"]})),
}  # fmt: skip


def values(task: str, language: str, gold: Path, said: Path) -> dict[str, float]:
    return {row.metric: row.value for row in score_files(task, language, gold, said)}


def plain(folder: Path, case: str) -> dict[str, float]:
    task, language, gold, said = CASES[case]
    suffixes = ["jsonl" if text.startswith('{"') and "\n" in text else "csv" if "uid," in text else "txt"
                for text in (gold, said)]  # fmt: skip
    paths = [folder / f"{name}.{suffix}" for name, suffix in zip("gp", suffixes)]
    for path, text in zip(paths, (gold, said)):
        path.write_text(text, encoding="utf-8")
    return values(task, language, *paths)


@pytest.fixture
def pipe() -> Iterator[Callable[[bytes], Path]]:
    """A path that can be read once, as a shell's `<(...)` gives."""
    ends: list[int] = []

    def feed(end: int, content: bytes) -> None:
        with open(end, "wb") as stream:
            stream.write(content)

    def make(content: bytes) -> Path:
        reading, writing = os.pipe()
        ends.append(reading)
        threading.Thread(target=feed, args=(writing, content), daemon=True).start()
        return Path(f"/dev/fd/{reading}")

    yield make
    for end in ends:
        os.close(end)


@pytest.mark.parametrize("case", CASES)
def test_pipes_give_the_scores_of_files(tmp_path: Path, case: str, pipe: Callable[[bytes], Path]) -> None:
    task, language, gold, said = CASES[case]
    expected = plain(tmp_path, case)
    assert values(task, language, pipe(gold.encode()), pipe(said.encode())) == expected
    assert values(task, language, pipe(gzip.compress(gold.encode())), pipe(bz2.compress(said.encode()))) == expected


def test_a_pipe_is_not_remembered_from_one_score_to_the_next(tmp_path: Path) -> None:
    (tmp_path / "g").write_text(NLI)
    for said, value in (("neutral\n" * 3, 100 / 3), (NLI, 100.0)):
        reading, writing = os.pipe()
        os.write(writing, said.encode())
        os.close(writing)
        os.dup2(reading, 97)
        os.close(reading)
        found = values("xnli", "de", tmp_path / "g", Path("/dev/fd/97"))
        assert found["accuracy"] == pytest.approx(value)
    os.close(97)


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
@pytest.mark.parametrize("redirected", [True, False])
def test_standard_input(tmp_path: Path, name: str, redirected: bool) -> None:
    (tmp_path / "g.json").write_text(SQUAD)
    (tmp_path / "p").write_text(json.dumps(ANSWERS))
    program = (
        "import sys; from pathlib import Path; from xstilts.evaluation.score import score_files;"
        f"print(score_files('xquad', 'de', Path('g.json'), Path({name!r}))[0].value)"
    )
    with (tmp_path / "p").open("rb") as stream:
        given = {"stdin": stream} if redirected else {"input": json.dumps(ANSWERS).encode()}
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, check=True, **given  # type: ignore[call-overload]
        )  # fmt: skip
    assert float(done.stdout) == pytest.approx(200 / 3)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.ndjson", lines(ROWS)),
        ("p", lines(ROWS)),
    ],
)
def test_rows_of_answers_in_other_forms(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "g.json").write_text(SQUAD)
    (tmp_path / name).write_text(text)
    assert values("xquad", "de", tmp_path / "g.json", tmp_path / name)["f1"] == pytest.approx(200 / 3)


@pytest.mark.parametrize(
    ("task", "gold", "said", "message"),
    [
        ("xnli", NLI, "index\tprediction\n0\tneutral\n", 'p:1: expected one label, found 2 columns: give labels alone, '
         'or rows {"id": ..., "prediction": ...} as JSON lines'),
        ("xnli", NLI, "prediction\nneutral\nneutral\nneutral\n", "p: 4 labels, but 3 in "),
        ("xquad", SQUAD, json.dumps(ROWS), "p: expected an object of question id -> answer, or rows "),
        ("xquad", SQUAD, '"oak"', 'p: expected an object of question id -> answer, or rows {"id": ..., "prediction"'),
        ("xquad", SQUAD, '{"a": "x", "a": "y"}', "p: 'a' occurs twice in one object"),
        ("xquad", SQUAD, lines([{"id": "a", "answer": "x"}] * 2), 'p:1: expected {"id": ..., "prediction": ...}'),
        ("xnli", NLI, NLI.encode("utf-16"), "p:1: not UTF-8 (byte 0xff): it is UTF-16; save it as UTF-8, e.g. `iconv"),
    ],
)  # fmt: skip
def test_what_other_scripts_write_is_named(
    tmp_path: Path, task: str, gold: str, said: str | bytes, message: str
) -> None:
    (tmp_path / "g").write_text(gold)
    (tmp_path / "p").write_bytes(said if isinstance(said, bytes) else said.encode())
    with pytest.raises(DataError) as caught:
        score_files(task, "de", tmp_path / "g", tmp_path / "p")
    assert str(caught.value).startswith(f"{tmp_path}/{message}")
