"""Official means in a report: shown with their coverage, and only where a target belongs to a benchmark."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_helpers import ABOUT, QUICK, experiment

from xstilts.core.scores import Benchmark
from xstilts.reports import analyse
from xstilts.reports.contents import contents
from xstilts.reports.html import page
from xstilts.reports.markdown import report
from xstilts.reports.tables import official_table
from xstilts.stats.benchmarks import averages

SMALL = Benchmark(
    "small", "SMALL", {"topics": ("en", "aa", "zz"), "pairs": ("en",), "tags": ("en",)}, {"all": ("topics", "pairs")}
)
PAIRS = Benchmark("pairs", "PAIRS", {"pairs": ("en", "aa", "bb")}, {})


def analysis(benchmark: Benchmark, **aside: str):
    table = experiment()
    return analyse(table, replace(ABOUT, averages=averages(table, benchmark, aside)), QUICK)


def test_a_partial_mean_says_what_it_lacks() -> None:
    table = official_table(analysis(SMALL))
    assert table is not None
    assert [column.label for column in table.head] == ["recipe", "topics", "pairs", "mean"]
    assert table.head[-1].detail == "of the measured part of SMALL"
    assert table.rows[0].label == "[] (Small encoder)"
    assert [cell.detail for cell in table.rows[0].cells] == ["2/3", "1/1", "2/3"]
    assert table.notes == (
        "topics: 2/3 languages, missing zz",
        "mean: 2/3 tasks, missing tags; not all languages of topics (2/3)",
    )


def test_a_complete_mean_carries_the_name_and_is_in_page_and_markdown() -> None:
    found = analysis(PAIRS)
    table = official_table(found)
    assert table is not None
    assert (table.head[-1].label, table.notes) == ("PAIRS", ())
    own, overall = table.rows[0].cells
    values = [score.value for score in found.table.targets().where(task="pairs", recipe="[]", backbone="small").scores]
    assert overall.value == own.value == pytest.approx(sum(values) / len(values))
    assert "## Official means" in report(contents(found))
    assert '<h2 id="official">' in page(contents(found), {})


def test_without_a_benchmark_there_is_no_such_section() -> None:
    for found in (analyse(experiment(), ABOUT, QUICK), analysis(PAIRS, pairs="other data")):
        assert official_table(found) is None
        assert "Official means" not in report(contents(found))
        assert "Official means" not in page(contents(found), {})
