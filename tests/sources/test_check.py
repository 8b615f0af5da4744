"""What `check` says of files that are there, missing, cut, damaged, without gold, or not what was fetched."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from xstilts.core.errors import DataError
from xstilts.core.files import sha256, write_json
from xstilts.sources.check import SplitCheck, check
from xstilts.sources.fetch import LOCK, Locked, load_lock
from xstilts.tasks import TASKS


def found(root: Path, *names: str, quick: bool = False) -> dict[tuple[str, str, str], SplitCheck]:
    tasks = [TASKS.get(name) for name in names]
    return {(f.task, f.split, f.language): f for part in check(tasks, root, quick=quick) for f in part}


def put(root: Path, name: str, lines: list[str]) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def xcopa(root: Path, rows: int, *, labels: bool = True) -> Path:
    line = '{{"premise": "a", "choice1": "b", "choice2": "c", "question": "cause", "idx": {0}{1}}}'
    lines = [line.format(i, f', "label": {i % 2}' if labels else "") for i in range(rows)]
    return put(root, "xcopa/data/sw/val.sw.jsonl", lines)


def test_a_whole_file_is_there_and_the_other_languages_are_missing(tmp_path: Path) -> None:
    xcopa(tmp_path, 100)
    result = found(tmp_path, "xcopa")
    assert result["xcopa", "validation", "sw"] == SplitCheck("xcopa", "validation", "sw", "there", 100, 100)
    assert result["xcopa", "validation", "it"] == SplitCheck("xcopa", "validation", "it", "missing", None, 100)
    assert {f.status for key, f in result.items() if key[1] == "test"} == {"missing"}


@pytest.mark.parametrize("rows", [99, 101])
def test_another_number_of_rows_than_the_official_one_is_damage(rows: int, tmp_path: Path) -> None:
    path = xcopa(tmp_path, rows)
    finding = found(tmp_path, "xcopa")["xcopa", "validation", "sw"]
    assert (finding.status, finding.rows) == ("damaged", rows)
    assert finding.problem == f"{path}: {rows} examples, officially 100"


def test_the_readers_message_names_file_and_line(tmp_path: Path) -> None:
    path = xcopa(tmp_path, 100)
    path.write_text(path.read_text().replace('"idx": 4,', '"idx": 4 '))
    finding = found(tmp_path, "xcopa")["xcopa", "validation", "sw"]
    assert finding.status == "damaged"
    assert finding.problem.startswith(f"{path}:5: not JSON")
    assert found(tmp_path, "xcopa", quick=True)["xcopa", "validation", "sw"].status == "there"


def test_gold_that_is_withheld_is_no_damage_but_said(tmp_path: Path) -> None:
    xcopa(tmp_path, 100, labels=False)
    assert found(tmp_path, "xcopa")["xcopa", "validation", "sw"].status == "withheld"


def test_blanks_for_tabs_are_damage_and_no_withheld_gold(tmp_path: Path) -> None:
    path = put(tmp_path, "panx/dev-de.tsv", ["Ada B-PER", "ist O", ""])
    finding = found(tmp_path, "panx")["panx", "validation", "de"]
    assert finding.status == "damaged"
    assert finding.problem == f"{path}:1: every line ends in a blank and a tag: put a tab between word and tag"


def test_gold_in_some_rows_only_is_damage(tmp_path: Path) -> None:
    path = xcopa(tmp_path, 100)
    path.write_text(path.read_text().replace(', "label": 1', "", 1))
    finding = found(tmp_path, "xcopa")["xcopa", "validation", "sw"]
    assert finding.status == "damaged"
    assert "gold" in finding.problem or "label" in finding.problem


def test_parts_of_a_release_are_parts_and_not_damage(tmp_path: Path) -> None:
    row = '{"uid": "u", "context": "a", "hypothesis": "b", "label": "e"}'
    put(tmp_path, "anli/anli_v0.1/R1/dev.jsonl", [row])
    assert found(tmp_path, "anli")["anli", "validation", "en"] == SplitCheck(
        "anli", "validation", "en", "part", 1, 3200
    )


def test_a_fetched_file_that_changed_or_went_away_is_damage(tmp_path: Path) -> None:
    path = xcopa(tmp_path, 100)
    lock = load_lock(tmp_path)
    name = path.relative_to(tmp_path).as_posix()
    lock.files[name] = Locked("xcopa", "validation", "sw", "https://x", path.stat().st_size, sha256(path))
    write_json(tmp_path / LOCK, asdict(lock))
    assert found(tmp_path, "xcopa")["xcopa", "validation", "sw"].status == "there"
    path.write_text(path.read_text().replace('"b"', '"B"', 1))
    changed = found(tmp_path, "xcopa")["xcopa", "validation", "sw"]
    assert changed.status == "damaged"
    assert "its checksum differs" in changed.problem


@pytest.mark.parametrize(
    "text", ["[]", '{"format": 9}', '{"format": 1, "revisions": {}, "files": {"a": {}}}', "{", '{"format": 1}']
)
def test_a_damaged_lock_is_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text(text)
    with pytest.raises(DataError, match=LOCK):
        found(tmp_path, "xcopa")


def test_no_data_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the data folder does not exist"):
        found(tmp_path / "nothing", "xcopa")


def test_checking_and_fetching_need_no_torch() -> None:
    code = "import sys, xstilts.cli.data, xstilts.sources.fetch, huggingface_hub\n"
    code += "assert not {'torch', 'transformers'} & set(sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_the_usual_data_is_whole_by_the_manifest(data_dir: Path) -> None:
    names = ["xnli", "xquad", "panx", "tatoeba", "mlqa", "sib200", "masakhaner", "americasnli", "squad_shifts"]
    result = found(data_dir, *names)
    assert [f.problem for f in result.values() if f.status == "damaged"] == []
    assert result["xnli", "test", "de"].rows == 5010
    assert result["panx", "test", "yo"].status == "withheld"
    assert result["squad_shifts", "test", "en"].status == "part"


def test_copies_of_other_languages_or_splits_are_noted(tmp_path: Path) -> None:
    path = xcopa(tmp_path, 100)
    assert found(tmp_path, "xcopa")["xcopa", "validation", "sw"].note == ""
    twin = tmp_path / "xcopa/data/it/val.it.jsonl"
    twin.parent.mkdir()
    twin.write_bytes(path.read_bytes())
    notes = [finding.note for finding in found(tmp_path, "xcopa").values() if finding.note]
    assert notes == [f"{path} has the same content as {twin} (validation, it): is one of them in the wrong place?"]


def test_two_equal_sides_are_noted(tmp_path: Path) -> None:
    for side, lines in (("deu", ["ja", "nein"]), ("eng", ["yes", "no"])):
        path = put(tmp_path, f"tatoeba/v1/tatoeba.deu-eng.{side}", lines)
    assert found(tmp_path, "tatoeba")["tatoeba", "test", "de"].note == ""
    put(tmp_path, "tatoeba/v1/tatoeba.deu-eng.deu", ["yes", "no"])
    assert "both sides of all pairs are the same text" in found(tmp_path, "tatoeba")["tatoeba", "test", "de"].note
    assert path.is_file()
