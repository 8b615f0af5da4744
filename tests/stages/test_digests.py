"""Digests of raw files: taken once, and again after any change; what keeps them may be damaged."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from xstilts.core.files import sha256
from xstilts.stages import checksums
from xstilts.stages.checksums import digest, remembered


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read, and no digest of before."""
    names: list[str] = []

    def counted(path: Path) -> str:
        names.append(path.name)
        return sha256(path)

    monkeypatch.setattr(checksums, "sha256", counted)
    monkeypatch.setattr(checksums, "_KNOWN", {})
    monkeypatch.setattr(checksums, "FRESH_SECONDS", -1.0)  # a test does not wait
    return names


def again(place: Path, file: Path) -> str:
    """As another process would: only what `place` keeps is known."""
    checksums._KNOWN.clear()
    with remembered(place / "checksums.json"):
        return digest(file)


def test_a_file_is_read_once_and_again_only_when_it_changed(tmp_path: Path, read: list[str]) -> None:
    file = tmp_path / "train.tsv"
    file.write_text("one")
    first = again(tmp_path, file)
    assert first == sha256(file)[:20]
    assert [again(tmp_path, file) for _ in range(3)] == [first] * 3
    assert read == ["train.tsv"], "was four times, once a call"
    state = file.stat()
    file.write_text("two")
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))  # as `rsync --times` does: same size, same time
    assert again(tmp_path, file) == sha256(file)[:20] != first


def test_a_file_that_was_just_written_is_read_again(
    tmp_path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checksums, "FRESH_SECONDS", 2.0)
    file = tmp_path / "train.tsv"
    file.write_text("one")
    assert again(tmp_path, file) == again(tmp_path, file)
    assert len(read) == 2
    monkeypatch.setattr(time, "time", lambda at=time.time: at() + 3)
    assert again(tmp_path, file) == again(tmp_path, file)
    assert len(read) == 3


@pytest.mark.parametrize("damage", ["", "[]\n", "cut", "flip", "\udcff"])
def test_damaged_digests_are_ignored_and_replaced(tmp_path: Path, read: list[str], damage: str) -> None:
    file, kept = tmp_path / "train.tsv", tmp_path / "checksums.json"
    file.write_text("one")
    first = again(tmp_path, file)
    text = kept.read_text()
    value = json.loads(text)["files"][str(file)][1]
    other = value[:-1] + ("1" if value[-1] == "0" else "0")
    changed = {"cut": text[:-5], "flip": text.replace(value, other)}.get(damage, damage)
    kept.write_text(changed, errors="surrogateescape")
    assert again(tmp_path, file) == first
    assert len(read) == 2
    assert kept.read_text() == text


def test_nothing_is_written_where_there_is_no_store(tmp_path: Path, read: list[str]) -> None:
    file = tmp_path / "train.tsv"
    file.write_text("one")
    again(tmp_path / "none", file)
    assert not (tmp_path / "none").exists()


def test_two_that_write_at_once_keep_the_digests_of_both(tmp_path: Path, read: list[str]) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    two.write_text("2")
    with remembered(tmp_path / "checksums.json"):
        digest(one)
        again(tmp_path, two)
        checksums._KNOWN.clear()
        digest(one)
    read.clear()
    again(tmp_path, one)
    again(tmp_path, two)
    assert read == []
