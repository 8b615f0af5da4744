"""`xstilts data` as a user meets it: lines, JSON, exit codes, one-line errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

TATOEBA = "raw.githubusercontent.com/facebookresearch/LASER/74bc6ae7ffb7cba670fe0f428d0ede9f666fb821/data/tatoeba/v1"


@pytest.fixture
def xstilts(typed, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("XSTILTS_DATA", raising=False)

    def call(*words: object) -> tuple[int, str, str]:
        return typed("data", *words)

    return call


def put(root: Path, rows: int = 100) -> Path:
    path = root / "xcopa/data/sw/val.sw.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    line = '{{"premise": "a", "choice1": "b", "choice2": "c", "question": "cause", "idx": {}, "label": {}}}\n'
    path.write_text("".join(line.format(number, number % 2) for number in range(rows)))
    return path


def test_check_says_what_is_there_and_what_is_missing(xstilts, tmp_path: Path) -> None:
    put(tmp_path)
    code, out, err = xstilts("check", "--data", tmp_path)
    assert (code, err) == (0, "")
    assert "xcopa             validation  1 of 11 languages; 100 rows; missing: et ht id it qu ta th tr vi zh\n" in out
    assert out.splitlines()[-1].endswith("tasks found, 0 damaged")
    assert "micro_" not in out


def test_a_named_task_that_is_wholly_missing_is_exit_code_1(xstilts, tmp_path: Path) -> None:
    put(tmp_path)
    code, out, _ = xstilts("check", "xcopa", "xquad", "--data", tmp_path)
    assert code == 1
    assert out.splitlines()[-1] == "1 of 2 tasks found, 0 damaged, no files of xquad"
    assert xstilts("check", "xcopa", "--data", tmp_path)[0] == 0


def test_damage_is_shown_with_file_and_line_and_is_exit_code_1(xstilts, tmp_path: Path) -> None:
    path = put(tmp_path)
    path.write_text(path.read_text().replace('"idx": 4,', '"idx": "4",'))
    code, out, err = xstilts("check", "--data", tmp_path)
    assert (code, err) == (1, "")
    assert f"  damaged: {path}:5: " in out
    code, out, _ = xstilts("check", "--data", tmp_path, "--quick")
    assert code == 0


def test_check_speaks_json(xstilts, tmp_path: Path) -> None:
    put(tmp_path, 99)
    code, out, _ = xstilts("check", "xcopa", "--data", tmp_path, "--json")
    assert code == 1
    row = next(row for row in json.loads(out) if (row["language"], row["split"]) == ("sw", "validation"))
    assert (row["status"], row["rows"], row["official"]) == ("damaged", 99, 100)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["check", "xnil"], "unknown task 'xnil': did you mean xnli"),
        (["check"], "no data folder: give --data FOLDER or set XSTILTS_DATA"),
        (["fetch", "xquad"], "no data folder"),
        (["fetch", "udpos", "--data", "new"], "udpos cannot be fetched: get it from https://universaldependencies.org"),
        (["fetch", "xquad", "--languages", "de,swa", "--data", "new"], "unknown language of xquad 'sw'"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], problem: str, xstilts, tmp_path: Path) -> None:
    code, out, err = xstilts(*[str(tmp_path / word) if word == "new" else word for word in words])
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {problem}")
    assert err.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_fetch_writes_says_where_from_and_checks(xstilts, tmp_path: Path) -> None:
    folder = tmp_path / "mirror" / TATOEBA
    folder.mkdir(parents=True)
    for name in ("swh", "eng"):
        (folder / f"tatoeba.swh-eng.{name}").write_text("".join(f"{390 - n} {name}\n" for n in range(390)))
    words = ["fetch", "tatoeba", "--languages", "sw", "--data", tmp_path / "data", "--mirror", tmp_path / "mirror"]
    code, out, err = xstilts(*words)
    assert (code, err) == (0, "")
    assert f"tatoeba/v1/tatoeba.swh-eng.swh  3,012 bytes  https://{TATOEBA}/tatoeba.swh-eng.swh\n" in out
    assert "tatoeba           test        there; 390 rows\n" in out
    code, out, _ = xstilts(*words)
    assert code == 0
    assert "tatoeba: 2 files already exist\n" in out
