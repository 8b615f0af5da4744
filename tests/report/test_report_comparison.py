"""Experiments side by side: what is compared, what is marked, what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_helpers import QUICK, parsed
from report_samples import FIRST, side

from xstilts.core.errors import XstiltsError
from xstilts.reports import plain_comparison, write_contents
from xstilts.reports.comparison import SAME, Side, answers, compare, comparison_contents, comparison_tables
from xstilts.stats.table import Measured, Run, ScoreTable


def changed(one: Side, task: str, **fields: object) -> Side:
    """The same with other fields of the scores of a task."""
    rows = (
        Measured(replace(r.score, **fields) if r.score.task == task else r.score, r.examples) for r in one.table.rows
    )
    return one._replace(table=ScoreTable(tuple(rows)))


def test_the_same_recipes_are_compared_seed_by_seed_on_each_target():
    better = replace(FIRST, gains={"[]": 0.0, "[nli]": 20.0, "[qa]": 1.0})
    found = compare([side("one"), side("two", better, 2)], QUICK)
    nli, base = (Run("two: small", recipe) for recipe in ("[nli]", "[]"))
    pairs = {(pair.target, pair.run): one for pair, one in found.differences.items()}
    assert set(pairs) == {(target, run) for target in ("topics", "pairs") for run in (nli, base)}
    assert pairs["topics", nli].value == pytest.approx(15, abs=4)
    assert pairs["topics", nli].clear
    assert (pairs["topics", nli].low, pairs["topics", nli].seeds) != (None, ())
    assert not pairs["topics", base].clear
    assert found.marks == {}
    (said,) = answers(found)
    assert said.startswith(
        "two against one: of 4 pairs of recipe and target that can be compared, 2 clearly higher, 0 "
    )


def test_other_test_data_are_not_compared_and_have_their_own_majority_baseline():
    one, two = (side(name, seed=seed) for seed, name in enumerate(("one", "two")))
    one, two = (
        one._replace(table=ScoreTable(tuple(row._replace(source=name) for row in one.table.rows)))
        for one, name in ((one, "file"), (changed(two, "topics", majority=51.0), "other"))
    )
    found = compare([one, two], QUICK)
    assert found.differences == {}
    assert {mark.partition(" in ")[0] for mark in found.marks.values()} == {"other test data"}
    first, second = found.analysis.sections
    assert found.analysis.chance(second.backbone, "topics", "zero-shot") == 51.0
    assert found.analysis.chance(first.backbone, "topics", "zero-shot") != 51.0


def test_every_recipe_of_every_experiment_has_a_row_with_its_gain():
    found = compare([side("one"), side("two", replace(FIRST, gains={"[]": 0.0, "[qa]": 9.0}), 2)], QUICK)
    topics, _ = comparison_tables(found)
    assert topics.title == "topics"
    assert [(row.label, row.cells[0].text) for row in topics.rows] == [
        ("[]", "one: Small encoder"),
        ("[]", "two: Small encoder"),
        ("[nli]", "one: Small encoder"),
        ("[qa]", "two: Small encoder"),
    ]
    own = found.analysis.finding(Run("two: small", "[qa]"), found.analysis.sections[1], "topics", "zero-shot")
    assert topics.rows[3].cells[2].value == own.gain.value == pytest.approx(9, abs=4)
    assert [row.cells[3].text for row in topics.rows] == ["2 × 3"] * 4
    assert [row.cells[4].text for row in topics.rows if row.label != "[]"] == ["–", "–"]


@pytest.mark.parametrize(
    "fields, mark",
    [
        ({"n": 100}, "100 examples against 200"),
        ({"split": "validation"}, "split validation against test"),
        ({"metric": "f1"}, "metric f1 against accuracy"),
        ({"signature": "topics | aa | test | n=300 | script=other.py"}, "script other.py against none"),
        ({"signature": "topics | aa | test | checkpoint=oracle"}, "weights chosen on the target languages (oracle)"),
    ],
)
def test_targets_that_were_measured_in_other_ways_are_marked_and_not_compared(fields, mark):
    found = compare(
        [changed(side("one"), "topics", n=200), changed(side("two", seed=2), "topics", **{"n": 200, **fields})]
    )
    assert {pair.target for pair in found.differences} == {"pairs"}
    assert set(found.marks.values()) == {mark}
    topics, pairs = comparison_tables(found)
    assert f"not compared: two with one: {mark}" in topics.notes
    assert {row.cells[4].text for row in topics.rows} == {"–"}
    assert pairs.notes == ()
    assert answers(found)[0].endswith("; 2 pairs measured differently.")


def test_other_languages_and_other_examples_are_marked():
    fewer = side("two", replace(FIRST, languages=("en", "aa", "cc")), 2)
    assert set(compare([side("one"), fewer]).marks.values()) == {"without bb; also in cc"}
    others = replace(FIRST, own_examples=True)
    assert all(
        "measured with different examples" in m for m in compare([side("one"), side("two", others)]).marks.values()
    )


def test_stages_that_both_experiments_share_are_the_same_runs():
    one = side("one")
    found = compare([one, Side(one.table, replace(one.about, experiment="two"))])
    assert (found.differences, set(found.marks.values())) == ({}, {SAME})
    assert answers(found)[0].endswith("; 4 pairs of the same runs.")
    assert [row.cells[4].text for row in comparison_tables(found)[0].rows] == ["–", SAME, "–", SAME]


@pytest.mark.parametrize(
    "name, about, message",
    [
        ("one", {}, "two of the files are experiments called 'one': give one of them another `name:`"),
        ("two", {"source": "aa"}, "'one' and 'two' cannot be compared: their source languages are en and aa"),
        ("two", {"worlds": {1: 8}}, "'one' and 'two' cannot be compared: the same seeds stand for other"),
    ],
)
def test_experiments_that_cannot_be_compared_are_refused_in_one_line(name, about, message):
    with pytest.raises(XstiltsError, match=f"^{message}"):
        compare([side("one", worlds={1: 7}), side(name, **about)])
    with pytest.raises(XstiltsError, match=r"^the experiments have no target in common: topics, pairs against tags$"):
        compare([side("one"), side("two", replace(FIRST, tasks=("tags",)))])


def test_page_markdown_and_terminal_have_the_same_tables(tmp_path):
    found = compare([side("one"), side("two", seed=2), side("three", seed=3)], QUICK)
    write_contents(comparison_contents(found), tmp_path)
    html, markdown = (parsed((tmp_path / "index.html").read_text()).text, (tmp_path / "report.md").read_text())
    plain = plain_comparison(found, 100)
    assert max(map(len, plain.splitlines())) <= 100
    for table in comparison_tables(found):
        for row in table.rows:
            assert all(cell.marked in text for cell in row.cells for text in (html, markdown, plain))
            assert all(cell.detail in html for cell in row.cells)
            assert row.cells[4].detail in plain
    assert "name: one\n---\nname: two\n---\nname: three\n" in markdown
    assert (tmp_path / "differences.svg").exists()
    assert all(said in html for said in answers(found))
