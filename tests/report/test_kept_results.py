"""The results kept in docs/ are read by this version, and the pages beside them are made of them."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    with tarfile.open(DOCS / "results/real.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.mark.parametrize(
    ("experiment", "kept"),
    [
        ("experiments/real.yaml", "results/real.md"),
        ("scale-real", "studies/scale-real.md"),
        ("objectives-real", "studies/objectives-real.md"),
        ("domain-real", "studies/domain-real.md"),
        ("experiments/translated-real.yaml", "studies/translated-real.md"),
    ],
)
def test_pages_are_made_of_the_kept_results(
    typed, store: Path, monkeypatch: pytest.MonkeyPatch, experiment: str, kept: str
) -> None:
    monkeypatch.delenv("XSTILTS_DATA", raising=False)
    monkeypatch.chdir(DOCS.parent)
    page = store / Path(kept).name
    code, _, err = typed("claims", experiment, "--store", store, "--to", page)
    assert (code, err) == (0, "")
    assert page.read_text(encoding="utf-8") == (DOCS / kept).read_text(encoding="utf-8"), "make pages"
