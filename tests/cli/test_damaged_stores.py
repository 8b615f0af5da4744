"""Results that were damaged after they were written are refused, without a traceback."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from laid_store import lay_data, lay_experiment, lay_store

from xstilts.core.files import read_lines, write_text

TARGETS = ("xnli", "xquad")


def cut_lines(path: Path) -> None:
    write_text(path, "".join(f"{line}\n" for line in read_lines(path)[:-2]))


def flip(path: Path) -> None:
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])


def fold(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES = [cut_lines, flip, fold, Path.unlink, lambda path: path.write_bytes(b"")]


@pytest.fixture(scope="module")
def laid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("laid")
    lay_data(folder / "data")
    lay_store(lay_experiment(folder, TARGETS), folder / "data", folder / "runs")
    return folder


@pytest.mark.parametrize("file", ["scores.jsonl", "examples.parquet", "stage.json", "DONE"])
@pytest.mark.parametrize("damage", DAMAGES, ids=["cut", "flipped", "a folder", "gone", "empty"])
def test_damaged_scores_are_refused_in_one_line(
    laid: Path, tmp_path: Path, typed: Callable[..., tuple[int, str, str]], file: str, damage: Callable[[Path], object]
) -> None:
    if (file, damage) in (("examples.parquet", cut_lines), ("DONE", cut_lines)):
        pytest.skip("has no lines")
    shutil.copytree(laid / "runs", tmp_path / "runs")
    stage = sorted((tmp_path / "runs" / "evaluate").iterdir())[0]
    damage(stage / file)  # with lines cut from scores.jsonl the zero-shot mean was of fewer languages, without a word
    given = (laid / "laid.yaml", "--data", laid / "data", "--store", tmp_path / "runs")
    for words in (("scores", *given), ("report", *given, "--to", tmp_path / "out")):
        code, out, err = typed(*words)
        assert (code, out) == (2, "")
        assert err.startswith(f"error: {stage} is damaged (")
        assert err.endswith("): `xstilts run` computes it again\n")
        assert err.count("\n") == 1


def test_a_disk_that_is_full_is_one_line(
    typed: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(verb: str) -> None:
        raise OSError(28, "No space left on device", "/x")

    monkeypatch.setattr("xstilts.cli.command_of", full)
    line = "error: [Errno 28] No space left on device: '/x': free some space, then run the same command again\n"
    assert typed("report") == (2, "", line)
