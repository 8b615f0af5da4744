"""The benchmark of searches: the package's own code, its peak of memory, and a section of the page."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # `benchmarks` is a folder of the repository, not of the package

from benchmarks import search


@pytest.mark.parametrize("similarity", ["cosine", "margin"])
def test_a_search_is_measured_and_worked_out_for_all_queries(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, similarity: str
) -> None:
    page = tmp_path / "page.md"
    sizes = ["--candidates", "2000", "--queries", "500", "--measured", "100", "--size", "16"]
    search.main([*sizes, "--similarity", similarity, "--json", "--markdown", str(page)])
    row = json.loads(capsys.readouterr().out)
    assert row["peak_bytes"] > 2000 * 16 * 4
    assert row["seconds_all"] >= 5 * row["seconds_measured"] > 0
    assert f"<!-- search {similarity}: written by benchmarks.search -->" in page.read_text()
    assert "| 2,000 | 16 |" in page.read_text()


def test_no_more_queries_are_measured_than_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    search.main(["--candidates", "50", "--queries", "9", "--size", "8"])
    assert " 9 " in capsys.readouterr().out
