"""CCG supertags: a task whose tags are those of the user's files."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.tiny_experiment import run_all, scores, tiny_experiment
from xstilts.core.errors import DataError
from xstilts.data.readers.tagging import ccg
from xstilts.expand import Expansion
from xstilts.microworld.world import TINY, write_world
from xstilts.tasks import TASKS

TAGS = ("NP", "S[dcl]\\NP", "(S\\NP)/NP", ".")


def derivation(number: int, words: tuple[str, ...], tags: tuple[str, ...]) -> str:
    leaves = " ".join(f"(<L {tag} X X {word} {tag}>)" for word, tag in zip(words, tags, strict=True))
    return f"ID=wsj_0001.{number} PARSER=GOLD NUMPARSE=1\n(<T S 0 2> {leaves} )\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_world(tmp_path, 5, TINY)
    lines = ["ka lo .\tNP S[dcl]\\NP .", "mi nu pe\tNP (S\\NP)/NP NP"]
    for split in ("train", "dev"):
        path = tmp_path / "ccg" / f"ccg.{split}"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(lines * 4) + "\n")
    (tmp_path / "ccg" / "ccg.dev").write_text("ka zu\tNP N\n")  # a tag that training has not
    return tmp_path


def test_tags_are_those_of_all_splits(root: Path) -> None:
    assert TASKS.get("ccg").found_labels(root) == tuple(sorted({*TAGS, "N"}))
    with pytest.raises(DataError, match=r"ccg \(train, en\): no file"):
        TASKS.get("ccg").found_labels(root / "ccg")


def test_supertagging_is_trained_and_scored_as_an_intermediate_task(root: Path, tmp_path: Path) -> None:
    expansion = Expansion(tiny_experiment(recipes=[[], ["ccg"]], targets=["micro_topic"]), root)
    run_all(expansion, tmp_path / "store")
    (cell,) = [cell for cell in expansion.cells if cell.task == "ccg"]
    (row,) = [row for row in scores(tmp_path / "store", cell.stage) if row["main"]]
    assert (row["metric"], row["n"], cell.role) == ("token_accuracy", 1, "intermediate")


def test_the_archives_derivations_and_jiants_lines_say_the_same(tmp_path: Path) -> None:
    words, tags = ("ka", "lo", "."), ("NP", "S[dcl]\\NP", ".")
    auto, lines = tmp_path / "wsj_0001.auto", tmp_path / "ccg.train"
    auto.write_text(derivation(1, words, tags))
    lines.write_text(f"{' '.join(words)}\t{' '.join(tags)}\n")
    (one,), (two,) = ccg(auto, "en"), ccg(lines, "en")
    assert (one.words, one.tags) == (two.words, two.tags) == (words, tags)  # type: ignore[union-attr]
    assert one.id == "wsj_0001.1"


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("ccg.train", "a b\tNP\n", "ccg.train:1: .*as many tags"),
        ("ccg.train", "a  b\tNP X NP\n", "ccg.train:1: .*one blank between"),
        ("x.auto", "(<L NP X X a NP>)\n", "x.auto:1: .*begins with ID="),
        ("x.auto", "ID=1\n(<L NP X a>)\n", "x.auto:2: .*five fields"),
        ("x.auto", "ID=1\n(<L NP X X a NP>)\nID=2\n", "x.auto:3: the last derivation is missing"),
    ],
)
def test_damage_is_named_with_its_line(tmp_path: Path, name: str, text: str, problem: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=problem):
        list(ccg(tmp_path / name, "en"))
